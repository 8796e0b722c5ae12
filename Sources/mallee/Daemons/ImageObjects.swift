import AsyncHTTPClient
import CloudClient
import CloudController
import CloudModel
import Synchronization

/// The cloud controller's look at Walrus: S3 requests, whether Walrus runs in this process or elsewhere.
///
/// An object is inspected with the access key of the user who registers it, so that nobody can make an image of what
/// he may not read. Nodes fetch by URLs signed with the cloud's own key.
final class ImageObjects: ImageSource {
    private let http: HTTPClient
    private let url: String
    private let region: String
    /// What bundles are opened and checked with; without it there are no bundles.
    let trust = Mutex<BundleTrust?>(nil)
    private let keys = Mutex<(controller: CloudController, own: AccessKey)?>(nil)

    init(http: HTTPClient, walrusURL: String, region: String) {
        self.http = http
        url = walrusURL
        self.region = region
    }

    /// The controller knows this object, and this object the controller's keys: so it is told them afterwards.
    func attach(_ controller: CloudController, own: AccessKey) {
        keys.withLock { $0 = (controller, own) }
    }

    func client(_ key: AccessKey) throws(CloudError) -> S3Client {
        do throws(CloudClientError) {
            return try S3Client(http: http, url: url, accessKeyID: key.id, secret: key.secret, region: region)
        } catch {
            throw .internalError(message: "The cloud's object store is misconfigured.", detail: "\(error)")
        }
    }

    /// A client with exactly the caller's permissions, for as long as it takes to read an object: he may have come with
    /// a certificate or a session, of which no secret is known here.
    func client(for caller: Caller) async throws(CloudError) -> S3Client {
        let session = try await attached().controller.delegatedSession(of: caller)
        do throws(CloudClientError) {
            return try S3Client(
                http: http, url: url, accessKeyID: session.accessKeyID, secret: session.secret,
                sessionToken: session.sessionToken, region: region)
        } catch {
            throw .internalError(message: "The cloud's object store is misconfigured.", detail: "\(error)")
        }
    }

    func attached() throws(CloudError) -> (controller: CloudController, own: AccessKey) {
        guard let attached = keys.withLock({ $0 }) else {
            throw .unavailable(component: "Walrus", reason: "the cloud controller is still starting")
        }
        return attached
    }

    func inspect(location: String, as caller: Caller) async throws(CloudError) -> ImageObject {
        let client = try await client(for: caller)
        do {
            let facts = try await client.head(location)
            let sha256: String
            if let known = facts.sha256 { sha256 = known } else { sha256 = try await client.digest(location) }
            // Of nothing no range can be asked for.
            let leading = facts.size == 0 ? [] : try await client.prefix(location, bytes: 65_536)
            return ImageObject(sizeBytes: facts.size, sha256: sha256, leading: leading)
        } catch let error as CloudError {
            throw error
        } catch let error as CloudClientError {
            throw refusal(error, location)
        } catch {
            throw .unavailable(component: "Walrus", reason: "\(error)")
        }
    }

    func refusal(_ error: CloudClientError, _ location: String) -> CloudError {
        switch error.status {
        case 404:
            .invalidValue(
                parameter: "ImageLocation", value: location, reason: "There is no object \(location); upload it first.")
        case 403:
            .invalidValue(
                parameter: "ImageLocation", value: location, reason: "You may not read the object \(location).")
        case 400..<500:
            .invalidValue(parameter: "ImageLocation", value: location, reason: "\(location): \(error.message)")
        default: .unavailable(component: "Walrus", reason: error.description)
        }
    }

    func temporaryURL(location: String, validFor seconds: Int) async throws(CloudError) -> String {
        let own = try attached().own
        return try client(own).temporaryURL(location, validForSeconds: Int64(seconds))
    }
}
