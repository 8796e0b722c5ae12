import Contracts
import Foundation
import Testing

@testable import mallee

@Suite struct NodeListTests {
    private func node(_ name: String, _ state: Contract.NodeState, heard: Int64?) -> Contract.NodeDescription {
        Contract.NodeDescription(
            nodeName: name, endpoint: "https://10.1.255.254:8775/services/NodeController", state: state,
            hypervisor: "qemu", architecture: ["x86_64"],
            resources: .init(
                coresTotal: 8, coresFree: 3, memoryMiBTotal: 4096, memoryMiBFree: 1024, diskGiBTotal: 100,
                diskGiBFree: 90), softwareVersion: "1", startedAt: 0, lastSeen: heard, instanceCount: 2)
    }

    private func enrolment(
        _ name: String, _ state: ClusterContract.NodeEnrolmentState
    ) -> ClusterContract.NodeEnrolment {
        .init(nodeName: name, state: state, draining: false, address: "10.1.1.9", generation: 0, since: 0)
    }

    private var answer: ClusterContract.DescribeNodesResponse {
        .init(
            node: [node("b", .up, heard: 95_000), node("c", .draining, heard: 0), node("d", .down, heard: 0)],
            enrolment: [
                enrolment("a", .announced), enrolment("b", .enrolled), enrolment("d", .pendingApproval),
                enrolment("e", .denied), enrolment("f", .enrolled),
            ])
    }

    @Test func `every node is in the list once, with the state that matters`() {
        let rows = NodeRow.rows(answer, zone: "z")
        #expect(rows.map(\.name) == ["a", "b", "c", "d", "e", "f"])
        #expect(
            rows.map(\.state) == [
                "announced", "enabled", "draining", "pending approval", "denied", "unreachable",
            ])
        #expect(rows[0].address == "10.1.1.9" && rows[1].address == "10.1.255.254")
        #expect(rows[0].lastHeard == nil && rows[1].lastHeard == "1970-01-01T00:01:35.000Z")
    }

    @Test func `the list says what kind of host a node is`() {
        var xen = node("x", .up, heard: nil)
        xen.hypervisor = "xen"
        xen.accelerator = "xen: this is the control domain of Xen 4.17.5"
        var fast = node("k", .up, heard: nil)
        fast.accelerator = "kvm: a guest ran with KVM"
        var slow = node("t", .up, heard: nil)
        slow.accelerator = "tcg: emulation, since there is no /dev/kvm"
        let rows = NodeRow.rows(.init(node: [xen, fast, slow], enrolment: []), zone: "z")
        #expect(rows.map(\.hypervisor) == ["qemu (kvm)", "qemu (emulation)", "xen"])
    }

    @Test func `people get columns, and no blanks at the ends of lines`() {
        let lines = NodeRow.table(NodeRow.rows(answer, zone: "z"), now: Date(timeIntervalSince1970: 100))
            .split(separator: "\n")
        #expect(lines.count == 7)
        #expect(lines[0].hasPrefix("NAME  ADDRESS"))
        #expect(lines[1].hasSuffix("never") && lines[1].contains("announced"))
        #expect(lines[2].contains("3/8") && lines[2].contains("1024/4096") && lines[2].hasSuffix("5 s ago"))
        #expect(lines.allSatisfy { !$0.hasSuffix(" ") })
    }
}
