import AccessPolicy
import AsyncHTTPClient
import CloudController
import CloudModel
import EC2Query
import EC2SOAP
import Hummingbird
import IAMQuery
import Logging
import NativeAPI
import QueryProtocol
import Secrets
import ServiceHost
import Store
import Synchronization
import Walrus

/// The cloud controller with its EC2 interface, wired.
struct CloudDaemon: Sendable {
    let controller: CloudController
    let store: any Store
    let ec2: EC2Responder
    let native: NativeResponder
    /// The administrator's account and key.
    let account: Account
    let key: AccessKey

    /// The name of the file with the keys of the store's secrets, beside the store unless it is told otherwise.
    static let secretsFile = "secrets.key"

    /// The user name of the key by which the cloud itself reaches Walrus.
    private static let systemUser = "mallee-system"

    /// Opens the store at `storePath`, with the keys of its secrets at `secretsPath`, and everything on it.
    static func open(
        storePath: String, secretsPath: String, configuration: CloudConfiguration, zones: [ZoneConnection],
        walrusURL: String,
        http: HTTPClient, audit: AuditLog?, logger: Logger
    ) async throws -> CloudDaemon {
        let files = try SQLiteStore(path: storePath)
        let store: SealedStore
        do {
            store = try await SealedStore.open(
                files, keyFile: SecretKeyFile(path: secretsPath), prefixes: CloudController.secretPrefixes)
        } catch {
            await files.close()
            throw error
        }
        var configuration = configuration
        configuration.rotateSecrets = { () async throws(CloudError) in try await Self.rotate(store) }
        let images = ImageObjects(http: http, walrusURL: walrusURL, region: configuration.region)
        let controller = try await CloudController.open(
            store: store, configuration: configuration, zones: zones, images: images, logger: logger)
        let account = try await controller.administratorAccount()
        let keys = await controller.accessKeys(accountID: account.id)
        let own: AccessKey
        if let kept = keys.first(where: { $0.userName == systemUser && $0.isActive }) {
            own = kept
        } else {
            own = try await controller.createAccessKey(accountID: account.id, userName: systemUser)
        }
        images.attach(controller, own: own)
        images.trust.withLock {
            $0 = BundleTrust(
                key: { () async throws(CloudError) in try await controller.bundleKey() },
                certificates: { (caller) async throws(CloudError) in
                    try await controller.signingCertificates(user: nil, as: caller).filter(\.isActive).map(\.pem)
                },
                cloudCertificate: { () async throws(CloudError) in try await controller.bundleCertificate() },
                signer: { () async throws(CloudError) in try await controller.bundleSigner() })
        }
        guard let key = keys.first(where: { $0.userName == Account.rootUserName && $0.isActive }) else {
            throw CommandFailure(
                "The administrator's account \(account.id) has no active access key left in \(storePath).")
        }
        var settings = EC2Configuration(region: configuration.region)
        settings.observer = { seen in
            Self.log(seen, logger)
            audit?.record(seen)
        }
        var identity = IAMConfiguration(
            region: configuration.region, now: { Timestamp.ofSystemClock() })
        identity.observer = { seen in
            Self.log(seen, logger)
            audit?.record(seen)
        }
        let query = EC2Interface(backend: controller, configuration: settings)
        let ec2 = EC2Responder(
            interface: query, identity: IAMInterface(backend: controller, configuration: identity),
            soap: EC2SOAPInterface(
                query: query, configuration: settings, owners: CertificateHolders(backend: controller)),
            largestBody: settings.largestBody)
        var nativeSettings = NativeConfiguration(region: configuration.region)
        nativeSettings.observer = { seen in
            seen.log(to: logger)
            audit?.record(seen)
        }
        let native = NativeResponder(
            interface: NativeInterface(backend: controller, configuration: nativeSettings),
            largestBody: nativeSettings.largestBody)
        return CloudDaemon(
            controller: controller, store: store, ec2: ec2, native: native, account: account, key: key)
    }

    private static func rotate(_ store: SealedStore) async throws(CloudError) -> SecretsRotation {
        do throws(SecretsError) {
            let rotation = try await store.rotate()
            return SecretsRotation(
                keyID: rotation.keyID, rewrapped: rotation.rewrapped, isContinuation: rotation.isContinuation)
        } catch {
            throw .unavailable(component: "store", reason: error.description)
        }
    }

    private static func log(_ seen: IAMObservation, _ logger: Logger) {
        var metadata: Logger.Metadata = [
            "request": "\(seen.requestID)", "action": "\(seen.service.rawValue):\(seen.action ?? "-")",
            "status": "\(seen.status)", "account": "\(seen.caller?.accountID ?? "-")",
            "who": "\(seen.caller?.arn ?? "-")", "from": "\(seen.sourceAddress)",
        ]
        if let code = seen.errorCode { metadata["error"] = "\(code)" }
        if let detail = seen.internalDetail {
            metadata["detail"] = "\(detail)"
            logger.error("IAM request failed", metadata: metadata)
        } else {
            logger.debug("IAM request", metadata: metadata)
        }
    }

    private static func log(_ seen: EC2Observation, _ logger: Logger) {
        var metadata: Logger.Metadata = [
            "request": "\(seen.requestID)", "action": "\(seen.action ?? "-")", "status": "\(seen.status)",
            "account": "\(seen.caller?.accountID ?? "-")", "from": "\(seen.sourceAddress)",
            "ms": "\(seen.milliseconds)",
        ]
        if let code = seen.errorCode { metadata["error"] = "\(code)" }
        if let message = seen.errorMessage { metadata["message"] = "\(message)" }
        if let detail = seen.internalDetail {
            metadata["detail"] = "\(detail)"
            logger.error("EC2 request failed", metadata: metadata)
        } else {
            logger.debug("EC2 request", metadata: metadata)
        }
    }

    /// The paths at which EC2 and the native interface answer.
    func routes() -> [PathDispatcher.Route] {
        let iam = IdentityResponder(interface: ec2.identity, service: .iam)
        let sts = IdentityResponder(interface: ec2.identity, service: .sts)
        return [
            .prefix("/services/Euare", iam), .prefix("/services/IAM", iam), .prefix("/services/Tokens", sts),
            .prefix("/services/STS", sts), .exact("/", ec2), .prefix("/services/Eucalyptus", ec2),
            .prefix("/services/compute", ec2),
            .prefix(NativeInterface.basePath, native), .exact("/healthz", HealthResponder()),
        ]
    }
}

/// Access keys out of the cloud controller of this process.
struct LocalCredentials: S3CredentialSource {
    let controller: CloudController

    func credential(forAccessKey id: String) async throws -> S3Credential? {
        guard case .found(let credential) = try await self.credential(forAccessKey: id, sessionToken: nil) else {
            return nil
        }
        return credential
    }

    func accountExists(_ id: String) async throws -> Bool? { try await controller.account(id: id) != nil }

    func displayName(ofAccount id: String) async throws -> String? { try await controller.account(id: id)?.name }

    func credential(forAccessKey id: String, sessionToken: String?) async throws -> S3CredentialLookup {
        try await controller.credentialForWalrus(id, sessionToken: sessionToken)
    }

    func principal(ofCertificate fingerprint: [UInt8]) async throws -> WalrusPrincipal? {
        guard let (_, principal) = try await controller.signingCertificate(fingerprint: fingerprint) else {
            return nil
        }
        return try await controller.inWalrus(principal)
    }
}

extension CloudController {
    /// All that Walrus wants to know of who signed, in one visit: it asks for each request.
    fileprivate func credentialForWalrus(_ id: String, sessionToken: String?) async throws -> S3CredentialLookup {
        switch try await credential(accessKeyID: id, sessionToken: sessionToken) {
        case .unknownKey: return .unknownKey
        case .invalidToken: return .invalidToken
        case .expiredToken: return .expiredToken
        case .found(let credential):
            noteUse(ofKey: id, principal: credential.principal, service: "s3")
            return .found(S3Credential(secret: credential.secret, principal: try inWalrus(credential.principal)))
        }
    }

    fileprivate func inWalrus(_ principal: Principal) throws -> WalrusPrincipal {
        var result = WalrusPrincipal(
            principal, policies: try policyDocuments(of: principal).map { try $0.policies() },
            otherARNs: otherARNs(of: principal))
        result.facts = conditionFacts(of: principal)
        return result
    }
}

extension WalrusPrincipal {
    /// Somebody whom the cloud controller knows, as Walrus sees him.
    init(_ principal: Principal, policies: IdentityPolicies?, otherARNs: [String]) {
        let isAccount = principal.identity == .account
        var userName: String?
        if case .user(let name, _) = principal.identity { userName = name }
        self.init(
            accountID: principal.accountID, displayName: principal.accountName,
            isAdministrator: principal.isAdministrator, userARN: isAccount ? nil : principal.arn,
            otherARNs: otherARNs, userName: userName, userID: principal.userID, policies: policies)
    }
}
