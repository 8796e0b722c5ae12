import AccessPolicy
import Contracts
import Foundation
import Signatures
import Synchronization
import Walrus

/// Access keys out of a cloud controller elsewhere, by its contract, kept for a minute at most.
final class RemoteCredentials: S3CredentialSource {
    private struct Kept {
        var credential: S3Credential?
        var until: ContinuousClock.Instant
    }
    /// What the contract allows; less would ask the cloud controller for every request.
    private static let lifetime: Duration = .seconds(60)
    /// Bounded, since anybody may send any key id.
    private static let most = 10_000

    private let cloud: any CloudContract.AsyncService
    private let kept = Mutex<[String: Kept]>([:])
    private let accounts = Mutex<[String: (name: String, until: ContinuousClock.Instant)]>([:])

    init(cloud: any CloudContract.AsyncService) { self.cloud = cloud }

    func credential(forAccessKey id: String) async throws -> S3Credential? {
        guard case .found(let credential) = try await credential(forAccessKey: id, sessionToken: nil) else {
            return nil
        }
        return credential
    }

    func credential(forAccessKey id: String, sessionToken: String?) async throws -> S3CredentialLookup {
        // A session's answer is not kept: a minute would outlive its end, and another token must not find it.
        guard sessionToken == nil else {
            let answer = try await cloud.describeAccessKey(
                CloudContract.DescribeAccessKeyRequest(accessKeyId: id, sessionToken: sessionToken))
            switch answer.tokenState {
            case nil: return try Self.credential(answer).map { .found($0) } ?? .unknownKey
            case "expired": return .expiredToken
            default: return .invalidToken
            }
        }
        return try await lasting(id).map { .found($0) } ?? .unknownKey
    }

    /// Not kept: what is revoked is refused at once, and signing takes longer than asking.
    func principal(ofCertificate fingerprint: [UInt8]) async throws -> WalrusPrincipal? {
        let answer = try await cloud.describeAccessKey(
            CloudContract.DescribeAccessKeyRequest(accessKeyId: "", certificate: hexadecimal(fingerprint)))
        return try Self.principal(answer)
    }

    func accountExists(_ id: String) async throws -> Bool? { try await displayName(ofAccount: id) != nil }

    func displayName(ofAccount id: String) async throws -> String? {
        let now = ContinuousClock.now
        if let known = accounts.withLock({ $0[id] }), known.until > now { return known.name }
        let answer = try await cloud.describeAccessKey(
            CloudContract.DescribeAccessKeyRequest(accessKeyId: "", accountId: id))
        guard answer.accountId == id else { return nil }
        let name = answer.accountName ?? id
        accounts.withLock { accounts in
            if accounts.count >= Self.most { accounts = accounts.filter { $0.value.until > now } }
            if accounts.count < Self.most { accounts[id] = (name, now + Self.lifetime) }
        }
        return name
    }

    private static func credential(_ answer: CloudContract.DescribeAccessKeyResponse) throws -> S3Credential? {
        guard let secret = answer.secretKey, let principal = try Self.principal(answer) else { return nil }
        return S3Credential(secret: secret, principal: principal)
    }

    private static func principal(_ answer: CloudContract.DescribeAccessKeyResponse) throws -> WalrusPrincipal? {
        guard let account = answer.accountId else { return nil }
        var policies: IdentityPolicies?
        if answer.isLimited ?? (answer.userArn != nil) {
            var documents = IdentityDocuments()
            documents.isAccount = answer.isAccount ?? false
            documents.granting = answer.grantingPolicy
            documents.boundary = answer.boundaryPolicy
            documents.session = answer.hasSessionPolicies == true ? answer.sessionPolicy : nil
            documents.account = answer.accountPolicy
            policies = try documents.policies()
        }
        var principal = WalrusPrincipal(
            accountID: account, displayName: answer.accountName ?? answer.userName ?? account,
            isAdministrator: answer.isAdministrator ?? false, userARN: answer.userArn,
            otherARNs: answer.otherArn, userName: answer.isUser == true ? answer.userName : nil,
            userID: answer.userId, policies: policies)
        for fact in answer.fact { principal.facts[fact.key] = fact.value }
        return principal
    }

    private func lasting(_ id: String) async throws -> S3Credential? {
        let now = ContinuousClock.now
        if let known = kept.withLock({ $0[id] }), known.until > now { return known.credential }
        let answer = try await cloud.describeAccessKey(CloudContract.DescribeAccessKeyRequest(accessKeyId: id))
        let credential = try Self.credential(answer)
        let found = credential
        kept.withLock { kept in
            if kept.count >= Self.most { kept = kept.filter { $0.value.until > now } }
            // Unknown keys are asked for again: one may just have been made.
            if found != nil && kept.count < Self.most { kept[id] = Kept(credential: found, until: now + Self.lifetime) }
        }
        return credential
    }
}
