import BlockingHTTP
import Contracts
import NodeController
import Posix
import Testing

/// What every node controller must do, whoever wrote it and whatever runs its guests.
///
/// Runs against a node in this process, or against the one at the URL in MALLEE_NODE_ENDPOINT, which must have simulated
/// guests and at least 4 cores, 1 GiB of memory and 16 GiB of disk.
@Suite(.serialized) struct NodeContractTests {
    private let host: TestHost?
    private let local: TestNode?
    private let client: NodeClient
    private let endpoint: String
    private let http = HTTPClient()

    init() throws {
        if let remote = Environment["MALLEE_NODE_ENDPOINT"] {
            host = nil
            local = nil
            endpoint = remote
            client = NodeClient(transport: HTTPSOAPTransport(client: http, endpoint: remote))
        } else {
            let host = try TestHost()
            let node = try host.boot()
            self.host = host
            local = node
            endpoint = node.endpoint
            client = node.client
        }
    }

    private func newId() throws -> String {
        "i-" + Hex.encode(try Random.bytes(9)).dropLast()
    }

    private func waitFor(_ state: Contract.InstanceState, _ id: String) throws {
        try Fixture.wait("\(id) is \(state.rawValue)") { try client.describe(id).first?.state == state }
    }

    private func code(_ body: () throws -> Void) -> Contract.FaultCode? {
        do {
            try body()
            return nil
        } catch let fault as ServiceFault {
            #expect(!fault.message.isEmpty)
            return fault.code
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    @Test func `an instance runs, is described, shows its console, reboots and ends`() throws {
        defer { local?.stop() }
        let spec = Fixture.spec(try newId())
        let accepted = try client.run(spec)
        #expect(accepted.state == .pending || accepted.state == .running)
        #expect(accepted.spec == spec)
        try waitFor(.running, spec.instanceId)
        let report = try #require(try client.describe(spec.instanceId).first)
        #expect(report.spec == spec)
        #expect(report.generation > accepted.generation)
        #expect(report.reason == nil)
        try Fixture.wait("console output") {
            try !client.getConsoleOutput(.init(instanceId: spec.instanceId)).output.isEmpty
        }
        #expect(try client.rebootInstance(.init(instanceId: spec.instanceId)).instanceId == spec.instanceId)
        let change = try client.terminate(spec.instanceId)
        #expect(change.previousState == .running)
        #expect(change.currentState == .shuttingDown || change.currentState == .terminated)
        try waitFor(.terminated, spec.instanceId)
        let end = try #require(try client.describe(spec.instanceId).first)
        #expect(end.reason?.code == "Client.UserInitiatedShutdown")
        let again = try client.terminate(spec.instanceId)
        #expect(again.previousState == .terminated)
        #expect(again.currentState == .terminated)
    }

    @Test func `running an instance again answers its report and starts nothing`() throws {
        defer { local?.stop() }
        let spec = Fixture.spec(try newId())
        _ = try client.run(spec)
        try waitFor(.running, spec.instanceId)
        let free = try client.free()
        #expect(try client.run(spec).state == .running)
        #expect(try client.free() == free)
        _ = try client.terminate(spec.instanceId)
        try waitFor(.terminated, spec.instanceId)
        #expect(try client.run(spec).state == .terminated)
    }

    @Test func `resources are given, refused with figures, and given back`() throws {
        defer { local?.stop() }
        let before = try client.free()
        let type = Contract.InstanceTypeSpec(
            name: "t", cores: 2, memoryMiB: 300, diskGiB: 3, ephemeralGiB: 2, swapMiB: 1025)
        let spec = Fixture.spec(try newId(), type: type)
        _ = try client.run(spec)
        let during = try client.free()
        #expect(during.coresFree == before.coresFree - 2)
        #expect(during.memoryMiBFree == before.memoryMiBFree - 300)
        #expect(during.diskGiBFree == before.diskGiBFree - 7)
        let huge = Contract.InstanceTypeSpec(name: "t", cores: 1, memoryMiB: during.memoryMiBFree + 1, diskGiB: 1)
        do {
            _ = try client.run(Fixture.spec(try newId(), type: huge))
            Issue.record("it was accepted")
        } catch let fault as ServiceFault {
            #expect(fault.code == .insufficientResources)
            #expect(fault.resource == "memory")
            #expect(fault.needed == Int64(huge.memoryMiB))
            #expect(fault.available == Int64(during.memoryMiBFree))
        }
        _ = try client.terminate(spec.instanceId)
        try waitFor(.terminated, spec.instanceId)
        #expect(try client.free() == before)
    }

    @Test func `unknown instances are not found`() throws {
        defer { local?.stop() }
        let id = try newId()
        #expect(try client.describe(id).isEmpty)
        #expect(code { _ = try client.terminate(id) } == .notFound)
        #expect(code { _ = try client.rebootInstance(.init(instanceId: id)) } == .notFound)
        #expect(code { _ = try client.getConsoleOutput(.init(instanceId: id)) } == .notFound)
    }

    @Test func `requests that cannot work are refused before anything is done`() throws {
        defer { local?.stop() }
        let free = try client.free()
        let changes: [(inout Contract.InstanceSpec) -> Void] = [
            { $0.instanceId = "../../etc" }, { $0.instanceId = "i-123" }, { $0.instanceId = "i-ABCDEF01" },
            { $0.instanceType.cores = 0 }, { $0.instanceType.memoryMiB = 1 }, { $0.instanceType.diskGiB = -1 },
            { $0.architecture = "sparc" }, { $0.image.format = .plain },
            { $0.ramdisk = Fixture.artifact("ari-1", [1], "http://x/") },
        ]
        for change in changes {
            var spec = Fixture.spec(try newId())
            change(&spec)
            #expect(code { _ = try client.run(spec) } == .invalidRequest)
        }
        #expect(try client.free() == free)
    }

    @Test func `the network document in force is the newest`() throws {
        defer { local?.stop() }
        func send(_ revision: Int64, _ mode: Contract.NetworkMode = .user) throws -> Int64 {
            try client.broadcastNetworkInfo(.init(network: .init(revision: revision, mode: mode))).revision
        }
        let base = Clock.now
        #expect(try send(base) == base)
        #expect(try send(base - 1) == base)
        #expect(try send(base + 1) == base + 1)
        #expect(code { _ = try send(base + 2, .managed) } == .unsupported)
    }

    @Test func `the contract can be read from the service`() throws {
        defer { local?.stop() }
        let wsdl = try http.call("GET", endpoint + "?wsdl")
        #expect(wsdl.status == 200)
        #expect(wsdl.text.contains("<wsdl:definitions"))
        #expect(wsdl.text.contains("NodeControllerService"))
        #expect(try http.call("GET", endpoint + "?xsd=types.xsd").text.contains("InstanceSpec"))
        #expect(try http.call("GET", endpoint).status == 404)
        #expect(try http.call("DELETE", endpoint).status == 405)
    }

    @Test func `nonsense is answered with a fault, not with silence`() throws {
        defer { local?.stop() }
        var generator = SeededGenerator(seed: 23)
        for _ in 0..<200 {
            let bytes = Fixture.bytes(Int.random(in: 0...300, using: &generator), seed: generator.next())
            let answer = try http.call(
                "POST", endpoint, headers: HTTPHeaders([("Content-Type", "text/xml")]), body: bytes)
            #expect(answer.status == 500)
            #expect(answer.text.contains("Fault"))
        }
        #expect(try client.free().coresTotal > 0)
    }

    @Test func `many instances start at once`() throws {
        defer { local?.stop() }
        var ids: [String] = []
        for _ in 0..<4 { ids.append(try newId()) }
        let failures = Shared<[String]>([])
        var threads: [Thread] = []
        for id in ids {
            for _ in 0..<3 {
                let client = client
                let run = UncheckedBox(client)
                threads.append(
                    try Thread.start(name: "run") {
                        do throws(ServiceFault) {
                            _ = try run.value.run(Fixture.spec(id))
                        } catch {
                            failures.change { $0.append(error.message) }
                        }
                    })
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.current.isEmpty)
        for id in ids { try waitFor(.running, id) }
        for id in ids {
            _ = try client.terminate(id)
            try waitFor(.terminated, id)
        }
    }
}

/// Hands a client to another thread; its transport is made for that.
struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
