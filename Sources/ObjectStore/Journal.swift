// The journal: every change of the index a second time, in plain files that are only ever appended to. It is written
// and synced before the index commits, so the index itself needs no sync of its own, and whatever becomes of the index,
// it can be made again from here.
//
//   root/journal/0000000000000001.log        groups of changes from that number on; at 64 MiB a new file begins
//   root/journal/0000000000004f20.snapshot   all rows as they were after that group; older files are then removed
//
// A file begins with "MALLEEJ1", and holds frames:
//
//   magic "MJG1" (4)   length of the payload (4)   group number (8)   CRC-32C of length, number and payload (4)   payload
//
// The payload is a list of entries (`JournalEntry`), or empty in the last frame of a snapshot, which says that it is
// whole. Integers are little-endian. What a crash leaves half written is at the end of the last file and is cut off;
// a frame that is damaged elsewhere is skipped up to the next whole one, and reported.

internal import Glibc
internal import NIOCore

/// What a frame says.
struct JournalFrame {
    var sequence: UInt64
    var payload: ByteBuffer
}

enum JournalFormat {
    static let header = Array("MALLEEJ1".utf8)
    static let magic = Array("MJG1".utf8)
    static let frameHeader = 20
    /// More than any group holds: 512 small objects of at most 1 MiB.
    static let largestPayload = 1 << 30

    static func frame(sequence: UInt64, payload: ByteBuffer) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.reserveCapacity(frameHeader + payload.readableBytes)
        frame.writeBytes(magic)
        var checked = ByteBuffer()
        checked.writeInteger(UInt32(payload.readableBytes), endianness: .little)
        checked.writeInteger(sequence, endianness: .little)
        frame.writeImmutableBuffer(checked)
        frame.writeInteger(checksum(checked, payload), endianness: .little)
        frame.writeImmutableBuffer(payload)
        return frame
    }

    static func checksum(_ header: ByteBuffer, _ payload: ByteBuffer) -> UInt32 {
        var crc = CyclicRedundancyCheck.crc32c
        header.withUnsafeReadableBytes { crc.update($0) }
        payload.withUnsafeReadableBytes { crc.update($0) }
        return crc.finalize().reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Reads the frames of one file in order.
final class JournalReader {
    private let descriptor: Int32
    private let path: String
    private var buffer = ByteBuffer()
    private var isAtEnd = false
    /// Where the next frame begins.
    private(set) var offset: Int64 = 0
    /// The end of the last whole frame.
    private(set) var wholeUntil: Int64 = 0
    /// Stretches that were skipped since no whole frame begins there.
    private(set) var damage: [Range<Int64>] = []

    init(path: String) throws(ObjectStoreError) {
        self.path = path
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw posixFailure("open", path) }
        if try fill(JournalFormat.header.count), buffer.readableBytesView.starts(with: JournalFormat.header) {
            advance(JournalFormat.header.count)
            wholeUntil = offset
        }
    }

    deinit { Glibc.close(descriptor) }

    private func advance(_ count: Int) {
        buffer.moveReaderIndex(forwardBy: count)
        offset += Int64(count)
        if buffer.readerIndex > 4 << 20 { buffer.discardReadBytes() }
    }

    /// Whether so many bytes can be had.
    private func fill(_ count: Int) throws(ObjectStoreError) -> Bool {
        while buffer.readableBytes < count, !isAtEnd {
            let wanted = max(count - buffer.readableBytes, 1 << 20)
            var code: Int32 = 0
            let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { space in
                let got = read(descriptor, space.baseAddress, wanted)
                if got < 0 { code = errno }
                return max(got, 0)
            }
            if code == EINTR { continue }
            guard code == 0 else { throw posixFailure("read", path, code) }
            if got == 0 { isAtEnd = true }
        }
        return buffer.readableBytes >= count
    }

    /// The frame that begins here, if one does.
    private func frameHere() throws(ObjectStoreError) -> JournalFrame? {
        guard try fill(JournalFormat.frameHeader), buffer.readableBytesView.starts(with: JournalFormat.magic) else {
            return nil
        }
        var head = buffer
        head.moveReaderIndex(forwardBy: 4)
        guard let checked = head.readSlice(length: 12), let crc = head.readInteger(endianness: .little, as: UInt32.self)
        else { return nil }
        var fields = checked
        guard let length = fields.readInteger(endianness: .little, as: UInt32.self),
            let sequence = fields.readInteger(endianness: .little, as: UInt64.self),
            length <= JournalFormat.largestPayload
        else { return nil }
        let size = JournalFormat.frameHeader + Int(length)
        guard try fill(size),
            let payload = buffer.getSlice(
                at: buffer.readerIndex + JournalFormat.frameHeader, length: Int(length)),
            JournalFormat.checksum(checked, payload) == crc
        else { return nil }
        advance(size)
        return JournalFrame(sequence: sequence, payload: payload)
    }

    /// The next whole frame; nil when there is none any more.
    func next() throws(ObjectStoreError) -> JournalFrame? {
        let began = offset
        while true {
            if let frame = try frameHere() {
                let start = offset - Int64(JournalFormat.frameHeader + frame.payload.readableBytes)
                if start > began { damage.append(began..<start) }
                wholeUntil = offset
                return frame
            }
            // On to the next place where a frame might begin.
            guard try fill(2) else { return nil }
            let view = buffer.readableBytesView.dropFirst()
            let next = view.firstIndex(of: JournalFormat.magic[0]) ?? view.endIndex
            advance(next - buffer.readerIndex)
        }
    }
}

/// Writes the journal. One thread at a time: that of the index's transactions.
final class JournalWriter: @unchecked Sendable {
    /// A file grows no further than about this.
    private static let segmentSize: Int64 = 64 << 20

    private let directory: JournalDirectory
    private let isSynced: Bool
    private var segment: (descriptor: Int32, path: String, size: Int64)?
    /// The number of the last group.
    private(set) var sequence: UInt64
    /// Bytes behind the snapshot that was there when the store was opened.
    private(set) var bytesSinceSnapshot: Int64
    /// Set when the file could not be taken back to what it was: what follows would not be read again.
    private var failure: ObjectStoreError?
    private var lastSize: Int64 = 0

    init(_ directory: JournalDirectory, sequence: UInt64, bytesSinceSnapshot: Int64, isSynced: Bool) {
        self.directory = directory
        self.sequence = sequence
        self.bytesSinceSnapshot = bytesSinceSnapshot
        self.isSynced = isSynced
    }

    /// Appends a group of entries and makes it durable. On a throw nothing was written.
    func append(_ entries: ByteBuffer) throws(ObjectStoreError) -> UInt64 {
        if let failure { throw failure }
        let number = sequence + 1
        let current: (descriptor: Int32, path: String, size: Int64)
        if let open = segment, open.size < Self.segmentSize {
            current = open
        } else {
            if let full = segment { close(full.descriptor) }
            segment = nil
            current = try directory.createSegment(first: number)
            segment = current
        }
        let frame = JournalFormat.frame(sequence: number, payload: entries)
        do throws(ObjectStoreError) {
            try frame.withUnsafeReadableBytes { bytes throws(ObjectStoreError) in
                try writeAll(bytes, to: current.descriptor, path: current.path, free: directory.free)
            }
            // The size is part of what fdatasync writes.
            guard !isSynced || fdatasync(current.descriptor) == 0 else { throw posixFailure("fdatasync", current.path) }
        } catch {
            cut(current, to: current.size)
            throw error
        }
        lastSize = current.size
        segment?.size += Int64(frame.readableBytes)
        bytesSinceSnapshot += Int64(frame.readableBytes)
        sequence = number
        return number
    }

    /// Takes the last group back, since the index could not commit it.
    func takeBack() {
        guard let current = segment else { return }
        cut(current, to: lastSize)
        segment?.size = lastSize
        sequence -= 1
    }

    private func cut(_ current: (descriptor: Int32, path: String, size: Int64), to size: Int64) {
        guard ftruncate(current.descriptor, off_t(size)) == 0, lseek(current.descriptor, 0, SEEK_END) >= 0,
            fdatasync(current.descriptor) == 0
        else {
            failure = .failed(
                "the journal \(current.path) cannot be written: \(String(cString: strerror(errno))); mend the disk and "
                    + "start again")
            return
        }
    }

    func close() {
        if let open = segment { Glibc.close(open.descriptor) }
        segment = nil
    }

    private func close(_ descriptor: Int32) { Glibc.close(descriptor) }

    deinit { close() }
}

/// Writes all bytes at the end of a file; says when the disk is full.
func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String, free: () -> Int64
) throws(ObjectStoreError) {
    var done = 0
    while done < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
        if count < 0 {
            if errno == EINTR { continue }
            if errno == ENOSPC || errno == EDQUOT {
                throw .insufficientStorage(needed: Int64(bytes.count - done), free: free())
            }
            throw posixFailure("write", path)
        }
        done += count
    }
}
