internal import CZlib

/// Packs bytes as gzip (RFC 1952). Used by one task at a time: its owner awaits each call.
final class Deflater: @unchecked Sendable {
    private static let chunk = 256 << 10
    /// What ec2-bundle-image's gzip does takes four times as long and saves a few per cent.
    private static let level: Int32 = 1

    private let stream: UnsafeMutablePointer<z_stream>
    private var hasBegun = false

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
    }

    deinit {
        if hasBegun { deflateEnd(stream) }
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// The packed bytes that are ready after these; with `isLast`, all that are left.
    func pack(_ bytes: [UInt8], isLast: Bool = false) throws(BundleError) -> [UInt8] {
        if !hasBegun {
            guard zlib_begin_packing(stream, Self.level) == Z_OK else {
                throw .damaged("Out of memory while packing a bundle.")
            }
            hasBegun = true
        }
        var input = bytes
        var packed: [UInt8] = []
        var position = 0
        var isComplete = false
        while !isComplete {
            var result: Int32 = Z_OK
            let output = [UInt8](unsafeUninitializedCapacity: Self.chunk) { space, count in
                input.withUnsafeMutableBufferPointer { input in
                    stream.pointee.next_in = input.baseAddress.map { $0 + position }
                    stream.pointee.avail_in = UInt32(clamping: input.count - position)
                    stream.pointee.next_out = space.baseAddress
                    stream.pointee.avail_out = UInt32(Self.chunk)
                    result = deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                    position = input.count - Int(stream.pointee.avail_in)
                    count = Self.chunk - Int(stream.pointee.avail_out)
                }
            }
            guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
                throw .damaged("The image could not be packed (zlib's error \(result)).")
            }
            packed += output
            isComplete = isLast ? result == Z_STREAM_END : output.count < Self.chunk
        }
        return packed
    }
}
