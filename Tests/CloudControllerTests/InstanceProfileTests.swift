import CloudModel
import Contracts
import Store
import Testing

@testable import CloudController

@Suite struct InstanceProfileTests {
    private static let trust =
        #"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}"#
    private static let otherTrust =
        #"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"s3.amazonaws.com"}}]}"#
    private static let reading =
        #"{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#

    /// A profile with a role of the same name.
    @discardableResult
    private func profile(_ name: String, in cloud: TestCloud, trust: String = trust, as caller: Caller? = nil)
        async throws -> InstanceProfile
    {
        let caller = caller ?? cloud.admin
        _ = try await cloud.controller.createRole(
            name: name, path: "/", trustPolicy: trust, description: nil, maximumSession: nil, boundary: nil, tags: [],
            as: caller)
        let profile = try await cloud.controller.createInstanceProfile(name: name, path: "/p/", tags: [], as: caller)
        try await cloud.controller.setRole(name, ofProfile: name, isMember: true, as: caller)
        return profile
    }

    private func run(_ profile: ProfileSelector, in cloud: TestCloud, as caller: Caller? = nil) async throws
        -> Instance
    {
        var request = RunInstancesRequest(imageID: try await image(in: cloud).id.value)
        request.profile = profile
        return try await cloud.controller.runInstances(request, as: caller ?? cloud.admin).instances[0]
    }

    /// The one image.
    private func image(in cloud: TestCloud) async throws -> Image {
        let known = try await cloud.controller.describeImages(
            DescribeRequest(), owners: [], executableBy: [], as: cloud.admin)
        if let image = known.items.first { return image }
        return try await cloud.image()
    }

    private func sent(_ id: InstanceID, in cloud: TestCloud) async -> Contract.InstanceCredentials? {
        await cloud.zone.credentials[id.value]
    }

    private func association(_ id: InstanceID, in cloud: TestCloud) async throws -> ProfileAssociation? {
        try await cloud.instance(id).options?.profile
    }

    @Test func `an instance is given the credentials of its profile's role, which do what the role may`()
        async throws
    {
        let cloud = try await TestCloud.open()
        let profile = try await profile("reader", in: cloud)
        try await cloud.controller.putInlinePolicy(
            InlinePolicy(name: "p", document: Self.reading), on: .role("reader"), as: cloud.admin)
        let instance = try await run(ProfileSelector(arn: profile.arn), in: cloud)
        #expect(instance.options?.profile?.state == .associating)
        try await cloud.eventually("the node has the credentials") {
            try await association(instance.id, in: cloud)?.state == .associated
        }
        let credentials = try #require(await sent(instance.id, in: cloud))
        #expect(credentials.profileArn == profile.arn && credentials.profileId == profile.id)
        #expect(credentials.code == "Success" && credentials.roleName == "reader")
        #expect(credentials.expiration == cloud.clock.now.milliseconds + 6 * 3_600_000)
        let found = try await cloud.controller.credential(
            accessKeyID: credentials.accessKeyId ?? "", sessionToken: credentials.sessionToken)
        guard case .found(let credential) = found else {
            Issue.record("\(found)")
            return
        }
        #expect(credential.secret == credentials.secretAccessKey)
        #expect(credential.principal.identity == .role(name: "reader", session: instance.id.value))
        let caller = Caller(
            credential.principal, accessKeyID: "a", requestID: "r", sourceAddress: "127.0.0.1", isSecure: true)
        try await cloud.controller.authorize(
            caller, AccessCheck("s3:GetObject", resources: [AccessResource("arn:aws:s3:::b/k")]))
        await #expect(throws: CloudError.self) {
            try await cloud.controller.authorize(caller, AccessCheck("ec2:RunInstances"))
        }
        // Nothing of the secret is in the store.
        for entry in try await cloud.store.range(prefix: "", after: nil, limit: 4000).entries {
            #expect(!String(decoding: entry.value.bytes, as: UTF8.self).contains(credentials.secretAccessKey ?? "?"))
        }
    }

    @Test func `credentials are renewed long before they end, and made anew by the next cloud controller`()
        async throws
    {
        var cloud = try await TestCloud.open()
        try await profile("reader", in: cloud)
        let instance = try await run(ProfileSelector(name: "reader"), in: cloud)
        try await cloud.eventually("associated") {
            try await association(instance.id, in: cloud)?.state == .associated
        }
        let first = try #require(await sent(instance.id, in: cloud))
        let calls = await cloud.zone.credentialCalls
        cloud.clock.advance(seconds: 3599)
        // Whatever wakes it.
        _ = try await run(ProfileSelector(name: "reader"), in: cloud)
        try await cloud.eventually("the second instance has its own") { await cloud.zone.credentials.count == 2 }
        #expect(await sent(instance.id, in: cloud)?.accessKeyId == first.accessKeyId)
        cloud.clock.advance(seconds: 1)
        try await cloud.eventually("renewed") { await sent(instance.id, in: cloud)?.accessKeyId != first.accessKeyId }
        let second = try #require(await sent(instance.id, in: cloud))
        #expect(second.expiration == cloud.clock.now.milliseconds + 6 * 3_600_000)
        #expect(await cloud.zone.credentialCalls > calls)
        // What the instance still has is good until its own end.
        let old = try await cloud.controller.credential(
            accessKeyID: first.accessKeyId ?? "", sessionToken: first.sessionToken)
        guard case .found = old else {
            Issue.record("\(old)")
            return
        }
        cloud = try await cloud.reopened()
        try await cloud.eventually("made anew") {
            await sent(instance.id, in: cloud)?.accessKeyId != second.accessKeyId
        }
    }

    @Test func `profiles are given to instances that run, changed and taken away`() async throws {
        let cloud = try await TestCloud.open()
        let (first, second) = (try await profile("first", in: cloud), try await profile("second", in: cloud))
        let image = try await image(in: cloud)
        let id = try await cloud.run(image).instances[0].id
        let made = try await cloud.controller.associateProfile(
            ProfileSelector(name: "first"), with: id.value, dryRun: false, as: cloud.admin)
        #expect(made.association.state == .associating && made.association.profileARN == first.arn)
        try await cloud.eventually("first") {
            try await association(id, in: cloud)?.state == .associated
        }
        await #expect(throws: CloudError.self) {
            try await cloud.controller.associateProfile(
                ProfileSelector(name: "second"), with: id.value, dryRun: false, as: cloud.admin)
        }
        let replaced = try await cloud.controller.replaceProfileAssociation(
            made.association.id.value, with: ProfileSelector(arn: second.arn), dryRun: false, as: cloud.admin)
        #expect(replaced.association.id != made.association.id)
        try await cloud.eventually("second") { await sent(id, in: cloud)?.roleName == "second" }
        let filter = Filter(name: "instance-id", values: [id.value])
        let found = try await cloud.controller.describeProfileAssociations(
            DescribeRequest(filters: [filter]), as: cloud.admin)
        #expect(found.items.map(\.association.id) == [replaced.association.id])
        #expect(
            try await cloud.controller.describeInstances(
                DescribeRequest(filters: [Filter(name: "iam-instance-profile.arn", values: [second.arn])]),
                as: cloud.admin
            ).items.count == 1)
        // A node that does not obey at once is told again, also by the next cloud controller.
        await cloud.zone.setRefusesCredentials([id.value])
        let gone = try await cloud.controller.disassociateProfile(
            replaced.association.id.value, dryRun: false, as: cloud.admin)
        #expect(gone.association.state == .disassociating)
        #expect(try await cloud.instance(id).profile == nil)
        let again = try await cloud.reopened()
        #expect(try await association(id, in: again)?.state == .disassociating)
        await again.zone.setRefusesCredentials([])
        try await again.eventually("forgotten") { try await association(id, in: again) == nil }
        #expect(await again.zone.credentials[id.value]?.profileArn == nil)
        #expect(await again.zone.credentials[id.value]?.secretAccessKey == nil)
        await #expect(throws: CloudError.notFound(.profileAssociation, [replaced.association.id.value])) {
            try await again.controller.disassociateProfile(
                replaced.association.id.value, dryRun: false, as: again.admin)
        }
    }

    @Test func `what the role is and whom it trusts shows in the instance's metadata`() async throws {
        let cloud = try await TestCloud.open()
        try await profile("reader", in: cloud, trust: Self.otherTrust)
        let id = try await run(ProfileSelector(name: "reader"), in: cloud).id
        func waitFor(_ code: String, role: String?) async throws {
            try await cloud.eventually("\(code) \(role ?? "without role")") {
                let now = await sent(id, in: cloud)
                return now?.code == code && now?.roleName == role
                    && (now?.accessKeyId != nil) == (role != nil && code == "Success")
            }
        }
        try await waitFor("AssumeRoleUnauthorizedAccess", role: "reader")
        _ = try await cloud.controller.updateRole(
            "reader", description: nil, maximumSession: nil, trustPolicy: Self.trust, as: cloud.admin)
        try await waitFor("Success", role: "reader")
        try await cloud.controller.setRole("reader", ofProfile: "reader", isMember: false, as: cloud.admin)
        try await waitFor("Success", role: nil)
        try await cloud.controller.deleteInstanceProfile("reader", as: cloud.admin)
        try await waitFor("InstanceProfileNotFound", role: nil)
    }

    @Test func `nobody passes on a role that he may not, or a profile that is not his account's`() async throws {
        let cloud = try await TestCloud.open()
        let owner = try await cloud.user("lab")
        let other = try await cloud.user("shop")
        let profile = try await profile("reader", in: cloud, as: owner)
        let user = try await cloud.controller.createUser(
            name: "u", path: "/", boundary: nil, tags: [], as: owner)
        var caller = owner
        caller.identity = .user(name: "u", path: "/")
        caller.userID = user.id
        func allow(_ actions: String, _ condition: String = "{}", on resource: String = "*") async throws {
            try await cloud.controller.putInlinePolicy(
                InlinePolicy(
                    name: "p",
                    document:
                        #"{"Statement":[{"Effect":"Allow","Action":\#(actions),"Resource":"\#(resource)","Condition":\#(condition)}]}"#
                ), on: .user("u"), as: owner)
        }
        let selector = ProfileSelector(name: "reader")
        try await allow(#"["ec2:*"]"#)
        let refusal = await #expect(throws: CloudError.self) { try await run(selector, in: cloud, as: caller) }
        guard case .unauthorized(let text) = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        #expect(text.contains("iam:PassRole"))
        let image = try await image(in: cloud)
        let id = try await cloud.run(image, as: owner).instances[0].id.value
        await #expect(throws: CloudError.self) {
            try await cloud.controller.associateProfile(selector, with: id, dryRun: false, as: caller)
        }
        try await allow(
            #"["ec2:*","iam:PassRole"]"#, #"{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}"#)
        await #expect(throws: CloudError.self) { try await run(selector, in: cloud, as: caller) }
        try await allow(
            #"["iam:PassRole"]"#, #"{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}"#,
            on: "arn:aws:iam::\(owner.accountID):role/reader")
        _ = try await run(selector, in: cloud, as: caller)
        // Those of other accounts are as if they were not there.
        for selector in [
            ProfileSelector(arn: profile.arn), selector, ProfileSelector(name: "none"), ProfileSelector(arn: "x"),
        ] {
            let error = await #expect(throws: CloudError.self) { try await run(selector, in: cloud, as: other) }
            guard case .invalidValue = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        await #expect(throws: CloudError.self) {
            try await run(ProfileSelector(arn: profile.arn, name: "another"), in: cloud, as: owner)
        }
        _ = try await run(ProfileSelector(arn: profile.arn, name: profile.name), in: cloud, as: owner)
        _ = try await cloud.controller.createInstanceProfile(name: "empty", path: "/", tags: [], as: owner)
        await #expect(throws: CloudError.self) {
            try await run(ProfileSelector(name: "empty"), in: cloud, as: owner)
        }
        #expect(
            try await cloud.controller.describeProfileAssociations(DescribeRequest(), as: other).items.isEmpty)
        let known = try await cloud.controller.describeProfileAssociations(DescribeRequest(), as: owner).items[0]
        await #expect(throws: CloudError.notFound(.profileAssociation, [known.association.id.value])) {
            try await cloud.controller.disassociateProfile(known.association.id.value, dryRun: false, as: other)
        }
        await #expect(throws: CloudError.notFound(.profileAssociation, ["iip-assoc-x"])) {
            try await cloud.controller.replaceProfileAssociation(
                "iip-assoc-x", with: selector, dryRun: false, as: owner)
        }
    }

    @Test func `a repeated request has to name the same profile`() async throws {
        let cloud = try await TestCloud.open()
        try await profile("reader", in: cloud)
        var request = RunInstancesRequest(imageID: try await cloud.image().id.value, clientToken: "t")
        request.profile = ProfileSelector(name: "reader")
        let made = try await cloud.controller.runInstances(request, as: cloud.admin)
        #expect(try await cloud.controller.runInstances(request, as: cloud.admin).id == made.id)
        request.profile = nil
        await #expect(throws: CloudError.idempotentParameterMismatch(token: "t")) {
            try await cloud.controller.runInstances(request, as: cloud.admin)
        }
    }
}
