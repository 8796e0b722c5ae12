import Contracts
import Hypervisor
import Posix
import Testing

@testable import NodeController

/// A cluster controller that remembers what it was told, and can be made to fail.
private final class StubCluster: ClusterLink {
    struct State {
        var known = false
        var registrations = 0
        var reports = 0
        var completeReports = 0
        var fails = false
        var refusal: NodeRefusal?
        var attempts = 0
        var generations: [String: Int64] = [:]
        var states: [String: Contract.InstanceState] = [:]
        var removed: Set<String> = []
        var network: Contract.NetworkDocument?
        var wentBack = false
    }

    let state = Shared(State())

    func register(
        _ request: ClusterContract.RegisterNodeRequest
    ) throws(ClusterLinkError) -> ClusterContract.RegisterNodeResponse {
        try fail()
        let network = state.change { state in
            state.known = true
            state.registrations += 1
            state.states = [:]
            StubCluster.take(request.instance, &state)
            return state.network
        }
        return .init(zone: "zone", heartbeatMilliseconds: 50, network: network)
    }

    func report(
        _ request: ClusterContract.ReportNodeRequest
    ) throws(ClusterLinkError) -> ClusterContract.ReportNodeResponse {
        try fail()
        return state.change { state in
            guard state.known else { return .init(known: false) }
            state.reports += 1
            if request.complete { state.completeReports += 1 }
            StubCluster.take(request.instance, &state)
            state.removed.formUnion(request.removedInstanceId)
            let isOld = state.network?.revision ?? 0 > request.networkRevision ?? 0
            return .init(known: true, network: isOld ? state.network : nil)
        }
    }

    private func fail() throws(ClusterLinkError) {
        let (fails, refusal) = state.change { state in
            state.attempts += 1
            return (state.fails, state.refusal)
        }
        if let refusal { throw ClusterLinkError("the certificate is dead", refusal: refusal) }
        if fails { throw ClusterLinkError("out of order") }
    }

    private static func take(_ reports: [Contract.InstanceReport], _ state: inout State) {
        for report in reports {
            if let known = state.generations[report.instanceId], known > report.generation { state.wentBack = true }
            state.generations[report.instanceId] = report.generation
            state.states[report.instanceId] = report.state
        }
    }
}

struct ReporterTests {
    private final class Box {
        let host: TestHost
        let node: TestNode
        let cluster = StubCluster()
        let workers = WorkerPool(name: "report", threads: 2, log: .quiet())
        let reporter: Reporter

        init() throws {
            host = try TestHost(capacity: NodeResources(cores: 100, memoryMiB: 100_000, diskGiB: 1000))
            node = try host.boot(tombstone: 500)
            var timing = Reporter.Timing()
            timing.firstRetry = 5
            timing.lastRetry = 40
            timing.completeEvery = 3
            reporter = Reporter(node: node.node, link: cluster, workers: workers, log: .quiet(), timing: timing)
            node.node.setListener(reporter)
            reporter.start()
        }

        deinit {
            reporter.stop()
            node.stop()
            workers.stop(timeout: 120_000)
        }

        func agrees() -> Bool {
            let reports = node.node.reports()
            let state = cluster.state.current
            return reports.allSatisfy { state.generations[$0.instanceId] == $0.generation }
        }
    }

    @Test func `a node registers, reports changes and heartbeats, now and then completely`() throws {
        let box = try Box()
        Fixture.wait("registration") { box.cluster.state.current.registrations == 1 }
        _ = try box.node.client.run(Fixture.spec(Fixture.id(1)))
        Fixture.wait("running is reported") { box.cluster.state.current.states[Fixture.id(1)] == .running }
        Fixture.wait("a complete report") { box.cluster.state.current.completeReports > 0 }
        _ = try box.node.client.terminate(Fixture.id(1))
        Fixture.wait("terminated is reported") { box.cluster.state.current.states[Fixture.id(1)] == .terminated }
        Fixture.wait("it is reported as removed") { box.cluster.state.current.removed == [Fixture.id(1)] }
        #expect(box.cluster.state.current.registrations == 1)
    }

    @Test func `nothing is lost and nothing goes back while the cluster fails and forgets`() throws {
        let box = try Box()
        var generator = SeededGenerator(seed: 31)
        for number in 0..<60 {
            _ = try box.node.client.run(Fixture.spec(Fixture.id(number)))
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: box.cluster.state.change { $0.fails = true }
            case 1: box.cluster.state.change { $0.fails = false }
            case 2: box.cluster.state.change { $0.known = false }
            default: Thread.sleep(3)
            }
        }
        box.cluster.state.change { $0.fails = false }
        Fixture.wait("all agree") {
            box.cluster.state.current.states.values.filter { $0 == .running }.count == 60 && box.agrees()
        }
        #expect(!box.cluster.state.current.wentBack)
    }

    @Test func `a node that is refused says so once, asks seldom, and is back when it is let in`() throws {
        let log = try FileSystem.temporaryDirectory() + "/log"
        defer { try? FileSystem.removeTree(FileSystem.parent(log)) }  // the system cleans up what is left
        let box = try Box()
        Fixture.wait("registration") { box.cluster.state.current.registrations == 1 }
        box.reporter.stop()
        var timing = Reporter.Timing()
        timing.firstRetry = 1
        timing.refusedRetry = 100
        let reporter = Reporter(
            node: box.node.node, link: box.cluster, workers: box.workers, log: try NodeLog(path: log), timing: timing)
        box.cluster.state.change { state in
            state.refusal = .superseded
            state.attempts = 0
        }
        let began = Clock.monotonic
        reporter.start()
        Fixture.wait("three attempts") { box.cluster.state.current.attempts >= 3 }
        // Half of the pause is the shortest that the spreading allows.
        #expect(Clock.monotonic - began >= 100)
        #expect(!reporter.isKnown)
        let lines = try FileSystem.readText(log).split(separator: "\n").filter { $0.contains("refuses this node") }
        #expect(lines.count == 1 && lines[0].contains("the certificate is dead"))
        box.cluster.state.change { $0.refusal = nil }
        Fixture.wait("it is back") { reporter.isKnown }
        reporter.stop()
    }

    @Test func `a newer network document in an answer is applied`() throws {
        let box = try Box()
        box.cluster.state.change { $0.network = .init(revision: 3, mode: .user) }
        Fixture.wait("the document") { box.node.node.networkRevision == 3 }
        box.cluster.state.change { $0.network = .init(revision: 4, mode: .user) }
        Fixture.wait("the newer one") { box.node.node.networkRevision == 4 }
    }

    @Test func `a thousand simulated nodes with their reporters are light`() throws {
        let log = NodeLog.quiet()
        let workers = WorkerPool(name: "step", threads: 4, log: log)
        let reporting = WorkerPool(name: "report", threads: 4, log: log)
        let cluster = StubCluster()
        let configuration = try NodeConfiguration(text: "ALLOW_PLAIN_HTTP=Y\nSIMULATED_NODES=1000") { _ in }
        let before = try resident()
        let nodes = SimulatedFleet.make(
            configuration, prefix: "n", url: "http://127.0.0.1:1/x",
            environment: NodeEnvironment(workers: workers, log: log))
        var reporters: [Reporter] = []
        for node in nodes {
            try node.start()
            var timing = Reporter.Timing()
            timing.heartbeat = 60_000
            let reporter = Reporter(node: node, link: cluster, workers: reporting, log: log, timing: timing)
            node.setListener(reporter)
            reporters.append(reporter)
        }
        let perNode = (try resident() - before) / 1000
        // The aim is 5 KB; the test process's allocator and its other tests blur the figure.
        #expect(perNode < 12_000, "\(perNode) bytes per idle node")
        for reporter in reporters { reporter.start() }
        Fixture.wait("all registered") { cluster.state.current.registrations == 1000 }
        var count = 0
        for node in nodes {
            for _ in 0..<2 {
                count += 1
                _ = try node.runInstance(.init(instance: Fixture.spec(Fixture.id(count))))
            }
        }
        Fixture.wait("all run") { cluster.state.current.states.values.filter { $0 == .running }.count == 2000 }
        for reporter in reporters { reporter.stop() }
        for node in nodes { node.stop() }
        workers.stop(timeout: 120_000)
        reporting.stop(timeout: 120_000)
    }

    private func resident() throws -> Int64 {
        let words = try FileSystem.readText("/proc/self/statm").split(separator: " ")
        return (Int64(String(words[1])) ?? 0) * 4096
    }
}
