import CloudModel
import Signatures

/// Finds out who sent a request: Signature Version 4 in the header or presigned, with any region and service name in the
/// scope; or a session.
struct NativeAuthenticator: Sendable {
    private let backend: any CloudBackend
    private let configuration: NativeConfiguration

    init(backend: any CloudBackend, configuration: NativeConfiguration) {
        self.backend = backend
        self.configuration = configuration
    }

    func caller(of request: NativeRequest, requestID: String) async throws(Problem) -> Caller {
        if let authorization = request.header("authorization"), authorization.lowercased().hasPrefix("bearer ") {
            let token = authorization.dropFirst(7).drop { $0 == " " }
            return try await caller(session: String(token), request, requestID)
        }
        let signed = SignedRequest(
            method: request.method, path: request.path, query: request.query, headers: request.headers,
            body: request.body)
        let claim: ParsedSignature
        do throws(SignatureError) {
            claim = try Authentication.parse(signed, service: .query)
        } catch {
            throw Problem(error)
        }
        guard claim.scheme == .v4Header || claim.scheme == .v4Presigned else {
            throw .notAuthenticated(
                "Signatures of version 2 do not cover a JSON body.", cure: "Sign with Signature Version 4.")
        }
        guard claim.sessionToken == nil else {
            throw .notAuthenticated(
                "Temporary credentials are not taken here.", cure: "Use an access key, and unset AWS_SESSION_TOKEN.")
        }
        let found: (key: AccessKey, account: Account)?
        do throws(CloudError) {
            found = try await identity(claim.accessKeyID)
        } catch {
            throw Problem(error)
        }
        // The same answer for an unknown, a disabled and an orphaned key: it tells nothing about which keys exist.
        guard let (key, account) = found else {
            throw .notAuthenticated(
                "The access key is unknown or disabled.", cure: "Use the credentials of your eucarc file.")
        }
        let verified: VerifiedSignature
        do throws(SignatureError) {
            verified = try claim.verify(
                secret: key.secret, now: configuration.now().milliseconds / 1000, policy: configuration.signatures)
        } catch {
            throw Problem(error)
        }
        if case .checked = verified.payload {
        } else if !request.body.isEmpty {
            throw .notAuthenticated(
                "The signature does not cover the body.", cure: "Sign its SHA-256 instead of UNSIGNED-PAYLOAD.")
        }
        return Caller(
            accountID: account.id, userName: key.userName, isAdministrator: account.isAdministrator,
            accessKeyID: key.id, requestID: requestID, sourceAddress: request.sourceAddress)
    }

    private func caller(session token: String, _ request: NativeRequest, _ requestID: String)
        async throws(Problem) -> Caller
    {
        var found: Caller?
        do throws(CloudError) {
            found = try await configuration.sessions?.caller(
                session: token, requestID: requestID, sourceAddress: request.sourceAddress)
        } catch {
            throw Problem(error)
        }
        guard let found else {
            throw .notAuthenticated("The session is unknown, or over.", cure: "Sign in again.")
        }
        return found
    }

    private func identity(_ accessKeyID: String) async throws(CloudError) -> (key: AccessKey, account: Account)? {
        guard let key = try await backend.accessKey(id: accessKeyID), key.isActive,
            let account = try await backend.account(id: key.accountID)
        else { return nil }
        return (key, account)
    }
}
