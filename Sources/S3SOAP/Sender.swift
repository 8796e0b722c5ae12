internal import Crypto
internal import Signatures
internal import WSSecurity
internal import Walrus
internal import XML

/// Finds out who has sent a message.
///
/// By certificate, as the original had it: Body and Timestamp are signed by X.509 (WS-Security). By access key, as AWS
/// had it: the call has the elements AWSAccessKeyId, Timestamp and Signature, which is HMAC-SHA1, in Base64, of
/// "AmazonS3", the operation's name and the timestamp ("Authenticating SOAP requests" of the S3 Developer Guide). Such a
/// signature says nothing of the other arguments, so it counts only once, and only where nobody could have changed them.
struct Sender: Sendable {
    let credentials: any S3CredentialSource
    let policy: WSSecurityPolicy
    let allowedSkew: Int64
    let replays: ReplayCache

    /// The caller; nil for one that has not signed at all.
    func principal(
        of envelope: Envelope, _ operation: Schema.Operation, now: Int64, isProtected: Bool
    ) async throws -> WalrusPrincipal? {
        let keyed = ["AWSAccessKeyId", "Signature"].contains { envelope.call.child($0) != nil }
        if envelope.isSecured {
            guard !keyed else {
                throw S3SOAPFault(
                    "Client.InvalidSecurity", "The request is signed by certificate and by access key; do either.")
            }
            return try await byCertificate(envelope, now: now)
        }
        guard keyed else { return nil }
        guard isProtected else {
            throw S3SOAPFault(
                "Client.InvalidSecurity",
                "Signatures by access key are accepted over HTTPS only; use HTTPS, or sign by certificate.")
        }
        return try await byKey(envelope, operation, now: now)
    }

    private func byCertificate(_ envelope: Envelope, now: Int64) async throws -> WalrusPrincipal {
        let message: SignedMessage
        do throws(WSSecurityError) {
            message = try SignedMessage.read(envelope.document)
        } catch {
            throw S3SOAPFault(error)
        }
        let fingerprint = message.fingerprint
        let owner: WalrusPrincipal?
        do {
            owner = try await credentials.principal(ofCertificate: fingerprint)
        } catch {
            var fault = S3SOAPFault(
                "Server.ServiceUnavailable", "Whose the certificate is cannot be found out now. Please try again.")
            fault.logged = "\(error)"
            throw fault
        }
        guard let principal = owner else {
            // An unknown, an inactive and a revoked one get the same answer.
            throw S3SOAPFault("Client.InvalidSecurity", "The provided security credentials are not valid.")
        }
        do throws(WSSecurityError) {
            let verified = try message.verify(now: now, policy: policy)
            // What is obeyed is what was signed.
            guard verified.body.children.first === envelope.call else { throw .mismatch("The Body is another one.") }
            try replays.admit(verified, fingerprint: fingerprint, now: now)
        } catch {
            throw S3SOAPFault(error)
        }
        return principal
    }

    private func byKey(
        _ envelope: Envelope, _ operation: Schema.Operation, now: Int64
    ) async throws -> WalrusPrincipal {
        func text(_ name: String) throws -> String {
            guard let text = envelope.call.child(name)?.trimmedText, !text.isEmpty, text.utf8.count <= 200 else {
                throw S3SOAPFault(
                    "Client.MissingSecurityElement", "The SOAP 1.1 request is missing a security element: \(name).")
            }
            return text
        }
        let (id, stamp, signature) = (try text("AWSAccessKeyId"), try text("Timestamp"), try text("Signature"))
        guard envelope.call.child("Credential")?.trimmedText.isEmpty ?? true else {
            throw S3SOAPFault("Client.NotImplemented", "Credentials beside the access key are not implemented.")
        }
        guard let time = Timestamp.parseISO8601(stamp) else {
            throw S3SOAPFault("Client.InvalidSecurity", "The Timestamp is no time such as 2026-01-31T12:00:00.000Z.")
        }
        let credential: S3Credential
        switch try await credentials.credential(forAccessKey: id, sessionToken: nil) {
        case .found(let found): credential = found
        case .unknownKey:
            throw S3SOAPFault(
                "Client.InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        case .invalidToken, .expiredToken:
            throw S3SOAPFault("Client.InvalidToken", "Temporary credentials cannot sign requests by SOAP.")
        }
        let key = SymmetricKey(data: Array(credential.secret.utf8))
        // Toolkits write a time in their own way after it was signed in AWS's.
        let isGood = Set([stamp, Self.canonical(stamp)]).contains { stamp in
            let code = HMAC<Insecure.SHA1>.authenticationCode(
                for: Array(("AmazonS3" + operation.name + stamp).utf8), using: key)
            return equalInConstantTime(Base64.encode(Array(code)), signature)
        }
        guard isGood else {
            throw S3SOAPFault(
                "Client.SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                    + "Access Key and signing method.")
        }
        guard abs(now - time) <= allowedSkew else {
            throw S3SOAPFault(
                "Client.RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.")
        }
        do throws(WSSecurityError) {
            try replays.admit(
                identity: Array(SHA256.hash(data: Array("\(id)\n\(signature)".utf8))),
                owner: Array(SHA256.hash(data: Array(id.utf8))), created: time, goodUntil: time + allowedSkew + 1,
                now: now)
        } catch {
            throw S3SOAPFault(error)
        }
        return credential.principal
    }

    /// The time in UTC with milliseconds, as AWS had it signed; other texts as they are.
    static func canonical(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.count >= 19, let seconds = Timestamp.parseISO8601(text) else { return text }
        var milliseconds: Int64 = 0
        if bytes.count > 19, bytes[19] == UInt8(ascii: ".") {
            var scale: Int64 = 100
            for byte in bytes[20...] {
                guard (48...57).contains(byte), scale > 0 else { break }
                milliseconds += Int64(byte - 48) * scale
                scale /= 10
            }
        }
        return Timestamp.extended(seconds, milliseconds: milliseconds)
    }
}
