import Foundation

/// Lets one process at a time open a store: an advisory lock on `<path>.lock`, which holds the owner's pid.
///
/// SQLite would let several in, but the feed of events and the revision counter are kept by one writer.
/// The kernel drops the lock when the process ends, however it ends.
final class StoreLock: Sendable {
    private let descriptor: Int32

    init(path: String) throws(StoreError) {
        let name = path + ".lock"
        let descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unavailable("cannot open the lock file \(name): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let cause = errno
            let owner = Self.owner(descriptor)
            _ = Foundation.close(descriptor)
            if cause == EWOULDBLOCK { throw .locked(path: path, pid: owner) }
            throw .unavailable("cannot lock \(name): \(String(cString: strerror(cause)))")
        }
        let pid = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, pid, pid.count, 0) == pid.count else {
            let cause = String(cString: strerror(errno))
            _ = Foundation.close(descriptor)
            throw .unavailable("cannot write the lock file \(name): \(cause)")
        }
        self.descriptor = descriptor
    }

    deinit {
        // The file stays: removing it would let two processes lock two different files of the same name.
        // Unlocked explicitly, because a child between fork and exec still holds a copy of the descriptor.
        _ = flock(descriptor, LOCK_UN)
        _ = Foundation.close(descriptor)
    }

    private static func owner(_ descriptor: Int32) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}
