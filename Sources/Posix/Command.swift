import CPosix

/// A program run to its end, with what it said.
public struct Command: Sendable {
    /// What came of it.
    public struct Result: Sendable {
        /// How it ended.
        public let status: ExitStatus
        /// Its standard output, at most as much as was allowed.
        public let output: [UInt8]
        /// Its standard error, at most as much as was allowed.
        public let error: [UInt8]
        /// Whether it was killed because its time was up.
        public let timedOut: Bool
        /// Whether there was more output than allowed (it was read and dropped).
        public let truncated: Bool

        /// Whether it ended in time with code 0.
        public var isSuccess: Bool { status.isSuccess && !timedOut }
        /// Standard output as text.
        public var outputText: String { String(decoding: output, as: UTF8.self) }
        /// Standard error as text, without the line end.
        public var errorText: String {
            var bytes = error[...]
            while let last = bytes.last, last == 0x0a || last == 0x20 || last == 0x0d { bytes.removeLast() }
            return String(decoding: bytes, as: UTF8.self)
        }
        /// How it ended and what it said on standard error, for a message.
        public var explanation: String {
            let end = timedOut ? "killed after its time limit" : status.description
            return errorText.isEmpty ? end : "\(end): \(errorText)"
        }
    }

    /// Runs a program, feeds it `input`, collects what it says, and kills its process group when it takes longer
    /// than `timeout`, or when `isCancelled`, which is asked some times a second, says so. Errors are only those of starting it: look at the result's status. What it left running in the
    /// background is not waited for.
    public static func run(
        _ executable: String, _ arguments: [String], input: [UInt8] = [], environment: [String]? = nil,
        directory: String? = nil, timeout: Milliseconds? = 60_000, outputLimit: Int = 1 << 20,
        inherited: [Int32] = [], isCancelled: () -> Bool = { false }
    ) throws(PosixError) -> Result {
        let (childInput, toChild) = try File.pipe()
        let (fromOutput, childOutput) = try File.pipe()
        let (fromError, childError) = try File.pipe()
        try check(cposix_set_nonblocking(toChild.descriptor, true), "set up a pipe")
        var options = Process.Options()
        options.environment = environment
        options.directory = directory
        options.input = .descriptor(childInput.descriptor)
        options.output = .descriptor(childOutput.descriptor)
        options.error = .descriptor(childError.descriptor)
        options.newSession = true
        // This thread waits for it; when this process is killed nobody is left who wants its answer.
        options.dieWithParent = true
        options.inherited = inherited
        try abandoned.reap(executable)
        let process = try Process.start(executable, arguments, options)
        try childInput.close()
        try childOutput.close()
        try childError.close()

        var exchange = Exchange(input: input, toChild: toChild, limit: outputLimit)
        exchange.output.file = fromOutput
        exchange.error.file = fromError
        var timedOut = false
        do throws(PosixError) {
            timedOut = try exchange.run(process, Deadline(after: timeout), isCancelled)
            if timedOut { try process.signalGroup(Signals.kill) }
        } catch {
            try process.signalGroup(Signals.kill)
            if try process.wait(timeout: killTimeout) == nil { abandoned.add(process) }
            throw error
        }
        let status = try process.wait(timeout: killTimeout)
        if status == nil { abandoned.add(process) }
        return Result(
            status: status ?? .unknown, output: exchange.output.bytes, error: exchange.error.bytes, timedOut: timedOut,
            truncated: exchange.output.truncated || exchange.error.truncated)
    }

    /// What waits within the kernel, such as for a driver in trouble, does not end when it is killed.
    private static let killTimeout: Milliseconds = 5_000
    private static let abandoned = Abandoned()

    /// Killed programs that have not ended yet.
    private final class Abandoned: @unchecked Sendable {
        // `lock` guards the list.
        private let lock = Lock()
        private var processes: [Process] = []
        /// So many would hold more of the host's memory than any trouble is worth.
        private static let most = 32

        func add(_ process: Process) { lock.withLock { processes.append(process) } }

        /// Takes leave of those that have ended.
        ///
        /// - Throws: EAGAIN while too many have not.
        func reap(_ executable: String) throws(PosixError) {
            let count = lock.withLock { () -> Int in
                processes.removeAll { process in !process.isRunning }
                return processes.count
            }
            guard count < Self.most else {
                throw PosixError(
                    errno: PosixError.tryAgain, operation: "run",
                    detail: "\(executable): the kernel does not let \(count) programs end that were killed")
            }
        }
    }

    /// One of the child's two outputs.
    private struct Stream {
        var file: File?
        var bytes: [UInt8] = []
        var truncated = false

        /// Reads what is there; at the end, lets go of the file.
        mutating func take(_ limit: Int) throws(PosixError) {
            guard let file else { return }
            let chunk = try file.read(65536)
            if chunk.isEmpty { self.file = nil }
            let room = limit - bytes.count
            if chunk.count > room { truncated = true }
            bytes += chunk.prefix(max(0, room))
        }
    }

    /// The talk with the child until it has ended and its outputs are read.
    private struct Exchange {
        let input: [UInt8]
        var given = 0
        var toChild: File?
        var output = Stream()
        var error = Stream()
        let limit: Int

        init(input: [UInt8], toChild: File, limit: Int) {
            self.input = input
            self.toChild = input.isEmpty ? nil : toChild
            self.limit = limit
            if input.isEmpty {
                do throws(PosixError) {
                    try toChild.close()
                } catch {}  // closing an unused pipe loses nothing
            }
        }

        /// True when the deadline passed first, or it was cancelled.
        mutating func run(
            _ process: Process, _ deadline: Deadline, _ isCancelled: () -> Bool
        ) throws(PosixError) -> Bool {
            var ended = false
            while output.file != nil || error.file != nil || toChild != nil {
                if deadline.isPast || isCancelled() { return true }
                // Short naps, since a grandchild in the background may keep the pipes open after the child's end.
                let ready = try Poll.wait(
                    [
                        Poll.Item(output.file?.descriptor ?? -1, readable: true),
                        Poll.Item(error.file?.descriptor ?? -1, readable: true),
                        Poll.Item(toChild?.descriptor ?? -1, writable: true),
                    ], timeout: ended ? 0 : min(50, deadline.remaining ?? 50))
                let outputReady = output.file != nil && ready[0].isReadable
                let errorReady = error.file != nil && ready[1].isReadable
                if outputReady { try output.take(limit) }
                if errorReady { try error.take(limit) }
                if toChild != nil, ready[2].isWritable { try give() }
                if !outputReady, !errorReady {
                    if ended { break }
                    // One more round after its end, for what it said last.
                    ended = cposix_wait_exit(process.pid, 0) != 0
                }
            }
            // Outputs closed, but it may go on working.
            return cposix_wait_exit(process.pid, shimTimeout(deadline.remaining)) == 0
        }

        private mutating func give() throws(PosixError) {
            guard let file = toChild else { return }
            let written = input[given...].withUnsafeBytes { rest in
                cposix_write(file.descriptor, rest.baseAddress, min(rest.count, 65536))
            }
            if written == -Int64(PosixError.tryAgain) { return }
            // A child that does not want the rest of its input is no error.
            if written == -Int64(PosixError.brokenPipe) {
                toChild = nil
                return try file.close()
            }
            try check(written, "write to the standard input of a program")
            given += Int(written)
            if given == input.count {
                toChild = nil
                try file.close()
            }
        }
    }
}
