import CloudModel
import Crypto

// Client tokens of the actions that make one resource. RunInstances has its own way, since its answer is many records.

/// A request with its client token, so that its repetition gets the same answer.
struct TokenClaim: Sendable {
    var record: TokenRecord

    /// Nil if the request has no token.
    ///
    /// - Parameters:
    ///   - operation: the action; tokens of different actions have nothing to do with each other.
    ///   - parameters: everything that a repetition must repeat.
    init?(_ token: String?, operation: String, parameters: [String], as caller: Caller, at now: Timestamp)
        throws(CloudError)
    {
        guard let token, !token.isEmpty else { return nil }
        guard token.utf8.count <= 64, token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw .invalidValue(
                parameter: "ClientToken", value: String(token.prefix(64)),
                reason: "A client token has at most 64 printable ASCII characters.")
        }
        var hash = SHA256()
        for parameter in parameters {
            let bytes = Array(parameter.utf8)
            withUnsafeBytes(of: Int64(bytes.count).littleEndian) { hash.update(bufferPointer: $0) }
            bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
        }
        // No token holds a blank, so those of RunInstances, which stand alone, are never meant.
        record = TokenRecord(
            token: operation + " " + token, accountID: caller.accountID, fingerprint: hash.finalize().hexadecimal,
            reservationID: nil, resource: "", createdAt: now)
    }

    /// What the same request made before; nil if it is new.
    func answer(in view: CloudView) throws(CloudError) -> String? {
        guard let known = view.tokens[Key.token(account: record.accountID, token: record.token)]?.value else {
            return nil
        }
        guard known.fingerprint == record.fingerprint else {
            throw .idempotentParameterMismatch(
                token: String(record.token.split(separator: " ", maxSplits: 1).last ?? ""))
        }
        return known.resource
    }

    /// The record that makes the answer known.
    func naming(_ resource: String) -> StoredRecord {
        var record = record
        record.resource = resource
        return .token(record)
    }
}
