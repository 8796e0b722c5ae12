internal import Synchronization
internal import Walrus

/// Names of accounts that an answer shows, looked up before it is written.
final class AccountNames: Sendable {
    private let source: any S3CredentialSource
    private let known = Mutex<[String: String]>([:])

    init(_ source: any S3CredentialSource) { self.source = source }

    /// Looks up what is not known yet; an account without a name is shown by its id.
    func learn(_ ids: some Sequence<String>) async throws {
        for id in Set(ids) where known.withLock({ $0[id] == nil }) {
            let name = try await source.displayName(ofAccount: id) ?? id
            known.withLock { $0[id] = name }
        }
    }

    /// The accounts among grantees.
    func learn(_ grants: [Grant]) async throws {
        try await learn(
            grants.compactMap { grant in
                if case .account(let id) = grant.grantee { id } else { nil }
            })
    }

    subscript(_ id: String) -> String { known.withLock { $0[id] } ?? id }
}

extension S3CredentialSource {
    /// The credential, or why there is none as S3 says it.
    func good(_ id: String, sessionToken: String?) async throws -> S3Credential {
        switch try await credential(forAccessKey: id, sessionToken: sessionToken) {
        case .found(let credential): return credential
        case .unknownKey:
            throw S3Error(
                .invalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.",
                fields: [("AWSAccessKeyId", id)])
        case .invalidToken:
            throw S3Error(.invalidToken, "The provided token is malformed or otherwise invalid.")
        case .expiredToken: throw S3Error(.expiredToken, "The provided token has expired.")
        }
    }
}
