import CloudModel
import Testing

@testable import CloudController

@Suite struct SecurityGroupTests {
    private func tcp(_ port: Int, _ block: String) -> Permission {
        Permission(ipProtocol: "tcp", fromPort: port, toPort: port, blocks: [.init(cidr: block)])
    }

    @Test func aGroupIsMadeFoundAndDeleted() async throws {
        let cloud = try await TestCloud.open(runs: false)
        let controller = cloud.controller
        let group = try await controller.createSecurityGroup(
            name: "web", description: "for the web", tags: [Tag(key: "a", value: "b")], dryRun: false, as: cloud.admin)
        #expect(group.rules.count == 1)
        #expect(group.rules[0].isEgress)
        #expect(group.rules[0].peer == .cidr("0.0.0.0/0"))
        await #expect(throws: CloudError.duplicate(.securityGroup, "web")) {
            try await controller.createSecurityGroup(
                name: "web", description: "again", tags: [], dryRun: false, as: cloud.admin)
        }
        let byName = try await controller.describeSecurityGroups(DescribeRequest(names: ["web"]), as: cloud.admin)
        #expect(byName.items == [group])
        let byID = try await controller.describeSecurityGroups(
            DescribeRequest(ids: [group.id.value]), as: cloud.admin)
        #expect(byID.items == [group])
        let all = try await controller.describeSecurityGroups(DescribeRequest(), as: cloud.admin)
        #expect(all.items.map(\.name) == ["default", "web"])
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.notFound(.securityGroup, [group.id.value])) {
            try await controller.describeSecurityGroups(DescribeRequest(ids: [group.id.value]), as: user)
        }
        _ = try await controller.deleteSecurityGroup(GroupSelector(name: "web"), dryRun: false, as: cloud.admin)
        await #expect(throws: CloudError.notFound(.securityGroup, ["web"])) {
            try await controller.deleteSecurityGroup(GroupSelector(name: "web"), dryRun: false, as: cloud.admin)
        }
        await #expect(throws: CloudError.self) {
            try await controller.deleteSecurityGroup(GroupSelector(name: "default"), dryRun: false, as: cloud.admin)
        }
        let again = try await cloud.reopened(runs: false)
        let left = try await again.controller.describeSecurityGroups(DescribeRequest(), as: cloud.admin)
        #expect(left.items.map(\.name) == ["default"])
    }

    @Test func aGroupInUseStays() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let group = try await cloud.controller.createSecurityGroup(
            name: "g", description: "g", tags: [], dryRun: false, as: cloud.admin)
        let other = try await cloud.controller.createSecurityGroup(
            name: "other", description: "other", tags: [], dryRun: false, as: cloud.admin)
        let id = try await cloud.controller.runInstances(
            RunInstancesRequest(imageID: image.id.value, groupNames: ["g"]), as: cloud.admin
        ).instances[0].id
        await #expect(throws: CloudError.inUse(.securityGroup, group.id.value, by: "1 instance")) {
            try await cloud.controller.deleteSecurityGroup(GroupSelector(name: "g"), dryRun: false, as: cloud.admin)
        }
        _ = try await cloud.controller.terminateInstances(ids: [id.value], dryRun: false, as: cloud.admin)
        try await cloud.eventually("it is over") { try await cloud.instance(id).state == .terminated }
        let named = Permission(ipProtocol: "-1", groups: [.init(group: GroupSelector(id: group.id.value))])
        _ = try await cloud.controller.authorize(
            [named], egress: false, group: GroupSelector(name: "other"), tags: [], dryRun: false, as: cloud.admin)
        await #expect(
            throws: CloudError.inUse(.securityGroup, group.id.value, by: "a rule of \(other.id.value)")
        ) {
            try await cloud.controller.deleteSecurityGroup(GroupSelector(name: "g"), dryRun: false, as: cloud.admin)
        }
        _ = try await cloud.controller.revoke(
            [named], ruleIDs: [], egress: false, group: GroupSelector(name: "other"), dryRun: false, as: cloud.admin)
        _ = try await cloud.controller.deleteSecurityGroup(GroupSelector(name: "g"), dryRun: false, as: cloud.admin)
    }

    @Test func rulesAreAddedAndRemovedAllOrNone() async throws {
        let cloud = try await TestCloud.open(runs: false)
        let controller = cloud.controller
        let group = GroupSelector(name: "default")
        func rules() async throws -> [SecurityGroupRule] {
            let page = try await controller.describeSecurityGroups(
                DescribeRequest(names: ["default"]), as: cloud.admin)
            return page.items[0].rules.filter { !$0.isEgress }
        }
        let before = try await rules().count
        let added = try await controller.authorize(
            [tcp(22, "0.0.0.0/0"), tcp(80, "10.1.2.3/8")], egress: false, group: group,
            tags: [Tag(key: "k", value: "v")], dryRun: false, as: cloud.admin)
        #expect(added.map(\.peer) == [.cidr("0.0.0.0/0"), .cidr("10.0.0.0/8")])
        #expect(added[0].tags == [Tag(key: "k", value: "v")])
        let twice = await #expect(throws: CloudError.self) {
            try await controller.authorize(
                [tcp(443, "0.0.0.0/0"), tcp(80, "10.0.0.0/8")], egress: false, group: group, tags: [], dryRun: false,
                as: cloud.admin)
        }
        #expect(twice == .duplicate(.permission, "peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW"))
        #expect(try await rules().count == before + 2)
        let missing = await #expect(throws: CloudError.self) {
            try await controller.revoke(
                [tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")], ruleIDs: [], egress: false, group: group,
                dryRun: false, as: cloud.admin)
        }
        #expect(missing == .notFound(.permission, ["peer: 0.0.0.0/0, TCP, from port: 443, to port: 443, ALLOW"]))
        #expect(try await rules().count == before + 2)
        let removed = try await controller.revoke(
            [], ruleIDs: [added[0].id.value], egress: false, group: group, dryRun: false, as: cloud.admin)
        #expect(removed == [added[0]])
        await #expect(throws: CloudError.notFound(.securityGroupRule, [added[0].id.value])) {
            try await controller.revoke(
                [], ruleIDs: [added[0].id.value], egress: false, group: group, dryRun: false, as: cloud.admin)
        }
        await #expect(throws: CloudError.dryRunSucceeded) {
            try await controller.authorize(
                [tcp(1, "0.0.0.0/0")], egress: true, group: group, tags: [], dryRun: true, as: cloud.admin)
        }
        for port in 0..<(120 - before - 1) {
            _ = try await controller.authorize(
                [tcp(1000 + port, "0.0.0.0/0")], egress: false, group: group, tags: [], dryRun: false, as: cloud.admin)
        }
        await #expect(
            throws: CloudError.limitExceeded(.securityGroupRule, limit: 120, inUse: 120, requested: 1)
        ) {
            try await controller.authorize(
                [tcp(9, "0.0.0.0/0")], egress: false, group: group, tags: [], dryRun: false, as: cloud.admin)
        }
    }

    @Test func concurrentAuthorizationsLoseNothing() async throws {
        let cloud = try await TestCloud.open(runs: false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for port in 1...50 {
                group.addTask {
                    _ = try await cloud.controller.authorize(
                        [
                            Permission(
                                ipProtocol: "udp", fromPort: port, toPort: port, blocks: [.init(cidr: "1.2.3.4/32")])
                        ],
                        egress: false, group: GroupSelector(name: "default"), tags: [], dryRun: false, as: cloud.admin)
                }
            }
            try await group.waitForAll()
        }
        let again = try await cloud.reopened(runs: false)
        let page = try await again.controller.describeSecurityGroups(DescribeRequest(), as: cloud.admin)
        #expect(page.items[0].rules.filter { $0.ipProtocol == "udp" }.count == 50)
    }

    @Test func anotherAccountsGroupCanBeAPeerByIdAndOwner() async throws {
        let cloud = try await TestCloud.open(runs: false)
        let user = try await cloud.user("user")
        let theirs = try await cloud.controller.describeSecurityGroups(DescribeRequest(), as: user).items[0]
        func permission(_ owner: String?) -> Permission {
            Permission(
                ipProtocol: "tcp", fromPort: 1, toPort: 2,
                groups: [.init(group: GroupSelector(id: theirs.id.value), accountID: owner)])
        }
        let third = try await cloud.user("third")
        let group = GroupSelector(name: "default")
        let rules = try await cloud.controller.authorize(
            [permission(user.accountID)], egress: false, group: group, tags: [], dryRun: false, as: third)
        #expect(rules[0].peer == .group(id: theirs.id, accountID: user.accountID, name: "default"))
        await #expect(throws: CloudError.notFound(.securityGroup, [theirs.id.value])) {
            try await cloud.controller.authorize(
                [permission(third.accountID)], egress: false, group: group, tags: [], dryRun: false, as: third)
        }
    }
}
