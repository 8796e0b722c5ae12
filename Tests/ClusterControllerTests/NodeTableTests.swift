import Contracts
import Testing

@testable import ClusterController

@Suite struct NodeTableTests {
    private func node(_ name: String, state: Contract.NodeState = .up, cores: Int = 8) -> Node {
        Node(
            description: Contract.NodeDescription(
                nodeName: name, endpoint: "http://\(name)/", state: state, hypervisor: "simulated",
                architecture: ["x86_64"],
                resources: Contract.Resources(
                    coresTotal: 8, coresFree: cores, memoryMiBTotal: 1024, memoryMiBFree: 1024, diskGiBTotal: 100,
                    diskGiBFree: 100),
                softwareVersion: "1", startedAt: 0),
            client: FakeNode(name), lastSeen: 0)
    }

    @Test func `a node is offered only what it can start`() {
        var table = NodeTable()
        for name in ["a", "b", "c"] { table[name] = node(name) }
        table["a"]?.description.boot = ["kernel"]
        table["b"]?.description.boot = ["kernel", "disk"]
        func names(_ boot: String) -> [String] {
            table.candidates(architecture: "x86_64", boot: boot, excluding: []).map(\.name)
        }
        #expect(names("kernel") == ["a", "b", "c"])
        #expect(names("disk") == ["b", "c"], "c says nothing of it, as nodes of earlier releases")
        table["b"]?.description.boot = ["kernel"]
        #expect(names("disk") == ["c"])
    }

    @Test func candidatesAreOrderedByNameAndFollowEveryChange() {
        var table = NodeTable()
        for name in ["c", "a", "b"] { table[name] = node(name) }
        #expect(table.candidates(architecture: "x86_64", excluding: []).map(\.name) == ["a", "b", "c"])

        let type = Contract.InstanceTypeSpec(name: "m1.small", cores: 3, memoryMiB: 128, diskGiB: 5)
        table["b"]?.promised["i-1"] = type
        table["c"]?.description.resources.coresFree = 1
        let seen = table.candidates(architecture: "x86_64", excluding: [])
        #expect(seen.map(\.freeCores) == [8, 5, 1])
        #expect(seen.map(\.instanceCount) == [0, 1, 0])

        table["b"]?.description.state = .down
        #expect(table.candidates(architecture: "x86_64", excluding: []).map(\.name) == ["a", "c"])
        #expect(table.candidates(architecture: "x86_64", excluding: ["a"]).map(\.name) == ["c"])
        #expect(table.candidates(architecture: "i386", excluding: []).isEmpty)

        table["b"]?.description.state = .asleep
        table["a"] = nil
        table["d"] = node("d")
        #expect(table.candidates(architecture: "x86_64", excluding: []).map(\.name) == ["b", "c", "d"])
        #expect(table.count == 3)
        table["nobody"]?.description.state = .down
        #expect(table.candidates(architecture: "x86_64", excluding: []).count == 3)
    }
}
