// An object of which something lies in the remote store, opened for reading.

internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Reads an object whose pieces lie here or there. The bytes are those of the moment it was opened.
final class PlacedReader: ObjectContent {
    private struct State {
        var isClosed = false
        var key: ContentKey?
    }

    let record: ObjectRecord
    let parts: [ObjectPart]
    private let pieces: [ContentReader.Piece]
    private let cursor: Cursor
    private let state = Mutex(State())
    private let release: @Sendable () -> Void

    init(
        record: ObjectRecord, parts: [ObjectPart], pieces: [ContentReader.Piece], directory: DataDirectory,
        threads: NIOThreadPool, remote: (any RemoteContents)?, release: @escaping @Sendable () -> Void
    ) {
        self.record = record
        self.parts = parts
        self.pieces = pieces
        self.release = release
        cursor = Cursor(directory: directory, threads: threads, remote: remote)
    }

    func unlock(_ key: ContentKey) { state.withLock { $0.key = key } }

    func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
        guard offset < record.size, count > 0 else { return ByteBuffer() }
        let (isClosed, key) = state.withLock { ($0.isClosed, $0.key) }
        if isClosed { throw ObjectStoreError.failed("read after close") }
        if record.attributes.encryption != nil, key == nil {
            throw ObjectStoreError.undecipherable("the object \(record.key) was not unlocked")
        }
        var buffer = ByteBuffer()
        var position = offset
        let end = min(offset + Int64(count), record.size)
        // The piece with the largest start that is not above the offset.
        var index = (pieces.firstIndex { $0.start > offset } ?? pieces.count) - 1
        while position < end, index < pieces.count {
            let piece = pieces[index]
            let inside = position - piece.start
            let wanted = Int(min(end - position, piece.size - inside))
            if wanted <= 0 {
                index += 1
                continue
            }
            if record.attributes.encryption != nil, let key {
                try await readSealed(piece, at: inside, count: wanted, key: key, into: &buffer)
            } else {
                var bytes = try await cursor.read(piece.file, at: inside, count: wanted, size: piece.size)
                buffer.writeBuffer(&bytes)
            }
            position += Int64(wanted)
        }
        return buffer
    }

    /// Reads and opens the chunks that hold a stretch of an encrypted piece.
    private func readSealed(
        _ piece: ContentReader.Piece, at inside: Int64, count: Int, key: ContentKey, into buffer: inout ByteBuffer
    ) async throws {
        let stretch = ContentKey.Stretch(at: inside, count: count, size: piece.size)
        let sealed = try await cursor.read(
            piece.file, at: stretch.stored.lowerBound, count: stretch.stored.count,
            size: ContentKey.sealedSize(piece.size))
        guard var slice = try stretch.open(sealed, with: key, content: Int64(piece.file.magnitude)) else {
            throw ObjectStoreError.failed("content \(RemoteName.name(piece.file)) is shorter than its record")
        }
        buffer.writeBuffer(&slice)
    }

    func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        if isFirst { release() }
    }

    deinit { close() }
}

/// Reads stored bytes front to back, mostly: a stretch of the remote content is asked for at once, and given as it is
/// wanted.
private actor Cursor {
    /// A reader of less than this knows what it wants; another will want what follows.
    private static let steady = 64 << 10
    private static let window: Int64 = 8 << 20
    private static let largestWindow: Int64 = 64 << 20

    private let directory: DataDirectory
    private let threads: NIOThreadPool
    private let remote: (any RemoteContents)?
    private var body: (any RemoteBody)?
    private var file: Int64 = 0
    /// Where the body's next bytes belong, `rest` included.
    private var position: Int64 = 0
    private var end: Int64 = 0
    private var length = window
    private var rest = ByteBuffer()

    init(directory: DataDirectory, threads: NIOThreadPool, remote: (any RemoteContents)?) {
        self.directory = directory
        self.threads = threads
        self.remote = remote
    }

    func read(_ wanted: Int64, at offset: Int64, count: Int, size: Int64) async throws -> ByteBuffer {
        guard wanted.isRemote else {
            return try await threads.blocking { [directory] in
                try directory.stored(wanted, at: offset, count: count)
            }
        }
        var result = ByteBuffer()
        var offset = offset
        while result.readableBytes < count {
            let missing = count - result.readableBytes
            if body == nil || file != wanted || offset != position || offset >= end {
                try await open(wanted, at: offset, count: missing, size: size)
            }
            if rest.readableBytes == 0 {
                guard let next = try await body?.next() else {
                    throw ObjectStoreError.failed(
                        "the remote content \(RemoteName.name(wanted)) is shorter than its record")
                }
                rest = next
            }
            let taken = min(missing, rest.readableBytes)
            if var slice = rest.readSlice(length: taken) { result.writeBuffer(&slice) }
            offset += Int64(taken)
            position = offset
        }
        return result
    }

    private func open(_ wanted: Int64, at offset: Int64, count: Int, size: Int64) async throws {
        guard let remote else {
            throw ObjectStoreError.unavailable("the remote store that holds the object is not configured")
        }
        let isSequential = file == wanted && offset == end
        length = isSequential ? min(length * 2, Self.largestWindow) : Self.window
        file = wanted
        position = offset
        let stretch = count < Self.steady ? Int64(count) : max(length, Int64(count))
        end = min(offset + stretch, size)
        rest = ByteBuffer()
        body = try await remote.open(RemoteName.name(wanted), range: offset..<end)
        guard body != nil else {
            throw ObjectStoreError.failed("the remote content \(RemoteName.name(wanted)) is missing; restore it")
        }
    }
}

extension DataDirectory {
    /// Bytes of a file as they lie there. Blocks.
    func stored(_ id: Int64, at offset: Int64, count: Int) throws -> ByteBuffer {
        guard let descriptor = try open(id) else {
            throw ObjectStoreError.failed("\(path(id)) is missing; restore it from a backup")
        }
        defer { Glibc.close(descriptor) }
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while buffer.readableBytes < count {
            let rest = count - buffer.readableBytes
            let place = offset + Int64(buffer.readableBytes)
            let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: rest) { space in
                max(pread(descriptor, space.baseAddress, rest, off_t(place)), 0)
            }
            guard got > 0 else { throw ObjectStoreError.failed("\(path(id)) is shorter than its record") }
        }
        return buffer
    }

    /// Bytes of a file on the disk; nil if it is not there.
    func size(_ id: Int64) throws(ObjectStoreError) -> Int64? {
        var status = stat()
        if stat(path(id), &status) == 0 { return Int64(status.st_size) }
        guard errno == ENOENT else { throw posixFailure("stat", path(id)) }
        return nil
    }
}
