public import AccessPolicy
public import CloudModel

// The gate: whether a caller may do what he asks for, by the policies of his identity and of his account.
//
//   Caller ─▶ policies (own, groups', attached; boundary; session's; the account's)
//   AccessCheck + facts of the request ─▶ AccessPolicy.IdentityPolicies.decide ─▶ allowed, or CloudError

extension CloudController {
    /// See `AuthenticationBackend`.
    public func authorize(_ caller: Caller, _ check: AccessCheck) async throws(CloudError) {
        try permit(caller, check)
    }

    /// What `authorize` does, for permissions that only the controller knows to ask for.
    func permit(_ caller: Caller, _ check: AccessCheck) throws(CloudError) {
        guard let account = view.accounts[caller.accountID]?.value, account.isDisabled != true else {
            throw Self.refusal(caller, check.action, "*", isDenied: false)
        }
        noteUse(of: caller, service: String(check.action.prefix { $0 != ":" }))
        // By far the most frequent case, and there is nothing to ask.
        if caller.identity == .account, account.policies == nil, caller.sessionPolicies == nil { return }
        let policies = try policies(of: caller)
        let principal = policyPrincipal(caller)
        var check = check
        if let count = check.additions["ec2:quota-vminstancenumber"],
            let type = view.types[check.facts["ec2:instancetype"]?.first ?? configuration.defaultInstanceType]?.value
        {
            check.additions["ec2:quota-cputotalsize"] = count * Int64(type.cores)
            check.additions["ec2:quota-memorytotalsize"] = count * Int64(type.memoryMiB)
            check.additions["ec2:quota-disktotalsize"] = count * Int64(type.diskGiB)
        }
        for resource in check.resources {
            let request = PolicyRequest(
                principal: principal, action: check.action, resource: resource.arn,
                context: context(of: caller, check, resource))
            let decision = policies.decide(request)
            // The account may let all of its users change their own passwords, but for those who are denied it.
            if decision == .none, check.action == "iam:ChangePassword", account.passwordPolicy?.allowsChange == true {
                continue
            }
            guard decision == .allow else {
                throw Self.refusal(caller, check.action, resource.arn, isDenied: decision == .deny)
            }
            if let limit = policies.exceededLimit(request) { throw exceeded(limit, check, of: caller.accountID) }
        }
    }

    static func refusal(_ caller: Caller, _ action: String, _ resource: String, isDenied: Bool) -> CloudError {
        let on = resource == "*" ? "" : " on resource: \(resource)"
        let why =
            isDenied
            ? " with an explicit deny in a policy" : " because no identity-based policy allows the \(action) action"
        return .unauthorized(operation: "User: \(caller.arn) is not authorized to perform: \(action)\(on)\(why)")
    }

    private func exceeded(
        _ limit: (key: String, values: [String]), _ check: AccessCheck, of account: String
    ) -> CloudError {
        let added = Int(check.additions[limit.key] ?? 0)
        return .limitExceeded(
            Self.quotaKinds[limit.key] ?? .account, limit: limit.values.compactMap { Int($0) }.max() ?? 0,
            inUse: Int(held(limit.key, by: account)), requested: added)
    }

    /// What a quota counts, for the error.
    private static let quotaKinds: [String: ResourceKind] = [
        "ec2:quota-vminstancenumber": .instance, "ec2:quota-vminstanceactivenumber": .instance,
        "ec2:quota-cputotalsize": .instance, "ec2:quota-memorytotalsize": .instance,
        "ec2:quota-disktotalsize": .instance, "ec2:quota-imagenumber": .image,
        "ec2:quota-securitygroupnumber": .securityGroup, "ec2:quota-volumenumber": .volume,
        "ec2:quota-volumetotalsize": .volume, "ec2:quota-snapshotnumber": .snapshot,
        "ec2:quota-addressnumber": .address, "iam:quota-usernumber": .user, "iam:quota-groupnumber": .userGroup,
        "iam:quota-rolenumber": .role, "iam:quota-instanceprofilenumber": .instanceProfile,
    ]

    /// What an account holds of something that the original has a quota condition for.
    private func held(_ key: String, by account: String) -> Int64 {
        switch key {
        case "ec2:quota-vminstancenumber", "ec2:quota-vminstanceactivenumber":
            return Int64(view.instances.liveCounts[account, default: 0] + launches.instances[account, default: 0])
        case "ec2:quota-cputotalsize": return use(of: account) { Int64($0.cores) }
        case "ec2:quota-memorytotalsize": return use(of: account) { Int64($0.memoryMiB) }
        case "ec2:quota-disktotalsize": return use(of: account) { Int64($0.diskGiB) }
        case "ec2:quota-imagenumber": return Int64(Self.imagesInUse(of: account, view))
        case "ec2:quota-securitygroupnumber": return Int64(view.groups.count(of: account))
        case "iam:quota-usernumber": return Int64(view.identities.users.count(of: account))
        case "iam:quota-groupnumber": return Int64(view.identities.groups.count(of: account))
        case "iam:quota-rolenumber": return Int64(view.identities.roles.count(of: account))
        case "iam:quota-instanceprofilenumber": return Int64(view.identities.profiles.count(of: account))
        default: return 0
        }
    }

    private func use(of account: String, _ value: (InstanceType) -> Int64) -> Int64 {
        var sum: Int64 = 0
        for reservation in view.instances.reservations(of: account) {
            for instance in reservation.instances where instance.value.state.holdsResources {
                sum += value(instance.value.type)
            }
        }
        return sum
    }

    /// Until when the caller's policies let instances run that are launched now: the original's conditions
    /// `ec2:KeepAlive` and `ec2:ExpirationTime`. The end cannot be put off.
    func policyLease(_ request: RunInstancesRequest, type: InstanceType, of caller: Caller) throws(CloudError) -> Lease?
    {
        let policies = try policies(of: caller)
        let now = configuration.now()
        let check = AccessCheck("ec2:RunInstances", facts: ["ec2:instancetype": [type.name]])
        let arns = [
            "arn:aws:ec2:\(configuration.region):\(caller.accountID):instance/*",
            "arn:aws:ec2:\(configuration.region)::image/\(request.imageID)",
        ]
        var ends: [Int64] = []
        for arn in arns {
            let question = PolicyRequest(
                principal: policyPrincipal(caller), action: check.action, resource: arn,
                context: context(of: caller, check, AccessResource(arn)))
            if let end = policies.end(of: question, launchedAt: now.milliseconds / 1000) { ends.append(end) }
        }
        guard let end = ends.max() else { return nil }
        let seconds = end - now.milliseconds / 1000
        guard seconds > 0 else {
            throw .unauthorized(
                operation: "RunInstances: the time until which policies let instances run was over at "
                    + Timestamp(milliseconds: end * 1000).iso8601)
        }
        return LeaseRule(seconds: seconds).lease(from: now)
    }

    /// The policies that speak of a caller.
    func policies(of caller: Caller) throws(CloudError) -> IdentityPolicies {
        let documents = documents(
            caller.accountID, caller.identity, userID: caller.userID, session: caller.sessionPolicies)
        var result = IdentityPolicies(isAccount: documents.isAccount)
        result.granting = try policyCache.policies(documents.granting)
        if let boundary = documents.boundary { result.boundary = try policyCache.policy(boundary) }
        if let session = documents.session { result.session = try policyCache.policies(session) }
        result.account = try policyCache.policies(documents.account)
        return result
    }

    /// The documents of the policies that speak of somebody, for components that decide by themselves; nil for an
    /// account that nothing limits.
    public func policyDocuments(of principal: Principal) -> IdentityDocuments? {
        let documents = documents(
            principal.accountID, principal.identity, userID: principal.userID, session: principal.sessionPolicies)
        let isUnbounded = documents.isAccount && documents.account.isEmpty && documents.session == nil
        return isUnbounded ? nil : documents
    }

    /// Other ARNs by which policies may name somebody: a session's role.
    public func otherARNs(of principal: Principal) -> [String] {
        guard case .role(let name, _) = principal.identity,
            let role = view.identities.roles.named(name, of: principal.accountID)?.value
        else { return [] }
        return [role.arn]
    }

    private func documents(
        _ accountID: String, _ identity: CallerIdentity, userID: String, session: [String]?
    ) -> IdentityDocuments {
        var result = IdentityDocuments()
        guard let account = view.accounts[accountID]?.value else { return result }
        let tables = view.identities
        result.account = (account.policies ?? []).map(\.document)
        result.session = session
        switch identity {
        case .account, .federated(_, nil): result.isAccount = true
        case .user:
            if let user = tables.users[userID]?.value { add(user, to: &result) }
        case .federated(_, let id?):
            if let user = tables.users[id]?.value { add(user, to: &result) }
        case .role(let name, _):
            if let role = tables.roles.named(name, of: accountID)?.value {
                add(role, boundary: role.boundary, to: &result)
            }
        }
        return result
    }

    private func add(_ user: User, to result: inout IdentityDocuments) {
        add(user, boundary: user.boundary, to: &result)
        for id in user.groupIDs {
            if let group = view.identities.groups[id]?.value { add(group, boundary: nil, to: &result) }
        }
    }

    private func add(_ bearer: any PolicyBearer, boundary: String?, to result: inout IdentityDocuments) {
        result.granting += bearer.inlinePolicies.map(\.document)
        for arn in bearer.attachedPolicies {
            guard let policy = view.identities.policy(arn: arn, of: bearer.accountID) else { continue }
            result.granting.append(policy.document)
        }
        if let boundary {
            // A bound that is not there any more allows nothing.
            result.boundary =
                view.identities.policy(arn: boundary, of: bearer.accountID)?.document
                ?? #"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#
        }
    }

    func policyPrincipal(_ caller: Caller) -> PolicyPrincipal {
        guard caller.identity != .account else { return PolicyPrincipal(account: caller.accountID) }
        var principal = PolicyPrincipal(account: caller.accountID, userARN: caller.arn)
        if case .role(let name, _) = caller.identity,
            let role = view.identities.roles.named(name, of: caller.accountID)?.value
        {
            principal.otherARNs = [role.arn]
        }
        return principal
    }

    /// The facts of a request by condition key ("AWS global condition context keys" in the IAM User Guide).
    func context(of caller: Caller, _ check: AccessCheck, _ resource: AccessResource)
        -> @Sendable (String) -> [String]?
    {
        let now = configuration.now()
        let region = configuration.region
        var quotas: [String: [String]] = [:]
        for (key, added) in check.additions {
            quotas[key] = [String(held(key, by: caller.accountID) + added)]
        }
        let amounts = quotas
        let tags = principalTags(caller.accountID, caller.identity, caller.userID)
        let resourceTags = tagsOfResource(resource.arn)
        return { key in
            for prefix in ["ec2:resourcetag/", "aws:resourcetag/"] where key.hasPrefix(prefix) {
                return resourceTags.first { $0.key.lowercased() == key.dropFirst(prefix.count) }.map { [$0.value] }
            }
            if let values = resource.facts[key] ?? check.facts[key] ?? amounts[key] { return values }
            switch key {
            case "aws:sourceip": return [caller.sourceAddress]
            case "aws:currenttime": return [now.iso8601]
            case "aws:epochtime": return [String(now.milliseconds / 1000)]
            case "aws:securetransport": return [caller.isSecure ? "true" : "false"]
            case "aws:userid": return [caller.userID]
            case "aws:username":
                if case .user(let name, _) = caller.identity { return [name] }
                return nil
            case "aws:principalarn": return [caller.arn]
            case "aws:principalaccount": return [caller.accountID]
            case "aws:principaltype": return [caller.identity.type]
            case "aws:useragent": return caller.userAgent.map { [$0] }
            case "aws:referer": return caller.referer.map { [$0] }
            case "aws:tokenissuetime": return caller.issuedAt.map { [$0.iso8601] }
            case "aws:requestedregion", "ec2:region": return [region]
            case "aws:multifactorauthpresent":
                return caller.expiresAt == nil ? nil : [caller.mfaAt == nil ? "false" : "true"]
            case "aws:multifactorauthage":
                return caller.mfaAt.map { [String((now.milliseconds - $0.milliseconds) / 1000)] }
            default:
                let prefix = "aws:principaltag/"
                guard key.hasPrefix(prefix) else { return nil }
                return tags.first { $0.key.lowercased() == key.dropFirst(prefix.count) }.map { [$0.value] }
            }
        }
    }

    /// The tags of what an ARN of EC2 names.
    private func tagsOfResource(_ arn: String) -> [Tag] {
        guard arn.hasPrefix("arn:aws:ec2:"), let text = arn.split(separator: "/").last.map(String.init) else {
            return []
        }
        if let id = InstanceID(text) { return view.instances[id]?.value.tags ?? [] }
        if let id = ImageID(text) { return view.images[id]?.value.tags ?? [] }
        if let id = SecurityGroupID(text) { return view.groups[id]?.value.tags ?? [] }
        if let id = KeyPairID(text), let name = view.keyPairNames[id] { return view.keyPairs[name]?.value.tags ?? [] }
        return []
    }

    private func principalTags(_ accountID: String, _ identity: CallerIdentity, _ userID: String) -> [Tag] {
        switch identity {
        case .user: view.identities.users[userID]?.value.tags ?? []
        case .role(let name, _): view.identities.roles.named(name, of: accountID)?.value.tags ?? []
        case .account, .federated: []
        }
    }

    /// What policies may ask about somebody himself at this moment, by condition key, for components that decide by
    /// themselves and do not know it from the request.
    public func conditionFacts(of principal: Principal) -> [String: [String]] {
        var facts = ["aws:principaltype": [principal.identity.type], "aws:requestedregion": [configuration.region]]
        for tag in principalTags(principal.accountID, principal.identity, principal.userID) {
            facts["aws:principaltag/" + tag.key.lowercased()] = [tag.value]
        }
        if let issued = principal.issuedAt { facts["aws:tokenissuetime"] = [issued.iso8601] }
        if principal.expiresAt != nil {
            facts["aws:multifactorauthpresent"] = [principal.mfaAt == nil ? "false" : "true"]
        }
        if let proof = principal.mfaAt {
            let age = (configuration.now().milliseconds - proof.milliseconds) / 1000
            facts["aws:multifactorauthage"] = [String(age)]
        }
        return facts
    }
}

extension CallerIdentity {
    /// The value of `aws:PrincipalType`.
    fileprivate var type: String {
        switch self {
        case .account: "Account"
        case .user: "User"
        case .role: "AssumedRole"
        case .federated: "FederatedUser"
        }
    }
}
