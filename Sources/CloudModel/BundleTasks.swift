/// The bundling of an instance's root disk, which goes on after the request was answered. EC2: BundleInstance.
///
///     pending ──▶ waitingForShutdown ──▶ bundling ──▶ storing ──▶ complete
///        └───────────────┴──────────────────┴────────────┼──────▶ failed
///                        any of these ──▶ cancelling ─────┘
public struct BundleTask: Hashable, Sendable, Codable {
    /// See the diagram.
    public enum State: String, Sendable, Codable {
        /// Its node does not know of it yet.
        case pending
        /// The guest is being shut down.
        case waitingForShutdown = "waiting-for-shutdown"
        /// The node copies the disk, and sends the copy.
        case bundling
        /// The cloud makes the bundle of the copy and uploads it.
        case storing
        /// Its owner has cancelled it; what there is of it is being removed.
        case cancelling
        /// The bundle is there.
        case complete
        /// It came to nothing.
        case failed

        /// Whether something is still to be done.
        public var isActive: Bool { self != .complete && self != .failed }
    }

    /// Why it failed.
    public struct Failure: Hashable, Sendable, Codable, Error {
        /// `Client.` or `Server.`, and what.
        public var code: String
        /// For the user: cause and cure.
        public var message: String
        /// Makes a failure.
        public init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    /// Its identifier.
    public var id: BundleTaskID
    /// Whose disk.
    public var instanceID: InstanceID
    /// Who asked for it.
    public var accountID: String
    /// See `accountID`; the bundle is encrypted for his certificate as well.
    public var userName: String
    /// The bucket that the bundle goes to.
    public var bucket: String
    /// What the names of its objects begin with.
    public var prefix: String
    /// Whose signature the policy has.
    public var accessKeyID: String
    /// The policy (Base64) that allows the uploads; empty when it is no longer needed.
    public var uploadPolicy: String
    /// The signature of the policy; empty when it is no longer needed.
    public var uploadPolicySignature: String
    /// See `State`.
    public var state: State
    /// Per cent of all the work.
    public var progress: Int
    /// Parts of the bundle that have been uploaded.
    public var parts: Int
    /// When it was asked for.
    public var startTime: Timestamp
    /// When it changed last.
    public var updateTime: Timestamp
    /// Why it failed.
    public var failure: Failure?
    /// The generation of the node's report with which it took the order: a later one that says nothing of the task is of
    /// a node controller that has lost it.
    public var acceptedGeneration: Int64?

    /// Makes a task that is to be done.
    public init(
        id: BundleTaskID, instanceID: InstanceID, of caller: Caller, _ request: BundleInstanceRequest, at now: Timestamp
    ) {
        self.id = id
        self.instanceID = instanceID
        accountID = caller.accountID
        userName = caller.userName
        bucket = request.bucket
        prefix = request.prefix
        accessKeyID = request.accessKeyID
        uploadPolicy = request.uploadPolicy
        uploadPolicySignature = request.uploadPolicySignature
        state = .pending
        progress = 0
        parts = 0
        startTime = now
        updateTime = now
    }

    /// The name of the manifest's object.
    public var manifest: String { prefix + ".manifest.xml" }

    /// Moves it on; what a later state does not need any more is forgotten.
    public mutating func move(to state: State, at now: Timestamp, failure: Failure? = nil) {
        self.state = state
        updateTime = now
        self.failure = failure
        if state == .complete { progress = 100 }
        if !state.isActive {
            uploadPolicy = ""
            uploadPolicySignature = ""
        }
    }
}

/// Bundle tasks: `bun-`.
public enum BundleTaskKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "bun"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.bundleTask
}
/// The identifier of a bundle task.
public typealias BundleTaskID = Identifier<BundleTaskKind>

extension BundleTask: FilterableResource {
    /// Tasks have none.
    public var filterableTags: [Tag] { [] }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (BundleTask) -> [String])? {
        switch name {
        case "bundle-id": return { [$0.id.value] }
        case "error-code": return { $0.failure.map { [$0.code] } ?? [] }
        case "error-message": return { $0.failure.map { [$0.message] } ?? [] }
        case "instance-id": return { [$0.instanceID.value] }
        case "progress": return { ["\($0.progress)%"] }
        case "s3-bucket": return { [$0.bucket] }
        case "s3-prefix": return { [$0.prefix] }
        case "start-time": return { [$0.startTime.iso8601] }
        case "state": return { [$0.state.rawValue] }
        case "update-time": return { [$0.updateTime.iso8601] }
        default: return nil
        }
    }
}

/// BundleInstance, in the cloud's own terms.
public struct BundleInstanceRequest: Hashable, Sendable {
    /// Whose disk, as the user wrote it.
    public var instanceID: String
    /// The bucket that the bundle goes to.
    public var bucket: String
    /// What the names of its objects begin with.
    public var prefix: String
    /// Whose signature the policy has.
    public var accessKeyID: String
    /// The policy (Base64), as it was signed.
    public var uploadPolicy: String
    /// Its signature: Base64 of HMAC-SHA1.
    public var uploadPolicySignature: String
    /// Only check.
    public var dryRun: Bool
    /// Makes a request.
    public init(
        instanceID: String, bucket: String, prefix: String, accessKeyID: String, uploadPolicy: String,
        uploadPolicySignature: String, dryRun: Bool = false
    ) {
        self.instanceID = instanceID
        self.bucket = bucket
        self.prefix = prefix
        self.accessKeyID = accessKeyID
        self.uploadPolicy = uploadPolicy
        self.uploadPolicySignature = uploadPolicySignature
        self.dryRun = dryRun
    }
}

/// Bundling of instances.
public protocol BundleBackend: Sendable {
    /// Records the task, which is then carried out. EC2: BundleInstance.
    func bundleInstance(_ request: BundleInstanceRequest, as caller: Caller) async throws(CloudError) -> BundleTask
    /// The caller's tasks, oldest first. EC2: DescribeBundleTasks.
    func describeBundleTasks(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> [BundleTask]
    /// Has a task cancelled; its node may take a moment. EC2: CancelBundleTask.
    func cancelBundleTask(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> BundleTask
}
