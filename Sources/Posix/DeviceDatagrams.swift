import CPosix

/// IPv4 datagrams to one port that arrive over one interface of this host, and answers to everybody on that interface:
/// what a DHCP server needs.
public final class DeviceDatagrams: @unchecked Sendable {
    // Immutable, hence safe to share.
    /// The descriptor, for `Poll`.
    public let descriptor: Int32
    private let device: String

    /// Opens the socket. Needs CAP_NET_RAW.
    public init(device: String, port: UInt16) throws(PosixError) {
        descriptor = try check(cposix_datagram_device(device, port), "take datagrams", "to port \(port) on \(device)")
        self.device = device
    }

    deinit { _ = cposix_close(descriptor) }

    /// The next datagram, at most `limit` bytes of it; nil if none is there.
    public func receive(limit: Int = 2048) throws(PosixError) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = buffer.withUnsafeMutableBytes { bytes in
            cposix_receive(descriptor, bytes.baseAddress, bytes.count, 0)
        }
        if count == Int64(-PosixError.timedOut) || count == Int64(-PosixError.tryAgain) { return nil }
        try check(count, "receive", "on \(device)")
        buffer.removeLast(buffer.count - Int(count))
        return buffer
    }

    /// Sends a datagram to everybody.
    public func broadcast(_ bytes: [UInt8], port: UInt16) throws(PosixError) {
        let result = bytes.withUnsafeBytes { bytes in
            cposix_datagram_broadcast(descriptor, port, bytes.baseAddress, bytes.count)
        }
        try check(result, "send", "to port \(port) on \(device)")
    }
}
