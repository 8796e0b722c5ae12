import Posix

/// Bytes that can be read at any place: a file, a file inside a disc image, or bytes in memory.
///
/// Reading does not move a position, so that several threads may share one.
public struct FileRegion: Sendable {
    private enum Storage: Sendable {
        case file(File, offset: Int64)
        case memory([UInt8])
    }

    private let storage: Storage
    /// What messages call it.
    public let name: String
    /// Size in bytes.
    public let size: Int64

    /// A whole file.
    ///
    /// - Throws: `ArchiveError` if it cannot be opened.
    public init(path: String) throws(ArchiveError) {
        do throws(PosixError) {
            let file = try File(path, .read)
            size = try file.status().size
            storage = .file(file, offset: 0)
            name = path
        } catch {
            throw ArchiveError(path: path, message: error.reason)
        }
    }

    /// Bytes in memory.
    public init(bytes: [UInt8], name: String) {
        storage = .memory(bytes)
        self.name = name
        size = Int64(bytes.count)
    }

    private init(storage: Storage, name: String, size: Int64) {
        self.storage = storage
        self.name = name
        self.size = size
    }

    /// A part of it under a name of its own.
    ///
    /// - Throws: `ArchiveError` if it does not lie within.
    public func part(offset: Int64, size: Int64, name: String) throws(ArchiveError) -> FileRegion {
        guard offset >= 0, size >= 0, offset <= self.size, size <= self.size - offset else {
            throw ArchiveError(
                path: name,
                message: "\(size) bytes at \(offset) do not lie within \(self.name), which has \(self.size) bytes")
        }
        switch storage {
        case .file(let file, let start):
            return FileRegion(storage: .file(file, offset: start + offset), name: name, size: size)
        case .memory(let bytes):
            return FileRegion(bytes: Array(bytes[Int(offset)..<Int(offset + size)]), name: name)
        }
    }

    /// Exactly `count` bytes from `offset` on.
    ///
    /// - Throws: `ArchiveError` if there are fewer.
    public func read(_ count: Int, at offset: Int64) throws(ArchiveError) -> [UInt8] {
        guard count >= 0, offset >= 0, offset <= size, Int64(count) <= size - offset else {
            throw ArchiveError(path: name, message: "ends before byte \(offset) + \(count); it has \(size) bytes")
        }
        switch storage {
        case .memory(let bytes):
            return Array(bytes[Int(offset)..<Int(offset) + count])
        case .file(let file, let start):
            do throws(PosixError) {
                let bytes = try file.read(count, at: start + offset)
                guard bytes.count == count else {
                    throw PosixError(errno: PosixError.inputOutput, operation: "read", detail: name)
                }
                return bytes
            } catch {
                throw ArchiveError(path: name, message: error.reason)
            }
        }
    }

    /// All of it, if it is not larger than `limit` bytes.
    public func readAll(limit: Int) throws(ArchiveError) -> [UInt8] {
        guard size <= Int64(limit) else {
            throw ArchiveError(path: name, message: "has \(size) bytes; at most \(limit) are expected")
        }
        return try read(Int(size), at: 0)
    }

    /// Calls `body` with one piece after the other, from `offset` to the end.
    public func forEachPiece(
        from offset: Int64 = 0, pieceSize: Int = 1 << 20, _ body: ([UInt8]) throws -> Void
    ) throws {
        var position = offset
        while position < size {
            let piece = try read(Int(min(Int64(pieceSize), size - position)), at: position)
            try body(piece)
            position += Int64(piece.count)
        }
    }
}
