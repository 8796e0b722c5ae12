// Objects that were read lately: small ones with their bytes, so that reading them again asks neither the index nor a
// thread; of larger ones where they lie.
//
// What is given out is never older than what was acknowledged: a write takes its keys out and closes their shard before
// it commits, and opens it afterwards. A reader may put in what it read only if its shard was open all the time since
// before it read (the same stamp).

internal import NIOCore
internal import Synchronization

final class HotObjects: Sendable {
    struct Key: Hashable {
        var bucket: Int64
        var key: String

        // By bytes: keys that differ only in their Unicode form are different keys.
        static func == (one: Key, other: Key) -> Bool {
            one.bucket == other.bucket && one.key.utf8.elementsEqual(other.key.utf8)
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(bucket)
            for byte in key.utf8 { hasher.combine(byte) }
        }
    }

    struct Object: Sendable {
        var entry: ObjectIndex.Entry
        /// Nil of an object in a file.
        var bytes: ByteBuffer?
    }

    private struct Shard {
        var stamp: UInt64 = 0
        /// Writes that have not committed yet.
        var writers = 0
        /// What was read since `old` became old; what is asked for again comes back from there.
        var young: [Key: Object] = [:]
        var old: [Key: Object] = [:]
        var youngBytes = 0
    }

    /// Fewer locks to wait for, and fewer readers that a write disturbs.
    private static let shards = 16
    /// Memory that an object takes beside its bytes, roughly.
    private static let overhead = 1024

    /// A lock that an array can hold.
    private final class Box: Sendable {
        let mutex = Mutex(Shard())
    }

    private let shards: [Box]
    private let bytesPerShard: Int

    /// - Parameter bytes: memory for all of it.
    init(bytes: Int) {
        bytesPerShard = bytes / Self.shards / 2
        shards = (0..<Self.shards).map { _ in Box() }
    }

    private func shard(_ key: Key) -> Box {
        shards[Int(UInt(bitPattern: key.hashValue) % UInt(Self.shards))]
    }

    /// The object, if it is here; otherwise the stamp with which it may be put in once it was read.
    func find(_ key: Key) -> (object: Object?, stamp: UInt64?) {
        shard(key).mutex.withLock { shard in
            if let found = shard.young[key] { return (found, nil) }
            if let found = shard.old.removeValue(forKey: key) {
                Self.insert(key, found, &shard, limit: bytesPerShard)
                return (found, nil)
            }
            return (nil, shard.writers == 0 ? shard.stamp : nil)
        }
    }

    /// Puts in what was read after `find` gave the stamp.
    func insert(_ key: Key, _ object: Object, stamp: UInt64) {
        shard(key).mutex.withLock { shard in
            guard shard.writers == 0, shard.stamp == stamp else { return }
            Self.insert(key, object, &shard, limit: bytesPerShard)
        }
    }

    /// Takes out what turned out to lie elsewhere now.
    func remove(_ key: Key) {
        shard(key).mutex.withLock { shard in
            shard.young[key] = nil
            shard.old[key] = nil
        }
    }

    private static func insert(_ key: Key, _ object: Object, _ shard: inout Shard, limit: Int) {
        let size = (object.bytes?.readableBytes ?? 0) + overhead
        if shard.youngBytes + size > limit {
            shard.old = shard.young
            shard.young = [:]
            shard.youngBytes = 0
        }
        shard.young[key] = object
        shard.youngBytes += size
    }

    /// Keys that a transaction is about to change.
    func willCommit(_ keys: [Key]) {
        for key in keys {
            shard(key).mutex.withLock { shard in
                shard.writers += 1
                shard.stamp += 1
                shard.young[key] = nil
                shard.old[key] = nil
            }
        }
    }

    /// The same keys, when the transaction has ended in whatever way.
    func didCommit(_ keys: [Key]) {
        for key in keys { shard(key).mutex.withLock { $0.writers -= 1 } }
    }
}
