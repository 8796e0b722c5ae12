import CloudModel
import JSON

/// Security groups and their rules.
enum SecurityGroupOperations {
    private static let tag = "Security groups"

    static let all: [Operation] = [
        Operation(
            method: "GET", path: "/security-groups", id: "listSecurityGroups", summary: "The account's groups.",
            tag: tag, parameters: [.limit(), .cursor],
            success: .init(status: 200, schema: Shapes.page("SecurityGroup"), description: "A page."), handler: list),
        Operation(
            method: "POST", path: "/security-groups", id: "makeSecurityGroup", summary: "Makes a group.", tag: tag,
            body: .named("MakeSecurityGroup"),
            success: .init(status: 201, schema: .named("SecurityGroup"), description: "The group."), errors: [409],
            handler: make),
        Operation(
            method: "GET", path: "/security-groups/{id}", id: "getSecurityGroup", summary: "One group.", tag: tag,
            success: .init(status: 200, schema: .named("SecurityGroup"), description: "The group."), handler: get),
        Operation(
            method: "DELETE", path: "/security-groups/{id}", id: "deleteSecurityGroup",
            summary: "Deletes a group; refused while instances are members.", tag: tag,
            success: .init(status: 204, schema: nil, description: "It is deleted."), errors: [409], handler: delete),
        Operation(
            method: "POST", path: "/security-groups/{id}/rules", id: "addRule", summary: "Lets something through.",
            tag: tag, body: .named("MakeSecurityGroupRule"),
            success: .init(status: 201, schema: .named("SecurityGroupRule"), description: "The rule."), errors: [409],
            handler: addRule),
        Operation(
            method: "DELETE", path: "/security-groups/{id}/rules/{rule}", id: "removeRule",
            summary: "Takes a rule away.", tag: tag,
            success: .init(status: 204, schema: nil, description: "It is gone."), handler: removeRule),
    ]

    private static func list(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        Shapes.page(try await call.backend.describeSecurityGroups(call.describe(), as: call.caller)) { $0.json }
    }

    private static func make(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        try await call.backend.createSecurityGroup(
            name: call.text("name") ?? "", description: call.text("description") ?? "", tags: call.tags, dryRun: false,
            as: call.caller
        ).json
    }

    private static func one(_ call: NativeCall) async throws(CloudError) -> SecurityGroup {
        let page = try await call.backend.describeSecurityGroups(
            DescribeRequest(ids: [call.path("id")]), as: call.caller)
        guard let group = page.items.first else { throw .notFound(.securityGroup, [call.path("id")]) }
        return group
    }

    private static func get(_ call: NativeCall) async throws(CloudError) -> JSONValue? { try await one(call).json }

    private static func delete(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        _ = try await call.backend.deleteSecurityGroup(
            GroupSelector(id: call.path("id")), dryRun: false, as: call.caller)
        return nil
    }

    private static func addRule(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let from = call.integer("fromPort")
        var permission = Permission(
            ipProtocol: call.text("protocol") ?? "", fromPort: from, toPort: call.integer("toPort") ?? from)
        let peer = call.text("peer") ?? ""
        let description = call.text("description")
        if peer.contains("/") {
            let block = Permission.BlockPeer(cidr: peer, description: description)
            if peer.contains(":") { permission.blocksV6 = [block] } else { permission.blocks = [block] }
        } else {
            let group = peer.hasPrefix("sg-") ? GroupSelector(id: peer) : GroupSelector(name: peer)
            permission.groups = [Permission.GroupPeer(group: group, description: description)]
        }
        let rules = try await call.backend.authorize(
            [permission], egress: call.text("direction") == "egress", group: GroupSelector(id: call.path("id")),
            tags: [], dryRun: false, as: call.caller)
        guard let rule = rules.first else { throw .invalidCombination("The rule permits nothing.") }
        return rule.json
    }

    private static func removeRule(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let group = try await one(call)
        guard let rule = group.rules.first(where: { $0.id.value == call.path("rule") }) else {
            throw .notFound(.securityGroupRule, [call.path("rule")])
        }
        _ = try await call.backend.revoke(
            [], ruleIDs: [rule.id.value], egress: rule.isEgress, group: GroupSelector(id: group.id.value),
            dryRun: false, as: call.caller)
        return nil
    }
}
