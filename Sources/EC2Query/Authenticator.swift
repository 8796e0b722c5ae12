import CloudModel
import Signatures

/// Finds out who sent a request: Signature Version 2, and Version 4 in the header or presigned, with any region and
/// service name in the scope, since tools that talk to a private cloud put all sorts of things there.
struct Authenticator: Sendable {
    private let backend: any CloudBackend
    private let policy: SignaturePolicy
    private let now: @Sendable () -> CloudModel.Timestamp

    init(backend: any CloudBackend, policy: SignaturePolicy, now: @escaping @Sendable () -> CloudModel.Timestamp) {
        self.backend = backend
        self.policy = policy
        self.now = now
    }

    func caller(of request: EC2Request, requestID: String) async throws(EC2Fault) -> Caller {
        let signed = SignedRequest(
            method: request.method, path: request.path, query: request.query, headers: request.headers,
            body: request.body)
        let claim: ParsedSignature
        do throws(SignatureError) {
            claim = try Authentication.parse(signed, service: .query)
        } catch {
            throw EC2Fault(error)
        }
        guard claim.sessionToken == nil else {
            throw EC2Fault(
                "InvalidClientTokenId", status: 403,
                "Temporary credentials are not offered by this cloud; use the access key from your credentials file "
                    + "and unset the session token (AWS_SESSION_TOKEN).")
        }
        let found: (key: AccessKey, account: Account)?
        do throws(CloudError) {
            found = try await identity(claim.accessKeyID)
        } catch {
            throw EC2Fault(error)
        }
        // The same answer for an unknown, a disabled and an orphaned key: it tells nothing about which keys exist.
        guard let (key, account) = found else { throw .badCredentials }
        let verified: VerifiedSignature
        do throws(SignatureError) {
            verified = try claim.verify(secret: key.secret, now: now().milliseconds / 1000, policy: policy)
        } catch {
            throw EC2Fault(error)
        }
        guard case .checked = verified.payload else {
            guard request.body.isEmpty else {
                throw EC2Fault(
                    "IncompleteSignature",
                    "The signature does not cover the body; sign its SHA-256 instead of UNSIGNED-PAYLOAD.")
            }
            return caller(key, account, request, requestID)
        }
        return caller(key, account, request, requestID)
    }

    private func identity(_ accessKeyID: String) async throws(CloudError) -> (key: AccessKey, account: Account)? {
        guard let key = try await backend.accessKey(id: accessKeyID), key.isActive,
            let account = try await backend.account(id: key.accountID)
        else { return nil }
        return (key, account)
    }

    private func caller(_ key: AccessKey, _ account: Account, _ request: EC2Request, _ requestID: String) -> Caller {
        Caller(
            accountID: account.id, userName: key.userName, isAdministrator: account.isAdministrator,
            accessKeyID: key.id, requestID: requestID, sourceAddress: request.sourceAddress)
    }
}
