public import CloudModel
public import Signatures

/// Why a request is not believed.
public enum AuthenticationFailure: Error, Sendable, Equatable {
    /// The signature is missing, cannot be read, or is wrong.
    case signature(SignatureError)
    /// No such access key, or it is disabled, or its owner is gone: one answer for all, so that it tells nothing about
    /// which keys exist.
    case unknownKey
    /// A session token that is none of this cloud's, or not of this key.
    case invalidToken
    /// A session token whose time is over.
    case expiredToken
    /// The signature does not cover the body.
    case unsignedBody
    /// The look-up failed.
    case cloud(CloudError)
}

/// Finds out who sent a request: Signature Version 2, and Version 4 in the header or presigned, with any region and
/// service name in the scope, since tools that talk to a private cloud put all sorts of things there. Temporary
/// credentials bring their session token.
public struct Authenticator: Sendable {
    private let backend: any AuthenticationBackend
    private let policy: SignaturePolicy
    private let now: @Sendable () -> CloudModel.Timestamp

    /// Makes an authenticator of the cloud behind `backend`.
    public init(
        backend: any AuthenticationBackend, policy: SignaturePolicy, now: @escaping @Sendable () -> CloudModel.Timestamp
    ) {
        self.backend = backend
        self.policy = policy
        self.now = now
    }

    /// The sender of a request, whose signature is good.
    public func caller(of request: QueryRequest, requestID: String) async throws(AuthenticationFailure) -> Caller {
        let signed = SignedRequest(
            method: request.method, path: request.path, query: request.query, headers: request.headers,
            body: request.body)
        let claim: ParsedSignature
        do throws(SignatureError) {
            claim = try Authentication.parse(signed, service: .query)
        } catch {
            throw .signature(error)
        }
        let found: CredentialLookup
        do throws(CloudError) {
            found = try await backend.credential(accessKeyID: claim.accessKeyID, sessionToken: claim.sessionToken)
        } catch {
            throw .cloud(error)
        }
        let credential: Credential
        switch found {
        case .found(let known): credential = known
        case .unknownKey: throw .unknownKey
        case .invalidToken: throw .invalidToken
        case .expiredToken: throw .expiredToken
        }
        let verified: VerifiedSignature
        do throws(SignatureError) {
            verified = try claim.verify(secret: credential.secret, now: now().milliseconds / 1000, policy: policy)
        } catch {
            throw .signature(error)
        }
        if case .checked = verified.payload {
            // It covers the body as well.
        } else if !request.body.isEmpty {
            throw .unsignedBody
        }
        var caller = Caller(
            credential.principal, accessKeyID: credential.accessKeyID, requestID: requestID,
            sourceAddress: request.sourceAddress, isSecure: request.isSecure)
        caller.note(request.headers)
        return caller
    }
}

extension Caller {
    /// Takes what policies may ask of a request's headers.
    public mutating func note(_ headers: [(name: String, value: String)]) {
        for header in headers {
            switch header.name.lowercased() {
            case "user-agent": userAgent = header.value
            case "referer": referer = header.value
            default: continue
            }
        }
    }
}
