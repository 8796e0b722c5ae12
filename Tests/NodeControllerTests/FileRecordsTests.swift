import Contracts
import Hypervisor
import Posix
import Testing

@testable import NodeController

struct FileRecordsTests {
    private func record(_ id: String = Fixture.id(1), phase: InstanceMachine.Phase = .running) -> InstanceRecord {
        var spec = Fixture.spec(id)
        spec.userData = [0, 1, 2, 255]
        spec.kernelArguments = "a \"b\" <c> & é"
        return InstanceRecord(
            spec: spec, correlation: "req-1", phase: phase, generation: 42, stateChangedAt: 1_772_355_907_250,
            reason: Contract.StateReason(code: "c", message: "m\n<x>"), handle: "qemu \(id) 12:34:boot")
    }

    @Test func `a record comes back as it was written`() throws {
        let directory = try TemporaryDirectory()
        let written = record()
        let records = try FileRecords(directory: directory.path)
        try records.save(written)
        try records.save(
            Contract.NetworkDocument(
                revision: 9, mode: .user,
                securityGroup: [Contract.SecurityGroupRules(groupId: "sg-1", accountId: "1", groupName: "default")]))
        let loaded = try records.load()
        #expect(loaded.problems.isEmpty)
        #expect(loaded.network?.revision == 9)
        let read = try #require(loaded.records.first)
        #expect(read.spec == written.spec)
        #expect(read.correlation == written.correlation)
        #expect(read.phase == written.phase)
        #expect(read.generation == written.generation)
        #expect(read.stateChangedAt == written.stateChangedAt)
        #expect(read.reason == written.reason)
        #expect(read.handle == written.handle)
        let path = FileSystem.join(try #require(records.directory(of: read.spec.instanceId)), "record")
        #expect(try FileSystem.status(path).permissions == 0o600)
    }

    @Test func `only one node controller has a state directory`() throws {
        let directory = try TemporaryDirectory()
        let first = try FileRecords(directory: directory.path)
        #expect(throws: RecordError.self) { try FileRecords(directory: directory.path) }
        first.close()
        #expect(throws: Never.self) { try FileRecords(directory: directory.path) }
    }

    @Test func `a damaged record is reported and left for the administrator`() throws {
        let directory = try TemporaryDirectory()
        let records = try FileRecords(directory: directory.path)
        try records.save(record(Fixture.id(1)))
        try records.save(record(Fixture.id(2)))
        let damaged = directory.file("instances/\(Fixture.id(1))/record")
        try FileSystem.write(damaged, text: "<instance-record version=\"1\" phase=\"running\"/>")
        let loaded = try records.load()
        #expect(loaded.records.map(\.spec.instanceId) == [Fixture.id(2)])
        #expect(loaded.problems.count == 1)
        records.removeOrphans(keeping: loaded.records, adopted: []) { _ in }
        #expect(FileSystem.exists(damaged))
    }

    @Test func `directories without a record are removed`() throws {
        let directory = try TemporaryDirectory()
        let records = try FileRecords(directory: directory.path)
        try records.save(record(Fixture.id(1)))
        try FileSystem.makeDirectory(directory.file("instances/\(Fixture.id(7))"))
        try FileSystem.write(directory.file("instances/\(Fixture.id(7))/root.qcow2"), text: "x")
        var messages: [String] = []
        records.removeOrphans(keeping: try records.load().records, adopted: []) { messages.append($0) }
        #expect(messages.count == 1)
        #expect(try FileSystem.list(directory.file("instances")) == [Fixture.id(1)])
    }

    @Test func `processes are recognised by program and directory`() {
        func line(_ words: String...) -> [UInt8] { words.flatMap { Array($0.utf8) + [0] } }
        let id = Fixture.id(3)
        let find = { OrphanProcesses.instance(commandLine: $0, below: "/s/instances") }
        #expect(find(line("/usr/bin/qemu-system-x86_64", "-drive", "file=/s/instances/\(id)/root.qcow2,if=none")) == id)
        #expect(find(line("qemu-system-i386", "-D", "/s/instances/\(id)")) == id)
        #expect(find(line("vim", "/s/instances/\(id)/record")) == nil)
        #expect(find(line("qemu-system-i386", "/other/instances/\(id)/x")) == nil)
        #expect(find(line("qemu-system-i386", "/s/instances/notes")) == nil)
        #expect(find([]) == nil)
    }

    @Test func `records survive any damage without a crash`() throws {
        let whole = RecordCodec.encode(record())
        var generator = SeededGenerator(seed: 17)
        for _ in 0..<2_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.removeSubrange(index...)
                default: bytes.insert(UInt8.random(in: 32...127, using: &generator), at: index)
                }
                if bytes.isEmpty { break }
            }
            do throws(RecordError) {
                _ = try RecordCodec.decodeRecord(bytes)
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
    }

    @Test func `the swap header is the one that mkswap writes`() throws {
        guard let program = FileSystem.findExecutable("swaplabel") ?? FileSystem.findExecutable("file") else { return }
        let directory = try TemporaryDirectory()
        let path = directory.file("swap.raw")
        let file = try File(path, [.write, .create])
        try file.truncate(to: 64 << 20)
        try SwapHeader.write(to: path, sizeBytes: 64 << 20)
        let result = try Command.run(program, [path])
        #expect(result.isSuccess, "\(result.explanation)")
    }
}
