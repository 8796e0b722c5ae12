// The messages of S3's SOAP interface of 2006-03-01, which had this one version. One table: the WSDL, the reading of
// requests and the writing of answers follow from it.

/// Types and operations.
enum Schema {
    static let namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    /// Some clients leave the slash out.
    static let bareNamespace = "http://s3.amazonaws.com/doc/2006-03-01"

    /// An element of a type.
    struct Part: Sendable {
        var name: String
        /// A type of XML Schema, or one of `types`, `Grantee` or the enumerations.
        var type: String
        var least = 1
        /// nil for any number.
        var most: Int? = 1
        var isNillable = false

        init(_ name: String, _ type: String = "string", least: Int = 1, most: Int? = 1, isNillable: Bool = false) {
            self.name = name
            self.type = type
            self.least = least
            self.most = most
            self.isNillable = isNillable
        }

        static func optional(_ name: String, _ type: String = "string", most: Int? = 1) -> Part {
            Part(name, type, least: 0, most: most)
        }

        static let simple: Set<String> = ["string", "int", "long", "boolean", "dateTime", "base64Binary"]
        var isSimple: Bool { Self.simple.contains(type) || enumerations[type] != nil }
    }

    /// An operation with the elements of its request and its answer.
    struct Operation: Sendable {
        var name: String
        var request: [Part]
        var answer: [Part]
    }

    static let enumerations: [String: [String]] = [
        "Permission": ["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"],
        "StorageClass": ["STANDARD", "REDUCED_REDUNDANCY", "GLACIER", "UNKNOWN"],
        "MetadataDirective": ["COPY", "REPLACE"],
    ]

    static let types: [String: [Part]] = [
        "MetadataEntry": [Part("Name"), Part("Value")],
        "Status": [Part("Code", "int"), Part("Description")],
        "CanonicalUser": [Part("ID"), .optional("DisplayName")],
        "Grant": [Part("Grantee", "Grantee"), Part("Permission", "Permission")],
        "AccessControlList": [.optional("Grant", "Grant", most: 100)],
        "AccessControlPolicy": [Part("Owner", "CanonicalUser"), Part("AccessControlList", "AccessControlList")],
        "CreateBucketResult": [Part("BucketName")],
        "BucketLoggingStatus": [.optional("LoggingEnabled", "LoggingSettings")],
        "LoggingSettings": [
            Part("TargetBucket"), Part("TargetPrefix"), .optional("TargetGrants", "AccessControlList"),
        ],
        "GetObjectResult": [
            Part("Status", "Status"), .optional("Metadata", "MetadataEntry", most: nil),
            Part("Data", "base64Binary", isNillable: true), Part("LastModified", "dateTime"), Part("ETag"),
        ],
        "PutObjectResult": [Part("ETag"), Part("LastModified", "dateTime")],
        "CopyObjectResult": [Part("LastModified", "dateTime"), Part("ETag")],
        "ListEntry": [
            Part("Key"), Part("LastModified", "dateTime"), Part("ETag"), Part("Size", "long"),
            .optional("Owner", "CanonicalUser"), Part("StorageClass", "StorageClass"),
        ],
        "PrefixEntry": [Part("Prefix")],
        "ListBucketResult": [
            .optional("Metadata", "MetadataEntry", most: nil), Part("Name"), Part("Prefix"), Part("Marker"),
            .optional("NextMarker"), Part("MaxKeys", "int"), .optional("Delimiter"), Part("IsTruncated", "boolean"),
            .optional("Contents", "ListEntry", most: nil), .optional("CommonPrefixes", "PrefixEntry", most: nil),
        ],
        "ListAllMyBucketsEntry": [Part("Name"), Part("CreationDate", "dateTime")],
        "ListAllMyBucketsList": [.optional("Bucket", "ListAllMyBucketsEntry", most: nil)],
        "ListAllMyBucketsResult": [Part("Owner", "CanonicalUser"), Part("Buckets", "ListAllMyBucketsList")],
    ]

    static let operations = Dictionary(list.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// What every request has for its signature by access key.
    private static let key: [Part] = [
        .optional("AWSAccessKeyId"), .optional("Timestamp", "dateTime"), .optional("Signature"),
    ]
    private static let sender = key + [.optional("Credential")]
    private static let object = [Part("Bucket"), Part("Key")]
    private static let access = Part.optional("AccessControlList", "AccessControlList")
    private static let stored = [access, .optional("StorageClass", "StorageClass")]
    private static let wanted = [
        Part("GetMetadata", "boolean"), Part("GetData", "boolean"), Part("InlineData", "boolean"),
    ]

    private static func conditions(_ prefix: String) -> [Part] {
        [
            .optional(prefix + "IfModifiedSince", "dateTime"), .optional(prefix + "IfUnmodifiedSince", "dateTime"),
            .optional(prefix + "IfMatch", most: 100), .optional(prefix + "IfNoneMatch", most: 100),
        ]
    }

    static let list: [Operation] = [
        Operation(
            name: "ListAllMyBuckets", request: key,
            answer: [Part("ListAllMyBucketsResponse", "ListAllMyBucketsResult")]),
        Operation(
            name: "CreateBucket", request: [Part("Bucket"), access] + key,
            answer: [Part("CreateBucketReturn", "CreateBucketResult")]),
        Operation(
            name: "DeleteBucket", request: [Part("Bucket")] + sender,
            answer: [Part("DeleteBucketResponse", "Status")]),
        Operation(
            name: "ListBucket",
            request: [
                Part("Bucket"), .optional("Prefix"), .optional("Marker"), .optional("MaxKeys", "int"),
                .optional("Delimiter"),
            ] + sender, answer: [Part("ListBucketResponse", "ListBucketResult")]),
        Operation(
            name: "GetBucketAccessControlPolicy", request: [Part("Bucket")] + sender,
            answer: [Part("GetBucketAccessControlPolicyResponse", "AccessControlPolicy")]),
        Operation(name: "SetBucketAccessControlPolicy", request: [Part("Bucket"), access] + sender, answer: []),
        Operation(
            name: "GetBucketLoggingStatus", request: [Part("Bucket")] + sender,
            answer: [Part("GetBucketLoggingStatusResponse", "BucketLoggingStatus")]),
        Operation(
            name: "SetBucketLoggingStatus",
            request: [Part("Bucket")] + sender + [Part("BucketLoggingStatus", "BucketLoggingStatus")], answer: []),
        Operation(
            name: "GetObject", request: object + wanted + sender,
            answer: [Part("GetObjectResponse", "GetObjectResult")]),
        Operation(
            name: "GetObjectExtended",
            request: object + wanted + [.optional("ByteRangeStart", "long"), .optional("ByteRangeEnd", "long")]
                + conditions("") + [.optional("ReturnCompleteObjectOnConditionFailure", "boolean")] + sender,
            answer: [Part("GetObjectResponse", "GetObjectResult")]),
        Operation(
            name: "PutObjectInline",
            request: object + [
                .optional("Metadata", "MetadataEntry", most: 100), Part("Data", "base64Binary"),
                Part("ContentLength", "long"),
            ] + stored + sender, answer: [Part("PutObjectInlineResponse", "PutObjectResult")]),
        Operation(
            name: "CopyObject",
            request: [
                Part("SourceBucket"), Part("SourceKey"), Part("DestinationBucket"), Part("DestinationKey"),
                .optional("MetadataDirective", "MetadataDirective"), .optional("Metadata", "MetadataEntry", most: 100),
                access,
            ] + conditions("CopySource") + [.optional("StorageClass", "StorageClass")] + sender,
            answer: [Part("CopyObjectResult", "CopyObjectResult")]),
        Operation(
            name: "DeleteObject", request: object + sender, answer: [Part("DeleteObjectResponse", "Status")]),
        Operation(
            name: "GetObjectAccessControlPolicy", request: object + sender,
            answer: [Part("GetObjectAccessControlPolicyResponse", "AccessControlPolicy")]),
        Operation(
            name: "SetObjectAccessControlPolicy",
            request: object + [Part("AccessControlList", "AccessControlList")] + sender, answer: []),
    ]
}
