// Documents of a few elements: encryption, public access block, ownership, logging, payment, policy.

internal import AccessPolicy
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Walrus
internal import XML

extension S3Call {
    // MARK: Encryption

    func readEncryption(_ bytes: [UInt8]) throws -> String {
        let root = try parse(bytes, root: "ServerSideEncryptionConfiguration")
        let rules = root.children("Rule")
        guard rules.count == 1, let choice = rules[0].child("ApplyServerSideEncryptionByDefault"),
            let algorithm = text(choice, "SSEAlgorithm")
        else { throw S3Error.malformed("A ServerSideEncryptionConfiguration has one Rule with an SSEAlgorithm.") }
        guard algorithm == "AES256" else {
            if algorithm.hasPrefix("aws:kms") {
                throw S3Error(.notImplemented, "Keys of a key management service are not implemented; use AES256.")
            }
            throw S3Error.malformed("SSEAlgorithm is AES256.")
        }
        return algorithm
    }

    func writeEncryption(_ algorithm: String) -> Response {
        xml("ServerSideEncryptionConfiguration") { writer in
            writer.element("Rule") { writer in
                writer.element("ApplyServerSideEncryptionByDefault") { $0.element("SSEAlgorithm", algorithm) }
                writer.element("BucketKeyEnabled", false)
            }
        }
    }

    // MARK: Public access

    func readAccessBlock(_ bytes: [UInt8]) throws -> PublicAccessBlock {
        let root = try parse(bytes, root: "PublicAccessBlockConfiguration")
        guard !root.children.isEmpty else {
            throw S3Error(.invalidRequest, "Must specify at least one configuration.")
        }
        return PublicAccessBlock(
            blockACLs: try boolean(root, "BlockPublicAcls"), ignoreACLs: try boolean(root, "IgnorePublicAcls"),
            blockPolicy: try boolean(root, "BlockPublicPolicy"),
            restrictBuckets: try boolean(root, "RestrictPublicBuckets"))
    }

    func writeAccessBlock(_ block: PublicAccessBlock) -> Response {
        xml("PublicAccessBlockConfiguration") { writer in
            writer.element("BlockPublicAcls", block.blockACLs)
            writer.element("IgnorePublicAcls", block.ignoreACLs)
            writer.element("BlockPublicPolicy", block.blockPolicy)
            writer.element("RestrictPublicBuckets", block.restrictBuckets)
        }
    }

    func readOwnership(_ bytes: [UInt8]) throws -> ObjectOwnership {
        let root = try parse(bytes, root: "OwnershipControls")
        guard let name = root.child("Rule").flatMap({ text($0, "ObjectOwnership") }),
            let ownership = ObjectOwnership(rawValue: name)
        else { throw S3Error.malformed("OwnershipControls has a Rule with an ObjectOwnership.") }
        return ownership
    }

    func writeOwnership(_ ownership: ObjectOwnership) -> Response {
        xml("OwnershipControls") { writer in
            writer.element("Rule") { $0.element("ObjectOwnership", ownership.rawValue) }
        }
    }

    // MARK: Logging

    private func readTargetGrants(_ enabled: XMLElement, owner: String) async throws -> [Grant] {
        var grants: [Grant] = []
        for item in enabled.child("TargetGrants")?.children("Grant") ?? [] {
            guard let permission = text(item, "Permission").flatMap(Permission.init), let named = item.child("Grantee"),
                [.read, .write, .fullControl].contains(permission)
            else { throw S3Error.malformed("A Grant has a Grantee and READ, WRITE or FULL_CONTROL.") }
            let grant = Grant(try await grantee(named), permission)
            // That holds anyhow.
            if grant != Grant(.account(owner), .fullControl) { grants.append(grant) }
        }
        return grants
    }

    private func readPartition(_ enabled: XMLElement) throws -> LoggingConfiguration.Partition? {
        guard let format = enabled.child("TargetObjectKeyFormat") else { return nil }
        guard let partitioned = format.child("PartitionedPrefix") else {
            guard format.child("SimplePrefix") != nil else {
                throw S3Error.malformed("TargetObjectKeyFormat is a SimplePrefix or a PartitionedPrefix.")
            }
            return nil
        }
        guard let source = text(partitioned, "PartitionDateSource") else { return .delivery }
        guard let partition = LoggingConfiguration.Partition(rawValue: source) else {
            throw S3Error.malformed("PartitionDateSource is EventTime or DeliveryTime.")
        }
        return partition
    }

    func readLogging(_ bytes: [UInt8], _ state: BucketState) async throws -> LoggingConfiguration? {
        let root = try parse(bytes, root: "BucketLoggingStatus")
        guard let enabled = root.child("LoggingEnabled") else { return nil }
        guard let target = text(enabled, "TargetBucket"), let prefix = enabled.child("TargetPrefix")?.text else {
            throw S3Error.malformed("LoggingEnabled has a TargetBucket and a TargetPrefix.")
        }
        let invalid = S3Error(
            .invalidTargetBucketForLogging,
            "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group.",
            fields: [("TargetBucket", target)])
        do {
            guard try await walrus.state(target).record.owner == state.record.owner else { throw invalid }
        } catch ObjectStoreError.noSuchBucket {
            throw invalid
        }
        let grants = try await readTargetGrants(enabled, owner: state.record.owner)
        return LoggingConfiguration(
            bucket: target, prefix: prefix, grants: grants.isEmpty ? nil : grants,
            partition: try readPartition(enabled))
    }

    func writeLogging(_ logging: LoggingConfiguration?) async throws -> Response {
        try await names.learn(logging?.grants ?? [])
        return xml("BucketLoggingStatus") { writer in
            guard let logging else { return }
            writer.element("LoggingEnabled") { writer in
                writer.element("TargetBucket", logging.bucket)
                writer.element("TargetPrefix", logging.prefix)
                if let grants = logging.grants {
                    writer.element("TargetGrants") { writer in
                        for grant in grants { self.grant(&writer, grant) }
                    }
                }
                writer.element("TargetObjectKeyFormat") { writer in
                    guard let partition = logging.partition else {
                        writer.element("SimplePrefix", "")
                        return
                    }
                    writer.element("PartitionedPrefix") { $0.element("PartitionDateSource", partition.rawValue) }
                }
            }
        }
    }

    // MARK: Policy

    func getPolicy(_ bucket: String) async throws -> Response {
        let state = try await walrus.authorised(caller, .getBucketPolicy, bucket)
        guard let text = state.settings.policyText else {
            throw S3Error(
                .noSuchBucketPolicy, "The bucket policy does not exist", fields: [("BucketName", bucket)])
        }
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    func putPolicy(_ bucket: String) async throws -> Response {
        let bytes = try await document(limit: 20 << 10)
        let state = try await walrus.authorised(caller, .putBucketPolicy, bucket)
        let policy: Policy
        do throws(PolicyError) {
            policy = try Policy(bytes)
        } catch {
            throw S3Error(.malformedPolicy, error.message)
        }
        for statement in policy.statements {
            if statement.principals == .unnamed {
                throw S3Error(.malformedPolicy, "Missing required field Principal")
            }
            if case .allExcept = statement.principals, statement.effect == .allow {
                throw S3Error(.malformedPolicy, "Allow with NotPrincipal is not allowed.")
            }
            let whole = "arn:aws:s3:::" + bucket
            guard
                statement.resources.patterns.allSatisfy({
                    $0 == "*" || $0 == whole || $0.hasPrefix(whole + "/")
                        || PolicyPattern.matches(whole, $0) || PolicyPattern.matches(whole + "/x", $0)
                })
            else { throw S3Error(.malformedPolicy, "Policy has invalid resource") }
            guard statement.actions.patterns.allSatisfy({ $0 == "*" || $0.lowercased().hasPrefix("s3:") }) else {
                throw S3Error(.malformedPolicy, "Policy has invalid action")
            }
        }
        if state.settings.publicAccessBlock?.blockPolicy == true, policy.isPublic {
            throw S3Error(.accessDenied, "Access Denied")
        }
        let isConfirmed = request.header("x-amz-confirm-remove-self-bucket-access")?.lowercased() == "true"
        try await walrus.configure(
            caller, .putBucketPolicy, bucket: bucket,
            [
                .policy: String(decoding: bytes, as: UTF8.self),
                .selfDenied: isConfirmed ? try BucketSettings.encode(true) : nil,
            ])
        return noContent()
    }

    func getPolicyStatus(_ bucket: String) async throws -> Response {
        let settings = try await walrus.authorised(caller, .getBucketPolicyStatus, bucket).settings
        let isPublic = settings.policy?.isPublic ?? false
        let byList = settings.acl?.isPublic ?? false
        return xml("PolicyStatus") { $0.element("IsPublic", isPublic || byList) }
    }
}
