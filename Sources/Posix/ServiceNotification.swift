import CPosix

/// Tells the service manager that started this process how it is doing: the protocol of sd_notify(3), which is one
/// datagram of `NAME=value` lines to the Unix socket that `NOTIFY_SOCKET` names.
public struct ServiceNotification: Sendable {
    private let socket: String?

    /// Towards the manager of this process; without one (started by hand, or by a SysV script) nothing is sent.
    public init() { self.init(socket: Environment["NOTIFY_SOCKET"]) }

    /// Towards a socket: a path that begins with "/", or "@" and a name of the abstract namespace. Nil and "" are none.
    public init(socket: String?) {
        self.socket = socket.flatMap { name in name.isEmpty ? nil : name }
    }

    /// The service answers requests; the start is over.
    /// - Returns: whether there is a manager that was told.
    @discardableResult
    public func ready(_ status: String) throws(PosixError) -> Bool {
        try send("READY=1\nSTATUS=\(Self.line(status))\n")
    }

    /// The service has begun to end, on its own or because it was asked to.
    /// - Returns: whether there is a manager that was told.
    @discardableResult
    public func stopping() throws(PosixError) -> Bool { try send("STOPPING=1\nSTATUS=Stopping.\n") }

    /// A sentence for people, which `systemctl status` shows.
    /// - Returns: whether there is a manager that was told.
    @discardableResult
    public func status(_ text: String) throws(PosixError) -> Bool { try send("STATUS=\(Self.line(text))\n") }

    private func send(_ text: String) throws(PosixError) -> Bool {
        guard let socket else { return false }
        // What systemd does not set is not guessed at: a relative path, or vsock.
        guard socket.utf8.first == 0x2f || socket.utf8.first == 0x40, socket.utf8.count > 1 else {
            throw PosixError(errno: PosixError.invalid, operation: "notify", detail: "NOTIFY_SOCKET \(socket)")
        }
        let bytes = Array(text.utf8)
        let result = bytes.withUnsafeBytes { cposix_unix_datagram(socket, $0.baseAddress, $0.count) }
        try check(result, "notify the service manager at", socket)
        return true
    }

    /// One line: a line end in the text would begin another assignment.
    private static func line(_ text: String) -> String {
        var bytes = Array(text.utf8)
        for index in bytes.indices where bytes[index] < 0x20 { bytes[index] = 0x20 }
        return String(decoding: bytes, as: UTF8.self)
    }
}
