public import CloudModel
public import Contracts

/// What an administrator can set of a cloud controller. The defaults suit a cloud of any size.
public struct CloudConfiguration: Sendable {
    /// The region's name: clients compare it with names that they know, so one of EC2's is the safe choice.
    public var region = "us-east-1"
    /// Host and port of the public EC2 endpoint, as DescribeRegions tells it.
    public var endpoint = "localhost:8773"
    /// 12 digits for the administrator's account that the first start creates; nil for random ones.
    public var accountID: String?
    /// Name of that account.
    public var accountName = "admin"
    /// An access key for it, instead of a random one; for set-ups whose credentials come from elsewhere.
    public var accessKey: (id: String, secret: String)?
    /// The type of a request that names none.
    public var defaultInstanceType = InstanceType.defaultName
    /// Most instances of one account that are not terminated. Free slots are the real limit; this one is for sharing.
    public var instancesPerAccount = 50_000
    /// Most instances of one request: each is a record of the one commit that makes the request durable.
    public var instancesPerRequest = 2000
    /// How long terminated instances are shown, in seconds (EC2: about an hour).
    public var terminatedRetention: Int64 = 3600
    /// How long a client token is remembered, in seconds (EC2: at least 24 hours).
    public var tokenRetention: Int64 = 86_400
    /// How long an import of an image is listed after its end, in seconds.
    public var importRetention: Int64 = 7 * 86_400
    /// How long a forgotten instance is remembered as forgotten, in seconds, so that a node's late report does not
    /// bring it back.
    public var tombstoneRetention: Int64 = 7 * 86_400
    /// How long an instance for which there turns out to be no room is tried again, in seconds.
    public var placementTimeout: Int64 = 60
    /// How often reconcilers run when nothing wakes them, in milliseconds.
    public var reconcileInterval: Int64 = 5000
    /// How long a zone may keep a poll for changes open, in milliseconds (0 to 60000). The transport must allow more.
    public var pollWait = 20_000
    /// First and longest wait after a zone has not answered, in milliseconds.
    public var retryDelay: ClosedRange<Int64> = 200...5000
    /// How long the URLs that nodes fetch images from are good, in seconds.
    public var imageURLValidity = 6 * 3600
    /// How long the credentials that instances find in their metadata are good, in seconds; new ones are there when a
    /// sixth of that has passed (EC2: about six hours).
    public var instanceCredentialsValidity = 6 * 3600
    /// The blocks from which the zones give private addresses, by zone ("127.1.0.0/16"), as far as they are known: they
    /// are described as the subnets of the accounts' default VPCs.
    public var addressBlocks: [String: String] = [:]
    /// How instances are attached to the network.
    public var networkMode = Contract.NetworkMode.user
    /// Service level agreements; see `AllocationPolicy`.
    public var policy: any AllocationPolicy = UnrestrictedAllocation()
    /// Replaces the key that wraps the secrets in the store; nil if they are not wrapped.
    public var rotateSecrets: (@Sendable () async throws(CloudError) -> SecretsRotation)?
    /// The clock for everything that is recorded.
    public var now: @Sendable () -> Timestamp = { Timestamp.now }

    /// The defaults.
    public init() {}
}

/// An availability zone and how to reach its cluster controller.
public struct ZoneConnection: Sendable {
    /// Region and letter, such as "us-east-1a".
    public var name: String
    /// Where its cluster controller answers, for administrators.
    public var endpoint: String
    /// The client.
    public var service: any ClusterContract.AsyncService
    /// Makes a connection.
    public init(name: String, endpoint: String, service: any ClusterContract.AsyncService) {
        self.name = name
        self.endpoint = endpoint
        self.service = service
    }
}

/// An object that is to become an image.
public struct ImageObject: Sendable {
    /// Size in bytes.
    public var sizeBytes: Int64
    /// Lower-case hexadecimal SHA-256.
    public var sha256: String
    /// The first 64 KiB, or all if it is smaller.
    public var leading: [UInt8]
    /// Makes it.
    public init(sizeBytes: Int64, sha256: String, leading: [UInt8]) {
        self.sizeBytes = sizeBytes
        self.sha256 = sha256
        self.leading = leading
    }
}

/// What the manifest of a bundle says of the image in it.
public struct BundledImage: Hashable, Sendable {
    /// The image's name in the bundle, such as "disk.img".
    public var name: String
    /// i386 or x86_64; nil if the manifest says neither.
    public var architecture: String?
    /// What the image is.
    public var kind: Image.Kind
    /// Default kernel, as the manifest names it.
    public var kernelID: String?
    /// Default ramdisk, as the manifest names it.
    public var ramdiskID: String?
    /// Size of the image that was bundled, in bytes.
    public var sizeBytes: Int64
    /// Makes it.
    public init(
        name: String, architecture: String? = nil, kind: Image.Kind = .machine, kernelID: String? = nil,
        ramdiskID: String? = nil, sizeBytes: Int64
    ) {
        self.name = name
        self.architecture = architecture
        self.kind = kind
        self.kernelID = kernelID
        self.ramdiskID = ramdiskID
        self.sizeBytes = sizeBytes
    }
}

/// The image that was in a bundle.
public struct UnbundledImage: Sendable {
    /// Where it lies now, plain: "bucket/key" of an object that only the cloud itself reads and writes.
    public var location: String
    /// See `ImageObject`.
    public var object: ImageObject
    /// Makes it.
    public init(location: String, object: ImageObject) {
        self.location = location
        self.object = object
    }
}

/// Where images' bytes are; the composition connects it to Walrus.
public protocol ImageSource: Sendable {
    /// Reads the manifest of a bundle at `location` ("bucket/name.manifest.xml") with the caller's permissions, and
    /// checks what can be checked quickly: its form, its signature, that it was made for this cloud and that the parts
    /// are there.
    ///
    /// - Throws: `invalidValue` of ImageLocation for what is no such manifest; `unsupported` where there are no bundles.
    func bundle(manifest location: String, as caller: Caller) async throws(CloudError) -> BundledImage
    /// Puts the image of a bundle together: fetches, checks, decrypts and decompresses its parts, and keeps it as an
    /// object of the cloud's own. May take minutes; called again after a crash or `unavailable`, with the same result.
    ///
    /// - Parameter account: who registered the bundle, and whose `bundle(manifest:as:)` succeeded.
    func unbundle(manifest location: String, of account: String) async throws(CloudError) -> UnbundledImage
    /// Deletes an object that `unbundle` made, when no image needs it any more; one that is gone is fine.
    func discard(location: String) async throws(CloudError)
    /// A URL to which a node can PUT the copy of a disk under a name, for so many seconds. It grants access: it is never
    /// logged.
    func stagingURL(_ name: String, validFor seconds: Int) async throws(CloudError) -> String
    /// Makes a bundle of what a node has sent under the name `task.id`, and uploads it as the task says, by its policy.
    /// May take minutes; called again after a crash or a failure that is retryable, with a bundle that replaces the former.
    ///
    /// - Parameters:
    ///   - owner: who asked for it.
    ///   - progress: told after each part, with the parts that are uploaded and the per cent of the image; when it answers
    ///     false the rest is not wanted any more.
    func storeBundle(
        _ task: BundleTask, machine: BundledImage, as owner: Caller,
        progress: @escaping @Sendable (_ parts: Int, _ percent: Int) async -> Bool
    ) async throws(BundlingFailure)
    /// Deletes what a node has sent under a name, if it is there.
    func discardStaged(_ name: String) async throws(CloudError)
    /// Deletes the first parts of a bundle that was not completed.
    func discardParts(of task: BundleTask) async throws(CloudError)
    /// Looks at the object at `location` ("bucket/key") with the caller's permissions.
    func inspect(location: String, as caller: Caller) async throws(CloudError) -> ImageObject
    /// A URL with which a node can fetch the object for so many seconds. It grants access: it is never logged.
    func temporaryURL(location: String, validFor seconds: Int) async throws(CloudError) -> String
}

/// Why a bundle could not be made.
public enum BundlingFailure: Error, Sendable {
    /// It would fail again: the reason is for the task.
    case refused(BundleTask.Failure)
    /// It may be otherwise later.
    case later(CloudError)
    /// Nobody wants it any more.
    case unwanted
}

extension ImageSource {
    /// There are none.
    public func bundle(manifest location: String, as caller: Caller) async throws(CloudError) -> BundledImage {
        throw .unsupported(
            "\(location.prefix(128)) is the manifest of a bundle, and this cloud cannot open bundles; upload the disk "
                + "itself (raw or qcow2) and register that.")
    }

    /// See `bundle(manifest:as:)`.
    public func unbundle(manifest location: String, of account: String) async throws(CloudError) -> UnbundledImage {
        throw .unsupported("This cloud cannot open bundles.")
    }

    /// See the protocol.
    public func stagingURL(_ name: String, validFor seconds: Int) async throws(CloudError) -> String {
        throw .unsupported("This cloud cannot make bundles.")
    }

    /// See the protocol.
    public func storeBundle(
        _ task: BundleTask, machine: BundledImage, as owner: Caller,
        progress: @escaping @Sendable (_ parts: Int, _ percent: Int) async -> Bool
    ) async throws(BundlingFailure) {
        throw .refused(.init(code: "Client.UnsupportedOperation", message: "This cloud cannot make bundles."))
    }

    /// Nothing was sent.
    public func discardStaged(_ name: String) async throws(CloudError) {}

    /// Nothing was made.
    public func discardParts(of task: BundleTask) async throws(CloudError) {}

    /// Nothing was made.
    public func discard(location: String) async throws(CloudError) {}
}
