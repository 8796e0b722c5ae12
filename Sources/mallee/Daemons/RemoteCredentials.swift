import Contracts
import Foundation
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

    init(cloud: any CloudContract.AsyncService) { self.cloud = cloud }

    func credential(forAccessKey id: String) async throws -> S3Credential? {
        let now = ContinuousClock.now
        if let known = kept.withLock({ $0[id] }), known.until > now { return known.credential }
        let answer = try await cloud.describeAccessKey(CloudContract.DescribeAccessKeyRequest(accessKeyId: id))
        var credential: S3Credential?
        if let secret = answer.secretKey, let account = answer.accountId {
            credential = S3Credential(
                secret: secret,
                principal: WalrusPrincipal(
                    accountID: account, displayName: answer.userName ?? account,
                    isAdministrator: answer.isAdministrator ?? false))
        }
        let found = credential
        kept.withLock { kept in
            if kept.count >= Self.most { kept = kept.filter { $0.value.until > now } }
            // Unknown keys are asked for again: one may just have been made.
            if found != nil && kept.count < Self.most { kept[id] = Kept(credential: found, until: now + Self.lifetime) }
        }
        return credential
    }
}
