import ClusterController
import Contracts
import Foundation
import NodeController
import Posix
import Store
import TLS
import Testing

@Suite("What the administrator wants of nodes", .timeLimit(.minutes(10)))
struct AdministrationTests {
    private func conflict(_ text: String, _ body: () async throws -> Void) async {
        await #expect {
            try await body()
        } throws: {
            guard let fault = $0 as? ServiceFault else { return false }
            return fault.code == .conflict && fault.message.contains(text)
        }
    }

    @Test("under the policy approve a node waits, keeps its key, and gets in when it is approved")
    func approve() async throws {
        try await withZone(policy: .approve) { zone in
            let secretFile = zone.directory + "/secret"
            try FileSystem.write(secretFile, text: Hex.encode(EnrolmentZone.secret), permissions: 0o600)
            let log = zone.directory + "/log"
            let enroller = Enroller(
                settings: try settings(zone, "n", secretFile: secretFile), log: try NodeLog(path: log))
            async let done = blocking { enroller.run() }
            try await until("it asks") { try await zone.listed("n")?.state == .pendingApproval }
            let key = try #require(try await zone.listed("n")?.keyFingerprint)
            await conflict("not sha256:00") {
                _ = try await zone.controller.approveNode(.init(nodeName: "n", keyFingerprint: "sha256:00"))
            }
            _ = try await zone.controller.approveNode(.init(nodeName: "n", keyFingerprint: key))
            #expect(try await done)
            let record = try #require(try await zone.listed("n"))
            #expect(record.state == .enrolled && record.keyFingerprint == key)
            #expect(try FileSystem.readText(log).contains("waits for the administrator's approval"))
            await conflict("enrolled already") { _ = try await zone.controller.approveNode(.init(nodeName: "n")) }
        }
    }

    @Test("a reinstalled node that waits for approval leaves the certificate in force")
    func pendingReplacement() async throws {
        try await withZone(policy: .approve) { zone in
            let first = try zone.request("n")
            _ = try await attempt(first)
            _ = try await zone.controller.approveNode(.init(nodeName: "n"))
            let old = NodeIdentityFiles(directory: zone.directory + "/n")
            try old.begin(key: first.key)
            let issued = try await enrolled(first)
            try old.complete(certificate: issued.certificate, authority: issued.authority)
            let node = EnrolledNode(name: "n", files: old, zone: zone)
            try await node.register()

            let newcomer = try zone.request("n")
            guard case .pendingApproval = try await attempt(newcomer) else { throw TestFailure("not pending") }
            #expect(try await zone.listed("n")?.state == .pendingApproval)
            #expect(try await node.report(), "still in force")
            _ = try await zone.controller.denyNode(.init(nodeName: "n"))
            #expect(try await node.report(), "only the newcomer was sent away")
            _ = try await attempt(newcomer)
            _ = try await zone.controller.approveNode(.init(nodeName: "n"))
            _ = try await enrolled(newcomer)
            #expect(try await node.refusedReport() == .superseded)
        }
    }

    @Test("a denied name is kept out until it is approved")
    func deny() async throws {
        try await withZone { zone in
            _ = try await zone.controller.announceNode(.init(nodeName: "n"))
            _ = try await zone.controller.denyNode(.init(nodeName: "n"))
            let request = try zone.request("n")
            #expect(try await refused(request).refusal == .denied)
            #expect(try await zone.listed("n")?.state == .denied)
            _ = try await zone.controller.announceNode(.init(nodeName: "n"))
            #expect(try await refused(request).refusal == .denied, "an announcement by a program does not overrule")
            _ = try await zone.controller.approveNode(.init(nodeName: "n"))
            _ = try await enrolled(request)
            await conflict("mallee node remove") {
                _ = try await EnrolledNode.enrol("m", in: zone, directory: "m").register()
                _ = try await zone.controller.denyNode(.init(nodeName: "m"))
            }
        }
    }

    @Test("a removed node vanishes from all lists and its certificate is dead; reinstalled it comes back")
    func remove() async throws {
        try await withZone { zone in
            let node = try await EnrolledNode.enrol("n", in: zone, directory: "n")
            try await node.register()
            let before = try await zone.controller.describeChanges(.init())
            _ = try await zone.controller.removeNode(.init(nodeName: "n"))
            #expect(try await zone.controller.describeNodes(.init()) == .init())
            let changes = try await zone.controller.describeChanges(
                .init(epoch: before.epoch, sinceRevision: before.revision))
            #expect(changes.removedNodeName == ["n"])
            #expect(try await node.refusedReport() == .removed)
            await #expect(throws: ClusterLinkError.self) { try await node.register() }
            #expect(
                try await zone.controller.removeNode(.init(nodeName: "n")).enrolment.state == .removed,
                "repeating it does no harm")
            let again = try await EnrolledNode.enrol("n", in: zone, directory: "again")
            try await again.register()
            #expect(try await node.refusedReport() == .superseded)
            #expect(try await zone.listed("n")?.generation == 2)
            await #expect(throws: ServiceFault.self) {
                try await zone.controller.removeNode(.init(nodeName: "nobody"))
            }
        }
    }

    @Test("the list of the site is what is announced; what it never announced is left alone")
    func reconcile() async throws {
        try await withZone { zone in
            let controller = zone.controller
            for name in ["gone", "kept"] { _ = try await controller.announceNode(.init(nodeName: name)) }
            let stranger = try await EnrolledNode.enrol("stranger", in: zone, directory: "s")
            try await stranger.register()
            let gone = try await EnrolledNode.enrol("gone", in: zone, directory: "g")
            try await gone.register()
            let answer = try await controller.reconcileNodes(.init(nodeName: ["kept", "new"]))
            #expect(answer.announcedNodeName == ["new"] && answer.removedNodeName == ["gone"])
            #expect(answer.unknownNodeName == ["stranger"] && answer.drainingNodeName.isEmpty)
            #expect(try await stranger.report())
            #expect(try await gone.refusedReport() == .removed)
            #expect(
                try await controller.reconcileNodes(.init(nodeName: ["kept", "new"]))
                    == .init(unknownNodeName: ["stranger"]), "a second time changes nothing")
            await #expect(throws: ServiceFault.self) { try await controller.reconcileNodes(.init(nodeName: [])) }
            await #expect(throws: ServiceFault.self) {
                try await controller.reconcileNodes(.init(nodeName: ["kept", "not a name"]))
            }
            await #expect(throws: ServiceFault.self) {
                try await controller.announceNode(.init(nodeName: "n", address: "somewhere"))
            }
        }
    }

    @Test("a restart of the cluster controller between any two steps loses nothing")
    func restart() async throws {
        try await withDirectory { directory in
            let path = directory + "/cluster.db"
            var nonce: [UInt8] = []
            func life(_ body: (EnrolmentZone) async throws -> Void) async throws {
                let store = try SQLiteStore(path: path)
                let zone = try await EnrolmentZone.open(directory, policy: .approve, store: store)
                do {
                    try await body(zone)
                } catch {
                    await zone.close()
                    await store.close()
                    throw error
                }
                await zone.close()
                await store.close()
            }
            let key = try ComponentKey.create()
            try await life { zone in
                nonce = try await zone.service.beginEnrolment(.init(nodeName: "n")).serverNonce
                guard case .pendingApproval = try await attempt(zone.request("n", key: key)) else {
                    throw TestFailure("not pending")
                }
            }
            try await life { zone in
                // A nonce of the earlier life is nothing; the node begins again.
                await EnrolmentTests.refuses(.nonce) {
                    _ = try await zone.service.enrol(try EnrolmentTests.call(zone, "n", nonce: nonce, key: key))
                }
                #expect(try await zone.listed("n")?.state == .pendingApproval)
                _ = try await zone.controller.approveNode(.init(nodeName: "n"))
            }
            let files = NodeIdentityFiles(directory: directory + "/n")
            try await life { zone in
                #expect(try await zone.listed("n")?.state == .approved)
                try files.begin(key: key)
                let issued = try await enrolled(zone.request("n", key: key))
                try files.complete(certificate: issued.certificate, authority: issued.authority)
                try await EnrolledNode(name: "n", files: files, zone: zone).register()
                _ = try await zone.controller.drainNode(.init(nodeName: "n"))
            }
            try await life { zone in
                let node = EnrolledNode(name: "n", files: files, zone: zone)
                try await node.register()
                #expect(try await zone.controller.describeNodes(.init()).node.first?.state == .draining)
                _ = try await zone.controller.drainNode(.init(nodeName: "n", undo: true))
                #expect(try await zone.controller.describeNodes(.init()).node.first?.state == .up)
                _ = try await zone.controller.removeNode(.init(nodeName: "n"))
            }
            try await life { zone in
                let listed = try await zone.listed("n")
                #expect(listed == nil)
                let isSettled = try await zone.controller.describeChanges(.init()).settled
                #expect(isSettled)
                let refusal = try await EnrolledNode(name: "n", files: files, zone: zone).refusedReport()
                #expect(refusal == .removed)
            }
        }
    }

    @Test("a thousand nodes that boot at once all get in, each with a certificate of its own")
    func thousand() async throws {
        try await withZone { zone in
            let secretFile = zone.directory + "/secret"
            try FileSystem.write(secretFile, text: Hex.encode(EnrolmentZone.secret), permissions: 0o600)
            let began = ContinuousClock.now
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<1000 {
                    let settings = try settings(zone, "compute-\(number)", secretFile: secretFile)
                    group.addTask { try await blocking { Enroller(settings: settings, log: .quiet()).run() } }
                }
                for try await done in group { #expect(done) }
            }
            print("1000 nodes enrolled in \(ContinuousClock.now - began)")
            let all = try await zone.controller.describeNodes(.init()).enrolment
            #expect(all.count == 1000 && all.allSatisfy { $0.state == .enrolled })
            #expect(Set(all.map(\.serialNumber)).count == 1000 && Set(all.map(\.keyFingerprint)).count == 1000)
        }
    }
}
