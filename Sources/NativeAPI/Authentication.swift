import CloudModel
import QueryProtocol
import Signatures

/// Finds out who sent a request: Signature Version 4 in the header or presigned, with any region and service name in the
/// scope, with lasting or temporary credentials; or a session.
struct NativeAuthenticator: Sendable {
    private let authenticator: Authenticator
    private let sessions: (any NativeSessionSource)?

    init(backend: any CloudBackend, configuration: NativeConfiguration) {
        authenticator = Authenticator(
            backend: backend, policy: configuration.signatures, now: configuration.now)
        sessions = configuration.sessions
    }

    func caller(of request: QueryRequest, requestID: String) async throws(Problem) -> Caller {
        if let authorization = request.header("authorization"), authorization.lowercased().hasPrefix("bearer ") {
            let token = authorization.dropFirst(7).drop { $0 == " " }
            return try await caller(session: String(token), request, requestID)
        }
        // Version 2 covers forms only, so that a JSON body would be anybody's.
        let signed = SignedRequest(
            method: request.method, path: request.path, query: request.query, headers: request.headers,
            body: request.body)
        do throws(SignatureError) {
            let scheme = try Authentication.parse(signed, service: .query).scheme
            guard scheme == .v4Header || scheme == .v4Presigned else {
                throw SignatureError.unsupported("Signatures of version 2 do not cover a JSON body.")
            }
        } catch {
            throw Problem(error)
        }
        do throws(AuthenticationFailure) {
            return try await authenticator.caller(of: request, requestID: requestID)
        } catch {
            throw Self.problem(error)
        }
    }

    private static func problem(_ failure: AuthenticationFailure) -> Problem {
        switch failure {
        case .signature(let error): Problem(error)
        case .unknownKey:
            .notAuthenticated(
                "The access key is unknown or disabled.", cure: "Use the credentials of your eucarc file.")
        case .invalidToken:
            .notAuthenticated(
                "The session token is not one of this cloud, or not of this key.",
                cure: "Ask for new temporary credentials, or unset AWS_SESSION_TOKEN.")
        case .expiredToken:
            .notAuthenticated("The session is over.", cure: "Ask for new temporary credentials.")
        case .unsignedBody:
            .notAuthenticated(
                "The signature does not cover the body.", cure: "Sign its SHA-256 instead of UNSIGNED-PAYLOAD.")
        case .cloud(let error): Problem(error)
        }
    }

    private func caller(session token: String, _ request: QueryRequest, _ requestID: String)
        async throws(Problem) -> Caller
    {
        var found: Caller?
        do throws(CloudError) {
            found = try await sessions?.caller(
                session: token, requestID: requestID, sourceAddress: request.sourceAddress)
        } catch {
            throw Problem(error)
        }
        guard let found else {
            throw .notAuthenticated("The session is unknown, or over.", cure: "Sign in again.")
        }
        return found
    }
}
