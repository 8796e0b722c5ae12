import CloudModel
import Contracts
import Testing

@testable import CloudController

/// How a call fails; nil if it does not.
func thrown(by call: () async throws -> Void) async -> CloudError? {
    do {
        try await call()
        return nil
    } catch {
        return error as? CloudError
    }
}

@Suite struct AttributeTests {
    @Test func `a protected instance is not terminated until the protection is taken away`() async throws {
        let cloud = try await TestCloud.open()
        let id = try await cloud.run(try await cloud.image()).instances[0].id.value
        func protect(_ isOn: Bool) async throws {
            try await cloud.controller.modifyInstance(
                id: id, [.terminationProtection(isOn)], dryRun: false, as: cloud.admin)
        }
        try await protect(true)
        await #expect(throws: CloudError.self) {
            try await cloud.controller.terminateInstances(ids: [id], dryRun: false, as: cloud.admin)
        }
        let again = try await cloud.reopened()
        let failure = await thrown {
            _ = try await again.controller.terminateInstances(ids: [id], dryRun: true, as: again.admin)
        }
        guard case .notPermitted(let message)? = failure else {
            Issue.record("a protected instance would be terminated")
            return
        }
        #expect(message.contains("disableApiTermination"))
        try await again.controller.modifyInstance(
            id: id, [.terminationProtection(false)], dryRun: false, as: again.admin)
        let ended = try await again.controller.terminateInstances(ids: [id], dryRun: false, as: again.admin)
        #expect(ended.first?.current == .shuttingDown)
    }

    @Test func `an instance changes its groups, and the old ones become free`() async throws {
        let cloud = try await TestCloud.open()
        let id = try await cloud.run(try await cloud.image()).instances[0].id
        let group = try await cloud.controller.createSecurityGroup(
            name: "web", description: "web", tags: [], dryRun: false, as: cloud.admin)
        try await cloud.controller.modifyInstance(
            id: id.value, [.groups([group.id.value])], dryRun: false, as: cloud.admin)
        #expect(try await cloud.instance(id).groups == [GroupMembership(id: group.id, name: "web")])
        await #expect(throws: CloudError.self) {
            try await cloud.controller.deleteSecurityGroup(
                GroupSelector(name: "web"), dryRun: false, as: cloud.admin)
        }
        await #expect(throws: CloudError.notFound(.securityGroup, ["sg-0123abcd"])) {
            try await cloud.controller.modifyInstance(
                id: id.value, [.groups(["sg-0123abcd"])], dryRun: false, as: cloud.admin)
        }
    }

    @Test func `what takes a stopped instance, and stopping itself, is refused`() async throws {
        let cloud = try await TestCloud.open()
        let id = try await cloud.run(try await cloud.image()).instances[0].id.value
        let failure = await thrown {
            _ = try await cloud.controller.modifyInstance(
                id: id, [.whileStopped("userData")], dryRun: false, as: cloud.admin)
        }
        guard case .incorrectState(let kind, _, _, _)? = failure else {
            Issue.record("user data were changed")
            return
        }
        #expect(kind == .instance)
        for start in [true, false] {
            let failure = await thrown {
                _ = try await cloud.controller.stopOrStartInstances(
                    ids: [id], start: start, dryRun: false, as: cloud.admin)
            }
            guard case .unsupported(let message)? = failure else {
                Issue.record("an instance was stopped or started")
                return
            }
            #expect(message.contains("'ebs'"))
        }
        let user = try await cloud.user("user")
        await #expect(throws: CloudError.notFound(.instance, [id])) {
            try await cloud.controller.stopOrStartInstances(ids: [id], start: false, dryRun: false, as: user)
        }
        await #expect(throws: CloudError.notFound(.instance, [id])) {
            try await cloud.controller.modifyInstance(
                id: id, [.terminationProtection(true)], dryRun: false, as: user)
        }
    }

    @Test func `monitoring is switched, and user data are read back`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let reservation = try await cloud.controller.runInstances(
            RunInstancesRequest(imageID: image.id.value, userData: [1, 2, 3]), as: cloud.admin)
        let id = reservation.instances[0].id
        let changed = try await cloud.controller.monitorInstances(
            ids: [id.value], enabled: true, dryRun: false, as: cloud.admin)
        #expect(changed.first?.isMonitored == true)
        #expect(try await cloud.instance(id).isMonitored)
        let (_, userData) = try await cloud.controller.instanceWithUserData(
            id: id.value, dryRun: false, as: cloud.admin)
        #expect(userData == [1, 2, 3])
        await #expect(throws: CloudError.dryRunSucceeded) {
            try await cloud.controller.monitorInstances(
                ids: [id.value], enabled: false, dryRun: true, as: cloud.admin)
        }
    }

    @Test func `how a guest reaches its metadata is told to its node at launch, and when it changes`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        var request = RunInstancesRequest(imageID: image.id.value, clientToken: "once")
        request.options.metadata = MetadataOptions(requiresTokens: true, hopLimit: 2)
        let id = try await cloud.controller.runInstances(request, as: cloud.admin).instances[0].id
        request.options.metadata = nil
        await #expect(throws: CloudError.idempotentParameterMismatch(token: "once")) {
            try await cloud.controller.runInstances(request, as: cloud.admin)
        }
        try await cloud.eventually("it runs") { try await cloud.instance(id).state == .running }
        let launched = await cloud.zone.reports[id.value]?.spec.metadata
        #expect(launched == Contract.MetadataOptions(tokensRequired: true, disabled: false))
        let before = try await cloud.instance(id)
        #expect(before.options?.metadata == MetadataOptions(requiresTokens: true, hopLimit: 2))
        func change(_ change: InstanceChange, dryRun: Bool = false) async throws(CloudError) {
            try await cloud.controller.modifyInstance(id: id.value, [change], dryRun: dryRun, as: cloud.admin)
        }
        await #expect(throws: CloudError.dryRunSucceeded) {
            try await change(.metadata(requiresTokens: false, isDisabled: nil, hopLimit: nil), dryRun: true)
        }
        try await change(.metadata(requiresTokens: false, isDisabled: true, hopLimit: nil))
        try await cloud.eventually("the zone is told") {
            await cloud.zone.network?.metadata == [
                .init(instanceId: id.value, options: .init(tokensRequired: false, disabled: true))
            ]
        }
        // What is usual is a change as well: the node goes on with what the launch said.
        try await change(.metadata(requiresTokens: nil, isDisabled: false, hopLimit: 1))
        try await cloud.eventually("the zone is told again") {
            await cloud.zone.network?.metadata == [
                .init(instanceId: id.value, options: .init(tokensRequired: false, disabled: false))
            ]
        }
    }

    @Test func `launch permissions let an account launch, and can be taken away`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.controller.registerImage(
            RegisterImageRequest(location: "images/private.raw"), as: cloud.admin)
        let user = try await cloud.user("user")
        func change(_ change: ImageChange, as caller: Caller? = nil) async throws {
            try await cloud.controller.modifyImage(
                id: image.id.value, change, dryRun: false, as: caller ?? cloud.admin)
        }
        await #expect(throws: CloudError.notFound(.image, [image.id.value])) {
            try await cloud.run(image, as: user)
        }
        try await change(.launchPermissions(add: [user.accountID], remove: []))
        _ = try await cloud.run(image, as: user)
        await #expect(throws: CloudError.self) { try await change(.description("mine"), as: user) }
        try await change(.resetLaunchPermissions)
        await #expect(throws: CloudError.notFound(.image, [image.id.value])) {
            try await cloud.run(image, as: user)
        }
        for bad in ["1", "999999999999", "everybody"] {
            let failure = await thrown {
                _ = try await change(.launchPermissions(add: [bad], remove: []))
            }
            guard case .invalidValue(let parameter, _, _)? = failure else {
                Issue.record("\(bad) got a permission")
                return
            }
            #expect(parameter == "LaunchPermission")
        }
        try await change(.launchPermissions(add: [], remove: ["999999999999"]))
        try await change(.launchPermissions(add: ["all"], remove: []))
        #expect(
            try await cloud.controller.ownImage(
                id: image.id.value, operation: "test", dryRun: false, as: cloud.admin
            ).isPublic)
    }

    @Test func `an image that is disabled is nobody's but its owner's, and is not launched`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let user = try await cloud.user("user")
        let id = image.id.value
        func change(_ change: ImageChange, as caller: Caller? = nil) async throws(CloudError) {
            try await cloud.controller.modifyImage(id: id, change, dryRun: false, as: caller ?? cloud.admin)
        }
        func listed(_ including: Set<DescribeRequest.Inclusion> = [], as caller: Caller) async throws -> Bool {
            var request = DescribeRequest()
            request.including = including
            return try await cloud.controller.describeImages(request, owners: [], executableBy: [], as: caller)
                .items.contains { $0.id == image.id }
        }
        await #expect(throws: CloudError.self) { try await change(.disabled(true), as: user) }
        try await change(.disabled(true))
        try await change(.disabled(true))
        #expect(try await !listed(as: cloud.admin))
        #expect(try await listed([.disabledImages], as: cloud.admin))
        #expect(try await !listed([.disabledImages], as: user))
        await #expect(
            throws: CloudError.incorrectState(.image, id, state: "disabled", operation: "RunInstances")
        ) { try await cloud.run(image) }
        await #expect(throws: CloudError.notFound(.image, [id])) { try await cloud.run(image, as: user) }
        await #expect(
            throws: CloudError.incorrectState(.image, id, state: "disabled", operation: "ModifyImageAttribute")
        ) { try await change(.launchPermissions(add: ["all"], remove: [])) }
        try await change(.disabled(false))
        _ = try await cloud.run(image)
        #expect(try await !listed(as: user))
    }

    @Test func `an image that is out of date is found by its owner and by its id`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let user = try await cloud.user("user")
        let now = cloud.clock.now
        func deprecate(_ moment: Timestamp?) async throws(CloudError) {
            try await cloud.controller.modifyImage(
                id: image.id.value, .deprecation(moment), dryRun: false, as: cloud.admin)
        }
        func listed(_ request: DescribeRequest, as caller: Caller) async throws -> Bool {
            try await cloud.controller.describeImages(request, owners: [], executableBy: [], as: caller)
                .items.contains { $0.id == image.id }
        }
        var all = DescribeRequest()
        all.including = [.deprecatedImages]
        for wrong in [now, Timestamp(milliseconds: now.milliseconds + 4000 * 86_400_000)] {
            await #expect(throws: CloudError.self) { try await deprecate(wrong) }
        }
        try await deprecate(Timestamp(milliseconds: now.milliseconds + 60_000))
        #expect(try await listed(DescribeRequest(), as: user))
        cloud.clock.advance(seconds: 120)
        #expect(try await !listed(DescribeRequest(), as: user))
        #expect(try await listed(all, as: user))
        #expect(try await listed(DescribeRequest(), as: cloud.admin))
        #expect(try await listed(DescribeRequest(ids: [image.id.value]), as: user))
        try await deprecate(nil)
        #expect(try await listed(DescribeRequest(), as: user))
    }

    @Test func `a protected image is not deregistered`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        func protect(_ isProtected: Bool) async throws {
            try await cloud.controller.modifyImage(
                id: image.id.value, .deregistrationProtection(isProtected), dryRun: false, as: cloud.admin)
        }
        func deregister() async throws {
            try await cloud.controller.deregisterImage(id: image.id.value, dryRun: false, as: cloud.admin)
        }
        try await protect(true)
        let refusal = await thrown { try await deregister() }
        guard case .notPermitted? = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        try await protect(false)
        try await deregister()
    }

    @Test func `a copy of an image is another image of the same bytes`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let user = try await cloud.user("user")
        var request = CopyImageRequest(
            sourceID: image.id.value, sourceRegion: "us-east-1", name: "copy", clientToken: "once")
        let copy = try await cloud.controller.copyImage(request, as: user)
        #expect(copy.id != image.id && copy.accountID == user.accountID && copy.location == image.location)
        #expect(!copy.isPublic)
        #expect(try await cloud.controller.copyImage(request, as: user).id == copy.id)
        request.name = "other"
        await #expect(throws: CloudError.idempotentParameterMismatch(token: "once")) {
            try await cloud.controller.copyImage(request, as: user)
        }
        try await cloud.controller.deregisterImage(id: image.id.value, dryRun: false, as: cloud.admin)
        // The source is gone, and what was done with it is answered as before.
        request.name = "copy"
        #expect(try await cloud.controller.copyImage(request, as: user).id == copy.id)
        _ = try await cloud.run(copy, as: user)
        request = CopyImageRequest(sourceID: copy.id.value, sourceRegion: "us-east-1", name: "copy")
        await #expect(throws: CloudError.duplicate(.image, "copy")) {
            try await cloud.controller.copyImage(request, as: user)
        }
        request.sourceRegion = "mars-north-1"
        await #expect(throws: CloudError.self) { try await cloud.controller.copyImage(request, as: user) }
    }

    @Test func `requests with one token that come at the same time make one copy`() async throws {
        let cloud = try await TestCloud.open()
        let image = try await cloud.image()
        let request = CopyImageRequest(
            sourceID: image.id.value, sourceRegion: "us-east-1", name: "copy", clientToken: "once")
        let ids = try await withThrowingTaskGroup(of: ImageID.self) { group in
            for _ in 0..<8 {
                group.addTask { try await cloud.controller.copyImage(request, as: cloud.admin).id }
            }
            return try await group.reduce(into: Set<ImageID>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
    }

    @Test func `rules are replaced and described, and keep their ids`() async throws {
        let cloud = try await TestCloud.open()
        let group = try await cloud.controller.createSecurityGroup(
            name: "web", description: "web", tags: [], dryRun: false, as: cloud.admin)
        let selector = GroupSelector(id: group.id.value)
        let http = Permission(
            ipProtocol: "tcp", fromPort: 80, toPort: 80, blocks: [Permission.BlockPeer(cidr: "10.0.0.0/8")])
        let rule = try await cloud.controller.authorize(
            [http], egress: false, group: selector, tags: [], dryRun: false, as: cloud.admin)[0]
        var https = http
        https.fromPort = 443
        https.toPort = 443
        try await cloud.controller.replaceRules(
            [RuleReplacement(ruleID: rule.id.value, permission: https)], group: group.id.value, dryRun: false,
            as: cloud.admin)
        https.blocks[0].description = "by permission"
        try await cloud.controller.describeRules(
            [https], [], egress: false, group: selector, dryRun: false, as: cloud.admin)
        func found() async throws -> SecurityGroupRule? {
            try await cloud.controller.describeSecurityGroups(
                DescribeRequest(ids: [group.id.value]), as: cloud.admin
            ).items.first?.rules.first { !$0.isEgress }
        }
        #expect(try await found()?.id == rule.id)
        #expect(try await found()?.fromPort == 443)
        #expect(try await found()?.description == "by permission")
        try await cloud.controller.describeRules(
            [], [RuleDescription(ruleID: rule.id.value, description: nil)], egress: false, group: selector,
            dryRun: false, as: cloud.admin)
        #expect(try await found()?.description == nil)
        await #expect(throws: CloudError.self) {
            try await cloud.controller.describeRules(
                [http], [], egress: false, group: selector, dryRun: false, as: cloud.admin)
        }
        await #expect(throws: CloudError.notFound(.securityGroupRule, ["sgr-0123abcd"])) {
            try await cloud.controller.replaceRules(
                [RuleReplacement(ruleID: "sgr-0123abcd", permission: http)], group: group.id.value, dryRun: false,
                as: cloud.admin)
        }
    }
}
