// An object opened for reading.

internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Reads an object of the file back end. The bytes are those of the moment it was opened.
final class ContentReader: ObjectContent {
    struct Piece: Sendable {
        var file: Int64
        var start: Int64
        var size: Int64
    }

    enum Source: Sendable {
        case inline(ByteBuffer)
        /// Files in order; the first is open already when `descriptor` is given.
        case files([Piece])
    }

    private struct State {
        var closed = false
        /// At most one file is open at a time: an object may have 10,000 pieces.
        var open: (index: Int, descriptor: Int32)?
    }

    let record: ObjectRecord
    private let source: Source
    private let directory: DataDirectory
    private let threads: NIOThreadPool
    private let state: Mutex<State>
    private let release: @Sendable () -> Void

    init(
        record: ObjectRecord, source: Source, descriptor: Int32?, directory: DataDirectory, threads: NIOThreadPool,
        release: @escaping @Sendable () -> Void
    ) {
        self.record = record
        self.source = source
        self.directory = directory
        self.threads = threads
        self.release = release
        state = Mutex(State(open: descriptor.map { (0, $0) }))
    }

    func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
        guard offset < record.size, count > 0 else { return ByteBuffer() }
        let count = Int(min(Int64(count), record.size - offset))
        switch source {
        case .inline(let buffer):
            guard let slice = buffer.getSlice(at: buffer.readerIndex + Int(offset), length: count) else {
                throw ObjectStoreError.failed("the object \(record.key) is shorter than its record")
            }
            return slice
        case .files(let pieces):
            return try await threads.blocking { try self.readFiles(pieces, at: offset, count: count) }
        }
    }

    private func readFiles(_ pieces: [Piece], at offset: Int64, count: Int) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        // The piece with the largest start that is not above the offset.
        var low = 0
        var high = pieces.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if pieces[middle].start <= offset { low = middle } else { high = middle - 1 }
        }
        var index = low
        var position = offset
        var rest = count
        try state.withLock { state in
            if state.closed { throw ObjectStoreError.failed("read after close") }
            while rest > 0, index < pieces.count {
                let piece = pieces[index]
                let inside = position - piece.start
                let wanted = Int(min(Int64(rest), piece.size - inside))
                if wanted <= 0 {
                    index += 1
                    continue
                }
                let descriptor = try open(index, piece, &state)
                let got = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { space in
                    while true {
                        let got = pread(descriptor, space.baseAddress, wanted, off_t(inside))
                        if got > 0 { return got }
                        if got < 0, errno == EINTR { continue }
                        if got < 0 { throw posixFailure("read", directory.path(piece.file)) }
                        throw ObjectStoreError.failed("\(directory.path(piece.file)) is shorter than its record")
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
