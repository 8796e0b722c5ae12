// Takes the bytes of one body: hashes them, keeps a small body in memory and writes a larger one to a file.

internal import Crypto
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// The bytes of one body on their way in. Used by one I/O thread at a time, but for `digest`, which has a state of its
/// own: the caller awaits each call before the next, which is why it is safe to hand between threads.
final class ContentWriter: @unchecked Sendable {
    private let directory: DataDirectory
    private let inlineLimit: Int
    private let isPassing: Bool
    private let key: ContentKey?
    /// Bytes that are not in a file (yet): of a small body, or of an unfinished chunk.
    private var small = ByteBuffer()
    private var chunks = 0
    private var file: (id: Int64, descriptor: Int32)?
    private var isSettled = false
    private var md5 = Insecure.MD5()
    /// Takes the place of `md5` where many bodies arrive.
    private(set) var lane: LaneMD5?
    private var sha256: SHA256?
    private var checksum: RunningChecksum?
    private(set) var size: Int64 = 0

    /// - Parameters:
    ///   - hasSHA256: whether the SHA-256 is wanted, beside the MD5; of what stays in memory it is there in any case.
    ///   - isPassing: the file is on its way elsewhere, and needs not be durable here.
    init(
        directory: DataDirectory, inlineLimit: Int, checksum: ChecksumAlgorithm?, key: ContentKey? = nil,
        hasSHA256: Bool = true, isPassing: Bool = false
    ) {
        if hasSHA256 || checksum == .sha256 { sha256 = SHA256() }
        self.directory = directory
        self.isPassing = isPassing
        self.inlineLimit = inlineLimit
        self.key = key
        self.checksum = checksum.map(RunningChecksum.init)
    }

    /// Has the MD5 computed together with those of others. Before the first byte.
    func shareLanes() { lane = LaneMD5() }

    /// Appends a batch.
    func append(_ batch: ByteBuffer) throws(ObjectStoreError) {
        digest(batch)
        try store(batch)
    }

    /// The one half of `append`, which touches nothing that the other does: both may run at the same time. Not with
    /// shared lanes, of which `MD5Lanes` takes care.
    func digest(_ batch: ByteBuffer) { batch.withUnsafeReadableBytes { md5.update(bufferPointer: $0) } }

    /// The other half of `append`.
    func store(_ batch: ByteBuffer) throws(ObjectStoreError) {
        try batch.withUnsafeReadableBytes { bytes throws(ObjectStoreError) in
            sha256?.update(bufferPointer: bytes)
            checksum?.update(bytes)
            size += Int64(bytes.count)
            if file == nil, size <= Int64(inlineLimit) {
                small.writeBytes(bytes)
                return
            }
            let target = try openFile()
            if key != nil {
                small.writeBytes(bytes)
                try seal(to: target, all: false)
            } else {
                try directory.append(bytes, to: target.descriptor, id: target.id)
            }
        }
    }

    private func openFile() throws(ObjectStoreError) -> (id: Int64, descriptor: Int32) {
        if let file { return file }
        let created = try directory.create()
        file = created
        if key == nil {
            try small.withUnsafeReadableBytes { start throws(ObjectStoreError) in
                try directory.append(start, to: created.descriptor, id: created.id)
            }
            small = ByteBuffer()
        }
        return created
    }

    /// Writes the chunks that are complete, or all.
    private func seal(to file: (id: Int64, descriptor: Int32), all: Bool) throws(ObjectStoreError) {
        guard let key else { return }
        while small.readableBytes >= ContentKey.chunk || all && small.readableBytes > 0 {
            let count = min(small.readableBytes, ContentKey.chunk)
            let sealed = try small.withUnsafeReadableBytes { bytes throws(ObjectStoreError) in
                try key.seal(UnsafeRawBufferPointer(rebasing: bytes[..<count]), content: file.id, number: chunks)
            }
            small.moveReaderIndex(forwardBy: count)
            chunks += 1
            try sealed.withUnsafeReadableBytes { bytes throws(ObjectStoreError) in
                try directory.append(bytes, to: file.descriptor, id: file.id)
            }
        }
        small.discardReadBytes()
    }

    func digests() -> ContentDigests {
        var hash = sha256.map { Array($0.finalize()) } ?? []
        // What lies in the index is compared with it whenever it is read.
        if hash.isEmpty, file == nil, inlineLimit >= 0 {
            hash = small.withUnsafeReadableBytes { Array(SHA256.hash(data: $0)) }
        }
        return ContentDigests(
            size: size, md5: lane?.finalize() ?? Array(md5.finalize()), sha256: hash,
            checksum: checksum?.finalize(sha256: hash))
    }

    enum Stored: Sendable {
        case inline(Int64, ByteBuffer)
        case file(Int64)
    }

    /// Makes the file durable, if there is one and nothing more comes: the digest may still be on its way. Judging what
    /// came is left to who finishes.
    func settle() throws(ObjectStoreError) {
        guard let file, !isSettled else { return }
        try seal(to: file, all: true)
        if !isPassing { try directory.sync(file.id, descriptor: file.descriptor) }
        isSettled = true
    }

    /// Makes the file durable, if there is one. Afterwards the caller answers for the file.
    func finish() throws(ObjectStoreError) -> Stored {
        guard let file else {
            let id = Int64.random(in: 1...Int64.max)
            guard let key, small.readableBytes > 0 else { return .inline(id, small) }
            var sealed = ByteBuffer()
            var number = 0
            while small.readableBytes > 0 {
                let count = min(small.readableBytes, ContentKey.chunk)
                var chunk = try small.withUnsafeReadableBytes { bytes throws(ObjectStoreError) in
                    try key.seal(UnsafeRawBufferPointer(rebasing: bytes[..<count]), content: id, number: number)
                }
                sealed.writeBuffer(&chunk)
                small.moveReaderIndex(forwardBy: count)
                number += 1
            }
            return .inline(id, sealed)
        }
        try settle()
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
