import AccessPolicy
public import CloudModel
import Crypto
import Foundation
import Store

// Temporary credentials. A session's token is all that is known of it, sealed with a key of the cloud (AES-GCM): every
// component that can ask the cloud controller can take it, nothing has to be kept, and nothing has to be forgotten.

/// What is in a session token.
private struct SessionClaims: Codable {
    /// Access key id.
    var key: String
    var secret: String
    var account: String
    /// Unique id of the user or role; nil for the account itself.
    var identity: String?
    var isRole: Bool
    /// The session's name; nil for GetSessionToken, which gives no other identity.
    var name: String?
    var policies: [String]?
    /// When the caller proved that he has his MFA device, in milliseconds since 1970.
    var mfa: Int64?
    /// When it was made, in milliseconds since 1970; nil in those of an earlier release.
    var issued: Int64?
    /// Milliseconds since 1970.
    var expires: Int64
}

extension CloudController {
    /// Makes the key that seals tokens, unless another process does so at the same time.
    static func makeSessionKey(_ store: any Store, configuration: CloudConfiguration) async throws(CloudError) {
        let key = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        let record = StoredRecord.sessionKey(SessionKeyRecord(key: key, createdAt: configuration.now()))
        let bytes = try record.encoded()
        do {
            _ = try await store.commit(
                StoreTransaction(conditions: [.keyAbsent(record.key)], operations: [.put(record.key, bytes)]))
        } catch {
            throw cloudError(error)
        }
    }

    // MARK: Looking up

    /// See `AuthenticationBackend`.
    public func credential(accessKeyID: String, sessionToken: String?) async throws(CloudError) -> CredentialLookup {
        if let sessionToken { return try session(accessKeyID, sessionToken) }
        guard let key = view.accessKeys[accessKeyID]?.value, key.isActive,
            let account = view.accounts[key.accountID]?.value, account.isDisabled != true
        else { return .unknownKey }
        let principal: Principal
        if key.isRoot {
            principal = Principal(account, userName: key.userName)
        } else {
            guard let user = view.identities.users.named(key.userName, of: account.id)?.value else {
                return .unknownKey
            }
            principal = Principal(user, of: account)
        }
        return .found(Credential(accessKeyID: key.id, secret: key.secret, principal: principal))
    }

    private func session(_ accessKeyID: String, _ token: String) throws(CloudError) -> CredentialLookup {
        guard let key = view.identities.sessionKey?.key else {
            throw .internalError(message: "The cloud has no key for session tokens.", detail: "no \(Key.sessionKey)")
        }
        // Whatever is not a token of ours fails at one of these steps.
        guard token.utf8.count <= 32_768, let data = Data(base64Encoded: token),
            let box = try? AES.GCM.SealedBox(combined: data),
            let opened = try? AES.GCM.open(box, using: SymmetricKey(data: key)),
            let claims = try? JSONDecoder().decode(SessionClaims.self, from: opened), claims.key == accessKeyID
        else { return .invalidToken }
        let expires = Timestamp(milliseconds: claims.expires)
        guard configuration.now() < expires else { return .expiredToken }
        guard let account = view.accounts[claims.account]?.value, account.isDisabled != true,
            var principal = sessionPrincipal(claims, account)
        else { return .unknownKey }
        principal.sessionPolicies = claims.policies
        principal.expiresAt = expires
        principal.mfaAt = claims.mfa.map { Timestamp(milliseconds: $0) }
        principal.issuedAt = claims.issued.map { Timestamp(milliseconds: $0) }
        return .found(Credential(accessKeyID: claims.key, secret: claims.secret, principal: principal))
    }

    /// As whom a session acts; nil if whose session it is has been deleted.
    private func sessionPrincipal(_ claims: SessionClaims, _ account: Account) -> Principal? {
        var principal = Principal(account)
        if let id = claims.identity {
            if claims.isRole {
                guard let role = view.identities.roles[id]?.value else { return nil }
                principal.identity = .role(name: role.name, session: claims.name ?? "")
                principal.userID = role.id + ":" + (claims.name ?? "")
                principal.userName = claims.name ?? role.name
                return principal
            }
            guard let user = view.identities.users[id]?.value else { return nil }
            principal = Principal(user, of: account)
        }
        if let name = claims.name {
            principal.identity = .federated(name: name, of: claims.identity)
            principal.userID = account.id + ":" + name
            principal.userName = name
        }
        return principal
    }

    private func issue(_ claims: SessionClaims) throws(CloudError) -> TemporaryCredentials {
        guard let key = view.identities.sessionKey?.key else {
            throw .internalError(message: "The cloud has no key for session tokens.", detail: "no \(Key.sessionKey)")
        }
        guard let account = view.accounts[claims.account]?.value, let principal = sessionPrincipal(claims, account)
        else { throw .notFound(.account, [claims.account]) }
        let token: Data
        do {
            let sealed = try AES.GCM.seal(try JSONEncoder().encode(claims), using: SymmetricKey(data: key))
            // The nonce is of the standard length, so that a combined form exists.
            token = sealed.combined ?? Data()
        } catch {
            throw .internalError(message: "The session token could not be made.", detail: "\(error)")
        }
        return TemporaryCredentials(
            accessKeyID: claims.key, secret: claims.secret, sessionToken: token.base64EncodedString(),
            expiresAt: Timestamp(milliseconds: claims.expires), principal: principal)
    }

    private func claims(
        _ account: String, identity: String?, isRole: Bool = false, name: String?, policies: [String]?,
        mfa: Timestamp? = nil,
        seconds: Int
    ) -> SessionClaims {
        SessionClaims(
            key: Credentials.temporaryKeyID(), secret: Credentials.secret(), account: account, identity: identity,
            isRole: isRole, name: name, policies: policies, mfa: mfa?.milliseconds,
            issued: configuration.now().milliseconds,
            expires: configuration.now().adding(seconds: Int64(seconds)).milliseconds)
    }

    private static func check(_ seconds: Int?, in range: ClosedRange<Int>) throws(CloudError) {
        guard let seconds, !range.contains(seconds) else { return }
        let bound =
            seconds < range.lowerBound
            ? "greater than or equal to \(range.lowerBound)" : "less than or equal to \(range.upperBound)"
        throw .invalidValue(
            parameter: "durationSeconds", value: String(seconds),
            reason:
                "1 validation error detected: Value '\(seconds)' at 'durationSeconds' failed to satisfy constraint: "
                + "Member must have value \(bound)")
    }

    /// The longest session that is not a role's, in seconds; the account's own may last an hour.
    private static let longestSession = 129_600

    /// Credentials with which a part of the cloud acts for a caller while it works on his request.
    public func delegatedSession(of caller: Caller) throws(CloudError) -> TemporaryCredentials {
        let seconds = 3600
        switch caller.identity {
        case .account:
            return try issue(
                claims(
                    caller.accountID, identity: nil, name: nil, policies: caller.sessionPolicies, mfa: caller.mfaAt,
                    seconds: seconds))
        case .user:
            return try issue(
                claims(
                    caller.accountID, identity: caller.userID, name: nil, policies: caller.sessionPolicies,
                    mfa: caller.mfaAt, seconds: seconds))
        case .role(let name, let session):
            let role = try named(name, in: \.roles, of: caller.accountID, view).value
            return try issue(
                claims(
                    caller.accountID, identity: role.id, isRole: true, name: session, policies: caller.sessionPolicies,
                    seconds: seconds))
        case .federated(let name, let id):
            return try issue(
                claims(
                    caller.accountID, identity: id, name: name, policies: caller.sessionPolicies, seconds: seconds))
        }
    }

    /// Credentials of a role for an instance, whose id is the session's name, as in EC2.
    func instanceSession(of role: Role, instance: InstanceID) throws(CloudError) -> TemporaryCredentials {
        try issue(
            claims(
                role.accountID, identity: role.id, isRole: true, name: instance.value, policies: nil,
                seconds: configuration.instanceCredentialsValidity))
    }

    // MARK: STS

    /// See `IdentityBackend`.
    public func sessionToken(seconds: Int?, mfa: MFACode?, as caller: Caller)
        async throws(CloudError) -> TemporaryCredentials
    {
        try Self.check(seconds, in: 900...Self.longestSession)
        guard caller.expiresAt == nil else {
            throw .unauthorized(operation: "Cannot call GetSessionToken with session credentials")
        }
        var proof: Timestamp?
        if let mfa { proof = try await prove(mfa, by: caller) }
        switch caller.identity {
        case .account:
            return try issue(
                claims(
                    caller.accountID, identity: nil, name: nil, policies: nil, mfa: proof,
                    seconds: min(seconds ?? 3600, 3600)))
        case .user(let name, _):
            let user = try named(name, in: \.users, of: caller.accountID, view).value
            return try issue(
                claims(
                    caller.accountID, identity: user.id, name: nil, policies: nil, mfa: proof,
                    seconds: seconds ?? 43_200))
        case .role, .federated:
            throw .unauthorized(operation: "Cannot call GetSessionToken with session credentials")
        }
    }

    /// See `IdentityBackend`.
    public func federationToken(
        name: String, policies: [String], policyARNs: [String], seconds: Int?, as caller: Caller
    )
        async throws(CloudError) -> TemporaryCredentials
    {
        try Self.check(seconds, in: 900...Self.longestSession)
        try IdentityRules.checkName(name, "name", most: 32)
        let documents = try sessionPolicies(policies, policyARNs, of: caller.accountID)
        var identity: String?
        var longest = 3600
        switch caller.identity {
        case .account: break
        case .user(let own, _) where caller.expiresAt == nil:
            identity = try named(own, in: \.users, of: caller.accountID, view).value.id
            longest = Self.longestSession
        case .user, .role, .federated:
            throw .unauthorized(operation: "Cannot call GetFederationToken with session credentials")
        }
        // Without policies such a session may do nothing at all.
        return try issue(
            claims(
                caller.accountID, identity: identity, name: name, policies: documents,
                seconds: min(seconds ?? 43_200, longest)))
    }

    private func sessionPolicies(_ documents: [String], _ arns: [String], of account: String)
        throws(CloudError) -> [String]
    {
        guard arns.count <= 10 else { throw .limitExceeded(.policy, limit: 10, inUse: arns.count, requested: 0) }
        var all: [String] = []
        for document in documents {
            guard document.unicodeScalars.count <= IdentityRules.sessionPolicySize else {
                throw .invalidValue(
                    parameter: "policy", value: "",
                    reason: "1 validation error detected: Value '\(document.prefix(64))…' at 'policy' failed to "
                        + "satisfy constraint: Member must have length less than or equal to "
                        + "\(IdentityRules.sessionPolicySize)")
            }
            try IdentityRules.checkPolicy(
                document, parameter: "Policy", most: IdentityRules.sessionPolicySize, .inline)
            all.append(document)
        }
        for arn in arns {
            guard let policy = view.identities.policy(arn: arn, of: account) else { throw .notFound(.policy, [arn]) }
            all.append(policy.document)
        }
        return all
    }

    /// See `IdentityBackend`.
    public func assumeRole(_ request: AssumeRoleRequest, as caller: Caller)
        async throws(CloudError) -> TemporaryCredentials
    {
        try Self.check(request.seconds, in: 900...43_200)
        try IdentityRules.checkName(request.sessionName, "roleSessionName", most: 64)
        let refusal = CloudError.unauthorized(
            operation:
                "User: \(caller.arn) is not authorized to perform: sts:AssumeRole on resource: \(request.roleARN)")
        // A role that is not there is refused as one that is not permitted.
        guard let role = role(arn: request.roleARN) else { throw refusal }
        let trust: Policy
        do throws(PolicyError) {
            trust = try Policy(Array(role.trustPolicy.utf8), kind: .trust)
        } catch {
            throw .internalError(message: "The role's trust policy cannot be read.", detail: error.message)
        }
        var facts = request.externalID.map { ["sts:externalid": [$0]] } ?? [:]
        if let mfa = request.mfa {
            _ = try await prove(mfa, by: caller)
            facts["aws:multifactorauthpresent"] = ["true"]
            facts["aws:multifactorauthage"] = ["0"]
        }
        let check = AccessCheck(
            "sts:AssumeRole", resources: [AccessResource(request.roleARN)],
            facts: facts.merging(["sts:rolesessionname": [request.sessionName]]) { first, _ in first })
        let context = context(of: caller, check, check.resources[0])
        let question = PolicyRequest(
            principal: policyPrincipal(caller), action: "sts:AssumeRole", resource: request.roleARN, context: context)
        let own = try policies(of: caller)
        let isOwn = caller.accountID == role.accountID
        let decision = own.decide(question)
        let isAllowed =
            switch (trust.decide(question), decision) {
            case (_, .deny), (.deny, _), (.none, _): false
            case (.allow, _) where isOwn: true
            case (.allow, let decision), (.allowAccount, let decision): decision == .allow
            }
        guard isAllowed else { throw refusal }
        let longest = caller.expiresAt == nil ? role.maximumSession : min(role.maximumSession, 3600)
        guard (request.seconds ?? 3600) <= longest else {
            throw .invalidValue(
                parameter: "DurationSeconds", value: String(request.seconds ?? 0),
                reason: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        }
        let hasPolicies = request.policy != nil || !request.policyARNs.isEmpty
        let documents = try sessionPolicies(
            request.policy.map { [$0] } ?? [], request.policyARNs, of: role.accountID)
        return try issue(
            claims(
                role.accountID, identity: role.id, isRole: true, name: request.sessionName,
                policies: hasPolicies ? documents : nil, seconds: request.seconds ?? 3600))
    }

    private func role(arn: String) -> Role? {
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[2] == "iam", parts[5].hasPrefix("role/"),
            let name = parts[5].split(separator: "/").last
        else { return nil }
        let role = view.identities.roles.named(String(name), of: String(parts[4]))?.value
        return role?.arn == arn ? role : nil
    }
}
