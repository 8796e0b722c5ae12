// Walrus: the object service, named as in the original. One typed operation for each call of S3.
//
// Here: who may do what, valid names and sizes, quotas, ownership, settings of buckets, retention, encryption keys,
// lifecycle. Not here: HTTP, XML and signatures (S3), the policy language (AccessPolicy), bytes and records
// (ObjectStore). It fails with `WalrusError`; what the store itself says (`ObjectStoreError`) and what a body's sequence
// throws pass through unchanged.

internal import AccessPolicy
public import ObjectStore
internal import Synchronization

/// Limits and settings of the service.
public struct WalrusConfiguration: Sendable {
    /// The region that buckets without a location constraint are in.
    public var region: String
    /// The largest object of one put, and the largest part, in bytes. S3's is 5 GiB.
    public var largestPut: Int64
    /// The smallest part that is not the last, in bytes. S3's is 5 MiB.
    public var smallestPart: Int64
    /// What lifecycle rules take for a day, in milliseconds; shorter only for trials.
    public var lifecycleDay: Int64

    /// Makes settings.
    public init(
        region: String = "us-east-1", largestPut: Int64 = 5 << 30, smallestPart: Int64 = 5 << 20,
        lifecycleDay: Int64 = 86_400_000
    ) {
        self.region = region
        self.largestPut = largestPut
        self.smallestPart = smallestPart
        self.lifecycleDay = lifecycleDay
    }
}

/// The service. Everything it knows lies in the back end.
public struct Walrus: Sendable {
    /// Settings.
    public let configuration: WalrusConfiguration
    /// Milliseconds since 1970.
    public let clock: @Sendable () -> Int64
    let backend: any ObjectBackend
    /// The mover of contents.
    public let moves = MoveBoard()
    let quota: any WalrusQuota
    let ledger = QuotaLedger()
    private let cache = SettingsCache()

    /// Makes the service over a back end.
    ///
    /// - Parameter clock: milliseconds since 1970.
    public init(
        backend: any ObjectBackend, configuration: WalrusConfiguration = WalrusConfiguration(),
        quota: any WalrusQuota = UniformQuota(),
        clock: @escaping @Sendable () -> Int64 = FileBackendConfiguration.systemClock
    ) {
        self.backend = backend
        self.configuration = configuration
        self.quota = quota
        self.clock = clock
    }

    /// A bucket with its settings read.
    func state(_ record: BucketRecord) throws -> BucketState { try cache.state(record) }

    /// The bucket as it is, without asking who wants to know.
    public func state(_ bucket: String) async throws -> BucketState { try state(await backend.bucket(bucket)) }

    /// The bucket as the caller's request has first seen it.
    public func state(_ caller: WalrusCaller, _ bucket: String) async throws -> BucketState {
        if let known = caller.bucket.state(bucket) { return known }
        let state = try await state(bucket)
        caller.bucket.note(state)
        return state
    }

    /// The bucket, if the caller may do this to it (or to the key).
    public func authorised(
        _ caller: WalrusCaller, _ action: WalrusAction, _ bucket: String, key: String? = nil
    ) async throws -> BucketState {
        let state = try await state(caller, bucket)
        try require(caller, action, state, key: key)
        return state
    }

    func require(
        _ caller: WalrusCaller, _ action: WalrusAction, _ state: BucketState, key: String? = nil,
        object: ObjectRecord? = nil
    ) throws {
        let question = AccessQuestion(caller: caller, action: action, state: state, key: key, object: object)
        guard try Access.permits(question) else { throw WalrusError.accessDenied }
    }

    /// The record of an object or version, if the caller may do this to it. What is not there is said only to those
    /// who may list the bucket.
    public func authorisedObject(
        _ caller: WalrusCaller, _ action: WalrusAction, _ bucket: String, _ key: String, version: String?
    ) async throws -> (state: BucketState, object: ObjectRecord) {
        let state = try await state(caller, bucket)
        let object: ObjectRecord
        do {
            object = try await backend.head(bucket: bucket, key: key, version: version)
        } catch let error as ObjectStoreError {
            try mayKnow(caller, action, state, key, version)
            throw error
        }
        try require(caller, action.onVersion(version), state, key: key, object: object)
        if object.isDeleteMarker {
            throw ObjectStoreError.isDeleteMarker(
                key: key, version: object.versionID, isNamed: true, modified: object.modified)
        }
        return (state, object)
    }

    /// Opens an object or version, if the caller may do this to it: one look at the store. Whoever gets it closes it.
    func authorisedContent(
        _ caller: WalrusCaller, _ action: WalrusAction, _ bucket: String, _ key: String, version: String?
    ) async throws -> (state: BucketState, content: any ObjectContent) {
        let state = try await state(caller, bucket)
        let content: any ObjectContent
        do {
            content = try await backend.open(bucket: bucket, key: key, version: version)
        } catch ObjectStoreError.isDeleteMarker(let key, let marker, true, let modified) {
            // A marker is a version like others: first who asks, then what it is.
            _ = try await authorisedObject(caller, action, bucket, key, version: version)
            throw ObjectStoreError.isDeleteMarker(key: key, version: marker, isNamed: true, modified: modified)
        } catch let error as ObjectStoreError {
            try mayKnow(caller, action, state, key, version)
            throw error
        }
        do {
            try require(caller, action.onVersion(version), state, key: key, object: content.record)
        } catch {
            content.close()
            throw error
        }
        return (state, content)
    }

    private func mayKnow(
        _ caller: WalrusCaller, _ action: WalrusAction, _ state: BucketState, _ key: String, _ version: String?
    ) throws {
        // As if he listed just this key.
        let lister = WalrusCaller(principal: caller.principal) { name in
            name == "s3:prefix" ? [key] : caller.facts(name)
        }
        let mayList = AccessQuestion(caller: lister, action: .listBucket, state: state)
        let asked = AccessQuestion(caller: caller, action: action.onVersion(version), state: state, key: key)
        if Access.policyDecision(asked) == .deny { throw WalrusError.accessDenied }
        guard try Access.permits(mayList) else { throw WalrusError.accessDenied }
    }
}

/// Settings that were read, so that a request does not read them again.
private final class SettingsCache: Sendable {
    private struct Entry {
        var record: BucketRecord
        var settings: BucketSettings
    }

    private let entries = Mutex<[String: Entry]>([:])

    func state(_ record: BucketRecord) throws -> BucketState {
        let known = entries.withLock { $0[record.name] }
        // Equal in all that was read; revisions begin anew with each start and each bucket of the name.
        if let known, known.record == record { return BucketState(record: record, settings: known.settings) }
        let settings = try BucketSettings(record)
        entries.withLock { entries in
            // Names of buckets that are gone must not gather.
            if entries.count > 10_000 { entries.removeAll() }
            entries[record.name] = Entry(record: record, settings: settings)
        }
        return BucketState(record: record, settings: settings)
    }
}
