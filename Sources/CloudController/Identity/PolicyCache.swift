import AccessPolicy
import CloudModel
import Synchronization

/// Policies that were read, by their text, so that a request does not read them again.
final class PolicyCache: Sendable {
    private let known = Mutex<[String: Policy]>([:])

    /// - Throws: `internalError` if a stored document cannot be read: what it may forbid is not known.
    func policy(_ document: String) throws(CloudError) -> Policy {
        if let policy = known.withLock({ $0[document] }) { return policy }
        let policy: Policy
        do throws(PolicyError) {
            policy = try Policy(Array(document.utf8), kind: .identity)
        } catch {
            throw .internalError(
                message: "A policy of the account cannot be read; put it again.", detail: error.message)
        }
        known.withLock { known in
            // Texts of policies that are gone must not gather.
            if known.count >= 10_000 { known.removeAll() }
            known[document] = policy
        }
        return policy
    }

    func policies(_ documents: [String]) throws(CloudError) -> [Policy] {
        var policies: [Policy] = []
        for document in documents { policies.append(try policy(document)) }
        return policies
    }
}
