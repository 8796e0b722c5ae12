/// What the image cache holds and what may leave it, without I/O.
///
/// Sizes are bytes; "owners" are instances whose disks are backed by an artifact. An artifact with an owner is never
/// evicted; of the others, the least recently used goes first.
public struct ImageCacheIndex: Sendable {
    /// One artifact in the cache.
    public struct Entry: Sendable, Equatable {
        /// Bytes of the file.
        public var sizeBytes: Int64
        /// When it was last launched from, in milliseconds since 1970.
        public var lastUsed: Int64
        /// Instances that use it now.
        public var owners: Set<String>
    }

    /// Why an artifact does not fit.
    public struct Shortage: Error, Sendable, Equatable {
        /// What is short.
        public enum Kind: Sendable {
            /// The cache's own limit (CACHE_SIZE).
            case limit
            /// Free space of the file system.
            case space
        }
        /// What is short.
        public let kind: Kind
        /// Bytes asked for.
        public let needed: Int64
        /// Bytes that could be had after evicting everything that may go.
        public let available: Int64
    }

    /// Most bytes of the cache.
    public let limitBytes: Int64
    /// Free bytes that the cache leaves to others on its file system.
    public let reserveBytes: Int64

    private(set) var entries: [String: Entry] = [:]
    private var incoming: [String: Int64] = [:]

    /// An empty cache.
    public init(limitBytes: Int64, reserveBytes: Int64) {
        self.limitBytes = limitBytes
        self.reserveBytes = reserveBytes
    }

    /// Bytes that the cache holds or has promised to a fetch.
    public var usedBytes: Int64 {
        var sum: Int64 = 0
        for entry in entries.values { sum += entry.sizeBytes }
        for size in incoming.values { sum += size }
        return sum
    }

    /// The entry of a digest.
    public func entry(_ digest: String) -> Entry? { entries[digest] }

    /// Makes room for an artifact that is to be fetched, and promises it to that fetch.
    /// - Parameter freeBytes: free space of the file system now.
    /// - Returns: digests to remove, which have left the index already.
    public mutating func admit(_ digest: String, sizeBytes: Int64, freeBytes: Int64) throws(Shortage) -> [String] {
        var promised: Int64 = 0
        for size in incoming.values { promised += size }
        var room = limitBytes - usedBytes
        // What other fetches have still to write is not free; counting all of it errs on the safe side.
        var space = freeBytes - reserveBytes - promised
        var leaving: [String] = []
        let candidates = entries.filter { $0.value.owners.isEmpty && $0.key != digest }
            .sorted { a, b in a.value.lastUsed < b.value.lastUsed }
        for candidate in candidates {
            if sizeBytes <= room, sizeBytes <= space { break }
            room += candidate.value.sizeBytes
            space += candidate.value.sizeBytes
            leaving.append(candidate.key)
        }
        if sizeBytes > room { throw Shortage(kind: .limit, needed: sizeBytes, available: max(0, room)) }
        if sizeBytes > space { throw Shortage(kind: .space, needed: sizeBytes, available: max(0, space)) }
        for digest in leaving { entries[digest] = nil }
        incoming[digest] = sizeBytes
        return leaving
    }

    /// A fetch ended without the artifact.
    public mutating func withdraw(_ digest: String) { incoming[digest] = nil }

    /// An artifact is there.
    public mutating func insert(_ digest: String, sizeBytes: Int64, lastUsed: Int64) {
        incoming[digest] = nil
        let owners = entries[digest]?.owners ?? []
        entries[digest] = Entry(sizeBytes: sizeBytes, lastUsed: lastUsed, owners: owners)
    }

    /// An artifact is gone.
    public mutating func remove(_ digest: String) { entries[digest] = nil }

    /// An instance uses an artifact from now on.
    public mutating func use(_ digest: String, by owner: String, now: Int64) {
        entries[digest]?.owners.insert(owner)
        entries[digest]?.lastUsed = now
    }

    /// An instance uses nothing any more.
    public mutating func release(_ owner: String) {
        for digest in entries.keys { entries[digest]?.owners.remove(owner) }
    }
}
