// Takes the bytes of one body: hashes them, keeps a small body in memory and writes a larger one to a file.

internal import Crypto
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// The bytes of one body on their way in. Used by one I/O thread at a time: the caller awaits each call before the
/// next, which is why it is safe to hand between threads.
final class ContentWriter: @unchecked Sendable {
    private let directory: DataDirectory
    private let inlineLimit: Int
    private var small = ByteBuffer()
    private var file: (id: Int64, descriptor: Int32)?
    private var md5 = Insecure.MD5()
    private var sha256 = SHA256()
    private var checksum: RunningChecksum?
    private(set) var size: Int64 = 0

    init(directory: DataDirectory, inlineLimit: Int, checksum: ChecksumAlgorithm?) {
        self.directory = directory
        self.inlineLimit = inlineLimit
        self.checksum = checksum.map(RunningChecksum.init)
    }

    /// Appends a batch.
    func append(_ batch: ByteBuffer) throws(ObjectStoreError) {
        try batch.withUnsafeReadableBytes { bytes throws(ObjectStoreError) in
            md5.update(bufferPointer: bytes)
            sha256.update(bufferPointer: bytes)
            checksum?.update(bytes)
            size += Int64(bytes.count)
            if file == nil {
                if size <= Int64(inlineLimit) {
                    small.writeBytes(bytes)
                    return
                }
                let created = try directory.create()
                file = created
                try small.withUnsafeReadableBytes { start throws(ObjectStoreError) in
                    try directory.append(start, to: created.descriptor, id: created.id)
                }
                small = ByteBuffer()
            }
            if let file { try directory.append(bytes, to: file.descriptor, id: file.id) }
        }
    }

    func digests() -> ContentDigests {
        let hash = Array(sha256.finalize())
        return ContentDigests(
            size: size, md5: Array(md5.finalize()), sha256: hash, checksum: checksum?.finalize(sha256: hash))
    }

    enum Stored: Sendable {
        case inline(ByteBuffer)
        case file(Int64)
    }

    /// Makes the file durable, if there is one. Afterwards the caller answers for the file.
    func finish() throws(ObjectStoreError) -> Stored {
        guard let file else { return .inline(small) }
        try directory.sync(file.id, descriptor: file.descriptor)
        Glibc.close(file.descriptor)
        self.file = nil
        return .file(file.id)
    }

    /// Drops what was written so far.
    func discard() {
        guard let file else { return }
        Glibc.close(file.descriptor)
        directory.remove(file.id)
        self.file = nil
    }

    deinit { discard() }
}

extension NIOThreadPool {
    /// Runs blocking work on an I/O thread.
    func blocking<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        try await runIfActive(work)
    }
}
