// Walrus: the object service, named as in the original. One typed operation for each call of S3.
//
// Here: who may do what, valid names and sizes, quotas, ownership. Not here: HTTP, XML and signatures (S3), bytes and
// records (ObjectStore). It fails with `WalrusError`; what the store itself says (`ObjectStoreError`) and what a body's
// sequence throws pass through unchanged. ACLs and bucket policies will be another `WalrusAccess`.

public import ObjectStore

/// Limits and settings of the service.
public struct WalrusConfiguration: Sendable {
    /// The region that buckets without a location constraint are in.
    public var region: String
    /// The largest object of one put, and the largest part, in bytes. S3's is 5 GiB.
    public var largestPut: Int64
    /// The smallest part that is not the last, in bytes. S3's is 5 MiB.
    public var smallestPart: Int64

    /// Makes settings.
    public init(region: String = "us-east-1", largestPut: Int64 = 5 << 30, smallestPart: Int64 = 5 << 20) {
        self.region = region
        self.largestPut = largestPut
        self.smallestPart = smallestPart
    }
}

/// The service. It holds no state of its own; everything lies in the back end.
public struct Walrus: Sendable {
    /// Settings.
    public let configuration: WalrusConfiguration
    let backend: any ObjectBackend
    let access: any WalrusAccess
    let quota: any WalrusQuota
    let clock: @Sendable () -> Int64

    /// Makes the service over a back end.
    ///
    /// - Parameter clock: milliseconds since 1970.
    public init(
        backend: any ObjectBackend, configuration: WalrusConfiguration = WalrusConfiguration(),
        access: any WalrusAccess = OwnerAccess(), quota: any WalrusQuota = BucketCountQuota(),
        clock: @escaping @Sendable () -> Int64 = FileBackendConfiguration.systemClock
    ) {
        self.backend = backend
        self.configuration = configuration
        self.access = access
        self.quota = quota
        self.clock = clock
    }

    /// The bucket, if the caller may do this to it.
    func authorised(
        _ caller: WalrusCaller, _ action: WalrusAction, _ bucket: String, key: String? = nil
    ) async throws -> BucketRecord {
        let record = try await backend.bucket(bucket)
        guard await access.permits(caller, action, bucket: record, key: key) else {
            throw WalrusError.accessDenied
        }
        return record
    }
}
