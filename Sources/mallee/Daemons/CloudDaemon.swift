import AsyncHTTPClient
import CloudController
import CloudModel
import EC2Query
import Hummingbird
import Logging
import Secrets
import ServiceHost
import Store
import Walrus

/// The cloud controller with its EC2 interface, wired.
struct CloudDaemon: Sendable {
    let controller: CloudController
    let store: any Store
    let ec2: EC2Responder
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
        http: HTTPClient, logger: Logger
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
        guard let key = keys.first(where: { $0.userName != systemUser && $0.isActive }) else {
            throw CommandFailure(
                "The administrator's account \(account.id) has no active access key left in \(storePath).")
        }
        var settings = EC2Configuration(region: configuration.region)
        settings.observer = { Self.audit($0, logger) }
        let ec2 = EC2Responder(
            interface: EC2Interface(backend: controller, configuration: settings), largestBody: settings.largestBody)
        return CloudDaemon(controller: controller, store: store, ec2: ec2, account: account, key: key)
    }

    private static func audit(_ seen: EC2Observation, _ logger: Logger) {
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

    /// The paths at which EC2 answers.
    func routes() -> [PathDispatcher.Route] {
        [
            .exact("/", ec2), .prefix("/services/Eucalyptus", ec2), .prefix("/services/compute", ec2),
            .exact("/healthz", HealthResponder()),
        ]
    }
}

/// Access keys out of the cloud controller of this process.
struct LocalCredentials: S3CredentialSource {
    let controller: CloudController

    func credential(forAccessKey id: String) async throws -> S3Credential? {
        guard let key = try await controller.accessKey(id: id), key.isActive,
            let account = try await controller.account(id: key.accountID)
        else { return nil }
        return S3Credential(
            secret: key.secret,
            principal: WalrusPrincipal(
                accountID: account.id, displayName: account.name, isAdministrator: account.isAdministrator))
    }
}
