// An object opened for reading.

internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A file that was opened for reading.
struct OpenedFile: Sendable {
    var descriptor: Int32
    /// Bytes at its beginning that are in the system's memory.
    var warm: Int64
}

/// Reads an object of the file back end. The bytes are those of the moment it was opened.
final class ContentReader: ObjectContent {
    struct Piece: Sendable {
        var file: Int64
        var start: Int64
        var size: Int64
    }

    enum Source: Sendable {
        /// The bytes as they are stored, and the content's id.
        case inline(ByteBuffer, Int64)
        /// Files in order; the first is open already when `descriptor` is given.
        case files([Piece])
    }

    private struct State {
        var closed = false
        var key: ContentKey?
        /// At most one file is open at a time: an object may have 10,000 pieces.
        var open: (index: Int, descriptor: Int32)?
        /// Bytes at the beginning of the object that were in the system's memory when it was opened.
        var warm: Int64 = 0
    }

    let record: ObjectRecord
    let parts: [ObjectPart]
    private let source: Source
    private let directory: DataDirectory
    private let threads: NIOThreadPool
    private let state: Mutex<State>
    private let release: @Sendable () -> Void

    init(
        record: ObjectRecord, parts: [ObjectPart], source: Source, opened: OpenedFile?, directory: DataDirectory,
        threads: NIOThreadPool,
        release: @escaping @Sendable () -> Void
    ) {
        self.record = record
        self.parts = parts
        self.source = source
        self.directory = directory
        self.threads = threads
        self.release = release
        state = Mutex(State(open: opened.map { (0, $0.descriptor) }, warm: opened?.warm ?? 0))
    }

    /// What is worth keeping of it in memory: a small object as a whole, of one in a file where it lies.
    var hot: HotObjects.Object? {
        switch source {
        case .inline(let bytes, let content):
            HotObjects.Object(
                entry: ObjectIndex.Entry(record: record, content: content, layout: .inline), bytes: bytes)
        case .files(let pieces):
            if parts.isEmpty, pieces.count == 1, let piece = pieces.first {
                HotObjects.Object(entry: ObjectIndex.Entry(record: record, content: piece.file, layout: .file))
            } else {
                nil
            }
        }
    }

    func unlock(_ key: ContentKey) { state.withLock { $0.key = key } }

    func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
        guard offset < record.size, count > 0 else { return ByteBuffer() }
        let count = Int(min(Int64(count), record.size - offset))
        switch source {
        case .inline(let stored, let content):
            let buffer = try plain(stored, content)
            guard let slice = buffer.getSlice(at: buffer.readerIndex + Int(offset), length: count) else {
                throw ObjectStoreError.failed("the object \(record.key) is shorter than its record")
            }
            return slice
        case .files(let pieces):
            return try await threads.blocking { try self.readFiles(pieces, at: offset, count: count) }
        }
    }

    /// The key, or nil for an object that is not encrypted.
    private func key(_ state: State) throws(ObjectStoreError) -> ContentKey? {
        guard record.attributes.encryption != nil else { return nil }
        guard let key = state.key else { throw .undecipherable("the object \(record.key) was not unlocked") }
        return key
    }

    private func plain(_ stored: ByteBuffer, _ content: Int64) throws -> ByteBuffer {
        guard let key = try state.withLock({ try key($0) }) else { return stored }
        return try key.open(chunks: stored, content: content)
    }

    /// Reads and opens the chunks that hold a stretch of an encrypted piece.
    private func readSealed(
        _ piece: Piece, _ descriptor: Int32, at inside: Int64, count: Int, key: ContentKey,
        into buffer: inout ByteBuffer
    ) throws {
        let stretch = ContentKey.Stretch(at: inside, count: count, size: piece.size)
        var sealed = ByteBufferAllocator().buffer(capacity: stretch.stored.count)
        while sealed.readableBytes < stretch.stored.count {
            let rest = stretch.stored.count - sealed.readableBytes
            let offset = stretch.stored.lowerBound + Int64(sealed.readableBytes)
            try sealed.writeWithUnsafeMutableBytes(minimumWritableBytes: rest) { space in
                try readSome(descriptor, piece.file, space, rest, offset)
            }
        }
        guard var slice = try stretch.open(sealed, with: key, content: piece.file) else {
            throw ObjectStoreError.failed("\(directory.path(piece.file)) is shorter than its record")
        }
        buffer.writeBuffer(&slice)
    }

    private func readSome(
        _ descriptor: Int32, _ file: Int64, _ space: UnsafeMutableRawBufferPointer, _ count: Int, _ offset: Int64
    ) throws(ObjectStoreError) -> Int {
        while true {
            let got = pread(descriptor, space.baseAddress, count, off_t(offset))
            if got > 0 { return got }
            if got < 0, errno == EINTR { continue }
            if got < 0 { throw posixFailure("read", directory.path(file)) }
            throw ObjectStoreError.failed("\(directory.path(file)) is shorter than its record")
        }
    }

    /// The piece with the largest start that is not above the offset.
    private static func index(_ pieces: [Piece], at offset: Int64) -> Int {
        var low = 0
        var high = pieces.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if pieces[middle].start <= offset { low = middle } else { high = middle - 1 }
        }
        return low
    }

    func stretch(at offset: Int64, limit: Int) async throws -> FileStretch? {
        guard case .files(let pieces) = source, record.attributes.encryption == nil, offset < record.size else {
            return nil
        }
        var index = Self.index(pieces, at: offset)
        while index < pieces.count, pieces[index].start + pieces[index].size <= offset { index += 1 }
        guard index < pieces.count else { return nil }
        let (position, piece) = (index, pieces[index])
        let inside = offset - piece.start
        let count = Int(min(Int64(limit), piece.size - inside))
        let known = try state.withLock { state -> Int32? in
            if state.closed { throw ObjectStoreError.failed("read after close") }
            guard let open = state.open, open.index == position, offset + Int64(count) <= state.warm else { return nil }
            return open.descriptor
        }
        if let known { return FileStretch(descriptor: known, offset: inside, count: count) }
        return try await threads.blocking {
            try self.state.withLock { state in
                if state.closed { throw ObjectStoreError.failed("read after close") }
                let descriptor = try self.open(position, piece, &state)
                try self.directory.warm(descriptor, id: piece.file, at: inside, count: count)
                return FileStretch(descriptor: descriptor, offset: inside, count: count)
            }
        }
    }

    private func readFiles(_ pieces: [Piece], at offset: Int64, count: Int) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        var index = Self.index(pieces, at: offset)
        var position = offset
        var rest = count
        try state.withLock { state in
            if state.closed { throw ObjectStoreError.failed("read after close") }
            let key = try key(state)
            while rest > 0, index < pieces.count {
                let piece = pieces[index]
                let inside = position - piece.start
                let wanted = Int(min(Int64(rest), piece.size - inside))
                if wanted <= 0 {
                    index += 1
                    continue
                }
                let descriptor = try open(index, piece, &state)
                let got: Int
                if let key {
                    try readSealed(piece, descriptor, at: inside, count: wanted, key: key, into: &buffer)
                    got = wanted
                } else {
                    got = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { space in
                        try readSome(descriptor, piece.file, space, wanted, inside)
                    }
                }
                position += Int64(got)
                rest -= got
            }
        }
        return buffer
    }

    private func open(_ index: Int, _ piece: Piece, _ state: inout State) throws(ObjectStoreError) -> Int32 {
        if let open = state.open {
            if open.index == index { return open.descriptor }
            Glibc.close(open.descriptor)
            state.open = nil
        }
        guard let descriptor = try directory.open(piece.file) else {
            throw .failed("\(directory.path(piece.file)) is missing; restore it from a backup")
        }
        state.open = (index, descriptor)
        return descriptor
    }

    func close() {
        let first = state.withLock { state -> Bool in
            guard !state.closed else { return false }
            state.closed = true
            if let open = state.open { Glibc.close(open.descriptor) }
            state.open = nil
            return true
        }
        if first { release() }
    }

    deinit { close() }
}
