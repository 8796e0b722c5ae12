// Which operation a request is: decided once, from method, bucket, key, query and headers, before anything else.

internal import HTTPTypes
internal import Signatures

/// A setting of a bucket that has a document of its own, by the query parameter that names it.
enum BucketDocument: String, Sendable, CaseIterable {
    case acl, cors, encryption, lifecycle, location, logging, notification, policy, policyStatus
    case publicAccessBlock, requestPayment, tagging, versioning, website
    case objectLock = "object-lock"
    case ownershipControls

    /// The name in the API's operations.
    var name: String {
        switch self {
        case .acl: "Acl"
        case .cors: "Cors"
        case .encryption: "Encryption"
        case .lifecycle: "LifecycleConfiguration"
        case .location: "Location"
        case .logging: "Logging"
        case .notification: "NotificationConfiguration"
        case .policy: "Policy"
        case .policyStatus: "PolicyStatus"
        case .publicAccessBlock: "PublicAccessBlock"
        case .requestPayment: "RequestPayment"
        case .tagging: "Tagging"
        case .versioning: "Versioning"
        case .website: "Website"
        case .objectLock: "ObjectLockConfiguration"
        case .ownershipControls: "OwnershipControls"
        }
    }

    func allows(_ verb: DocumentVerb) -> Bool {
        switch self {
        case .location, .policyStatus: verb == .get
        case .acl, .logging, .notification, .requestPayment, .versioning, .objectLock: verb != .delete
        case .cors, .encryption, .lifecycle, .policy, .publicAccessBlock, .tagging, .website, .ownershipControls: true
        }
    }
}

/// The same of an object.
enum ObjectDocument: String, Sendable, CaseIterable {
    case acl, attributes, retention, tagging
    case legalHold = "legal-hold"

    var name: String {
        switch self {
        case .acl: "Acl"
        case .attributes: "Attributes"
        case .retention: "Retention"
        case .tagging: "Tagging"
        case .legalHold: "LegalHold"
        }
    }

    func allows(_ verb: DocumentVerb) -> Bool {
        switch self {
        case .attributes: verb == .get
        case .acl, .retention, .legalHold: verb != .delete
        case .tagging: true
        }
    }
}

/// What is done with a document.
enum DocumentVerb: String, Sendable {
    case get = "Get"
    case put = "Put"
    case delete = "Delete"

    init?(method: String) {
        switch method {
        case "GET": self = .get
        case "PUT": self = .put
        case "DELETE": self = .delete
        default: return nil
        }
    }
}

/// The operations that are served.
enum S3Operation: Sendable, Equatable {
    case listBuckets
    case createBucket(String)
    case headBucket(String)
    case deleteBucket(String)
    case bucketDocument(DocumentVerb, BucketDocument, String)
    case listObjects(String)
    case listObjectsV2(String)
    case listObjectVersions(String)
    case listUploads(String)
    case deleteObjects(String)
    case postObject(String)
    case objectDocument(DocumentVerb, ObjectDocument, String, String)
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
    case preflight
    case getPlaces
    case putPlaces

    /// The API's name, for the log.
    var name: String {
        switch self {
        case .listBuckets: "ListBuckets"
        case .createBucket: "CreateBucket"
        case .headBucket: "HeadBucket"
        case .deleteBucket: "DeleteBucket"
        case .bucketDocument(let verb, let document, _): verb.rawValue + "Bucket" + document.name
        case .listObjects: "ListObjects"
        case .listObjectsV2: "ListObjectsV2"
        case .listObjectVersions: "ListObjectVersions"
        case .listUploads: "ListMultipartUploads"
        case .deleteObjects: "DeleteObjects"
        case .postObject: "PostObject"
        case .objectDocument(let verb, let document, _, _): verb.rawValue + "Object" + document.name
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
        case .preflight: "Preflight"
        case .getPlaces: "GetPlaces"
        case .putPlaces: "PutPlaces"
        }
    }

    /// Bytes of a body that an event loop may hash before its other connections notice: a fifth of a millisecond.
    private static let quickBody: Int64 = 64 << 10

    /// Whether it can be carried out on the connection's event loop. What reads or waits for the disk, or hashes large
    /// bodies, leaves the loop by itself; documents and listings take processor time, and so does taking chunks out of
    /// their framing and checking their signatures.
    func isQuick(_ request: S3Request, _ payload: VerifiedSignature.Payload) -> Bool {
        switch self {
        case .getObject, .headObject, .deleteObject, .headBucket: return true
        case .putObject, .uploadPart:
            if let length = request.header("content-length").flatMap({ Int64($0) }), length <= Self.quickBody {
                return true
            }
            switch payload {
            case .signedChunks, .unsignedChunksWithTrailer: return false
            case .sha256, .unsigned, .checked: return request.header("x-amz-decoded-content-length") == nil
            }
        default: return false
        }
    }

    /// Query parameters that select an operation of S3 which is not served, on buckets and on objects. Elsewhere they
    /// mean nothing.
    private static let otherBucketParameters: Set<String> = [
        "abac", "accelerate", "analytics", "intelligent-tiering", "inventory", "metadataConfiguration",
        "metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "replication", "session",
    ]
    private static let otherObjectParameters: Set<String> = [
        "annotation", "annotations", "encryption", "renameObject", "restore", "select", "torrent",
    ]

    /// Headers that ask for what is not there. To leave one out silently would be a false success.
    private static func checkHeaders(_ request: S3Request) throws {
        for field in request.headers {
            let name = field.name.canonicalName
            guard name.hasPrefix("x-amz-") else { continue }
            let refused =
                switch name {
                case S3Header.storageClass: try isOther(storageClass: field.value)
                case "x-amz-mfa", "x-amz-write-offset-bytes": true
                default: false
                }
            if refused {
                throw S3Error(
                    .notImplemented, "A header you provided implies functionality that is not implemented.",
                    fields: [("Header", name), ("additionalMessage", field.value)])
            }
        }
    }

    /// Whether a storage class is one of S3's that is not there. Those whose objects can be read at once differ in
    /// price alone; the others would need a restoration first, or hardware of their own.
    private static func isOther(storageClass name: String) throws -> Bool {
        switch name {
        case "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR": false
        case "GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE": true
        default: throw S3Error(.invalidStorageClass, "The storage class you specified is not valid")
        }
    }

    static func parse(_ request: S3Request) throws -> S3Operation {
        if request.method == "OPTIONS" { return .preflight }
        try checkHeaders(request)
        let others = request.key == nil ? otherBucketParameters : otherObjectParameters
        for (name, _) in request.query where request.bucket != nil && others.contains(name) {
            throw S3Error(
                .notImplemented, "A parameter you provided implies functionality that is not implemented: \(name)",
                fields: [("Parameter", name)])
        }
        guard let operation = try select(request) else {
            throw S3Error(
                .methodNotAllowed, "The specified method is not allowed against this resource.",
                fields: [("Method", request.method)])
        }
        return operation
    }

    private static func has(_ request: S3Request, _ name: String) -> Bool { request[name] != nil }

    private static func select(_ request: S3Request) throws -> S3Operation? {
        guard let bucket = request.bucket else {
            let isPlaces = has(request, S3Call.placesParameter)
            switch request.method {
            case "GET": return isPlaces ? .getPlaces : .listBuckets
            case "PUT": return isPlaces ? .putPlaces : nil
            default: return nil
            }
        }
        guard let key = request.key else { return bucketOperation(request, bucket) }
        for document in ObjectDocument.allCases where has(request, document.rawValue) {
            guard let verb = DocumentVerb(method: request.method), document.allows(verb) else { return nil }
            return .objectDocument(verb, document, bucket, key)
        }
        switch request.method {
        case "GET": return has(request, "uploadId") ? .listParts(bucket, key) : .getObject(bucket, key)
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

    private static func bucketOperation(_ request: S3Request, _ bucket: String) -> S3Operation? {
        for document in BucketDocument.allCases where has(request, document.rawValue) {
            guard let verb = DocumentVerb(method: request.method), document.allows(verb) else { return nil }
            return .bucketDocument(verb, document, bucket)
        }
        switch request.method {
        case "GET":
            if has(request, "uploads") { return .listUploads(bucket) }
            if has(request, "versions") { return .listObjectVersions(bucket) }
            return request["list-type"] == "2" ? .listObjectsV2(bucket) : .listObjects(bucket)
        case "HEAD": return .headBucket(bucket)
        case "PUT": return .createBucket(bucket)
        case "DELETE": return .deleteBucket(bucket)
        case "POST": return has(request, "delete") ? .deleteObjects(bucket) : .postObject(bucket)
        default: return nil
        }
    }
}
