// Which operation a request is: decided once, from method, bucket, key, query and headers, before anything else.

internal import HTTPTypes

/// The operations that are served.
enum S3Operation: Sendable, Equatable {
    case listBuckets
    case createBucket(String)
    case headBucket(String)
    case deleteBucket(String)
    case getBucketLocation(String)
    case listObjects(String)
    case listObjectsV2(String)
    case listObjectVersions(String)
    case getBucketVersioning(String)
    case getBucketACL(String)
    case getObjectACL(String, String)
    case listUploads(String)
    case deleteObjects(String)
    case getObject(String, String)
    case headObject(String, String)
    case putObject(String, String)
    case copyObject(String, String)
    case deleteObject(String, String)
    case createUpload(String, String)
    case uploadPart(String, String)
    case uploadPartCopy(String, String)
    case completeUpload(String, String)
    case abortUpload(String, String)
    case listParts(String, String)

    /// The API's name, for the log.
    var name: String {
        switch self {
        case .listBuckets: "ListBuckets"
        case .createBucket: "CreateBucket"
        case .headBucket: "HeadBucket"
        case .deleteBucket: "DeleteBucket"
        case .getBucketLocation: "GetBucketLocation"
        case .listObjects: "ListObjects"
        case .listObjectsV2: "ListObjectsV2"
        case .listObjectVersions: "ListObjectVersions"
        case .getBucketVersioning: "GetBucketVersioning"
        case .getBucketACL: "GetBucketAcl"
        case .getObjectACL: "GetObjectAcl"
        case .listUploads: "ListMultipartUploads"
        case .deleteObjects: "DeleteObjects"
        case .getObject: "GetObject"
        case .headObject: "HeadObject"
        case .putObject: "PutObject"
        case .copyObject: "CopyObject"
        case .deleteObject: "DeleteObject"
        case .createUpload: "CreateMultipartUpload"
        case .uploadPart: "UploadPart"
        case .uploadPartCopy: "UploadPartCopy"
        case .completeUpload: "CompleteMultipartUpload"
        case .abortUpload: "AbortMultipartUpload"
        case .listParts: "ListParts"
        }
    }

    /// Query parameters that select an operation of S3 which is not served (yet).
    private static let otherSubresources: Set<String> = [
        "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
        "legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls",
        "partNumber", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore",
        "retention", "select", "tagging", "torrent", "versionId", "versioning", "versions", "website",
    ]

    /// Headers that ask for what is not there. To leave one out silently would be a false success.
    private static func checkHeaders(_ request: S3Request) throws {
        for field in request.headers {
            let name = field.name.canonicalName
            guard name.hasPrefix("x-amz-") else { continue }
            let refused =
                switch name {
                case "x-amz-acl": !["private", "bucket-owner-full-control", "bucket-owner-read"].contains(field.value)
                case "x-amz-storage-class": !["STANDARD", "REDUCED_REDUNDANCY"].contains(field.value)
                case "x-amz-tagging", "x-amz-website-redirect-location", "x-amz-mfa",
                    "x-amz-write-offset-bytes":
                    true
                case "x-amz-bucket-object-lock-enabled": field.value.lowercased() == "true"
                default:
                    [
                        "x-amz-server-side-encryption", "x-amz-copy-source-server-side-", "x-amz-object-lock-",
                        "x-amz-grant-",
                    ]
                    .contains { name.hasPrefix($0) }
                }
            if refused {
                throw S3Error(
                    .notImplemented, "A header you provided implies functionality that is not implemented.",
                    fields: [("Header", name), ("additionalMessage", field.value)])
            }
        }
    }

    static func parse(_ request: S3Request) throws -> S3Operation {
        try checkHeaders(request)
        let operation = try select(request)
        guard let operation else {
            throw S3Error(
                .methodNotAllowed, "The specified method is not allowed against this resource.",
                fields: [("Method", request.method)])
        }
        return operation
    }

    private static func has(_ request: S3Request, _ name: String) -> Bool { request[name] != nil }

    private static func select(_ request: S3Request) throws -> S3Operation? {
        let partOfUpload = has(request, "uploadId") && request.method == "PUT"
        for (name, value) in request.query where otherSubresources.contains(name) {
            if name == "partNumber", partOfUpload { continue }
            // What holds of a bucket that never had versions can be said.
            let isAnswered = name == "versions" || name == "versioning"
            if isAnswered, request.method == "GET", request.bucket != nil, request.key == nil { continue }
            if name == "acl", request.method == "GET", request.bucket != nil { continue }
            // Tools name the null version of objects that have no versions.
            if name == "versionId", value == "null" { continue }
            throw S3Error(
                .notImplemented, "A parameter you provided implies functionality that is not implemented: \(name)",
                fields: [("Parameter", name)])
        }
        guard let bucket = request.bucket else {
            return request.method == "GET" ? .listBuckets : nil
        }
        guard let key = request.key else { return try bucketOperation(request, bucket) }
        switch request.method {
        case "GET":
            if has(request, "acl") { return .getObjectACL(bucket, key) }
            return has(request, "uploadId") ? .listParts(bucket, key) : .getObject(bucket, key)
        case "HEAD": return .headObject(bucket, key)
        case "DELETE": return has(request, "uploadId") ? .abortUpload(bucket, key) : .deleteObject(bucket, key)
        case "PUT":
            let isCopy = request.header("x-amz-copy-source") != nil
            if has(request, "uploadId") { return isCopy ? .uploadPartCopy(bucket, key) : .uploadPart(bucket, key) }
            return isCopy ? .copyObject(bucket, key) : .putObject(bucket, key)
        case "POST":
            if has(request, "uploads") { return .createUpload(bucket, key) }
            return has(request, "uploadId") ? .completeUpload(bucket, key) : nil
        default: return nil
        }
    }

    private static func bucketOperation(_ request: S3Request, _ bucket: String) throws -> S3Operation? {
        switch request.method {
        case "GET":
            if has(request, "location") { return .getBucketLocation(bucket) }
            if has(request, "uploads") { return .listUploads(bucket) }
            if has(request, "versions") { return .listObjectVersions(bucket) }
            if has(request, "acl") { return .getBucketACL(bucket) }
            if has(request, "versioning") { return .getBucketVersioning(bucket) }
            return request["list-type"] == "2" ? .listObjectsV2(bucket) : .listObjects(bucket)
        case "HEAD": return .headBucket(bucket)
        case "PUT": return .createBucket(bucket)
        case "DELETE": return .deleteBucket(bucket)
        case "POST":
            if has(request, "delete") { return .deleteObjects(bucket) }
            // A browser's form upload.
            throw S3Error(.notImplemented, "Uploads by POST form are not implemented.")
        default: return nil
        }
    }
}
