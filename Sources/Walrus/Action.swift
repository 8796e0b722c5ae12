/// What can be done, by the names that policies use ("Actions, resources, and condition keys for Amazon S3").
public enum WalrusAction: String, Sendable, CaseIterable {
    case createBucket = "s3:CreateBucket"
    case deleteBucket = "s3:DeleteBucket"
    case listBucket = "s3:ListBucket"
    case listBucketVersions = "s3:ListBucketVersions"
    case listBucketMultipartUploads = "s3:ListBucketMultipartUploads"
    case getBucketLocation = "s3:GetBucketLocation"
    case getBucketACL = "s3:GetBucketAcl"
    case putBucketACL = "s3:PutBucketAcl"
    case getBucketVersioning = "s3:GetBucketVersioning"
    case putBucketVersioning = "s3:PutBucketVersioning"
    case getBucketPolicy = "s3:GetBucketPolicy"
    case putBucketPolicy = "s3:PutBucketPolicy"
    case deleteBucketPolicy = "s3:DeleteBucketPolicy"
    case getBucketPolicyStatus = "s3:GetBucketPolicyStatus"
    case getBucketCORS = "s3:GetBucketCORS"
    case putBucketCORS = "s3:PutBucketCORS"
    case getBucketTagging = "s3:GetBucketTagging"
    case putBucketTagging = "s3:PutBucketTagging"
    case getLifecycleConfiguration = "s3:GetLifecycleConfiguration"
    case putLifecycleConfiguration = "s3:PutLifecycleConfiguration"
    case getBucketLogging = "s3:GetBucketLogging"
    case putBucketLogging = "s3:PutBucketLogging"
    case getBucketWebsite = "s3:GetBucketWebsite"
    case putBucketWebsite = "s3:PutBucketWebsite"
    case deleteBucketWebsite = "s3:DeleteBucketWebsite"
    case getBucketNotification = "s3:GetBucketNotification"
    case putBucketNotification = "s3:PutBucketNotification"
    case getEncryptionConfiguration = "s3:GetEncryptionConfiguration"
    case putEncryptionConfiguration = "s3:PutEncryptionConfiguration"
    case getBucketObjectLockConfiguration = "s3:GetBucketObjectLockConfiguration"
    case putBucketObjectLockConfiguration = "s3:PutBucketObjectLockConfiguration"
    case getBucketPublicAccessBlock = "s3:GetBucketPublicAccessBlock"
    case putBucketPublicAccessBlock = "s3:PutBucketPublicAccessBlock"
    case getBucketOwnershipControls = "s3:GetBucketOwnershipControls"
    case putBucketOwnershipControls = "s3:PutBucketOwnershipControls"
    case getBucketRequestPayment = "s3:GetBucketRequestPayment"
    case putBucketRequestPayment = "s3:PutBucketRequestPayment"

    case getObject = "s3:GetObject"
    case getObjectVersion = "s3:GetObjectVersion"
    case getObjectACL = "s3:GetObjectAcl"
    case getObjectVersionACL = "s3:GetObjectVersionAcl"
    case putObjectACL = "s3:PutObjectAcl"
    case putObjectVersionACL = "s3:PutObjectVersionAcl"
    case getObjectTagging = "s3:GetObjectTagging"
    case getObjectVersionTagging = "s3:GetObjectVersionTagging"
    case putObjectTagging = "s3:PutObjectTagging"
    case putObjectVersionTagging = "s3:PutObjectVersionTagging"
    case deleteObjectTagging = "s3:DeleteObjectTagging"
    case deleteObjectVersionTagging = "s3:DeleteObjectVersionTagging"
    case getObjectRetention = "s3:GetObjectRetention"
    case putObjectRetention = "s3:PutObjectRetention"
    case bypassGovernanceRetention = "s3:BypassGovernanceRetention"
    case getObjectLegalHold = "s3:GetObjectLegalHold"
    case putObjectLegalHold = "s3:PutObjectLegalHold"
    case getObjectAttributes = "s3:GetObjectAttributes"
    case putObject = "s3:PutObject"
    case deleteObject = "s3:DeleteObject"
    case deleteObjectVersion = "s3:DeleteObjectVersion"
    case abortMultipartUpload = "s3:AbortMultipartUpload"
    case listMultipartUploadParts = "s3:ListMultipartUploadParts"

    /// The permission on the bucket's access control list that includes this ("Mapping of ACL permissions and access
    /// policy permissions" of the S3 User Guide).
    var bucketPermission: Permission? {
        switch self {
        case .listBucket, .listBucketVersions, .listBucketMultipartUploads: .read
        case .putObject, .deleteObject, .abortMultipartUpload, .listMultipartUploadParts: .write
        case .getBucketACL: .readACP
        case .putBucketACL: .writeACP
        default: nil
        }
    }

    /// The permission on the object's access control list that includes this.
    var objectPermission: Permission? {
        switch self {
        case .getObject, .getObjectVersion, .getObjectAttributes: .read
        case .getObjectACL, .getObjectVersionACL: .readACP
        case .putObjectACL, .putObjectVersionACL: .writeACP
        default: nil
        }
    }

    /// The same on a named version.
    func onVersion(_ version: String?) -> WalrusAction {
        guard version != nil else { return self }
        return switch self {
        case .getObject: .getObjectVersion
        case .getObjectACL: .getObjectVersionACL
        case .putObjectACL: .putObjectVersionACL
        case .getObjectTagging: .getObjectVersionTagging
        case .putObjectTagging: .putObjectVersionTagging
        case .deleteObjectTagging: .deleteObjectVersionTagging
        case .deleteObject: .deleteObjectVersion
        default: self
        }
    }
}
