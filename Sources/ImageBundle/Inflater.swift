internal import CZlib

/// Unpacks gzip (RFC 1952), also of several members. Used by one task at a time: its owner awaits each call.
final class Inflater: @unchecked Sendable {
    /// Bytes at a time.
    private static let chunk = 256 << 10

    private let stream: UnsafeMutablePointer<z_stream>
    private var input: [UInt8] = []
    private var position = 0
    private var hasBegun = false
    /// Between two members, or behind the last.
    private var isBetween = true

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
    }

    deinit {
        if hasBegun { inflateEnd(stream) }
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// More packed bytes; all former ones must have been used up.
    func append(_ bytes: [UInt8]) {
        if position < input.count {
            input.removeFirst(position)
            input += bytes
        } else {
            input = bytes
        }
        position = 0
    }

    /// Some unpacked bytes; nil when more input is needed.
    func next() throws(BundleError) -> [UInt8]? {
        if !hasBegun {
            guard zlib_begin_gzip(stream) == Z_OK else { throw .damaged("Out of memory while unpacking a bundle.") }
            hasBegun = true
        }
        while position < input.count {
            var result: Int32 = Z_OK
            var used = 0
            let output = [UInt8](unsafeUninitializedCapacity: Self.chunk) { space, count in
                input.withUnsafeMutableBufferPointer { input in
                    guard let base = input.baseAddress else { return }
                    stream.pointee.next_in = base + position
                    stream.pointee.avail_in = UInt32(clamping: input.count - position)
                    stream.pointee.next_out = space.baseAddress
                    stream.pointee.avail_out = UInt32(Self.chunk)
                    let before = stream.pointee.avail_in
                    result = inflate(stream, Z_NO_FLUSH)
                    used = Int(before - stream.pointee.avail_in)
                    count = Self.chunk - Int(stream.pointee.avail_out)
                }
            }
            position += used
            switch result {
            case Z_OK, Z_BUF_ERROR: isBetween = false
            case Z_STREAM_END:
                isBetween = true
                inflateReset(stream)
            default:
                throw .damaged(
                    "What the bundle decrypts to is no gzip data. The key is not the one it was encrypted with, or the "
                        + "parts are in another order.")
            }
            if !output.isEmpty { return output }
            if used == 0, result == Z_BUF_ERROR { return nil }
        }
        return nil
    }

    /// Throws if the input ended in the middle.
    func finish() throws(BundleError) {
        guard isBetween else { throw .damaged("The packed image ends too early: the bundle is cut off.") }
    }
}
