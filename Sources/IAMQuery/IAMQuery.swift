// IAMQuery: the Query interfaces of IAM (2010-05-08) and STS (2011-06-15) on top of `IdentityBackend`.
//
// Here: the tables of actions, reading of their parameters, the XML of answers, the services' error codes. Not here:
// what identities may be and do (the back end), HTTP, passwords' and tokens' forms.
// Every request gets an answer: what fails becomes the service's error document, and never shows internal detail.
//
//   QueryRequest ─▶ parameters ─▶ authentication ─▶ table ─▶ gate ─▶ handler ─▶ IdentityBackend
//                                                                      └──▶ XML ─▶ QueryResponse

public import CloudModel
public import QueryProtocol
public import Signatures
import XML

/// Which of the two services a request is for.
public enum IdentityService: String, Sendable {
    /// Users, groups, roles and policies; Eucalyptus called it Euare.
    case iam
    /// Temporary credentials; Eucalyptus called it Tokens.
    case sts

    /// The version of the API.
    public var version: String { self == .iam ? "2010-05-08" : "2011-06-15" }

    var namespace: String {
        self == .iam ? "https://iam.amazonaws.com/doc/2010-05-08/" : "https://sts.amazonaws.com/doc/2011-06-15/"
    }

    /// The service that a request to an endpoint shared with others is for, by its parameter `Version`; nil if neither.
    public static func named(in request: QueryRequest) -> IdentityService? {
        named(in: request.query.utf8) ?? named(in: request.body.prefix(64 << 10))
    }

    // By bytes: it is asked of every request to EC2.
    private static func named(in parameters: some Collection<UInt8>) -> IdentityService? {
        for piece in parameters.split(separator: UInt8(ascii: "&")) {
            if piece.elementsEqual("Version=2010-05-08".utf8) { return .iam }
            if piece.elementsEqual("Version=2011-06-15".utf8) { return .sts }
        }
        return nil
    }
}

/// What the interface can be told from outside.
public struct IAMConfiguration: Sendable {
    /// How large requests may be.
    public var limits = QueryLimits()
    /// How far clocks may differ.
    public var signatures = SignaturePolicy()
    /// The cloud's region.
    public var region: String
    /// The time.
    public var now: @Sendable () -> CloudModel.Timestamp
    /// Told once about every request when its answer is ready.
    public var observer: @Sendable (IAMObservation) -> Void = { _ in }

    /// Makes a configuration; the defaults of what is not given suit production.
    public init(
        region: String, now: @escaping @Sendable () -> CloudModel.Timestamp
    ) {
        self.region = region
        self.now = now
    }
}

/// One line of the audit: who asked what, and how it ended.
public struct IAMObservation: Sendable {
    /// Service.
    public var service: IdentityService
    /// The request's id.
    public var requestID: String
    /// The action as it was asked for; nil if there was none.
    public var action: String?
    /// Who asked, if the request could be authenticated.
    public var caller: Caller?
    /// Where it came from.
    public var sourceAddress: String
    /// HTTP status of the answer.
    public var status: Int
    /// The code, if it failed.
    public var errorCode: String?
    /// The text that was sent, if it failed.
    public var errorMessage: String?
    /// What only the administrator may read; it was not sent.
    public var internalDetail: String?
    /// Whether the action only reads.
    public var isReading: Bool
    /// What it concerned, as ARNs.
    public var resources: [String]
}

/// The Query interfaces of IAM and STS of one cloud.
public struct IAMInterface: Sendable {
    private let backend: any IdentityBackend
    private let configuration: IAMConfiguration
    private let authenticator: Authenticator

    /// Makes the interface of the cloud behind `backend`.
    public init(backend: any IdentityBackend, configuration: IAMConfiguration) {
        self.backend = backend
        self.configuration = configuration
        authenticator = Authenticator(backend: backend, policy: configuration.signatures, now: configuration.now)
    }

    /// Largest body of a request in bytes.
    public var largestBody: Int { configuration.limits.largestBody }

    /// Answers a request. It always answers; errors are the service's error documents.
    public func respond(to request: QueryRequest, service: IdentityService) async -> QueryResponse {
        var observation = IAMObservation(
            service: service, requestID: request.id, sourceAddress: request.sourceAddress, status: 200,
            isReading: true, resources: [])
        var headers = [
            (name: "Content-Type", value: "text/xml;charset=UTF-8"),
            (name: "Cache-Control", value: "no-cache, no-store"),
            (name: "x-amzn-requestid", value: observation.requestID),
        ]
        let body: [UInt8]
        do throws(QueryFault) {
            body = try await answer(request, service, &observation)
        } catch {
            observation.status = error.status
            observation.errorCode = error.code
            observation.errorMessage = error.message
            observation.internalDetail = error.detail
            if error.status == 405 { headers.append((name: "Allow", value: "GET, POST")) }
            body = Self.document(of: error, service, requestID: observation.requestID)
        }
        configuration.observer(observation)
        return QueryResponse(status: observation.status, headers: headers, body: body)
    }

    private func answer(
        _ request: QueryRequest, _ service: IdentityService, _ observation: inout IAMObservation
    ) async throws(QueryFault) -> [UInt8] {
        let parameters = try request.parameters(configuration.limits)
        guard let name = parameters.text("Action") else {
            throw QueryFault("MissingAction", "The request must contain the parameter Action.")
        }
        observation.action = Parameters.shortened(name)
        // Some of them come without a signature.
        if let reason = UnofferedAction.reason(name, service) {
            throw QueryFault("UnsupportedOperation", "The action \(name) is known but not offered: \(reason)")
        }
        var caller: Caller
        do throws(AuthenticationFailure) {
            caller = try await authenticator.caller(of: request, requestID: observation.requestID)
        } catch {
            throw QueryFault(error, service)
        }
        observation.caller = caller
        guard let action = IAMAction.named(name, service) else {
            throw QueryFault(
                "InvalidAction",
                "Could not find operation \(Parameters.shortened(name)) for version \(service.version)")
        }
        observation.isReading = action.isReading
        var writer = XMLWriter(reserving: 2048)
        do throws(CloudError) {
            // For another account, an administrator acts as that account; what he may do there is up to his own policies.
            let actor = service == .iam ? try await self.actor(parameters, caller) : caller
            let resources = try await action.resources(parameters, actor, backend)
            observation.resources = resources
            if let permission = action.permission {
                try await backend.authorize(
                    caller,
                    AccessCheck(
                        permission, resources: resources.map { AccessResource($0) },
                        facts: Self.facts(of: parameters), additions: action.additions))
            }
            await backend.noteUse(of: caller, service: service.rawValue)
            caller = actor
            writer.open(name + "Response", namespace: service.namespace)
            let call = IAMCall(
                parameters: parameters, caller: caller, backend: backend, region: configuration.region)
            if action.hasResult { writer.open(name + "Result") }
            try await action.handler(call, &writer)
            if action.hasResult { writer.close() }
        } catch {
            throw QueryFault(error, service)
        }
        writer.open("ResponseMetadata")
        writer.element("RequestId", observation.requestID)
        writer.close()
        writer.close()
        return writer.bytes
    }

    /// On whose behalf a request is: the caller, or the account that `DelegateAccount` names.
    ///
    /// Everybody in the administrators' account is asked for the permission to do so at all, since a policy that lets a
    /// user manage his own keys must not let him make keys of other accounts, or of his own account's owner.
    private func actor(_ parameters: Parameters, _ caller: Caller) async throws(CloudError) -> Caller {
        guard let delegate = parameters.text("DelegateAccount") else { return caller }
        let account = try await backend.findAccount(delegate, as: caller)
        try await backend.authorize(
            caller,
            AccessCheck(
                "iam:DelegateAccount", resources: [AccessResource("arn:aws:iam::\(account.id):root")]))
        var actor = caller
        actor.accountID = account.id
        actor.identity = .account
        actor.userID = account.id
        actor.userName = Account.rootUserName
        actor.sessionPolicies = nil
        return actor
    }

    /// What policies may ask about the request itself.
    private static func facts(of parameters: Parameters) -> [String: [String]] {
        var facts: [String: [String]] = [:]
        if let arn = parameters.text("PolicyArn") { facts["iam:policyarn"] = [arn] }
        if let arn = parameters.text("PermissionsBoundary") { facts["iam:permissionsboundary"] = [arn] }
        for entry in parameters.structures("Tags.member") {
            if let key = entry.text("Key") {
                facts["aws:requesttag/" + key.lowercased()] = [entry.raw("Value") ?? ""]
                facts["aws:tagkeys", default: []].append(key)
            }
        }
        return facts
    }

    /// The error document ("Common errors" of the API reference).
    static func document(of fault: QueryFault, _ service: IdentityService, requestID: String) -> [UInt8] {
        var writer = XMLWriter(reserving: 512)
        writer.open("ErrorResponse", namespace: service.namespace)
        writer.open("Error")
        writer.element("Type", fault.status >= 500 ? "Receiver" : "Sender")
        writer.element("Code", fault.code)
        writer.element("Message", fault.message)
        writer.close()
        writer.element("RequestId", requestID)
        writer.close()
        return writer.bytes
    }
}
