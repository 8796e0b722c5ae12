// What an account may have. Usage is counted by the back end with each commit; what is on its way in is reserved here,
// so that many writes at once cannot go beyond the limit together.

internal import AccessPolicy
internal import ObjectStore
internal import Synchronization

/// The limits of one account; nil is none.
public struct AccountLimits: Sendable, Equatable, Codable {
    /// Buckets.
    public var buckets: Int?
    /// Objects, with all versions.
    public var objects: Int64?
    /// Bytes, with all versions and the parts of uploads under way.
    public var bytes: Int64?

    /// Makes limits.
    public init(buckets: Int? = 1000, objects: Int64? = nil, bytes: Int64? = nil) {
        self.buckets = buckets
        self.objects = objects
        self.bytes = bytes
    }
}

/// Knows the limits of accounts.
public protocol WalrusQuota: Sendable {
    /// The limits that hold for an account now.
    func limits(of account: String) async throws -> AccountLimits
}

/// The same limits for everybody.
public struct UniformQuota: WalrusQuota {
    private let limits: AccountLimits

    /// Makes the rule; by default 1000 buckets and nothing else.
    public init(_ limits: AccountLimits = AccountLimits()) { self.limits = limits }

    /// See `WalrusQuota`.
    public func limits(of account: String) async throws -> AccountLimits { limits }
}

/// What is on its way into each account.
final class QuotaLedger: Sendable {
    private struct Pending {
        var objects: Int64 = 0
        var bytes: Int64 = 0
        var writes = 0
    }

    private struct State {
        var pending: [String: Pending] = [:]
        /// How many writes have ended, whosever they were.
        var ended = 0
    }

    private let state = Mutex(State())

    /// Room that is kept for one write until the write is counted or has failed.
    final class Reservation: Sendable {
        private let ledger: QuotaLedger
        private let account: String
        private let limits: AccountLimits
        private let objects: Int64
        private let bytes: Mutex<Int64>

        fileprivate init(ledger: QuotaLedger, account: String, limits: AccountLimits, objects: Int64, bytes: Int64) {
            self.ledger = ledger
            self.account = account
            self.limits = limits
            self.objects = objects
            self.bytes = Mutex(bytes)
        }

        /// The write has turned out to have so many bytes.
        func extend(to size: Int64, usage: StorageUsage) throws {
            let more = bytes.withLock { size - $0 }
            guard more > 0 else { return }
            try ledger.take(account, limits, usage: usage, objects: 0, bytes: more)
            bytes.withLock { $0 += more }
        }

        func release() {
            let held = bytes.withLock { $0 }
            ledger.give(account, objects: objects, bytes: held)
        }
    }

    fileprivate func take(
        _ account: String, _ limits: AccountLimits, usage: StorageUsage, objects: Int64, bytes: Int64
    ) throws {
        try state.withLock { state in
            try Self.take(account, limits, usage: usage, objects: objects, bytes: bytes, writes: 0, &state)
        }
    }

    private static func take(
        _ account: String, _ limits: AccountLimits, usage: StorageUsage, objects: Int64, bytes: Int64, writes: Int,
        _ state: inout State
    ) throws {
        var mine = state.pending[account] ?? Pending()
        mine.objects += objects
        mine.bytes += bytes
        mine.writes += writes
        if let most = limits.objects, objects > 0, usage.objects + mine.objects > most {
            throw WalrusError.quotaExceeded("the account may have \(most) objects")
        }
        if let most = limits.bytes, bytes > 0, usage.bytes + usage.partBytes + mine.bytes > most {
            throw WalrusError.quotaExceeded("the account may have \(most) bytes")
        }
        state.pending[account] = mine
    }

    fileprivate func give(_ account: String, objects: Int64, bytes: Int64) {
        state.withLock { state in
            state.ended += 1
            guard var mine = state.pending[account] else { return }
            mine.objects -= objects
            mine.bytes -= bytes
            mine.writes -= 1
            state.pending[account] = mine.writes == 0 ? nil : mine
        }
    }

    /// A moment, for `reserve`.
    var moment: Int { state.withLock { $0.ended } }

    /// Keeps room. A write is counted first and lets go of its room afterwards, so usage that was read before another
    /// one ended may lack it; and room may seem to be taken twice for a while.
    ///
    /// - Parameter moment: from before `usage` was read.
    /// - Returns: nil if usage has to be read again.
    /// - Throws: `quotaExceeded`, when no other write of the account is under way.
    func reserve(
        _ account: String, _ limits: AccountLimits, usage: StorageUsage, since moment: Int, objects: Int64,
        bytes: Int64
    ) throws -> Reservation? {
        try state.withLock { state in
            guard state.ended == moment else { return nil }
            do {
                try Self.take(account, limits, usage: usage, objects: objects, bytes: bytes, writes: 1, &state)
            } catch {
                guard state.pending[account] != nil else { throw error }
                return nil
            }
            return Reservation(ledger: self, account: account, limits: limits, objects: objects, bytes: bytes)
        }
    }
}

extension Walrus {
    /// Runs a write within the owner's quota. `body` gets what must be called when the size is known, before the write
    /// becomes visible.
    ///
    /// - Parameters:
    ///   - replacing: the key that is written, whose present object (in a bucket without versions) makes room.
    ///   - size: bytes, as far as they are known beforehand.
    func withinQuota<T: Sendable>(
        of bucket: BucketRecord, replacing key: String?, objects: Int64, size: Int64?,
        _ body: (_ known: @escaping @Sendable (Int64) throws -> Void) async throws -> T
    ) async throws -> T {
        let limits = try await quota.limits(of: bucket.owner)
        guard limits.objects != nil || limits.bytes != nil else { return try await body { _ in } }
        let (reservation, counted) = try await reserve(
            limits, in: bucket, replacing: key, objects: objects, size: size ?? 0)
        defer { reservation.release() }
        return try await body { size in try reservation.extend(to: size, usage: counted) }
    }

    private func reserve(
        _ limits: AccountLimits, in bucket: BucketRecord, replacing key: String?, objects: Int64, size: Int64
    ) async throws -> (QuotaLedger.Reservation, StorageUsage) {
        while true {
            let moment = ledger.moment
            var usage = try await backend.usage(owner: bucket.owner)
            if let key, bucket.versioning == .never, let present = try await present(bucket: bucket.name, key: key) {
                usage.objects -= 1
                usage.bytes -= present.size
            }
            let room = try ledger.reserve(
                bucket.owner, limits, usage: usage, since: moment, objects: objects, bytes: size)
            if let room { return (room, usage) }
            // Until the others have ended: writes have time limits of their own.
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

extension Walrus {
    /// Throws if the caller's own policies do not allow what concerns no bucket that is there.
    func requireIdentity(_ caller: WalrusCaller, _ action: String, _ resource: String) throws {
        guard let principal = caller.principal, let policies = principal.policies else { return }
        let request = PolicyRequest(
            principal: principal.inPolicies, action: action, resource: resource, context: caller.facts)
        guard policies.decide(request) == .allow else { throw WalrusError.accessDenied }
    }

    /// Throws if the request breaks a quota in the caller's policies (the original's `Limit` statements).
    ///
    /// - Parameter amounts: what there will be after the request, by condition key.
    func limit(_ caller: WalrusCaller, _ action: WalrusAction, _ resource: String, _ amounts: [String: Int64]) throws {
        guard let principal = caller.principal, let policies = principal.policies else { return }
        let request = PolicyRequest(
            principal: principal.inPolicies, action: action.rawValue, resource: resource,
            context: { key in amounts[key].map { [String($0)] } ?? caller.facts(key) })
        guard let limit = policies.exceededLimit(request) else { return }
        throw WalrusError.policyQuota(limit.key, limit: limit.values.compactMap { Int64($0) }.max() ?? 0)
    }

    /// Throws if an object of this size would break a quota in the caller's policies. A size that is not known
    /// beforehand counts as nothing, so that it is the next object that is refused.
    func limitBytes(_ caller: WalrusCaller, _ bucket: BucketRecord, key: String, size: Int64?) async throws {
        // Counting is not free, and few have quotas.
        guard let policies = caller.principal?.policies, policies.hasLimits else { return }
        let here = try await backend.usage(bucket: bucket.name)
        var total: Int64 = 0
        for other in try await backend.buckets(owner: bucket.owner) {
            total += other.name == bucket.name ? here.bytes : try await backend.usage(bucket: other.name).bytes
        }
        let added = size ?? 0
        try limit(
            caller, .putObject, "arn:aws:s3:::" + bucket.name + "/" + key,
            [
                "s3:quota-bucketobjectnumber": here.objects + 1, "s3:quota-objectnumber": here.objects + 1,
                "s3:quota-bucketsize": (here.bytes + added) >> 20, "s3:quota-buckettotalsize": (total + added) >> 20,
            ])
    }
}
