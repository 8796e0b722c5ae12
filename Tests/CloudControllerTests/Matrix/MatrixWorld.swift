import CloudModel
import EC2Query
import Foundation
import IAMQuery
import JSON
import QueryProtocol
import Signatures
import Testing
import XML

@testable import CloudController
@testable import NativeAPI

/// The id of every request in these tests.
let requestID = "11111111-2222-4333-8444-555555555555"

/// Who asks, from nobody to the administrator of the cloud.
enum MatrixCaller: String, CaseIterable, Sendable {
    /// Without a signature.
    case anonymous
    /// The owner of another account.
    case other
    /// A user of the account without a policy.
    case plain
    /// A user whose policies allow everything, and deny it.
    case denied
    /// A user whose policies allow everything, and whose key is disabled.
    case disabled
    /// A user whose policies allow everything in the account.
    case user
    /// A session of a role that may do everything.
    case session
    /// The account itself.
    case owner
    /// The account that administers the cloud.
    case administrator
}

/// One request of the matrix. Values that begin with `$` stand for what the account has.
struct MatrixRow: Sendable {
    enum Interface: String, Sendable { case ec2, iam, sts, native }

    var interface: Interface
    var action: String
    var parameters: [(String, String)]
    /// Tells rows of one action apart.
    var note: String
    /// What the owner does beforehand.
    var before: [Step]
    /// The native interface: method, path and body.
    var method = "GET"
    var path = ""
    var body: JSONValue?

    /// An action of IAM.
    struct Step: Sendable {
        var action: String
        var parameters: [(String, String)]

        init(_ action: String, _ parameters: [(String, String)]...) {
            self.action = action
            self.parameters = parameters.flatMap { $0 }
        }
    }

    init(
        _ interface: Interface, _ action: String, _ parameters: [(String, String)]..., note: String = "",
        before: [Step] = []
    ) {
        self.interface = interface
        self.action = action
        self.parameters = parameters.flatMap { $0 }
        self.note = note
        self.before = before
    }

    init(_ operation: String, _ method: String, _ path: String, _ body: JSONValue? = nil) {
        self.init(.native, operation)
        self.method = method
        self.path = path
        self.body = body
    }

    var title: String { "\(interface.rawValue) \(action)" + (note.isEmpty ? "" : " \(note)") }

    /// Whether a caller who was let through leaves the world as it was.
    var isReading: Bool {
        interface == .native ? method == "GET" : ["Describe", "Get", "List"].contains { action.hasPrefix($0) }
    }
}

/// A cloud with an account that has one of everything, and all who may ask for it.
struct MatrixWorld: Sendable {
    struct Key: Sendable {
        var id: String
        var secret: String
        var token: String?
    }
    struct Failure: Error { var what: String }

    private let cloud: TestCloud
    private let ec2: EC2Interface
    private let iam: IAMInterface
    private let native: NativeInterface
    private(set) var keys: [MatrixCaller: Key] = [:]
    /// What `$name` stands for in parameters.
    private(set) var names: [String: String] = [:]
    /// What nobody but the account and administrators may get to see.
    private(set) var marks: [String] = []

    static let everything =
        #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#
    private static let nothing =
        #"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#
    static let publicKey =
        "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUtDY3g4L2NWS3VQeFk5akpFNDRoQWVQS1M3VnAycXMzMWtQdUJwMzVrYm4gdAo="

    private init(cloud: TestCloud) {
        self.cloud = cloud
        let now: @Sendable () -> CloudModel.Timestamp = { cloud.clock.now }
        ec2 = EC2Interface(backend: cloud.controller, configuration: EC2Configuration(now: now))
        iam = IAMInterface(
            backend: cloud.controller, configuration: IAMConfiguration(region: "us-east-1", now: now))
        var settings = NativeConfiguration()
        settings.now = now
        native = NativeInterface(backend: cloud.controller, configuration: settings)
    }

    /// Makes it anew.
    static func open() async throws -> MatrixWorld {
        var world = MatrixWorld(cloud: try await TestCloud.open())
        try await world.makeCallers()
        try await world.makeIdentities()
        try await world.makeResources()
        return world
    }

    /// Ends its background work.
    func close() async { await cloud.stop() }

    // MARK: What there is

    private mutating func makeCallers() async throws {
        let controller = cloud.controller
        let own = await controller.accessKeys(accountID: cloud.admin.accountID)[0]
        keys[.administrator] = Key(id: own.id, secret: own.secret)
        for (caller, name) in [(MatrixCaller.owner, "lab"), (.other, "shop")] {
            let account = try await controller.createAccount(name: name)
            let key = try await controller.createAccessKey(accountID: account.id)
            keys[caller] = Key(id: key.id, secret: key.secret)
            names["$account." + name] = account.id
        }
        for (caller, policies) in [
            (MatrixCaller.plain, []), (.denied, [Self.everything, Self.nothing]), (.disabled, [Self.everything]),
            (.user, [Self.everything]),
        ] {
            let name = caller.rawValue
            try await setUp("CreateUser", [("UserName", name)])
            for (index, policy) in policies.enumerated() {
                try await setUp(
                    "PutUserPolicy",
                    [("UserName", name), ("PolicyName", "p\(index)"), ("PolicyDocument", policy)])
            }
            let key = try await setUp("CreateAccessKey", [("UserName", name)])
            keys[caller] = Key(id: try key.text("AccessKeyId"), secret: try key.text("SecretAccessKey"))
        }
        let disabled = keys[.disabled]?.id ?? ""
        try await setUp(
            "UpdateAccessKey", [("UserName", "disabled"), ("AccessKeyId", disabled), ("Status", "Inactive")])
        let lab = names["$account.lab"] ?? ""
        let trust =
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"\#(lab)"}}]}"#
        try await setUp("CreateRole", [("RoleName", "runner"), ("AssumeRolePolicyDocument", trust)])
        try await setUp(
            "PutRolePolicy", [("RoleName", "runner"), ("PolicyName", "p"), ("PolicyDocument", Self.everything)])
        names["$role.arn"] = "arn:aws:iam::\(lab):role/runner"
        let session = try await setUp(
            "AssumeRole", [("RoleArn", "$role.arn"), ("RoleSessionName", "run")], .sts, as: .user)
        keys[.session] = Key(
            id: try session.text("AccessKeyId"), secret: try session.text("SecretAccessKey"),
            token: try session.text("SessionToken"))
    }

    private mutating func makeIdentities() async throws {
        let lab = names["$account.lab"] ?? ""
        names["$policy.arn"] = "arn:aws:iam::\(lab):policy/watch"
        names["$document"] = Self.everything
        try await setUp("CreateUser", [("UserName", "target")])
        try await setUp("CreateGroup", [("GroupName", "crew")])
        try await setUp("CreatePolicy", [("PolicyName", "watch"), ("PolicyDocument", Self.everything)])
        try await setUp("CreateRole", [("RoleName", "idle"), ("AssumeRolePolicyDocument", Self.trust(lab))])
        try await setUp("CreateInstanceProfile", [("InstanceProfileName", "front")])
        try await setUp(
            "CreateRole", [("RoleName", "private-service"), ("AssumeRolePolicyDocument", Self.serviceTrust)])
        try await setUp("CreateInstanceProfile", [("InstanceProfileName", "private-front")])
        try await setUp(
            "AddRoleToInstanceProfile",
            [("InstanceProfileName", "private-front"), ("RoleName", "private-service")])
        let key = try await setUp("CreateAccessKey", [("UserName", "target")])
        names["$key.id"] = try key.text("AccessKeyId")
        names["$trust"] = Self.trust(lab)
        names["$target.arn"] = "arn:aws:iam::\(lab):user/target"
        names["$mfa"] = "arn:aws:iam::\(lab):mfa/fob"
        try await setUp("CreateVirtualMFADevice", [("VirtualMFADeviceName", "fob")])
        marks += ["mfa/fob", "target", "crew", "policy/watch", "instance-profile/front", names["$key.id"] ?? ""]
    }

    private static let serviceTrust =
        #"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}"#

    private static func trust(_ account: String) -> String {
        #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"\#(account)"}}]}"#
    }

    private mutating func makeResources() async throws {
        func keep(_ name: String, _ element: String, _ answer: MatrixAnswer) throws {
            names[name] = try answer.text(element)
            marks.append(try answer.text(element))
        }
        try keep(
            "$image", "imageId",
            try await setUp(
                "RegisterImage", [("ImageLocation", "lab/disk.img"), ("Name", "private-image")], .ec2))
        try keep(
            "$group", "groupId",
            try await setUp(
                "CreateSecurityGroup", [("GroupName", "web"), ("GroupDescription", "private-group")], .ec2))
        for direction in ["Ingress", "Egress"] {
            try keep(
                "$rule." + direction.lowercased(), "securityGroupRuleId",
                try await setUp(
                    "AuthorizeSecurityGroup\(direction)", [("GroupId", "$group")] + Self.rule, .ec2))
        }
        try keep(
            "$pair", "keyPairId",
            try await setUp(
                "ImportKeyPair", [("KeyName", "private-pair"), ("PublicKeyMaterial", Self.publicKey)], .ec2))
        try keep(
            "$template", "launchTemplateId",
            try await setUp(
                "CreateLaunchTemplate",
                [("LaunchTemplateName", "private-plan"), ("LaunchTemplateData.InstanceType", "m1.small")], .ec2))
        try await setUp("CreatePlacementGroup", [("GroupName", "private-near"), ("Strategy", "cluster")], .ec2)
        try await setUp("CreateTags", [("ResourceId.1", "$group"), ("Tag.1.Key", "k"), ("Tag.1.Value", "v")], .ec2)
        let run = try await setUp(
            "RunInstances", [("ImageId", "$image"), ("MinCount", "1"), ("MaxCount", "1")], .ec2)
        try keep("$instance", "instanceId", run)
        try await setUp(
            "RunInstances",
            [
                ("ImageId", "$image"), ("MinCount", "1"), ("MaxCount", "1"),
                ("IamInstanceProfile.Name", "private-front"),
            ], .ec2)
        try keep(
            "$association", "associationId",
            try await setUp("DescribeIamInstanceProfileAssociations", [], .ec2))
        names["$interface"] = try #require(names["$instance"]).replacing("i-", with: "eni-")
        names["$vpc"] = try await setUp("DescribeVpcs", [], .ec2).text("vpcId")
        names["$subnet"] = try await setUp("DescribeSubnets", [], .ec2).text("subnetId")
        marks += ["private-", names["$vpc"] ?? ""]
        // Answers depend on the state, which must be the same in each run.
        let world = self
        try await cloud.eventually("the instance runs") {
            await world.send(
                MatrixRow(.ec2, "DescribeInstances", [("InstanceId.1", "$instance")]), as: .owner
            ).content.contains("<name>running</name>")
        }
    }

    static let rule = [
        ("IpPermissions.1.IpProtocol", "tcp"), ("IpPermissions.1.FromPort", "22"), ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
    ]

    /// A request that must be done.
    @discardableResult
    func setUp(
        _ action: String, _ parameters: [(String, String)], _ interface: MatrixRow.Interface = .iam,
        as caller: MatrixCaller = .owner
    ) async throws -> MatrixAnswer {
        let answer = await send(MatrixRow(interface, action, parameters), as: caller)
        guard answer.status < 400 else { throw Failure(what: "\(action): \(answer.content)") }
        return answer
    }

    // MARK: Asking

    private func filled(_ value: String) -> String { value.hasPrefix("$") ? names[value] ?? value : value }

    private func filled(_ value: JSONValue) -> JSONValue {
        if let text = value.text { return .string(filled(text)) }
        if let members = value.objectMembers {
            return .object(members.map { JSONMember($0.name, filled($0.value)) })
        }
        if let elements = value.elements { return .array(elements.map(filled)) }
        return value
    }

    /// Sends a request as somebody.
    func send(_ row: MatrixRow, as caller: MatrixCaller) async -> MatrixAnswer {
        var method = "POST"
        var path = "/"
        var body: [UInt8]
        var headers = [(name: "Host", value: "127.0.0.1:8773")]
        if row.interface == .native {
            method = row.method
            let parts = row.path.split(separator: "/").map { filled(String($0)) }
            path = NativeInterface.basePath + "/" + parts.joined(separator: "/")
            body = row.body.map { filled($0).serializedBytes } ?? []
            if row.body != nil { headers.append((name: "Content-Type", value: "application/json")) }
        } else {
            let version =
                row.interface == .ec2 ? "2016-11-15" : (row.interface == .iam ? IdentityService.iam : .sts).version
            let all =
                [("Action", row.action), ("Version", version)] + row.parameters.map { ($0.0, filled($0.1)) }
            body = Array(
                all.map { PercentEncoding.encode($0.0) + "=" + PercentEncoding.encode($0.1) }
                    .joined(separator: "&").utf8)
            headers.append((name: "Content-Type", value: "application/x-www-form-urlencoded"))
        }
        if let key = keys[caller] {
            if let token = key.token { headers.append((name: "X-Amz-Security-Token", value: token)) }
            let signer = SigV4Signer(
                accessKeyID: key.id, secret: key.secret, region: "us-east-1", service: row.interface.rawValue)
            let signed = SignedRequest(method: method, path: path, query: "", headers: headers, body: body)
            headers += signer.headers(for: signed, now: cloud.clock.now.milliseconds / 1000)
        }
        if row.interface == .native {
            let answer = await native.respond(
                to: QueryRequest(
                    id: requestID, method: method, path: path, query: "", headers: headers, body: body,
                    sourceAddress: "192.0.2.7"))
            return MatrixAnswer(status: answer.status, body: answer.body)
        }
        let request = QueryRequest(
            id: requestID, method: method, path: path, headers: headers, body: body, sourceAddress: "192.0.2.7")
        let answer =
            switch row.interface {
            case .sts: await iam.respond(to: request, service: .sts)
            case .iam: await iam.respond(to: request, service: .iam)
            case .ec2, .native: await ec2.respond(to: request)
            }
        return MatrixAnswer(status: answer.status, body: answer.body)
    }

    /// What stands in the table for an answer: the error's code; `done`; or `sees` if there is something of the account
    /// in it that the request did not name.
    func entry(_ answer: MatrixAnswer, _ row: MatrixRow) -> String {
        if answer.status >= 400 { return answer.code ?? String(answer.status) }
        let named = row.parameters.map { filled($0.1) } + row.path.split(separator: "/").map { filled(String($0)) }
        let isSeen = marks.contains { mark in
            answer.content.contains(mark) && !named.contains { $0.contains(mark) }
        }
        return isSeen ? "sees" : "done"
    }
}

/// An answer in whatever form.
struct MatrixAnswer: Sendable {
    var status: Int
    var body: [UInt8]

    var content: String { String(decoding: body, as: UTF8.self) }

    /// The text of the first element of that name.
    func text(_ name: String) throws -> String {
        let found = Self.first(name, try XMLElement.parse(body))
        guard let found else { throw MatrixWorld.Failure(what: "no \(name) in \(content)") }
        return found
    }

    var code: String? {
        do {
            if body.first == UInt8(ascii: "{") { return try JSONValue.parse(body)["code"]?.text }
            return Self.first("Code", try XMLElement.parse(body))
        } catch {
            return "unreadable"
        }
    }

    private static func first(_ name: String, _ element: XMLElement) -> String? {
        if element.localName == name { return element.text }
        for child in element.children {
            if let found = first(name, child) { return found }
        }
        return nil
    }
}
