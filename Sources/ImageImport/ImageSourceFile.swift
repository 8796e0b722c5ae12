import Archive
import Foundation
import NIOCore

/// An image file as it will be uploaded: its bytes after decompression.
struct ImageSourceFile {
    /// The file to upload: the user's own, or a temporary one with the decompressed bytes.
    let file: URL
    /// Size in bytes.
    let size: Int64
    /// Whether `file` is ours to remove.
    let isTemporary: Bool

    /// Opens a file; a compressed one is decompressed into `scratch`.
    ///
    /// - Throws: `ImageImportError` if it is not there, empty, or of a format that cannot be imported.
    static func open(_ file: URL, scratch: URL, progress: ImportProgress) throws -> ImageSourceFile {
        guard let handle = try? FileHandle(forReadingFrom: file) else {
            throw ImageImportError("\(file.path) cannot be read.")
        }
        defer { try? handle.close() }  // opened for reading: nothing can be lost
        let head = [UInt8](try handle.read(upToCount: 512) ?? Data())
        let size = Int64(try handle.seekToEnd())
        guard size > 0 else { throw ImageImportError("\(file.path) is empty.") }
        if let format = foreignFormat(head) {
            throw ImageImportError(
                "\(file.path) is a \(format) image; convert it first: qemu-img convert -O qcow2 \(file.lastPathComponent) image.qcow2"
            )
        }
        guard isCompressed(head) else { return ImageSourceFile(file: file, size: size, isTemporary: false) }
        let target = scratch.appendingPathComponent("import-\(UUID().uuidString)")
        do {
            return ImageSourceFile(
                file: target, size: try decompress(file, size: size, to: target, progress: progress), isTemporary: true)
        } catch {
            try? FileManager.default.removeItem(at: target)  // what was written of it, if anything
            throw error
        }
    }

    /// Whether the first bytes are those of gzip, bzip2, xz, zstd or lz4.
    static func isCompressed(_ head: [UInt8]) -> Bool {
        let magics: [[UInt8]] = [
            [0x1F, 0x8B], [0x42, 0x5A, 0x68], [0xFD, 0x37, 0x7A, 0x58, 0x5A], [0x28, 0xB5, 0x2F, 0xFD],
            [0x04, 0x22, 0x4D, 0x18],
        ]
        return magics.contains { head.starts(with: $0) }
    }

    /// The name of a format that hypervisors here do not run from.
    static func foreignFormat(_ head: [UInt8]) -> String? {
        if head.starts(with: Array("KDMV".utf8)) { return "VMDK" }
        if head.starts(with: Array("vhdxfile".utf8)) { return "VHDX" }
        if head.starts(with: Array("conectix".utf8)) { return "VHD" }
        if head.count > 0x44, head[0x40..<0x44].elementsEqual([0x7F, 0x10, 0xDA, 0xBE]) { return "VDI" }
        return nil
    }

    private static func decompress(_ file: URL, size: Int64, to target: URL, progress: ImportProgress) throws -> Int64 {
        let reader = try ArchiveReader(path: file.path, content: .compressedFile)
        guard FileManager.default.createFile(atPath: target.path, contents: nil, attributes: [.posixPermissions: 0o600])
        else { throw ImageImportError("\(target.path) cannot be written.") }
        let output = try FileHandle(forWritingTo: target)
        defer { try? output.close() }  // an error of the last write was thrown by it
        var written: Int64 = 0
        while true {
            let part = try reader.read(upTo: 1 << 20)
            if part.isEmpty { break }
            // Zeros become holes: a raw image is mostly those.
            if part.allSatisfy({ $0 == 0 }) {
                try output.seek(toOffset: UInt64(written) + UInt64(part.count))
            } else {
                try output.write(contentsOf: Data(part))
            }
            written += Int64(part.count)
            progress("decompressing", min(reader.consumedBytes, size), size)
        }
        try output.truncate(atOffset: UInt64(written))
        return written
    }
}

/// The bytes of a file as an upload takes them, read only as fast as they are sent.
struct FileChunks: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let file: URL
    let size: Int64
    let step: String
    let progress: ImportProgress

    struct Iterator: AsyncIteratorProtocol {
        let chunks: FileChunks
        var handle: FileHandle?
        var sent: Int64 = 0

        mutating func next() async throws -> ByteBuffer? {
            if handle == nil { handle = try FileHandle(forReadingFrom: chunks.file) }
            guard let data = try handle?.read(upToCount: 1 << 18), !data.isEmpty else { return nil }
            sent += Int64(data.count)
            chunks.progress(chunks.step, sent, chunks.size)
            return ByteBuffer(bytes: data)
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(chunks: self, handle: nil) }
}
