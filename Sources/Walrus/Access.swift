// Who may do what: administrators, then the bucket's policy, then ownership, then access control lists.

internal import AccessPolicy
internal import ObjectStore

/// One question of access.
struct AccessQuestion {
    var caller: WalrusCaller
    var action: WalrusAction
    var state: BucketState
    /// The key; nil for the bucket itself.
    var key: String?
    /// The object that is there, if the question is about one.
    var object: ObjectRecord?

    /// The answer of an access control list, on which it depends alone.
    func granted(_ isGranted: Bool) -> Bool {
        if isGranted { caller.bucket.noteACL() }
        return isGranted
    }
}

enum Access {
    /// Actions that a bucket's owner may take whatever the policy says, since he could not mend the policy otherwise.
    private static let alwaysOwners: Set<WalrusAction> = [.getBucketPolicy, .putBucketPolicy, .deleteBucketPolicy]

    /// Who owns an object.
    static func owner(of object: ObjectRecord, in state: BucketState) -> String {
        if state.settings.ownership == .enforced { return state.record.owner }
        return object.attributes.owner ?? state.record.owner
    }

    /// The list that holds for an object.
    static func list(of object: ObjectRecord, in state: BucketState) throws -> AccessControlList {
        let owner = owner(of: object, in: state)
        guard let text = object.attributes.acl, state.settings.ownership != .enforced else { return .owned(by: owner) }
        return try ObjectACL.decode(text)
    }

    static func policyDecision(_ question: AccessQuestion) -> PolicyDecision {
        guard let policy = question.state.settings.policy else { return .none }
        return policy.decide(request(question))
    }

    /// What the caller's own policies say; an account that nothing limits may do what it likes with what is its own.
    static func identityDecision(_ question: AccessQuestion) -> PolicyDecision {
        guard let policies = question.caller.principal?.policies else { return .allow }
        return policies.decide(request(question))
    }

    private static func request(_ question: AccessQuestion) -> PolicyRequest {
        let tags = question.object?.attributes.tags
        let facts = question.caller.facts
        let existing = "s3:existingobjecttag/"
        return PolicyRequest(
            principal: question.caller.principal?.inPolicies, action: question.action.rawValue,
            resource: "arn:aws:s3:::" + question.state.record.name + (question.key.map { "/" + $0 } ?? ""),
            context: { name in
                if name.hasPrefix(existing) {
                    let key = name.dropFirst(existing.count)
                    return tags?.first { $0.key.lowercased() == key }.map { [$0.value] }
                }
                return facts(name)
            })
    }

    static func permits(_ question: AccessQuestion) throws -> Bool {
        let principal = question.caller.principal
        // What his own policies deny stays denied whoever else allows it; what they do not allow can still be allowed
        // by a bucket's policy that names him, within his account.
        let identity = identityDecision(question)
        if identity == .deny { return false }
        let isAllowed = identity == .allow
        let state = question.state
        let isOwner = principal?.accountID == state.record.owner
        if principal?.isAdministrator == true, isAllowed {
            // In a bucket of his own he is an owner like others: what its policy denies is denied, but for the policy.
            return !isOwner || alwaysOwners.contains(question.action) || policyDecision(question) != .deny
        }
        if isOwner, isAllowed, alwaysOwners.contains(question.action), !state.settings.refusesOwner { return true }
        let block = state.settings.publicAccessBlock
        switch policyDecision(question) {
        case .deny: return false
        case .allow where isOwner || isAllowed, .allowAccount where isAllowed:
            let isRestricted = block?.restrictBuckets == true && state.settings.policy?.isPublic == true
            if !isRestricted || isOwner { return true }
        case .allow, .allowAccount, .none: break
        }
        guard isAllowed else { return false }
        let ignoresPublic = block?.ignoreACLs == true
        if let permission = question.action.objectPermission {
            guard let object = question.object else { return isOwner }
            let owner = owner(of: object, in: state)
            if principal?.accountID == owner { return true }
            return question.granted(
                try list(of: object, in: state).permits(principal, permission, ignoringPublic: ignoresPublic))
        }
        if isOwner { return true }
        // The owner of an object has what concerns its lock and tags.
        if let object = question.object, principal?.accountID == owner(of: object, in: state),
            question.action.bucketPermission == nil
        {
            return true
        }
        guard let permission = question.action.bucketPermission, state.settings.ownership != .enforced,
            let list = state.settings.acl
        else { return false }
        return question.granted(list.permits(principal, permission, ignoringPublic: ignoresPublic))
    }
}

extension BucketSettings {
    /// The owner confirmed that the policy may shut him out as well.
    var refusesOwner: Bool { selfDenied == true }
}

/// Access control lists as attributes of objects keep them: `grantee permission` by line, short and quick to read.
enum ObjectACL {
    static func encode(_ list: AccessControlList) -> String {
        list.grants.map { grant in
            let grantee =
                switch grant.grantee {
                case .account(let id): "=" + id
                case .allUsers: "*"
                case .authenticatedUsers: "+"
                case .logDelivery: "log"
                }
            return grant.permission.rawValue + " " + grantee
        }.joined(separator: "\n")
    }

    static func decode(_ text: String) throws -> AccessControlList {
        AccessControlList(
            grants: try text.split(separator: "\n").map { line in
                let parts = line.split(separator: " ", maxSplits: 1)
                guard parts.count == 2, let permission = Permission(rawValue: String(parts[0])) else {
                    throw ObjectStoreError.failed("the index holds an access control list that cannot be read")
                }
                switch parts[1] {
                case "*": return Grant(.allUsers, permission)
                case "+": return Grant(.authenticatedUsers, permission)
                case "log": return Grant(.logDelivery, permission)
                default: return Grant(.account(String(parts[1].dropFirst())), permission)
                }
            })
    }
}
