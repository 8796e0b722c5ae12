import BlockingHTTP
import Contracts
import Posix
import Testing

@testable import NodeController

/// The built `mallee-node` as a process, with real QEMU guests that boot a tiny boot sector.
@Suite(.serialized) struct QEMUNodeTests {
    /// Prints "MALLEE-BOOT" to the first serial port and halts; ACPI requests go unheard.
    private static let bootSector: [UInt8] = {
        var sector: [UInt8] = [
            0x31, 0xC0,  // xor ax, ax
            0x8E, 0xD8,  // mov ds, ax
            0xBE, 0x15, 0x7C,  // mov si, text
            0xBA, 0xF8, 0x03,  // mov dx, 0x3f8
            0xAC,  // next: lodsb
            0x84, 0xC0,  // test al, al
            0x74, 0x03,  // jz halt
            0xEE,  // out dx, al
            0xEB, 0xF8,  // jmp next
            0xF4,  // halt: hlt
            0xEB, 0xFD,  // jmp halt
        ]
        sector += Array("MALLEE-BOOT\r\n".utf8)
        sector += [UInt8](repeating: 0, count: 510 - sector.count)
        return sector + [0x55, 0xAA] + [UInt8](repeating: 0, count: (1 << 20) - 512)
    }()

    /// The program in MALLEE_NODE_PROGRAM (such as that for i386), or beside the test bundle, if QEMU is there.
    private static let program: String? = {
        guard FileSystem.findExecutable("qemu-system-x86_64") != nil, FileSystem.findExecutable("qemu-img") != nil
        else {
            return nil
        }
        if let program = Environment["MALLEE_NODE_PROGRAM"] { return program }
        do {
            for word in try Host.arguments() where word.hasSuffix(".xctest") {
                let path = FileSystem.join(FileSystem.parent(try FileSystem.realPath(word)), "mallee-node")
                if FileSystem.exists(path) { return path }
            }
            let beside = FileSystem.join(FileSystem.parent(try FileSystem.readLink("/proc/self/exe")), "mallee-node")
            return FileSystem.exists(beside) ? beside : nil
        } catch {
            return nil
        }
    }()

    /// A node controller process on a state directory that outlives it.
    private final class Machine {
        let directory: TemporaryDirectory
        let store: StubStore
        let program: String
        let image: Contract.Artifact
        private let http = HTTPClient()
        private var process: Process?
        private(set) var endpoint = ""

        init(_ program: String) throws {
            self.program = program
            directory = try TemporaryDirectory()
            store = try StubStore()
            store.put("/boot", QEMUNodeTests.bootSector)
            image = Fixture.artifact("ami-1", QEMUNodeTests.bootSector, store.url("/boot?sig=secret"), format: .raw)
            try FileSystem.write(
                directory.file("conf"),
                text: """
                    NODE_NAME="node-q"
                    STATE_DIR="\(directory.file("s"))"
                    LISTEN_ADDRESS="127.0.0.1"
                    LISTEN_PORT="0"
                    ALLOW_PLAIN_HTTP="Y"
                    HYPERVISOR="qemu"
                    MAX_CORES="64"
                    MAX_MEM="4096"
                    SHUTDOWN_GRACE="1"
                    READY_FILE="\(directory.file("ready"))"
                    LOG_FILE="\(directory.file("log"))"
                    """)
        }

        deinit {
            store.stop()
            do {
                try kill()
                for (guest, _) in try guests() { try guest.signal(Signals.kill) }
                for (guest, _) in try guests() { _ = try guest.waitForEnd(timeout: 120_000) }
            } catch {
                Issue.record("\(error)")
            }
        }

        func start() throws {
            try FileSystem.remove(directory.file("ready"), ifPresent: true)
            process = try Process.start(program, ["--config", directory.file("conf")])
            Fixture.wait("the node is ready", seconds: 60) { FileSystem.exists(directory.file("ready")) }
            endpoint =
                try FileSystem.readText(directory.file("ready")).split(separator: "\n").first.map(String.init) ?? ""
        }

        func kill() throws {
            try process?.signal(Signals.kill)
            _ = try process?.wait(timeout: 120_000)
            process = nil
        }

        /// Whether it ended as it should.
        func stop(_ signal: Int32) throws -> Bool {
            try process?.signal(signal)
            let status = try process?.wait(timeout: 60_000)
            process = nil
            return status?.isSuccess ?? false
        }

        var client: NodeClient { NodeClient(transport: HTTPSOAPTransport(client: http, endpoint: endpoint)) }

        func guests() throws -> [(ProcessIdentity, String)] {
            try OrphanProcesses.find(below: directory.file("s/instances"))
        }

        func spec(_ number: Int) -> Contract.InstanceSpec {
            let type = Contract.InstanceTypeSpec(
                name: "tiny", cores: 1, memoryMiB: 16, diskGiB: 1, ephemeralGiB: 0, swapMiB: 0)
            return Fixture.spec(Fixture.id(number), type: type, image: image, address: "127.33.\(number).7")
        }

        func waitFor(_ state: Contract.InstanceState, _ number: Int) throws {
            try Fixture.wait("\(number) is \(state.rawValue)", seconds: 90) {
                try client.describe(Fixture.id(number)).first?.state == state
            }
        }

        func log() throws -> String { try FileSystem.readText(directory.file("log")) }
    }

    @Test(.enabled(if: program != nil)) func `a guest boots, survives kill -9 of its node controller, and ends`() throws
    {
        let machine = try Machine(try #require(Self.program))
        try machine.start()
        _ = try machine.client.run(machine.spec(1))
        try machine.waitFor(.running, 1)
        try Fixture.wait("it boots", seconds: 60) {
            let output = try machine.client.getConsoleOutput(.init(instanceId: Fixture.id(1))).output
            return String(decoding: output, as: UTF8.self).contains("MALLEE-BOOT")
        }
        let before = try #require(try machine.client.describe(Fixture.id(1)).first)
        let process = try #require(try machine.guests().first?.0)
        let disk = machine.directory.file("s/instances/\(Fixture.id(1))/root.qcow2")
        #expect(try FileSystem.status(disk).allocated < 1 << 20)
        try machine.kill()
        #expect(try process.isAlive())
        try machine.start()
        try machine.waitFor(.running, 1)
        #expect(try process.isAlive())
        #expect(try machine.client.describe(Fixture.id(1)).first?.generation ?? 0 > before.generation)
        let answer = try HTTPClient().call(
            "GET",
            HTTPURL(
                unixSocket: machine.directory.file("s/instances/\(Fixture.id(1))/metadata.sock"),
                target: "/latest/meta-data/ami-id"))
        #expect(answer.text == "ami-1")
        _ = try machine.client.terminate(Fixture.id(1))
        try machine.waitFor(.terminated, 1)
        #expect(try !process.isAlive())
        #expect(!FileSystem.exists(disk))
        let output = try machine.client.getConsoleOutput(.init(instanceId: Fixture.id(1))).output
        #expect(String(decoding: output, as: UTF8.self).contains("MALLEE-BOOT"))
        #expect(try machine.stop(Signals.terminate))
        #expect(try !machine.log().contains("secret"))
    }

    @Test(.enabled(if: program != nil)) func `kill -9 in the middle of ten starts loses none and starts none twice`()
        throws
    {
        let machine = try Machine(try #require(Self.program))
        try machine.start()
        var generator = SeededGenerator(seed: UInt64(Clock.now))
        for number in 1...10 {
            _ = try machine.client.run(machine.spec(number))
            // The process is killed twice, somewhere among steps of the earlier ones.
            if number == 4 || number == 8 {
                Thread.sleep(Int64.random(in: 0...150, using: &generator))
                try machine.kill()
                try machine.start()
            }
        }
        for number in 1...10 { try machine.waitFor(.running, number) }
        #expect(machine.store.state.current.requests.count <= 3)
        var seen: [String: Int] = [:]
        for (_, id) in try machine.guests() { seen[id, default: 0] += 1 }
        #expect(seen.count == 10)
        #expect(seen.values.allSatisfy { $0 == 1 })
        for number in 1...10 { _ = try machine.client.terminate(Fixture.id(number)) }
        for number in 1...10 { try machine.waitFor(.terminated, number) }
        #expect(try machine.guests().isEmpty)
    }

    @Test(.enabled(if: program != nil)) func `SIGINT switches guests off, and they come back from their disks`() throws
    {
        let machine = try Machine(try #require(Self.program))
        try machine.start()
        for number in 1...2 {
            _ = try machine.client.run(machine.spec(number))
            try machine.waitFor(.running, number)
        }
        #expect(try machine.stop(Signals.interrupt))
        #expect(try machine.guests().isEmpty)
        try machine.start()
        for number in 1...2 { try machine.waitFor(.running, number) }
        #expect(try machine.guests().count == 2)
        #expect(machine.store.count == 1)
        // SIGTERM leaves them.
        #expect(try machine.stop(Signals.terminate))
        #expect(try machine.guests().count == 2)
    }

    @Test(.enabled(if: program != nil)) func `a corrupt image ends the instance with its cause`() throws {
        let machine = try Machine(try #require(Self.program))
        try machine.start()
        let garbage = Fixture.bytes(100_000)
        machine.store.put("/garbage", garbage)
        var spec = machine.spec(1)
        spec.image = Fixture.artifact("ami-2", garbage, machine.store.url("/garbage"), format: .qcow2)
        _ = try machine.client.run(spec)
        try machine.waitFor(.terminated, 1)
        let reason = try #require(try machine.client.describe(Fixture.id(1)).first?.reason)
        #expect(reason.code == "Client.InvalidImage")
        #expect(reason.message.contains("ami-2"))
        #expect(try machine.client.free().coresFree == 64)
    }

    @Test(.enabled(if: program != nil)) func `the program says its version and refuses bad command lines`() throws {
        let program = try #require(Self.program)
        #expect(try Command.run(program, ["--version"]).outputText.hasPrefix("mallee-node "))
        #expect(try Command.run(program, ["--wrong"]).status == .exited(2))
        #expect(try Command.run(program, []).status == .exited(2))
        let result = try Command.run(program, ["--config", "/nonexistent"])
        #expect(result.status == .exited(1))
        #expect(result.errorText.contains("/nonexistent"))
        let relay = try Command.run(program, ["relay"])
        #expect(relay.status == .exited(2))
    }
}
