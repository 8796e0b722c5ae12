// The files under a store's root:
//
//   root/lock           held while the store is open
//   root/index.sqlite   the index (GRDB)
//   root/journal/       every change of the index, from which it can be made again (`Journal`)
//   root/key            32 bytes that wrap the keys of encrypted objects; without it those are lost
//   root/store-id       names this store to a remote one
//   root/data/ab/abcdef0123456789   one file per content, named by its random id
//
// A file is never changed once it is complete and never visible before the index names it, so a file that the index
// does not name is garbage at any time and is collected when the store is opened.

internal import Glibc
internal import Signatures
internal import Synchronization

/// A failed system call.
func posixFailure(_ call: String, _ path: String, _ code: Int32 = errno) -> ObjectStoreError {
    .failed("\(call) \(path): \(String(cString: strerror(code)))")
}

/// Creates, syncs, opens and removes content files. All calls block: run them on the I/O threads.
final class DataDirectory: Sendable {
    let root: String
    private let isSynced: Bool
    /// Empty files whose names are durable already, to be filled.
    let spare = Mutex<[Int64]>([])
    /// The descriptor that holds the lock; nil once the store is closed.
    private let lock: Mutex<Int32?>

    init(root: String, isSynced: Bool) throws(ObjectStoreError) {
        self.root = root
        self.isSynced = isSynced
        for path in [root, root + "/data"] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw posixFailure("mkdir", path) }
        }
        let lockPath = root + "/lock"
        let lock = Glibc.open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw posixFailure("open", lockPath) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            Glibc.close(lock)
            if code == EWOULDBLOCK {
                throw .failed("\(root) is in use by another process; stop it, or choose another directory.")
            }
            throw posixFailure("flock", lockPath, code)
        }
        do throws(ObjectStoreError) {
            for byte in 0..<256 {
                let path = Self.directory(root, byte)
                guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw posixFailure("mkdir", path) }
            }
            for path in [root + "/data", root] { try syncDirectory(path) }
        } catch {
            Glibc.close(lock)
            throw error
        }
        self.lock = Mutex(lock)
    }

    /// The store's key, made when it is first wanted.
    func storeKey() throws(ObjectStoreError) -> ContentKey {
        let path = root + "/key"
        while true {
            let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
            if descriptor >= 0 {
                defer { Glibc.close(descriptor) }
                var bytes = [UInt8](repeating: 0, count: ContentKey.length + 1)
                let count = read(descriptor, &bytes, bytes.count)
                guard count >= 0 else { throw posixFailure("read", path) }
                guard count == ContentKey.length else {
                    throw .failed("\(path) does not hold \(ContentKey.length) bytes; restore it from a backup.")
                }
                return ContentKey(bytes: Array(bytes[..<count]))
            }
            guard errno == ENOENT else { throw posixFailure("open", path) }
            try makeStoreKey(path)
        }
    }

    /// Tells this store from others that share a remote one; made when it is first wanted.
    func storeID() throws(ObjectStoreError) -> String {
        let path = root + "/store-id"
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw posixFailure("open", path) }
            let id = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
            try makeFile(path, Array(id.utf8))
            return id
        }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 33)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw posixFailure("read", path) }
        guard count == 32 else { throw .failed("\(path) does not hold an id; restore it from a backup.") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private func makeStoreKey(_ path: String) throws(ObjectStoreError) {
        try makeFile(path, ContentKey.random().bytes)
    }

    private func makeFile(_ path: String, _ bytes: [UInt8]) throws(ObjectStoreError) {
        let new = path + ".new"
        let descriptor = Glibc.open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw posixFailure("open", new) }
        defer { Glibc.close(descriptor) }
        guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
            throw posixFailure("write", new)
        }
        guard rename(new, path) == 0 else { throw posixFailure("rename", path) }
        try syncDirectory(root)
    }

    /// Lets others open the store. What is open for reading stays readable.
    func unlock() {
        lock.withLock { descriptor in
            if let held = descriptor { Glibc.close(held) }
            descriptor = nil
        }
    }

    deinit { unlock() }

    private static func directory(_ root: String, _ byte: Int) -> String {
        root + "/data/" + hexadecimal([UInt8(truncatingIfNeeded: byte)])
    }

    private static func name(_ id: Int64) -> String {
        hexadecimal(stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: id >> Int64($0)) })
    }

    private func slot(_ id: Int64) -> Int { Int(UInt8(truncatingIfNeeded: id >> 56)) }

    func path(_ id: Int64) -> String { Self.directory(root, slot(id)) + "/" + Self.name(id) }

    /// Files whose names are made durable together.
    private static let spareFiles = 16

    /// An empty file of a new id, opened for writing. Its name is durable, if anything is: one sync of a directory serves
    /// for many files, before there is anything in them.
    func create() throws(ObjectStoreError) -> (id: Int64, descriptor: Int32) {
        guard isSynced else { return try createFile(in: nil) }
        while let id = spare.withLock({ $0.popLast() }) {
            let descriptor = Glibc.open(path(id), O_WRONLY | O_CLOEXEC)
            if descriptor >= 0 { return (id, descriptor) }
            // Whoever took it away has no share in the others.
            guard errno == ENOENT else { throw posixFailure("open", path(id)) }
        }
        let first = try createFile(in: nil)
        var made: [Int64] = []
        do throws(ObjectStoreError) {
            for _ in 1..<Self.spareFiles {
                let file = try createFile(in: slot(first.id))
                Glibc.close(file.descriptor)
                made.append(file.id)
            }
            try syncDirectory(Self.directory(root, slot(first.id)))
        } catch {
            Glibc.close(first.descriptor)
            for id in made + [first.id] { remove(id) }
            throw error
        }
        spare.withLock { [made] in $0 += made }
        return first
    }

    /// Removes the empty files that were not needed.
    func removeSpare() {
        let left = spare.withLock { spare in
            defer { spare = [] }
            return spare
        }
        for id in left { remove(id) }
    }

    /// A new empty file, in a certain directory or in any.
    private func createFile(in slot: Int?) throws(ObjectStoreError) -> (id: Int64, descriptor: Int32) {
        while true {
            var id = Int64.random(in: 1...Int64.max)
            if let slot { id = id & 0x00FF_FFFF_FFFF_FFFF | Int64(slot) << 56 }
            guard id > 0 else { continue }
            let descriptor = Glibc.open(path(id), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            if descriptor >= 0 { return (id, descriptor) }
            if errno == ENOSPC || errno == EDQUOT { throw .insufficientStorage(needed: 0, free: free()) }
            guard errno == EEXIST else { throw posixFailure("open", path(id)) }
        }
    }

    /// Writes all bytes at the end of a file.
    func append(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, id: Int64) throws(ObjectStoreError) {
        try writeAll(bytes, to: descriptor, path: path(id), free: free)
    }

    /// Makes what was written to a file from `create` durable.
    func sync(_ id: Int64, descriptor: Int32) throws(ObjectStoreError) {
        guard isSynced else { return }
        // The size is part of what fdatasync writes; times are of no interest.
        guard fdatasync(descriptor) == 0 else {
            if errno == ENOSPC || errno == EDQUOT { throw .insufficientStorage(needed: 0, free: free()) }
            throw posixFailure("fdatasync", path(id))
        }
    }

    /// Makes the name of a file from `replace` durable.
    func syncName(_ id: Int64) throws(ObjectStoreError) {
        if isSynced { try syncDirectory(Self.directory(root, slot(id))) }
    }

    /// An empty file of a given id, which no row names: what is left of an earlier attempt goes.
    func replace(_ id: Int64) throws(ObjectStoreError) -> Int32 {
        let descriptor = Glibc.open(path(id), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        if descriptor >= 0 { return descriptor }
        if errno == ENOSPC || errno == EDQUOT { throw .insufficientStorage(needed: 0, free: free()) }
        throw posixFailure("open", path(id))
    }

    /// Opens a file for reading; nil if it is not there.
    func open(_ id: Int64) throws(ObjectStoreError) -> Int32? {
        let descriptor = Glibc.open(path(id), O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 { return descriptor }
        guard errno == ENOENT else { throw posixFailure("open", path(id)) }
        return nil
    }

    /// Closes what `open` gave.
    func close(_ descriptor: Int32) { Glibc.close(descriptor) }

    /// Brings bytes of a file into the system's memory, so that whoever sends them waits for no disk.
    func warm(_ descriptor: Int32, id: Int64, at offset: Int64, count: Int) throws(ObjectStoreError) {
        let page = Int64(sysconf(Int32(_SC_PAGESIZE)))
        let start = offset / page * page
        let length = Int(offset - start) + count
        guard length > 0 else { return }
        let mapped = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, off_t(start))
        if let mapped, mapped != MAP_FAILED {
            defer { munmap(mapped, length) }
            var isThere = [UInt8](repeating: 0, count: (length + Int(page) - 1) / Int(page))
            if mincore(mapped, length, &isThere) == 0, isThere.allSatisfy({ $0 & 1 == 1 }) { return }
        }
        var buffer = [UInt8](repeating: 0, count: min(count, 256 << 10))
        var done = 0
        while done < count {
            let got = pread(descriptor, &buffer, min(buffer.count, count - done), off_t(offset + Int64(done)))
            if got < 0, errno == EINTR { continue }
            if got < 0 { throw posixFailure("read", path(id)) }
            guard got > 0 else { throw .failed("\(path(id)) is shorter than its record") }
            done += got
        }
    }

    /// Removes a file. One that cannot be removed now is collected at the next start.
    func remove(_ id: Int64) { unlink(path(id)) }

    /// Bytes that an unprivileged writer may still fill.
    func free() -> Int64 { freeSpace(root) }

    /// The file system's size in bytes.
    func capacity() -> Int64 {
        var status = statvfs()
        guard statvfs(root, &status) == 0 else { return 0 }
        return Int64(
            clamping: UInt64(status.f_blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }

    private func isEmpty(_ id: Int64) -> Bool {
        var status = stat()
        return stat(path(id), &status) == 0 && status.st_size == 0
    }

    /// Removes every file for which `isNamed` is false, unless they shall be kept. Empty ones go in any case.
    ///
    /// - Returns: how many there were that were not empty.
    func collectOrphans(keep: Bool, isNamed: (Int64) throws -> Bool) throws -> Int {
        var removed = 0
        for byte in 0..<256 {
            let path = Self.directory(root, byte)
            guard let stream = opendir(path) else { throw posixFailure("opendir", path) }
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                // Only what this store could have made; anything else is the administrator's.
                guard name.utf8.count == 16, let id = UInt64(name, radix: 16).map({ Int64(bitPattern: $0) }) else {
                    continue
                }
                guard try !isNamed(id) else { continue }
                // An empty one was made to be filled and never was.
                let isEmpty = isEmpty(id)
                if isEmpty || !keep { remove(id) }
                if !isEmpty { removed += 1 }
            }
        }
        return removed
    }
}

/// Which contents are being read, so that their files stay until the last reader is done.
final class Pins: Sendable {
    private struct State {
        var counts: [Int64: Int] = [:]
        var doomed: [Int64: [Int64]] = [:]
    }

    private let state = Mutex(State())

    /// Keeps a content's files.
    func pin(_ content: Int64) { state.withLock { $0.counts[content, default: 0] += 1 } }

    /// Lets go of a content.
    ///
    /// - Returns: the files to remove now, if it was deleted meanwhile and this was its last reader.
    func unpin(_ content: Int64) -> [Int64] {
        state.withLock { state in
            let count = (state.counts[content] ?? 1) - 1
            if count > 0 {
                state.counts[content] = count
                return []
            }
            state.counts[content] = nil
            return state.doomed.removeValue(forKey: content) ?? []
        }
    }

    /// The index no longer names this content.
    ///
    /// - Returns: the files to remove now; none if a reader holds it, they come from its `unpin`.
    func doom(_ content: Int64, files: [Int64]) -> [Int64] {
        state.withLock { state in
            guard state.counts[content] != nil else { return files }
            state.doomed[content, default: []] += files
            return []
        }
    }
}
