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

    subscript(_ id: String) -> String { known.withLock { $0[id] } ?? id }
}
