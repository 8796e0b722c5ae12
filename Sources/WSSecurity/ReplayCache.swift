import Synchronization

/// Remembers accepted messages as long as they would be accepted again.
///
/// In memory only: what was made before this process began could be a copy of what the one before accepted, and is
/// refused. Bounded: when it is full, or one certificate's share is, messages are refused rather than forgotten.
public final class ReplayCache: Sendable {
    private struct Seen: Hashable {
        /// The first half of a SHA-256 is enough: whoever finds two messages of one identity has signed both.
        let high: UInt64
        let low: UInt64
    }

    private struct State {
        /// Until when, by what was seen; and the number of each certificate's entries.
        var goodUntil: [Seen: (time: Int64, owner: Seen)] = [:]
        var counts: [Seen: Int] = [:]
        var lastSweep: Int64 = 0
    }

    private let state = Mutex(State())
    private let startedAt: Int64
    private let capacity: Int

    /// Makes an empty cache.
    ///
    /// - Parameters:
    ///   - startedAt: seconds since 1970; messages made before or in that second are refused.
    ///   - capacity: the most messages that are remembered; one certificate may have half of them. An entry takes about
    ///     100 bytes.
    public init(startedAt: Int64, capacity: Int = 1 << 18) {
        self.startedAt = startedAt
        self.capacity = capacity
    }

    /// How many messages are remembered.
    public var count: Int { state.withLock { $0.goodUntil.count } }

    /// Remembers a message, or refuses it.
    ///
    /// - Parameters:
    ///   - message: what was verified.
    ///   - fingerprint: of the certificate.
    ///   - now: seconds since 1970.
    public func admit(_ message: VerifiedMessage, fingerprint: [UInt8], now: Int64) throws(WSSecurityError) {
        try admit(
            identity: message.identity, owner: fingerprint, created: message.created, goodUntil: message.goodUntil,
            now: now)
    }

    /// Remembers a message of another kind, or refuses it.
    ///
    /// - Parameters:
    ///   - identity: a hash of what is the same in all copies of the message.
    ///   - owner: a hash of who has signed it.
    ///   - created: when it was made, in seconds since 1970.
    ///   - goodUntil: from when on it is refused for its age, in seconds since 1970.
    ///   - now: seconds since 1970.
    public func admit(
        identity: [UInt8], owner: [UInt8], created: Int64, goodUntil: Int64, now: Int64
    ) throws(WSSecurityError) {
        // Messages are dated by the second, and a restart takes less.
        guard created > startedAt else {
            throw .expired("The request was made before the service started and could be a copy; sign it anew.")
        }
        let seen = Self.key(identity)
        let owner = Self.key(owner)
        let failure: WSSecurityError? = state.withLock { state in
            if now != state.lastSweep, now >= state.lastSweep + 10 || state.goodUntil.count >= capacity {
                Self.sweep(&state, now)
            }
            if state.goodUntil[seen] != nil { return .replayed }
            guard state.goodUntil.count < capacity, state.counts[owner, default: 0] < max(1, capacity / 2) else {
                return .overloaded
            }
            state.goodUntil[seen] = (goodUntil, owner)
            state.counts[owner, default: 0] += 1
            return nil
        }
        if let failure { throw failure }
    }

    /// Forgets what would be refused for its age anyway.
    private static func sweep(_ state: inout State, _ now: Int64) {
        state.lastSweep = now
        for (seen, entry) in state.goodUntil where entry.time <= now {
            state.goodUntil[seen] = nil
            let left = state.counts[entry.owner, default: 1] - 1
            state.counts[entry.owner] = left == 0 ? nil : left
        }
    }

    private static func key(_ bytes: [UInt8]) -> Seen {
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        return Seen(high: word(bytes.prefix(8)), low: word(bytes.dropFirst(8).prefix(8)))
    }
}
