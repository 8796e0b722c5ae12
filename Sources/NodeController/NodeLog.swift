public import Posix

/// The node's log: one line per event, with time in UTC, level, node, correlation id and instance.
///
/// Control characters are replaced, so that nobody can forge a line. What is secret must not be handed over: URLs go
/// through `NodeLog.redacted`.
public final class NodeLog: @unchecked Sendable {
    /// How much an event matters.
    public enum Level: Int, Sendable, Comparable {
        /// For developers.
        case debug
        /// The ordinary course of things.
        case info
        /// Something is not as it should be, and was dealt with.
        case warning
        /// Something failed.
        case error

        /// By importance.
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }

        /// The level of a name as in `LOGLEVEL`, upper or lower case; nil if there is no such level.
        public init?(name: String) {
            switch name.lowercased() {
            case "debug", "trace", "extreme": self = .debug
            case "info", "notice": self = .info
            case "warning", "warn": self = .warning
            case "error", "fatal": self = .error
            default: return nil
            }
        }

        var label: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warning: "warning"
            case .error: "error"
            }
        }
    }

    private let level: Level
    private let path: String?
    // Guards `file`, which `reopen` replaces; lines of several threads do not mix.
    private let lock = Lock()
    private var file: File?

    /// A log that appends to a file (readable by its owner and group), or writes to standard error without one.
    public init(path: String? = nil, level: Level = .info) throws(PosixError) {
        self.path = path
        self.level = level
        file = try NodeLog.open(path)
    }

    private init() {
        level = .error
        path = nil
        file = nil
    }

    /// A log that keeps nothing but writes errors to standard error.
    public static func quiet() -> NodeLog { NodeLog() }

    /// Opens the file anew, after a log rotation moved it away. If that fails, the old file stays in use.
    public func reopen() {
        do throws(PosixError) {
            let next = try NodeLog.open(path)
            lock.withLock { file = next }
        } catch {
            self.error("\(error); the log goes on in the old file")
        }
    }

    /// Logs for developers.
    public func debug(_ message: @autoclosure () -> String, _ context: Context = .none) {
        if level <= .debug { write(.debug, message(), context) }
    }

    /// Logs the ordinary course of things.
    public func info(_ message: @autoclosure () -> String, _ context: Context = .none) {
        if level <= .info { write(.info, message(), context) }
    }

    /// Logs what is not as it should be.
    public func warning(_ message: @autoclosure () -> String, _ context: Context = .none) {
        if level <= .warning { write(.warning, message(), context) }
    }

    /// Logs a failure.
    public func error(_ message: @autoclosure () -> String, _ context: Context = .none) {
        write(.error, message(), context)
    }

    /// Whom a line is about.
    public struct Context: Sendable {
        /// Name of the node, where several share a log.
        public var node: String?
        /// Id of the user's request that caused it.
        public var correlation: String?
        /// Id of the instance.
        public var instance: String?

        /// Nobody in particular.
        public static let none = Context()

        /// Whom a line is about.
        public init(node: String? = nil, correlation: String? = nil, instance: String? = nil) {
            self.node = node
            self.correlation = correlation
            self.instance = instance
        }
    }

    /// A URL without user, query and fragment, which hold the secrets of presigned URLs.
    public static func redacted(_ url: String) -> String {
        var text = Array(url.utf8)
        if let end = text.firstIndex(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
            text.removeSubrange(end...)
        }
        // "://user:password@host": everything between the slashes and the last @ of the authority.
        var index = 0
        while index + 2 < text.count {
            if text[index] == UInt8(ascii: ":"), text[index + 1] == UInt8(ascii: "/"),
                text[index + 2] == UInt8(ascii: "/")
            {
                let start = index + 3
                let end = text[start...].firstIndex(of: UInt8(ascii: "/")) ?? text.count
                if let at = text[start..<end].lastIndex(of: UInt8(ascii: "@")) { text.removeSubrange(start...at) }
                break
            }
            index += 1
        }
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: Writing

    private static func open(_ path: String?) throws(PosixError) -> File? {
        guard let path else { return nil }
        // The directory may be shared with services that are not root: they shall lead this file nowhere else.
        return try File(path, [.write, .append, .create, .noFollow], permissions: 0o640)
    }

    private func write(_ level: Level, _ message: String, _ context: Context) {
        var line = Timestamp.format(Clock.now) + " " + level.label
        if let node = context.node { line += " node=" + node }
        if let correlation = context.correlation, !correlation.isEmpty { line += " request=" + correlation }
        if let instance = context.instance { line += " instance=" + instance }
        line += " " + message
        var bytes = Array(line.utf8)
        for index in bytes.indices where bytes[index] < 0x20 || bytes[index] == 0x7F { bytes[index] = 0x20 }
        lock.lock()
        defer { lock.unlock() }
        guard let file else {
            Output.error(String(decoding: bytes, as: UTF8.self))
            return
        }
        bytes.append(0x0A)
        do throws(PosixError) {
            try file.write(bytes)
        } catch {
            // A full disk must not stop the node; standard error is the last place to say it.
            Output.error("\(error)")
        }
    }
}
