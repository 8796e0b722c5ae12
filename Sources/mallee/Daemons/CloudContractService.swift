import AccessPolicy
import CloudController
import CloudModel
import Contracts
import Logging
import ServiceHost

/// The cloud controller's side of its contract with other components.
struct CloudContractService: CloudContract.AsyncService {
    let controller: CloudController
    /// Signs nodes' keys; nil where the authority is not on this host.
    var authority: CloudAuthority?
    let logger: Logger

    func signNode(_ request: CloudContract.SignNodeRequest) async throws(ServiceFault)
        -> CloudContract.SignNodeResponse
    {
        let caller = ComponentName.caller
        guard let caller, caller.role == .cluster else {
            throw ServiceFault(
                code: .invalidRequest,
                message:
                    "The certificate of \(ComponentName.caller?.description ?? "nobody") does not allow this: nodes are signed for "
                    + "cluster controllers only.")
        }
        guard let authority else {
            throw ServiceFault(
                code: .unsupported,
                message: "This cloud controller has no authority to sign with; set AUTHORITY_DIR in its configuration.")
        }
        guard let name = ComponentName(role: .node, name: request.nodeName) else {
            throw ServiceFault(
                code: .invalidRequest,
                message: "A node's name has 1 to 48 letters, digits, dots, dashes and underscores.",
                resource: "nodeName")
        }
        guard request.host.count <= 8, request.host.allSatisfy({ (1...253).contains($0.utf8.count) }) else {
            throw ServiceFault(
                code: .invalidRequest, message: "A node has at most 8 host names and addresses.", resource: "host")
        }
        do {
            let (certificate, serial) = try authority.sign(
                name, publicKey: request.publicKey, hosts: request.host, zone: caller.name)
            logger.notice(
                "A node's certificate was signed.",
                metadata: [
                    "audit": "SignNode", "node": "\(request.nodeName)", "serial": "\(serial)",
                    "hosts": "\(request.host.joined(separator: " "))", "caller": "\(caller)",
                    "address": "\(ServiceCaller.current?.address ?? "")",
                ])
            return CloudContract.SignNodeResponse(
                certificate: certificate, authority: authority.certificatePEM, serialNumber: serial)
        } catch {
            throw ServiceFault(code: .invalidRequest, message: "\(error)", resource: "publicKey")
        }
    }

    func describeAccessKey(_ request: CloudContract.DescribeAccessKeyRequest) async throws(ServiceFault)
        -> CloudContract.DescribeAccessKeyResponse
    {
        // The answer holds a secret. Every component has a certificate of the cloud's authority; only Walrus needs this.
        guard ComponentName.caller?.role == .walrus else {
            throw ServiceFault(
                code: .invalidRequest,
                message: "The certificate of \(ComponentName.caller?.description ?? "nobody") does not allow this: "
                    + "access keys are looked up by Walrus only.")
        }
        do throws(CloudError) {
            if let certificate = request.certificate { return try await owner(ofCertificate: certificate) }
            if let id = request.accountId {
                let account = try await controller.account(id: id)
                return CloudContract.DescribeAccessKeyResponse(accountId: account?.id, accountName: account?.name)
            }
            let credential: Credential
            switch try await controller.credential(
                accessKeyID: request.accessKeyId, sessionToken: request.sessionToken)
            {
            case .found(let known): credential = known
            case .unknownKey: return CloudContract.DescribeAccessKeyResponse()
            case .invalidToken: return CloudContract.DescribeAccessKeyResponse(tokenState: "invalid")
            case .expiredToken: return CloudContract.DescribeAccessKeyResponse(tokenState: "expired")
            }
            return await describe(credential.principal, secret: credential.secret)
        } catch {
            throw ServiceFault(code: .unavailable, message: "The cloud controller cannot look the key up now.")
        }
    }

    private func owner(ofCertificate fingerprint: String) async throws(CloudError)
        -> CloudContract.DescribeAccessKeyResponse
    {
        let digits = Array(fingerprint.utf8)
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
        }
        guard let (_, principal) = try await controller.signingCertificate(fingerprint: bytes) else {
            return CloudContract.DescribeAccessKeyResponse()
        }
        return await describe(principal, secret: nil)
    }

    private func describe(
        _ principal: Principal, secret: String?
    ) async -> CloudContract.DescribeAccessKeyResponse {
        let documents = await controller.policyDocuments(of: principal)
        var isUser = false
        if case .user = principal.identity { isUser = true }
        return CloudContract.DescribeAccessKeyResponse(
            secretKey: secret, accountId: principal.accountID, userName: principal.userName,
            isAdministrator: principal.isAdministrator, accountName: principal.accountName,
            userArn: principal.identity == .account ? nil : principal.arn, userId: principal.userID,
            otherArn: await controller.otherARNs(of: principal), isUser: isUser, isLimited: documents != nil,
            isAccount: documents?.isAccount, grantingPolicy: documents?.granting ?? [],
            boundaryPolicy: documents?.boundary, hasSessionPolicies: documents?.session != nil,
            sessionPolicy: documents?.session ?? [], accountPolicy: documents?.account ?? [],
            fact: await controller.conditionFacts(of: principal).sorted { $0.key < $1.key }.map { fact in
                CloudContract.Fact(key: fact.key, value: fact.value)
            })
    }
}
