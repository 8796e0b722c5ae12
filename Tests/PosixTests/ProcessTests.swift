import Posix
import Testing

@Suite struct ProcessTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    @Test func `a command's output, errors and exit code are collected`() throws {
        let result = try Command.run(
            "sh", ["-c", "cat; echo \"$1\" \"$X\"; pwd; echo oops >&2; exit 3", "-", "a b;c"],
            input: Array("in\n".utf8), environment: ["X=y", "PATH=/usr/bin:/bin"], directory: scratch.path)
        #expect(result.outputText == "in\na b;c y\n\(try FileSystem.realPath(scratch.path))\n")
        #expect(result.errorText == "oops")
        #expect(result.status == .exited(3))
        #expect(result.explanation == "exit code 3: oops")
        #expect(!result.isSuccess && !result.timedOut && !result.truncated)
    }

    @Test func `a megabyte goes in and out at once without a deadlock`() throws {
        let input = [UInt8](repeating: 0x61, count: 1 << 20)
        let result = try Command.run("cat", [], input: input, outputLimit: 2 << 20)
        #expect(result.isSuccess)
        #expect(result.output == input)
    }

    @Test func `a child that does not read its input is no error`() throws {
        let result = try Command.run("true", [], input: [UInt8](repeating: 0, count: 1 << 20))
        #expect(result.isSuccess)
    }

    @Test func `output beyond the limit is dropped and said to be`() throws {
        let result = try Command.run("head", ["-c", "300000", "/dev/zero"], outputLimit: 1000)
        #expect(result.output.count == 1000)
        #expect(result.truncated && result.status.isSuccess)
    }

    @Test func `a command that takes too long is killed with its children`() throws {
        let start = Clock.monotonic
        let result = try Command.run(
            "sh", ["-c", "sleep 61 & echo $! > \(scratch("pid")); wait"], timeout: 300)
        #expect(result.timedOut && !result.isSuccess)
        #expect(result.status == .signaled(Signals.kill))
        #expect(Clock.monotonic - start < 30_000)
        var text = try FileSystem.readText(scratch("pid"))
        text.removeLast()
        let grandchild = try #require(Int32(text))
        let deadline = Deadline(after: 120_000)
        while try ProcessIdentity.of(grandchild) != nil, !deadline.isPast { Thread.sleep(5) }
        #expect(try ProcessIdentity.of(grandchild) == nil)
    }

    @Test func `a background grandchild that keeps the pipes open is not waited for`() throws {
        let start = Clock.monotonic
        let result = try Command.run("sh", ["-c", "sleep 62 & echo $!"], timeout: 50_000)
        #expect(result.isSuccess)
        #expect(Clock.monotonic - start < 40_000)
        let grandchild = try #require(Int32(result.outputText.split(separator: "\n")[0]))
        let identity = try #require(try ProcessIdentity.of(grandchild))
        #expect(try identity.signal(Signals.kill))
        #expect(try identity.waitForEnd(timeout: 120_000))
    }

    @Test func `a program that is not there or cannot run is an error, not an exit code`() throws {
        #expect(throws: PosixError.self) { try Process.start("no-such-program-here", []) }
        try FileSystem.write(scratch("bad"), text: "#!/no/such/interpreter\n", permissions: 0o755)
        let error = #expect(throws: PosixError.self) { try Process.start(scratch("bad"), []) }
        #expect(error?.isNotFound == true)
        var options = Process.Options()
        options.directory = scratch("nowhere")
        #expect(throws: PosixError.self) { try Process.start("true", [], options) }
        let nul = #expect(throws: PosixError.self) { try Process.start("true", ["a\0b"]) }
        #expect(nul?.errno == PosixError.invalid)
    }

    @Test func `waiting respects its limit, and a second wait gives the same answer`() throws {
        let child = try Process.start("sh", ["-c", "read x; exit 7"], .init())
        #expect(try child.wait() == .exited(7))
        #expect(try child.wait() == .exited(7))
        #expect(try child.signal(Signals.kill) == false)
        let sleeper = try Process.start("sleep", ["63"])
        #expect(try sleeper.wait(timeout: 30) == nil)
        #expect(sleeper.isRunning)
        #expect(try sleeper.stop(grace: 10_000) == .signaled(Signals.terminate))
        #expect(!sleeper.isRunning)
    }

    @Test func `a process that ignores SIGTERM is killed after its grace`() throws {
        let (reading, writing) = try File.pipe()
        var options = Process.Options()
        options.output = .descriptor(writing.descriptor)
        let child = try Process.start(
            "sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], options)
        try writing.close()
        #expect(try reading.read(6) == Array("ready\n".utf8))
        #expect(try child.stop(grace: 100) == .signaled(Signals.kill))
    }

    @Test func `many threads may wait for the same child and for many children`() throws {
        let results = Shared<[Posix.ExitStatus]>([])
        var threads: [Thread] = []
        for code in 0..<16 {
            let child = try Process.start("sh", ["-c", "exit \(code)"])
            for _ in 0..<2 {
                threads.append(
                    try Thread.start(name: "waiter") {
                        if let status = try? child.wait(timeout: 30_000) { results.update { $0.append(status) } }
                    })
            }
        }
        for thread in threads { #expect(thread.join(timeout: 60_000)) }
        for code in 0..<16 { #expect(results.get().filter { $0 == .exited(Int32(code)) }.count == 2) }
    }

    @Test func `standard streams lead where they are told to`() throws {
        try FileSystem.write(scratch("in"), text: "from file")
        try FileSystem.write(scratch("log"), text: "old ")
        var options = Process.Options()
        options.input = .file(scratch("in"))
        options.output = .file(scratch("log"))
        options.error = .sameAsOutput
        let child = try Process.start("sh", ["-c", "cat; echo ' err' >&2"], options)
        #expect(try child.wait() == .exited(0))
        #expect(try FileSystem.readText(scratch("log")) == "old from file err\n")
        options.output = .emptied(scratch("log"))
        options.error = .null
        #expect(try Process.start("cat", [], options).wait() == .exited(0))
        #expect(try FileSystem.readText(scratch("log")) == "from file")
    }

    @Test func `only named descriptors are inherited`() throws {
        let (reading, writing) = try File.pipe()
        let (_, other) = try File.pipe()
        let result = try Command.run(
            "sh", ["-c", "ls /proc/$$/fd; echo hello > /proc/self/fd/\(writing.descriptor)"],
            inherited: [writing.descriptor])
        try #require(result.isSuccess, "\(result.explanation)")
        #expect(try reading.read(10) == Array("hello\n".utf8))
        let open = result.outputText.split(separator: "\n").compactMap { Int32($0) }
        #expect(open.contains(writing.descriptor))
        #expect(!open.contains(other.descriptor))
        // dash keeps one more for a script at most; nothing of this process beyond the standard streams.
        #expect(Set(open).subtracting([0, 1, 2, writing.descriptor]).isEmpty)
    }

    @Test func `a child has default signals although its parent ignores SIGPIPE`() throws {
        let result = try Command.run("grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"])
        let masks = result.outputText.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0, radix: 16) }
        #expect(masks.count == 2)
        // Signals 32 and 33 are libc's own and cannot be reset.
        for mask in masks { #expect(mask & ~0x1_8000_0000 == 0) }
    }

    @Test func `an identity survives being written down and dies with its process`() throws {
        let child = try Process.start("sleep", ["64"])
        let identity = try child.identity()
        let saved = try #require(ProcessIdentity(identity.description))
        #expect(saved == identity)
        #expect(try saved.isAlive())
        let impostor = try #require(ProcessIdentity("\(child.pid):1:\(identity.boot)"))
        #expect(try !impostor.isAlive())
        #expect(try impostor.signal(Signals.kill) == false)
        let otherBoot = try #require(ProcessIdentity("\(child.pid):\(identity.startTicks):other"))
        #expect(try otherBoot.signal(Signals.kill) == false)
        #expect(child.isRunning)
        #expect(try saved.signal(Signals.kill))
        // A zombie is no longer alive, although its number is still taken.
        #expect(try saved.waitForEnd(timeout: 120_000))
        #expect(try child.wait() == .signaled(Signals.kill))
        #expect(try saved.signal(Signals.kill) == false)
    }

    @Test(arguments: ["", "1:2", "x:1:b", "1:x:b", "0:1:b", "-1:1:b", "1:-1:b", "1:1:", "1:1:b:c"])
    func `what is no identity is refused`(text: String) {
        #expect(ProcessIdentity(text) == nil)
    }

    @Test func `a new session has its own process group`() throws {
        var options = Process.Options()
        options.newSession = true
        options.output = .emptied(scratch("out"))
        let child = try Process.start("sh", ["-c", "cut -d' ' -f5,6 /proc/$$/stat; sleep 65"], options)
        let deadline = Deadline(after: 120_000)
        while try FileSystem.readText(scratch("out")).isEmpty, !deadline.isPast { Thread.sleep(2) }
        #expect(try FileSystem.readText(scratch("out")) == "\(child.pid) \(child.pid)\n")
        #expect(try child.signalGroup(Signals.kill))
        #expect(try child.wait() == .signaled(Signals.kill))
    }
}
