// A child process and its end.
//
//     start ──► running ──(ends by itself or by signal)──► ended, not reaped ──wait──► reaped
//
// The pid stays ours until it is reaped, hence signals are only sent before that, under one lock with the reaping.
import CPosix

/// How a process ended.
public enum ExitStatus: Sendable, Equatable, CustomStringConvertible {
    /// By itself, with a code; 0 is success.
    case exited(Int32)
    /// By a signal.
    case signaled(Int32)
    /// Somebody else reaped it, so nobody knows any more.
    case unknown

    /// Whether it ended by itself with code 0.
    public var isSuccess: Bool { self == .exited(0) }

    /// "exit code 2", "killed by signal 9".
    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signaled(let signal): "killed by signal \(signal)"
        case .unknown: "ended, exit code lost"
        }
    }
}

/// A child process, started from a program and an argument vector, never through a shell.
/// It runs on when the last reference to this object goes; then nobody reaps it.
public final class Process: @unchecked Sendable {
    /// Where a standard stream of the child leads.
    public enum Redirection: Sendable {
        /// /dev/null.
        case null
        /// Where this process's own leads.
        case inherit
        /// A file, made if it is not there: read for input, appended to for output.
        case file(String)
        /// A file for output that is emptied first.
        case emptied(String)
        /// An open descriptor of this process (a pipe's end, a socket).
        case descriptor(Int32)
        /// For standard error: where standard output leads.
        case sameAsOutput
    }

    /// How to start it.
    public struct Options: Sendable {
        /// The environment as "NAME=value"; nil passes this process's own on.
        public var environment: [String]?
        /// The working directory; nil keeps this process's.
        public var directory: String?
        /// Standard input.
        public var input: Redirection = .null
        /// Standard output.
        public var output: Redirection = .null
        /// Standard error.
        public var error: Redirection = .null
        /// Makes it leader of a new session and process group: signals from the terminal do not reach it, and
        /// `signalGroup` reaches all that it starts. Needed for what shall outlive this process.
        public var newSession = false
        /// The kernel kills it when the *thread* that started it ends: only for use from threads that last.
        public var dieWithParent = false
        /// Descriptors (3 and above) that stay open in it under the same number. All others are closed.
        public var inherited: [Int32] = []

        /// All streams to /dev/null, own environment and directory, same session.
        public init() {}
    }

    /// The process number.
    public let pid: Int32
    /// The program; for messages.
    public let executable: String
    // Guards `reaped`, and keeps signals and reaping apart.
    private let lock = Lock()
    private var reaped: ExitStatus?

    private init(pid: Int32, executable: String) {
        self.pid = pid
        self.executable = executable
    }

    /// Starts a program: a path, or a name that is looked up in PATH. `arguments` are those after the program's name.
    /// Fails when it cannot be executed, too; then there is no process.
    public static func start(
        _ executable: String, _ arguments: [String], _ options: Options = Options()
    ) throws(PosixError) -> Process {
        guard let path = FileSystem.findExecutable(executable) else {
            throw PosixError(errno: PosixError.notFound, operation: "run", detail: executable)
        }
        // Descriptors opened here close again when these references end, after the child has its copies.
        var opened: [File] = []
        let input = try descriptor(options.input, 0, &opened)
        let output = try descriptor(options.output, 1, &opened)
        var error = output
        if case .sameAsOutput = options.error {} else { error = try descriptor(options.error, 2, &opened) }
        let words = try blob([executable] + arguments, executable)
        let entries = options.environment ?? Environment.all
        let environment = try blob(entries, executable)
        var inherited = options.inherited
        inherited.sort()

        var request = cposix_spawn()
        request.argc = Int32(arguments.count + 1)
        request.envc = Int32(entries.count)
        request.standard = (input, output, error)
        request.new_session = options.newSession
        request.die_with_parent = options.dieWithParent
        request.inherited_count = Int32(inherited.count)
        let directory = try blob(options.directory.map { directory in [directory] } ?? [], executable)
        let pathBytes = try blob([path], executable)
        let pid = words.withUnsafeBufferPointer { words in
            environment.withUnsafeBufferPointer { environment in
                directory.withUnsafeBufferPointer { directory in
                    pathBytes.withUnsafeBufferPointer { path in
                        inherited.withUnsafeBufferPointer { inherited in
                            request.arguments = words.baseAddress
                            request.environment = environment.baseAddress
                            request.directory = options.directory == nil ? nil : directory.baseAddress
                            request.path = path.baseAddress
                            request.inherited = inherited.baseAddress
                            return cposix_spawn(&request)
                        }
                    }
                }
            }
        }
        opened.removeAll()
        try check(pid, "run", path)
        return Process(pid: pid, executable: path)
    }

    /// Takes the strings apart into C strings one after another.
    private static func blob(_ strings: [String], _ executable: String) throws(PosixError) -> [CChar] {
        var bytes: [CChar] = []
        for string in strings {
            for byte in string.utf8 {
                if byte == 0 {
                    // It would be cut off silently.
                    throw PosixError(
                        errno: PosixError.invalid, operation: "run with a NUL in an argument", detail: executable)
                }
                bytes.append(CChar(bitPattern: byte))
            }
            bytes.append(0)
        }
        return bytes
    }

    private static func descriptor(
        _ redirection: Redirection, _ number: Int32, _ opened: inout [File]
    ) throws(PosixError) -> Int32 {
        let file: File
        switch redirection {
        case .inherit: return number
        case .descriptor(let descriptor): return descriptor
        case .sameAsOutput: throw PosixError(errno: PosixError.invalid, operation: "redirect a stream to output")
        case .null: file = try File("/dev/null", number == 0 ? .read : .write)
        case .file(let path): file = try number == 0 ? File(path, .read) : File(path, [.write, .create, .append])
        case .emptied(let path): file = try File(path, [.write, .create, .truncate])
        }
        opened.append(file)
        return file.descriptor
    }

    /// Waits for its end and reaps it. Nil when it still runs after the time limit. May be called by any thread
    /// and again afterwards.
    public func wait(timeout: Milliseconds? = nil) throws(PosixError) -> ExitStatus? {
        if let status = lock.withLock({ reaped }) { return status }
        let ended = cposix_wait_exit(pid, shimTimeout(timeout))
        if ended == 0 { return nil }
        if ended < 0, ended != -PosixError.noChild { try check(ended, "wait for", executable) }
        return try lock.withLock { () throws(PosixError) -> ExitStatus? in
            if let reaped { return reaped }
            var code: Int32 = 0
            var signaled = false
            let result = cposix_reap(pid, &code, &signaled)
            let status: ExitStatus
            if result == -PosixError.noChild {
                status = .unknown
            } else {
                try check(result, "wait for", executable)
                if result == 1 { return nil }
                status = signaled ? .signaled(code) : .exited(code)
            }
            reaped = status
            return status
        }
    }

    /// Whether it has not ended. Reaps it if it has.
    public var isRunning: Bool {
        do throws(PosixError) {
            return try wait(timeout: 0) == nil
        } catch {
            return false  // the kernel does not know it any more
        }
    }

    /// Sends it a signal; false when it has been reaped already.
    @discardableResult
    public func signal(_ number: Int32) throws(PosixError) -> Bool {
        try send(number, to: pid)
    }

    /// Sends a signal to it and all of its process group. Only if it was started with `newSession`.
    @discardableResult
    public func signalGroup(_ number: Int32) throws(PosixError) -> Bool {
        try send(number, to: -pid)
    }

    private func send(_ number: Int32, to target: Int32) throws(PosixError) -> Bool {
        try lock.withLock { () throws(PosixError) -> Bool in
            if reaped != nil { return false }
            let result = cposix_kill(target, number)
            if result == -PosixError.noSuchProcess { return false }
            try check(result, "send signal \(number) to", executable)
            return true
        }
    }

    /// SIGTERM, then SIGKILL after `grace`; returns how it ended.
    public func stop(grace: Milliseconds) throws(PosixError) -> ExitStatus {
        try signal(Signals.terminate)
        if let status = try wait(timeout: grace) { return status }
        try signal(Signals.kill)
        return try wait() ?? .unknown
    }

    /// Names this very process, also for a later life of this program.
    public func identity() throws(PosixError) -> ProcessIdentity {
        guard let identity = try ProcessIdentity.of(pid) else {
            throw PosixError(errno: PosixError.noSuchProcess, operation: "identify", detail: executable)
        }
        return identity
    }
}
