import CPosix

/// The machine this runs on.
public enum Host {
    /// Its name as the kernel knows it.
    public static func name() throws(PosixError) -> String {
        try text(capacity: 256, "ask for the host name") { Int64(cposix_hostname($0, $1)) }
    }

    /// Its architecture as uname(1) says: "x86_64", "i686".
    public static func machine() throws(PosixError) -> String {
        try text(capacity: 256, "ask for the machine type") { Int64(cposix_machine($0, $1)) }
    }

    /// The kernel's release: "6.1.0-18-amd64".
    public static func kernel() throws(PosixError) -> String {
        try text(capacity: 256, "ask for the kernel release") { Int64(cposix_kernel($0, $1)) }
    }

    /// Processors that are on line, at least 1.
    public static var processors: Int { Int(cposix_cpus()) }

    /// Memory in bytes: all, and what programs can have without swapping.
    public static func memory() throws(PosixError) -> (total: Int64, available: Int64) {
        var total: Int64 = 0
        var available: Int64?
        var reclaimable: Int64 = 0
        for line in try FileSystem.readText("/proc/meminfo").split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 2, let kilobytes = Int64(String(words[1])) else { continue }
            if words[0] == "MemTotal:" { total = kilobytes << 10 }
            if words[0] == "MemAvailable:" { available = kilobytes << 10 }
            if words[0] == "MemFree:" || words[0] == "Buffers:" || words[0] == "Cached:" {
                reclaimable += kilobytes << 10
            }
        }
        // Kernels before 3.14 do not estimate it.
        return (total, available ?? reclaimable)
    }

    /// The user this process runs as; 0 is root.
    public static var user: UInt32 { cposix_uid() }
    /// This process.
    public static var processID: Int32 { cposix_pid() }

    /// The words of the command line, the program's name first. (Embedded Swift has no `CommandLine`.)
    public static func arguments() throws(PosixError) -> [String] {
        let bytes = try FileSystem.read("/proc/self/cmdline")
        var words: [String] = []
        for word in bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast() {
            words.append(String(decoding: word, as: UTF8.self))
        }
        return words
    }

    /// Ends this process.
    public static func exit(_ code: Int32) -> Never { cposix_exit(code) }
}

/// The environment this process was started with.
public enum Environment {
    /// The value of a variable, or nil when it is not set.
    public static subscript(name: String) -> String? {
        guard let value = cposix_getenv(name) else { return nil }
        return String(cString: value)
    }

    /// All of it, as "NAME=value".
    public static var all: [String] {
        var entries: [String] = []
        while let entry = cposix_environment(Int32(entries.count)) { entries.append(String(cString: entry)) }
        return entries
    }
}

/// Randomness from the kernel, fit for keys and names that nobody may guess.
public enum Random {
    /// So many random bytes.
    public static func bytes(_ count: Int) throws(PosixError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = bytes.withUnsafeMutableBytes { cposix_random($0.baseAddress, $0.count) }
        try check(result, "get random bytes")
        return bytes
    }
}

/// The standard streams.
public enum Output {
    /// Writes text to standard output.
    public static func write(_ text: String) throws(PosixError) { try write(text, to: 1, "standard output") }
    /// Writes a line to standard error. A closed standard error is no reason to fail, so this never does.
    public static func error(_ line: String) {
        do throws(PosixError) {
            try write(line + "\n", to: 2, "standard error")
        } catch {}
    }

    private static func write(_ text: String, to descriptor: Int32, _ name: String) throws(PosixError) {
        let stream = File(descriptor: descriptor, path: name)
        defer { _ = stream.release() }
        try stream.write(Array(text.utf8))
    }
}

/// Orderly endings.
public enum Signals {
    /// SIGHUP, SIGINT, SIGKILL, SIGUSR1 and SIGTERM by number.
    public static let hangup: Int32 = 1
    /// SIGINT.
    public static let interrupt: Int32 = 2
    /// SIGKILL.
    public static let kill: Int32 = 9
    /// SIGUSR1.
    public static let user1: Int32 = 10
    /// SIGTERM.
    public static let terminate: Int32 = 15

    /// Keeps SIGTERM, SIGINT, SIGHUP and SIGUSR1 for `wait`. Call it first thing in main, before any thread starts,
    /// since threads inherit it.
    public static func block() { cposix_block_signals() }

    /// Waits for one of the blocked signals and returns its number; nil after the time limit.
    public static func wait(timeout: Milliseconds? = nil) throws(PosixError) -> Int32? {
        let number = try check(cposix_wait_signal(shimTimeout(timeout)), "wait for a signal")
        return number == 0 ? nil : number
    }
}
