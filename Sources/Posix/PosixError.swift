import CPosix

/// What the kernel refused: its code, what was asked, and of which path, address or command.
public struct PosixError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The code of errno(3); above 10000 a code of getaddrinfo(3).
    public let errno: Int32
    /// What was attempted, as a verb: "open", "connect to".
    public let operation: String
    /// The path, address or command it was attempted on; may be empty.
    public let detail: String

    /// An error with a code of errno(3).
    public init(errno: Int32, operation: String, detail: String = "") {
        self.errno = errno
        self.operation = operation
        self.detail = detail
    }

    /// The kernel's reason alone, as strerror(3) words it.
    public var reason: String {
        var buffer = [CChar](repeating: 0, count: 256)
        let length = buffer.withUnsafeMutableBufferPointer { cposix_error_text(errno, $0.baseAddress, $0.count) }
        return string(buffer, Int(length))
    }

    /// "cannot open /etc/x: No such file or directory".
    public var description: String {
        detail.isEmpty ? "cannot \(operation): \(reason)" : "cannot \(operation) \(detail): \(reason)"
    }

    /// Whether a file, directory or process is not there (ENOENT).
    public var isNotFound: Bool { errno == Self.notFound }
    /// Whether something is there already (EEXIST).
    public var isAlreadyThere: Bool { errno == Self.alreadyThere }
    /// Whether the time limit passed (ETIMEDOUT).
    public var isTimeout: Bool { errno == Self.timedOut }
    /// Whether no more bytes fit on the file system or in the quota (ENOSPC, EDQUOT).
    public var isDiskFull: Bool { errno == Self.noSpace || errno == 122 }
    /// Whether another process holds it: a lock (EAGAIN), an address (EADDRINUSE), a file (EBUSY).
    public var isBusy: Bool { errno == Self.tryAgain || errno == Self.addressInUse || errno == 16 }

    // Linux numbers, the same on x86_64 and i386.

    /// EPERM.
    public static let notPermitted: Int32 = 1
    /// ENOENT.
    public static let notFound: Int32 = 2
    /// ESRCH.
    public static let noSuchProcess: Int32 = 3
    /// EIO.
    public static let inputOutput: Int32 = 5
    /// EBADF.
    public static let badDescriptor: Int32 = 9
    /// ECHILD.
    public static let noChild: Int32 = 10
    /// EAGAIN.
    public static let tryAgain: Int32 = 11
    /// EACCES.
    public static let accessDenied: Int32 = 13
    /// EEXIST.
    public static let alreadyThere: Int32 = 17
    /// ENOTDIR.
    public static let notADirectory: Int32 = 20
    /// EISDIR.
    public static let isADirectory: Int32 = 21
    /// EINVAL.
    public static let invalid: Int32 = 22
    /// EFBIG.
    public static let tooLarge: Int32 = 27
    /// ENOSPC.
    public static let noSpace: Int32 = 28
    /// EPIPE.
    public static let brokenPipe: Int32 = 32
    /// EPROTO.
    public static let protocolViolation: Int32 = 71
    /// EADDRINUSE.
    public static let addressInUse: Int32 = 98
    /// ECONNRESET.
    public static let connectionReset: Int32 = 104
    /// ETIMEDOUT.
    public static let timedOut: Int32 = 110
    /// ECONNREFUSED.
    public static let connectionRefused: Int32 = 111
}
