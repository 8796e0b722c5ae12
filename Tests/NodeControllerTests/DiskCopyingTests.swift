import BlockingHTTP
import Contracts
import Hypervisor
import Posix
import Testing

@testable import NodeController

/// An object store that takes what is put, or answers with something else.
private final class Receiver: HTTPHandler, @unchecked Sendable {
    private let lock = Lock()
    private var answers: [Int] = []
    private var received: [Int] = []
    private var isHeld = false

    /// The next answers; 200 after them.
    func answer(_ statuses: [Int]) { lock.withLock { answers = statuses } }
    /// While true no request is answered.
    func hold(_ value: Bool) { lock.withLock { isHeld = value } }
    var sizes: [Int] { lock.withLock { received } }

    func handle(_ request: HTTPRequest) -> HTTPResponse {
        lock.withLock { received.append(request.body.count) }
        while lock.withLock({ isHeld }) { Thread.sleep(10) }
        let status = lock.withLock { answers.isEmpty ? 200 : answers.removeFirst() }
        return HTTPResponse(status: status, body: Array("<Error><Message>not like this</Message></Error>".utf8))
    }
}

struct DiskCopyingTests {
    private let id = Fixture.id(1)

    private func withStore(_ body: (Receiver, String) throws -> Void) throws {
        let receiver = Receiver()
        let server = HTTPServer(listener: try Listener.tcp(address: "127.0.0.1", port: 0), handler: receiver)
        try server.start()
        defer {
            receiver.hold(false)
            server.stop(grace: 1000)
        }
        try body(receiver, "http://127.0.0.1:\(server.port)/staging/bun-1?Signature=x")
    }

    private func running(_ host: TestHost) throws -> TestNode {
        let node = try host.boot()
        _ = try node.client.run(Fixture.spec(id))
        node.waitFor(.running, id)
        return node
    }

    private func bundle(_ node: TestNode, _ url: String, _ bundle: String = "bun-1") throws -> Contract.InstanceReport {
        try node.client.bundleInstance(
            NodeContract.BundleInstanceRequest(instanceId: id, bundleId: bundle, uploadUrl: url)
        ).instance
    }

    private func wait(_ node: TestNode, _ state: Contract.BundleState) {
        Fixture.wait("the copy is \(state.rawValue)") { node.node.report(id)?.bundle?.state == state }
    }

    private func waitForGuest(_ node: TestNode) {
        Fixture.wait("the guest runs again") {
            node.node.report(id).map { $0.state == .running && $0.detail == nil } == true
        }
    }

    @Test func `a disk is copied and sent, and its guest started again`() throws {
        try withStore { store, url in
            let host = try TestHost()
            let node = try running(host)
            defer { node.stop() }
            store.hold(true)
            #expect(try bundle(node, url).bundle?.state == .shutdown)
            #expect(try bundle(node, url).bundle?.bundleId == "bun-1", "the same order again is no other")
            let other = #expect(throws: ServiceFault.self) { _ = try bundle(node, url, "bun-2") }
            #expect(other?.code == .conflict)
            // It runs again before the copy has arrived.
            wait(node, .sending)
            waitForGuest(node)
            store.hold(false)
            wait(node, .sent)
            #expect(store.sizes == [1 << 20])
            #expect(node.node.report(id)?.state == .running)
            // Over by now, so another one may follow; the same order does nothing more.
            #expect(try bundle(node, url).bundle?.state == .sent)
            _ = try bundle(node, url, "bun-2")
            wait(node, .sent)
            waitForGuest(node)
        }
    }

    @Test func `what breaks off is sent again, and what is refused fails with the store's words`() throws {
        try withStore { store, url in
            let host = try TestHost()
            let node = try running(host)
            defer { node.stop() }
            store.answer([503])
            _ = try bundle(node, url)
            wait(node, .sent)
            #expect(store.sizes == [1 << 20, 1 << 20])
            store.answer([403])
            _ = try bundle(node, url, "bun-2")
            wait(node, .failed)
            #expect(node.node.report(id)?.bundle?.reason?.message.contains("not like this") == true)
            waitForGuest(node)
        }
    }

    @Test func `a cancelled copy ends, and its guest is started again`() throws {
        try withStore { store, url in
            let host = try TestHost()
            let node = try running(host)
            defer { node.stop() }
            store.hold(true)
            _ = try bundle(node, url)
            wait(node, .sending)
            let other = NodeContract.CancelBundleTaskRequest(instanceId: id, bundleId: "bun-9")
            #expect(try node.client.cancelBundleTask(other).instance.bundle?.bundleId == "bun-1")
            _ = try node.client.cancelBundleTask(.init(instanceId: id, bundleId: "bun-1"))
            store.answer([503])
            store.hold(false)
            wait(node, .cancelled)
            waitForGuest(node)
        }
    }

    @Test func `only what runs is copied, and a terminated instance not any more`() throws {
        try withStore { store, url in
            let host = try TestHost()
            let node = try running(host)
            defer { node.stop() }
            let unknown = #expect(throws: ServiceFault.self) {
                try node.client.bundleInstance(.init(instanceId: Fixture.id(9), bundleId: "b", uploadUrl: url))
            }
            #expect(unknown?.code == .notFound)
            store.hold(true)
            _ = try bundle(node, url)
            _ = try node.client.terminate(id)
            node.waitFor(.terminated, id)
            store.answer([503])
            store.hold(false)
            Fixture.wait("the copy is over") { node.node.report(id)?.bundle?.state.isActive == false }
            let ended = #expect(throws: ServiceFault.self) { _ = try bundle(node, url, "bun-2") }
            #expect(ended?.code == .conflict)
        }
    }

    @Test func `after a restart of the node controller the guest runs and the copy is forgotten`() throws {
        try withStore { store, url in
            let host = try TestHost()
            var node = try running(host)
            store.hold(true)
            _ = try bundle(node, url)
            wait(node, .sending)
            let generation = try #require(node.node.report(id)?.generation)
            store.hold(false)
            node.stop()
            // As if it had been killed with the guest half shut down.
            let records = try FileRecords(directory: host.directory.file("state"))
            var record = try #require(try records.load().records.first)
            record.phase = .copying
            try records.save(record)
            records.close()
            node = try host.boot()
            defer { node.stop() }
            waitForGuest(node)
            let report = try #require(node.node.report(id))
            #expect(report.bundle == nil && report.generation > generation)
            #expect(try node.client.free().coresFree == 7)
        }
    }
}
