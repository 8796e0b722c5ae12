import Contracts
import Testing

@testable import NodeController

struct PortForwardsTests {
    private func group(_ id: String, _ rules: [Contract.PermissionRule]) -> Contract.SecurityGroupRules {
        Contract.SecurityGroupRules(groupId: id, accountId: "1", groupName: id, ingress: rules)
    }

    private func rule(
        _ protocolName: String, _ from: Int, _ to: Int, cidr: [String] = ["0.0.0.0/0"], groups: [String] = []
    ) -> Contract.PermissionRule {
        Contract.PermissionRule(
            protocol: protocolName, fromPort: from, toPort: to, cidr: cidr, sourceGroupId: groups)
    }

    private func plan(
        _ rules: [Contract.PermissionRule], lowest: Int = 0, cap: Int = PortForwardPlan.cap
    ) -> PortForwardPlan {
        PortForwardPlan(groups: [group("sg-1", rules)], members: ["sg-1"], lowestBindable: lowest, cap: cap)
    }

    private func shown(_ plan: PortForwardPlan) -> [String] {
        plan.forwards.map { "\($0.protocol) \($0.hostPort)>\($0.guestPort)" }
    }

    @Test func `exactly the ports of rules that let the loopback in are forwarded`() {
        let plan = plan([
            rule("tcp", 22, 22), rule("udp", 53, 54, cidr: ["127.0.0.0/8"]), rule("tcp", 80, 80, cidr: ["10.0.0.0/8"]),
            rule("tcp", 81, 81, cidr: ["10.0.0.0/8", "127.0.0.1/32"]), rule("icmp", -1, -1),
        ])
        #expect(shown(plan) == ["tcp 22>22", "udp 53>53", "udp 54>54", "tcp 81>81"])
        #expect(plan.leftOut == 0)
    }

    @Test func `rules of groups that the instance is not in do not count`() {
        let plan = PortForwardPlan(
            groups: [group("sg-2", [rule("tcp", 22, 22)])], members: ["sg-1"], lowestBindable: 0)
        #expect(plan.forwards.isEmpty)
    }

    @Test func `rules with only a source group open nothing`() {
        #expect(plan([rule("tcp", 1, 65535, cidr: [], groups: ["sg-1"])]).forwards.isEmpty)
    }

    @Test func `overlapping ranges are one`() {
        #expect(shown(plan([rule("tcp", 20, 23), rule("6", 22, 24)])).count == 5)
    }

    @Test func `wide ranges are capped, lowest ports first, and say so`() {
        let plan = plan([rule("-1", -1, -1)], cap: 10)
        #expect(shown(plan).prefix(4) == ["tcp 1>1", "udp 1>1", "tcp 2>2", "udp 2>2"])
        #expect(plan.forwards.count == 10)
        #expect(plan.leftOut == 2 * 65535 - 10)
    }

    @Test func `ports that may not be bound are moved up unless that port is taken`() {
        let plan = plan([rule("tcp", 22, 23), rule("tcp", 10022, 10022)], lowest: 1024)
        #expect(shown(plan) == ["tcp 10023>23", "tcp 10022>10022"])
        #expect(plan.moved == 1)
        #expect(plan.leftOut == 1)
    }

    @Test func `odd rules do no harm`() {
        #expect(plan([rule("tcp", 500, 20)]).forwards.count == 1)
        #expect(plan([rule("tcp", 0, 3)]).forwards.count == 3)
        #expect(plan([rule("tcp", 65530, 99999)]).forwards.count == 6)
        for cidr in ["", "x", "127.0.0.1/33", "127.0.0/8", "1.2.3.4.5/1", "127.0.0.1/", "-1.0.0.0/0", "::/0"] {
            #expect(plan([rule("tcp", 22, 22, cidr: [cidr])]).forwards.isEmpty, "\(cidr)")
        }
        #expect(plan([rule("tcp", 22, 22, cidr: ["127.0.0.1"])]).forwards.count == 1)
    }

    @Test func `port sets agree with a plain set`() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            var set = PortSet()
            var plain: Set<Int> = []
            for _ in 0..<8 {
                let low = Int.random(in: 1...60, using: &generator)
                let high = low + Int.random(in: 0...12, using: &generator)
                set.insert(low...high)
                plain.formUnion(low...high)
            }
            #expect(set.count == plain.count)
            #expect(set.lowest(1000) == plain.sorted())
        }
    }
}
