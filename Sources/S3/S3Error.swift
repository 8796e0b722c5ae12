// Errors as S3 writes them ("Error responses" of the S3 API Reference). Mapping is the last step: everything below
// throws its own vocabulary.

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

/// A refusal: code, text and status.
struct S3Error: Error, Sendable {
    enum Code: String, Sendable {
        case accessDenied = "AccessDenied"
        case authorizationHeaderMalformed = "AuthorizationHeaderMalformed"
        case authorizationQueryParametersError = "AuthorizationQueryParametersError"
        case badDigest = "BadDigest"
        case badRequest = "BadRequest"
        case bucketAlreadyExists = "BucketAlreadyExists"
        case bucketAlreadyOwnedByYou = "BucketAlreadyOwnedByYou"
        case bucketNotEmpty = "BucketNotEmpty"
        case entityTooLarge = "EntityTooLarge"
        case entityTooSmall = "EntityTooSmall"
        case incompleteBody = "IncompleteBody"
        case internalError = "InternalError"
        case invalidAccessKeyId = "InvalidAccessKeyId"
        case invalidToken = "InvalidToken"
        case expiredToken = "ExpiredToken"
        case invalidArgument = "InvalidArgument"
        case invalidBucketName = "InvalidBucketName"
        case invalidDigest = "InvalidDigest"
        case invalidLocationConstraint = "InvalidLocationConstraint"
        case invalidPart = "InvalidPart"
        case invalidPartOrder = "InvalidPartOrder"
        case invalidRange = "InvalidRange"
        case invalidRequest = "InvalidRequest"
        case invalidURI = "InvalidURI"
        case keyTooLong = "KeyTooLongError"
        case malformedXML = "MalformedXML"
        case metadataTooLarge = "MetadataTooLarge"
        case methodNotAllowed = "MethodNotAllowed"
        case missingContentLength = "MissingContentLength"
        case noSuchBucket = "NoSuchBucket"
        case noSuchKey = "NoSuchKey"
        case noSuchUpload = "NoSuchUpload"
        case notImplemented = "NotImplemented"
        case preconditionFailed = "PreconditionFailed"
        case quotaExceeded = "QuotaExceeded"
        case requestTimeTooSkewed = "RequestTimeTooSkewed"
        case serviceUnavailable = "ServiceUnavailable"
        case accessControlListNotSupported = "AccessControlListNotSupported"
        case illegalVersioningConfigurationException = "IllegalVersioningConfigurationException"
        case invalidAccessPoint = "InvalidAccessPoint"
        case invalidBucketAclWithObjectOwnership = "InvalidBucketAclWithObjectOwnership"
        case invalidBucketState = "InvalidBucketState"
        case invalidEncryptionAlgorithmError = "InvalidEncryptionAlgorithmError"
        case invalidPolicyDocument = "InvalidPolicyDocument"
        case invalidRetentionPeriod = "InvalidRetentionPeriod"
        case invalidStorageClass = "InvalidStorageClass"
        case invalidTag = "InvalidTag"
        case invalidTargetBucketForLogging = "InvalidTargetBucketForLogging"
        case malformedACLError = "MalformedACLError"
        case malformedPOSTRequest = "MalformedPOSTRequest"
        case malformedPolicy = "MalformedPolicy"
        case malformedTrailerError = "MalformedTrailerError"
        case noSuchBucketPolicy = "NoSuchBucketPolicy"
        case noSuchCORSConfiguration = "NoSuchCORSConfiguration"
        case noSuchLifecycleConfiguration = "NoSuchLifecycleConfiguration"
        case noSuchObjectLockConfiguration = "NoSuchObjectLockConfiguration"
        case noSuchPublicAccessBlockConfiguration = "NoSuchPublicAccessBlockConfiguration"
        case noSuchTagSet = "NoSuchTagSet"
        case noSuchVersion = "NoSuchVersion"
        case noSuchWebsiteConfiguration = "NoSuchWebsiteConfiguration"
        case objectLockConfigurationNotFoundError = "ObjectLockConfigurationNotFoundError"
        case ownershipControlsNotFoundError = "OwnershipControlsNotFoundError"
        case serverSideEncryptionConfigurationNotFoundError = "ServerSideEncryptionConfigurationNotFoundError"
        case unresolvableGrantByEmailAddress = "UnresolvableGrantByEmailAddress"
        case accessForbidden = "AccessForbidden"
        case missingRequestBodyError = "MissingRequestBodyError"
        case missingSecurityHeader = "MissingSecurityHeader"
        case unexpectedContent = "UnexpectedContent"
        case signatureDoesNotMatch = "SignatureDoesNotMatch"
        case tooManyBuckets = "TooManyBuckets"
        case contentSHA256Mismatch = "XAmzContentSHA256Mismatch"

        var status: Int {
            switch self {
            case .accessDenied, .accessForbidden, .authorizationQueryParametersError, .invalidAccessKeyId,
                .quotaExceeded,
                .requestTimeTooSkewed, .signatureDoesNotMatch:
                403
            case .noSuchBucket, .noSuchKey, .noSuchUpload, .noSuchVersion, .noSuchBucketPolicy,
                .noSuchCORSConfiguration, .noSuchLifecycleConfiguration, .noSuchObjectLockConfiguration,
                .noSuchPublicAccessBlockConfiguration, .noSuchTagSet, .noSuchWebsiteConfiguration,
                .objectLockConfigurationNotFoundError, .ownershipControlsNotFoundError,
                .serverSideEncryptionConfigurationNotFoundError:
                404
            case .methodNotAllowed: 405
            case .bucketAlreadyExists, .bucketAlreadyOwnedByYou, .bucketNotEmpty, .invalidBucketState: 409
            case .missingContentLength: 411
            case .preconditionFailed: 412
            case .invalidRange: 416
            case .internalError: 500
            case .notImplemented: 501
            case .serviceUnavailable: 503
            default: 400
            }
        }
    }

    let code: Code
    let message: String
    /// Further elements, as S3 adds them to some errors.
    var fields: [(name: String, value: String)]
    /// Headers of the answer.
    var headers: [(name: String, value: String)] = []
    /// For the log; may hold what the caller shall not see.
    let detail: String

    var status: Int { code.status }

    /// A document that is well-formed and yet wrong.
    static func malformed(_ what: String) -> S3Error {
        S3Error(
            .malformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema: " + what)
    }

    /// An argument that cannot be.
    static func argument(_ name: String, _ value: String, _ message: String) -> S3Error {
        S3Error(.invalidArgument, message, fields: [("ArgumentName", name), ("ArgumentValue", value)])
    }

    init(_ code: Code, _ message: String, fields: [(name: String, value: String)] = [], detail: String? = nil) {
        self.code = code
        self.message = message
        self.fields = fields
        self.detail = detail ?? message
    }

    /// Any error as S3 says it.
    init(_ error: any Error) {
        switch error {
        case let error as S3Error: self = error
        case let error as SignatureError: self.init(signature: error)
        case let error as WalrusError: self.init(walrus: error)
        case let error as ObjectStoreError: self.init(store: error)
        default:
            self.init(
                .internalError, "We encountered an internal error. Please try again.", detail: String(describing: error)
            )
        }
    }

    private init(signature error: SignatureError) {
        var fields: [(name: String, value: String)] = []
        switch error {
        case .mismatch(let stringToSign, let canonicalRequest):
            fields.append(("StringToSign", stringToSign))
            if !canonicalRequest.isEmpty { fields.append(("CanonicalRequest", canonicalRequest)) }
        case .unsignedHeader(let name): fields.append(("HeadersNotSigned", name))
        case .expired(let at, let now):
            fields.append(("Expires", Timestamp.extended(at)))
            fields.append(("ServerTime", Timestamp.extended(now)))
            self.init(.accessDenied, "Request has expired", fields: fields)
            return
        case .skewed(let time, let now, let allowed):
            fields.append(("RequestTime", Timestamp.basic(time)))
            fields.append(("ServerTime", Timestamp.extended(now)))
            fields.append(("MaxAllowedSkewMilliseconds", String(allowed * 1000)))
        default: break
        }
        self.init(Code(rawValue: error.s3Code) ?? .accessDenied, error.message, fields: fields)
    }

    private init(walrus error: WalrusError) {
        switch error {
        case .accessDenied: self.init(.accessDenied, "Access Denied")
        case .bucketTaken:
            self.init(
                .bucketAlreadyExists,
                "The requested bucket name is not available. The bucket namespace is shared by all users of the "
                    + "system. Please select a different name and try again.")
        case .bucketOwned:
            self.init(
                .bucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it.")
        case .invalidBucketName(let rule): self.init(.invalidBucketName, "The specified bucket is not valid. " + rule)
        case .keyTooLong(let bytes):
            self.init(
                .keyTooLong, "Your key is too long", fields: [("Size", String(bytes)), ("MaxSizeAllowed", "1024")])
        case .invalidKey(let rule): self.init(.invalidArgument, rule)
        case .tooLarge(let size, let maximum):
            self.init(
                .entityTooLarge, "Your proposed upload exceeds the maximum allowed size",
                fields: [("ProposedSize", String(size)), ("MaxSizeAllowed", String(maximum))])
        case .invalidPartNumber(let number):
            self.init(
                .invalidArgument, "Part number must be an integer between 1 and 10000, inclusive",
                fields: [("ArgumentName", "partNumber"), ("ArgumentValue", String(number))])
        case .noParts:
            self.init(
                .malformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema")
        case .quotaExceeded(let what): self.init(.quotaExceeded, what)
        case .policyQuota(let key, let limit):
            self.init(.quotaExceeded, "The request would exceed the quota \(key) of \(limit).")
        case .tooManyBuckets(let maximum):
            self.init(.tooManyBuckets, "You have attempted to create more buckets than allowed: \(maximum)")
        case .locked:
            self.init(.accessDenied, "Access Denied because object protected by object lock.")
        case .noObjectLock:
            self.init(.invalidRequest, "Bucket is missing Object Lock Configuration")
        case .lockNeedsVersioning:
            self.init(
                .invalidBucketState,
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
        case .aclsDisabled:
            self.init(.accessControlListNotSupported, "The bucket does not allow ACLs")
        case .invalidSetting(let code):
            self.init(Code(rawValue: code) ?? .invalidRequest, "Bucket cannot have ACLs set with this ObjectOwnership.")
        case .noRemoteStore:
            self.init(
                .invalidRequest,
                "This Walrus has no S3 store behind it. Set S3_ENDPOINT, S3_BUCKET and S3_CREDENTIALS in its configuration "
                    + "and start it again.")
        case .encryptionKeyNeeded:
            self.init(
                .invalidRequest,
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided "
                    + "to retrieve the object.")
        case .encryptionKeyWrong:
            self.init(
                .invalidArgument,
                "The calculated MD5 hash of the key did not match the hash that was provided when the object was stored."
            )
        case .encryptionKeyNotApplicable:
            self.init(
                .invalidRequest, "The encryption parameters are not applicable to this object.")
        case .copyOntoItself:
            self.init(
                .invalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                    + "object's metadata, storage class, website redirect location or encryption attributes.")
        }
    }

    private init(store error: ObjectStoreError) {
        switch error {
        case .noSuchBucket(let name):
            self.init(.noSuchBucket, "The specified bucket does not exist", fields: [("BucketName", name)])
        case .bucketExists: self.init(walrus: .bucketTaken)
        case .bucketNotEmpty(let name):
            self.init(.bucketNotEmpty, "The bucket you tried to delete is not empty", fields: [("BucketName", name)])
        case .noSuchKey(let key): self.init(.noSuchKey, "The specified key does not exist.", fields: [("Key", key)])
        case .noSuchVersion(let key, let version):
            self.init(
                .noSuchVersion, "The specified version does not exist.",
                fields: [("Key", key), ("VersionId", version)])
        case .isDeleteMarker(let key, let version, let isNamed, _) where !isNamed:
            self.init(.noSuchKey, "The specified key does not exist.", fields: [("Key", key)])
            headers = [("x-amz-delete-marker", "true"), ("x-amz-version-id", version)]
        case .isDeleteMarker(_, let version, _, _):
            self.init(
                .methodNotAllowed, "The specified method is not allowed against this resource.",
                fields: [("ResourceType", "DeleteMarker")])
            headers = [("x-amz-delete-marker", "true"), ("x-amz-version-id", version), ("allow", "DELETE")]
        case .contentMismatch(let text): self.init(.badDigest, text)
        case .sizeMismatch(let announced, let computed):
            self.init(
                .invalidRequest,
                "The provided 'x-amz-mp-object-size' header value \(announced) does not match what was computed: \(computed)"
            )
        case .undecipherable(let text):
            self.init(.internalError, "We encountered an internal error. Please try again.", detail: text)
        case .noSuchUpload(let id):
            self.init(
                .noSuchUpload,
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
                    + "aborted or completed.", fields: [("UploadId", id)])
        case .invalidPart(let number):
            self.init(
                .invalidPart,
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
                    + "specified entity tag may not match the part's entity tag.",
                fields: [("PartNumber", String(number))])
        case .invalidPartOrder:
            self.init(
                .invalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number.")
        case .partTooSmall(let number, let size, let minimum):
            self.init(
                .entityTooSmall, "Your proposed upload is smaller than the minimum allowed size",
                fields: [
                    ("ProposedSize", String(size)), ("MinSizeAllowed", String(minimum)),
                    ("PartNumber", String(number)),
                ])
        case .incompleteBody(let expected, let received):
            self.init(
                .incompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP header: "
                    + "\(expected) were announced, \(received) came.")
        case .preconditionFailed:
            self.init(.preconditionFailed, "At least one of the pre-conditions you specified did not hold")
        case .insufficientStorage(let needed, let free):
            self.init(
                .serviceUnavailable,
                "Insufficient storage: the object needs \(needed) bytes and \(free) are free. Delete objects, or ask "
                    + "the administrator for more space.")
        case .unavailable(let text):
            self.init(
                .serviceUnavailable, "The store behind this service is not available. Please try again.", detail: text)
        case .failed(let text):
            self.init(
                .internalError, "We encountered an internal error. Please try again.", detail: text)
        }
    }

    /// Adds what of the request the error is about, where the error itself does not know it.
    mutating func name(_ request: S3Request) {
        func add(_ name: String, _ value: String) {
            if !fields.contains(where: { $0.name == name }) { fields.insert((name: name, value: value), at: 0) }
        }
        switch code {
        case .preconditionFailed: add("Condition", Preconditions.named(request))
        case .methodNotAllowed: add("Method", request.method)
        case .noSuchKey where ["GET", "HEAD"].contains(request.method) && request.key != nil && headers.isEmpty:
            headers = [("x-amz-delete-marker", "false")]
        case .bucketAlreadyExists, .bucketAlreadyOwnedByYou, .noSuchCORSConfiguration, .noSuchTagSet,
            .noSuchLifecycleConfiguration, .noSuchWebsiteConfiguration, .noSuchPublicAccessBlockConfiguration,
            .serverSideEncryptionConfigurationNotFoundError, .objectLockConfigurationNotFoundError,
            .ownershipControlsNotFoundError:
            if let bucket = request.bucket { add("BucketName", bucket) }
        default: break
        }
    }

    func response(resource: String, requestID: String, isHead: Bool) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/xml"
        for header in self.headers { headers[text: header.name] = header.value }
        guard !isHead, status != 304 else {
            return Response(status: .init(code: status), headers: headers)
        }
        var writer = XMLWriter()
        writer.element("Error") { writer in
            writer.element("Code", code.rawValue)
            writer.element("Message", message)
            for field in fields { writer.element(field.name, field.value) }
            // S3 names what it is about once: by such an element, or by those of the error itself.
            if fields.isEmpty { writer.element("Resource", String(resource.prefix { $0 != "?" })) }
            writer.element("RequestId", requestID)
            writer.element("HostId", requestID)
        }
        return Response(
            status: .init(code: status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}
