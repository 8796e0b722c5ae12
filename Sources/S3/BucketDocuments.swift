// Settings of buckets: which document goes where. Each family reads and writes its own.

internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    func bucketDocument(_ verb: DocumentVerb, _ document: BucketDocument, _ bucket: String) async throws -> Response {
        switch verb {
        case .get: try await getBucketDocument(document, bucket)
        case .put: try await putBucketDocument(document, bucket)
        case .delete: try await deleteBucketDocument(document, bucket)
        }
    }

    private func getBucketDocument(_ document: BucketDocument, _ bucket: String) async throws -> Response {
        switch document {
        case .acl: return try await getBucketACL(bucket)
        case .location: return try await getBucketLocation(bucket)
        case .policyStatus: return try await getPolicyStatus(bucket)
        case .policy: return try await getPolicy(bucket)
        default: break
        }
        let (action, _) = Self.actions(document)
        let state = try await walrus.authorised(caller, action, bucket)
        let settings = state.settings
        switch document {
        case .versioning:
            return xml("VersioningConfiguration") {
                if state.record.versioning != .never { $0.element("Status", state.record.versioning.rawValue) }
            }
        case .cors: return writeCORS(try Self.required(settings.cors, .noSuchCORSConfiguration))
        case .tagging: return writeTags(try Self.required(settings.tags, .noSuchTagSet))
        case .lifecycle: return writeLifecycle(try Self.required(settings.lifecycle, .noSuchLifecycleConfiguration))
        case .logging: return try await writeLogging(settings.logging)
        case .website: return writeWebsite(try Self.required(settings.website, .noSuchWebsiteConfiguration))
        case .notification: return writeNotification(settings.notification ?? [])
        case .encryption:
            return writeEncryption(
                try Self.required(settings.encryption, .serverSideEncryptionConfigurationNotFoundError))
        case .objectLock:
            return writeObjectLock(try Self.required(settings.objectLock, .objectLockConfigurationNotFoundError))
        case .publicAccessBlock:
            return writeAccessBlock(
                try Self.required(settings.publicAccessBlock, .noSuchPublicAccessBlockConfiguration))
        case .ownershipControls:
            return writeOwnership(try Self.required(settings.ownership, .ownershipControlsNotFoundError))
        case .requestPayment:
            return xml("RequestPaymentConfiguration") {
                $0.element("Payer", settings.requestPayment ?? "BucketOwner")
            }
        case .acl, .location, .policyStatus, .policy:
            throw S3Error(.methodNotAllowed, "The specified method is not allowed against this resource.")
        }
    }

    private static func required<T>(_ value: T?, _ code: S3Error.Code) throws -> T {
        guard let value else {
            let message =
                switch code {
                case .noSuchCORSConfiguration: "The CORS configuration does not exist"
                case .noSuchTagSet: "The TagSet does not exist"
                case .noSuchLifecycleConfiguration: "The lifecycle configuration does not exist"
                case .noSuchWebsiteConfiguration: "The specified bucket does not have a website configuration"
                case .serverSideEncryptionConfigurationNotFoundError:
                    "The server side encryption configuration was not found"
                case .objectLockConfigurationNotFoundError: "Object Lock configuration does not exist for this bucket"
                case .noSuchPublicAccessBlockConfiguration: "The public access block configuration was not found"
                case .ownershipControlsNotFoundError: "The bucket ownership controls were not found"
                default: "The configuration does not exist."
                }
            throw S3Error(code, message)
        }
        return value
    }

    /// The actions that read and change a document.
    private static func actions(_ document: BucketDocument) -> (get: WalrusAction, put: WalrusAction) {
        switch document {
        case .acl: (.getBucketACL, .putBucketACL)
        case .cors: (.getBucketCORS, .putBucketCORS)
        case .encryption: (.getEncryptionConfiguration, .putEncryptionConfiguration)
        case .lifecycle: (.getLifecycleConfiguration, .putLifecycleConfiguration)
        case .location: (.getBucketLocation, .getBucketLocation)
        case .logging: (.getBucketLogging, .putBucketLogging)
        case .notification: (.getBucketNotification, .putBucketNotification)
        case .policy: (.getBucketPolicy, .putBucketPolicy)
        case .policyStatus: (.getBucketPolicyStatus, .getBucketPolicyStatus)
        case .publicAccessBlock: (.getBucketPublicAccessBlock, .putBucketPublicAccessBlock)
        case .requestPayment: (.getBucketRequestPayment, .putBucketRequestPayment)
        case .tagging: (.getBucketTagging, .putBucketTagging)
        case .versioning: (.getBucketVersioning, .putBucketVersioning)
        case .website: (.getBucketWebsite, .putBucketWebsite)
        case .objectLock: (.getBucketObjectLockConfiguration, .putBucketObjectLockConfiguration)
        case .ownershipControls: (.getBucketOwnershipControls, .putBucketOwnershipControls)
        }
    }

    private func putBucketDocument(_ document: BucketDocument, _ bucket: String) async throws -> Response {
        switch document {
        case .acl: return try await putBucketACL(bucket)
        case .policy: return try await putPolicy(bucket)
        default: break
        }
        let bytes = try await self.document()
        let (_, action) = Self.actions(document)
        // Who may not is told so before anything about his document.
        let state = try await walrus.authorised(caller, action, bucket)
        guard !bytes.isEmpty else { throw S3Error(.missingRequestBodyError, "Request Body is empty") }
        func set(_ setting: BucketSetting, _ value: some Encodable) async throws {
            try await walrus.configure(caller, action, bucket: bucket, [setting: try BucketSettings.encode(value)])
        }
        switch document {
        case .versioning:
            let root = try parse(bytes, root: "VersioningConfiguration")
            guard let text = root.child("Status")?.trimmedText, let versioning = VersioningState(rawValue: text),
                versioning != .never
            else {
                throw S3Error(
                    .illegalVersioningConfigurationException, "The Versioning element must be specified")
            }
            if root.child("MfaDelete")?.trimmedText == "Enabled" {
                throw S3Error(.notImplemented, "MFA delete is not implemented.")
            }
            try await walrus.putVersioning(caller, bucket: bucket, versioning)
        case .cors: try await set(.cors, try readCORS(bytes))
        case .tagging:
            let tags = try readTags(bytes, most: 50)
            try await walrus.configure(
                caller, action, bucket: bucket, [.tags: tags.isEmpty ? nil : try BucketSettings.encode(tags)])
        case .lifecycle: try await set(.lifecycle, try readLifecycle(bytes))
        case .logging:
            let logging = try await readLogging(bytes, state)
            try await walrus.configure(
                caller, action, bucket: bucket, [.logging: try logging.map { try BucketSettings.encode($0) }])
        case .website: try await set(.website, try readWebsite(bytes))
        case .notification: try await set(.notification, try readNotification(bytes))
        case .encryption: try await set(.encryption, try readEncryption(bytes))
        case .objectLock:
            let lock = try readObjectLock(bytes)
            guard state.settings.objectLock != nil || state.record.versioning == .enabled else {
                throw S3Error(
                    .invalidBucketState,
                    "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
            }
            try await set(.objectLock, lock)
        case .publicAccessBlock: try await set(.publicAccessBlock, try readAccessBlock(bytes))
        case .ownershipControls:
            let ownership = try readOwnership(bytes)
            if ownership == .enforced, let acl = state.settings.acl, acl != .owned(by: state.record.owner) {
                throw S3Error(
                    .invalidBucketAclWithObjectOwnership,
                    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
            }
            try await set(.ownership, ownership)
        case .requestPayment:
            let payer = try parse(bytes, root: "RequestPaymentConfiguration").child("Payer")?.trimmedText
            guard let payer, ["BucketOwner", "Requester"].contains(payer) else {
                throw S3Error.malformed("Payer is BucketOwner or Requester.")
            }
            try await set(.requestPayment, payer)
        case .acl, .policy, .location, .policyStatus:
            throw S3Error(.methodNotAllowed, "The specified method is not allowed against this resource.")
        }
        return document == .tagging ? noContent() : Response(status: .ok)
    }

    private func deleteBucketDocument(_ document: BucketDocument, _ bucket: String) async throws -> Response {
        let setting: BucketSetting? =
            switch document {
            case .cors: .cors
            case .encryption: .encryption
            case .lifecycle: .lifecycle
            case .policy: .policy
            case .publicAccessBlock: .publicAccessBlock
            case .tagging: .tags
            case .website: .website
            case .ownershipControls: .ownership
            default: nil
            }
        guard let setting else {
            throw S3Error(.methodNotAllowed, "The specified method is not allowed against this resource.")
        }
        let action: WalrusAction =
            switch document {
            case .policy: .deleteBucketPolicy
            case .website: .deleteBucketWebsite
            default: Self.actions(document).put
            }
        var change: [BucketSetting: String?] = [:]
        change.updateValue(nil, forKey: setting)
        if setting == .policy { change.updateValue(nil, forKey: .selfDenied) }
        try await walrus.configure(caller, action, bucket: bucket, change)
        return noContent()
    }

    /// What a browser sends: `CORSConfiguration`.
    func text(_ element: XMLElement, _ name: String) -> String? { element.child(name)?.trimmedText }

    func integer(_ element: XMLElement, _ name: String) throws -> Int? {
        guard let text = text(element, name) else { return nil }
        guard let number = Int(text) else { throw S3Error.malformed("\(name) is not a number.") }
        return number
    }

    func boolean(_ element: XMLElement, _ name: String) throws -> Bool {
        switch text(element, name)?.lowercased() {
        case nil, "false": return false
        case "true": return true
        case let other?: throw S3Error.malformed("\(name) is neither true nor false: \(other)")
        }
    }
}
