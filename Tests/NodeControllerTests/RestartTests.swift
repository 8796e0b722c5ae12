import Contracts
import Hypervisor
import Posix
import Testing

@testable import NodeController

struct RestartTests {
    @Test func `running guests are adopted and generations grow`() throws {
        let host = try TestHost()
        var node = try host.boot()
        let spec = Fixture.spec(Fixture.id(1))
        _ = try node.client.run(spec)
        node.waitFor(.running, spec.instanceId)
        let before = try #require(node.node.report(spec.instanceId))
        node.stop()
        node = try host.boot()
        defer { node.stop() }
        node.waitFor(.running, spec.instanceId)
        let after = try #require(node.node.report(spec.instanceId))
        #expect(after.generation > before.generation)
        #expect(after.stateChangedAt == before.stateChangedAt)
        #expect(after.spec == spec)
        #expect(try node.client.free().coresFree == 7)
    }

    @Test func `a guest that died meanwhile is terminated with a reason`() throws {
        let host = try TestHost()
        var node = try host.boot()
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.running, Fixture.id(1))
        node.stop()
        host.simulated.restart()
        node = try host.boot()
        defer { node.stop() }
        node.waitFor(.terminated, Fixture.id(1))
        #expect(node.node.report(Fixture.id(1))?.reason?.code == "Server.InternalError")
    }

    @Test func `a hypervisor that does not answer at the start is not one without guests`() throws {
        let host = try TestHost()
        var node = try host.boot()
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.running, Fixture.id(1))
        let generation = node.node.report(Fixture.id(1))?.generation
        node.stop()
        host.simulated.change { behaviour in
            behaviour.trouble = HypervisorError(.timedOut, "xl hung and was killed")
        }
        let error = #expect(throws: RecordError.self) { try host.boot() }
        #expect(error?.description.contains("xl hung and was killed") == true)
        host.simulated.change { behaviour in behaviour.trouble = nil }
        node = try host.boot()
        defer { node.stop() }
        node.waitFor(.running, Fixture.id(1))
        #expect(node.node.report(Fixture.id(1))?.generation ?? 0 > generation ?? 0)
    }

    @Test func `a guest of which the hypervisor says nothing stays what it was until it does`() throws {
        let host = try TestHost()
        var node = try host.boot()
        let (kept, ended) = (Fixture.id(1), Fixture.id(2))
        for id in [kept, ended] {
            _ = try node.client.run(Fixture.spec(id))
            node.waitFor(.running, id)
        }
        let generation = try #require(node.node.report(kept)).generation
        node.stop()
        host.simulated.change { behaviour in
            behaviour.adoptionTrouble = HypervisorError(.timedOut, "xl list hung and was killed")
        }
        node = try host.boot()
        defer { node.stop() }
        #expect(node.node.report(kept)?.state == .running)
        #expect(node.node.report(kept)?.generation == generation, "nothing has happened to it")
        #expect(try node.client.free().coresFree == 6)
        _ = try node.client.terminate(ended)
        // Its guest may run still, so its disks have to stay.
        #expect(node.node.report(ended)?.state == .shuttingDown)
        let disks = try #require(node.records.directory(of: ended))
        #expect(FileSystem.isDirectory(disks))
        host.simulated.change { behaviour in behaviour.adoptionTrouble = nil }
        node.waitFor(.terminated, ended)
        Fixture.wait("it is adopted") { node.node.report(kept)?.generation ?? 0 > generation }
        #expect(node.node.report(kept)?.state == .running)
        #expect(try node.client.free().coresFree == 7)
    }

    @Test func `a node whose hypervisor stops answering takes no instances until that is over`() throws {
        var behaviour = SimulatedBehaviour()
        behaviour.healthCheckMilliseconds = 20
        let host = try TestHost(behaviour: behaviour)
        let node = try host.boot()
        defer { node.stop() }
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.running, Fixture.id(1))
        host.simulated.change { behaviour in
            behaviour.trouble = HypervisorError(.timedOut, "xl hung and was killed")
        }
        Fixture.wait("the node is faulty") { node.node.description().state == .faulty }
        #expect(node.node.description().detail == "xl hung and was killed")
        let fault = #expect(throws: ServiceFault.self) { try node.client.run(Fixture.spec(Fixture.id(2))) }
        #expect(fault?.code == .unavailable)
        #expect(fault?.message.contains("xl hung and was killed") == true)
        #expect(node.node.report(Fixture.id(1))?.state == .running, "its guest has nothing to do with it")
        host.simulated.change { behaviour in behaviour.trouble = nil }
        Fixture.wait("the node is up again") { node.node.description().state == .up }
        #expect(node.node.description().detail == nil)
        _ = try node.client.run(Fixture.spec(Fixture.id(2)))
        node.waitFor(.running, Fixture.id(2))
    }

    @Test func `guests that were switched off with their node come back with it`() throws {
        let host = try TestHost()
        var node = try host.boot()
        for number in 1...3 {
            _ = try node.client.run(Fixture.spec(Fixture.id(number)))
            node.waitFor(.running, Fixture.id(number))
        }
        let disk = host.directory.file("state/instances/\(Fixture.id(1))/root.qcow2")
        try FileSystem.write(disk, text: "what the guest wrote")
        node.stop(withGuests: true)
        let off = try SimulatedHypervisor(host: host.simulated).find(id: Fixture.id(1), directory: "/")
        #expect(off == nil)
        node = try host.boot()
        defer { node.stop() }
        for number in 1...3 { node.waitFor(.running, Fixture.id(number)) }
        #expect(try FileSystem.readText(disk) == "what the guest wrote")
    }

    @Test func `a start that was never recorded is found again`() throws {
        let host = try TestHost()
        var node = try host.boot()
        let spec = Fixture.spec(Fixture.id(1))
        _ = try node.client.run(spec)
        node.waitFor(.running, spec.instanceId)
        node.stop()
        // As if the process had been killed between the start of the guest and the record of it.
        let records = try FileRecords(directory: host.directory.file("state"))
        var record = try #require(try records.load().records.first)
        record.phase = .starting
        record.handle = nil
        try records.save(record)
        records.close()
        node = try host.boot()
        defer { node.stop() }
        node.waitFor(.running, spec.instanceId)
        #expect(node.node.report(spec.instanceId)?.generation ?? 0 > record.generation)
    }

    /// The record knows of an earlier start, as if the process had been killed between a later one and its record.
    @Test(arguments: [InstanceMachine.Phase.waking, .restarting, .shuttingDown])
    func `a start that was recorded before another is not the one that counts`(phase: InstanceMachine.Phase) throws {
        let host = try TestHost()
        let id = Fixture.id(1)
        var node = try host.boot()
        _ = try node.client.run(Fixture.spec(id))
        node.waitFor(.running, id)
        node.stop()
        let records = try FileRecords(directory: host.directory.file("state"))
        var record = try #require(try records.load().records.first)
        let outdated = GuestHandle(driver: "simulated", id: id, detail: "boot 0 user")
        #expect(record.handle != nil && record.handle != outdated.text)
        (record.phase, record.handle) = (phase, outdated.text)
        try records.save(record)
        records.close()
        node = try host.boot()
        defer { node.stop() }
        let driver = SimulatedHypervisor(host: host.simulated)
        if phase == .shuttingDown {
            node.waitFor(.terminated, id)
            #expect(try driver.find(id: id, directory: "/") == nil, "it runs on without its disks")
        } else {
            node.waitFor(.running, id)
            #expect(try driver.find(id: id, directory: "/") != nil)
        }
    }

    @Test(arguments: [InstanceMachine.Phase.accepted, .fetching, .building, .starting, .shuttingDown, .parked, .waking])
    func `what was under way goes on after a restart`(phase: InstanceMachine.Phase) throws {
        let host = try TestHost()
        let records = try FileRecords(directory: host.directory.file("state"))
        try records.save(
            InstanceRecord(
                spec: Fixture.spec(Fixture.id(1)), correlation: nil, phase: phase, generation: 3, stateChangedAt: 1,
                reason: nil, handle: nil))
        records.close()
        let node = try host.boot()
        defer { node.stop() }
        node.waitFor(phase == .shuttingDown ? .terminated : .running, Fixture.id(1))
    }

    @Test func `tombstones stay for their time and then go, also over a restart`() throws {
        let host = try TestHost()
        var node = try host.boot()
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        _ = try node.client.terminate(Fixture.id(1))
        node.waitFor(.terminated, Fixture.id(1))
        #expect(try FileSystem.list(host.directory.file("state/instances/\(Fixture.id(1))")).contains("record"))
        node.stop()
        node = try host.boot(tombstone: 300)
        defer { node.stop() }
        Fixture.wait("it is forgotten") { node.node.report(Fixture.id(1)) == nil }
        Fixture.wait("its directory is gone") {
            !FileSystem.exists(host.directory.file("state/instances/\(Fixture.id(1))"))
        }
    }

    @Test func `the network document survives a restart`() throws {
        let host = try TestHost()
        var node = try host.boot()
        _ = try node.client.broadcastNetworkInfo(.init(network: .init(revision: 5, mode: .user)))
        node.stop()
        node = try host.boot()
        defer { node.stop() }
        #expect(node.node.networkRevision == 5)
    }

    @Test func `stopping in the middle of many starts loses none and starts none twice`() throws {
        let host = try TestHost(capacity: NodeResources(cores: 100, memoryMiB: 100_000, diskGiB: 1000))
        for round in 0..<5 {
            let node = try host.boot()
            for number in 0..<10 { _ = try node.client.run(Fixture.spec(Fixture.id(round * 10 + number))) }
            node.stop()
        }
        let node = try host.boot()
        defer { node.stop() }
        for number in 0..<50 { node.waitFor(.running, Fixture.id(number)) }
        #expect(node.node.reports().count == 50)
    }
}

struct FailureTests {
    @Test func `a driver that refuses ends the instance with its words`() throws {
        let host = try TestHost()
        let node = try host.boot()
        defer { node.stop() }
        host.simulated.failNextStart(HypervisorError(.startFailed, "qemu: no such machine"))
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.terminated, Fixture.id(1))
        #expect(
            node.node.report(Fixture.id(1))?.reason?.message == "Server.InternalError: qemu: no such machine")
        #expect(try node.client.free().coresFree == 8)
    }

    @Test func `a guest that powers itself off is terminated as on EC2`() throws {
        let host = try TestHost()
        let node = try host.boot()
        defer { node.stop() }
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.running, Fixture.id(1))
        try host.simulated.powerOff(Fixture.id(1))
        node.waitFor(.terminated, Fixture.id(1))
        #expect(node.node.report(Fixture.id(1))?.reason?.code == "Client.InstanceInitiatedShutdown")
    }

    @Test func `console output is kept as long as the tombstone`() throws {
        let host = try TestHost()
        let node = try host.boot()
        defer { node.stop() }
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.running, Fixture.id(1))
        let before = try node.client.getConsoleOutput(.init(instanceId: Fixture.id(1))).output
        _ = try node.client.terminate(Fixture.id(1))
        node.waitFor(.terminated, Fixture.id(1))
        #expect(!before.isEmpty)
        #expect(try node.client.getConsoleOutput(.init(instanceId: Fixture.id(1))).output.starts(with: before))
    }

    @Test func `the ports of the rules are forwarded, live`() throws {
        let host = try TestHost()
        let node = try host.boot()
        defer { node.stop() }
        func document(_ revision: Int64, _ ports: [Int]) -> NodeContract.BroadcastNetworkInfoRequest {
            var rules: [Contract.PermissionRule] = []
            for port in ports {
                rules.append(.init(protocol: "tcp", fromPort: port, toPort: port, cidr: ["0.0.0.0/0"]))
            }
            return .init(
                network: .init(
                    revision: revision, mode: .user,
                    securityGroup: [.init(groupId: "sg-1", accountId: "1", groupName: "g", ingress: rules)]))
        }
        func ports() -> [Int] { node.node.report(Fixture.id(1))?.forward.map(\.guestPort) ?? [] }
        _ = try node.client.broadcastNetworkInfo(document(1, [22]))
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.running, Fixture.id(1))
        #expect(ports() == [22])
        let generation = node.node.report(Fixture.id(1))?.generation ?? 0
        _ = try node.client.broadcastNetworkInfo(document(2, [22, 80]))
        Fixture.wait("80 is open") { ports() == [22, 80] }
        Fixture.wait("a new generation") { node.node.report(Fixture.id(1))?.generation ?? 0 > generation }
        _ = try node.client.broadcastNetworkInfo(document(3, []))
        Fixture.wait("all is closed") { ports().isEmpty }
    }

    @Test func `the metadata of a guest is served on its own socket, also after a restart`() throws {
        let host = try TestHost()
        var node = try host.boot()
        _ = try node.client.run(Fixture.spec(Fixture.id(1)))
        node.waitFor(.running, Fixture.id(1))
        let socket = host.directory.file("state/instances/\(Fixture.id(1))/metadata.sock")
        func ask() throws -> String {
            let socket = try Socket.connect(path: socket)
            try socket.write(
                Array("GET /latest/meta-data/instance-id HTTP/1.0\r\n\r\n".utf8), timeout: 120_000)
            var text: [UInt8] = []
            while case let bytes = try socket.read(4096, timeout: 120_000), !bytes.isEmpty { text += bytes }
            return String(decoding: text, as: UTF8.self)
        }
        #expect(try ask().hasSuffix(Fixture.id(1)))
        #expect(try FileSystem.status(socket).permissions == 0o600)
        node.stop()
        node = try host.boot()
        defer { node.stop() }
        #expect(try ask().hasSuffix(Fixture.id(1)))
        _ = try node.client.terminate(Fixture.id(1))
        node.waitFor(.terminated, Fixture.id(1))
        #expect(!FileSystem.exists(socket))
    }
}
