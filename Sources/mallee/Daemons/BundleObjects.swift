import AsyncHTTPClient
import CloudClient
import CloudController
import CloudModel
import Crypto
import ImageBundle
import NIOCore
import Synchronization

// Bundles: manifest and parts are objects of a user. The image that comes out of them becomes an object of the cloud's
// own, named by the SHA-256 of the manifest, so that it is made once, whoever registers it and how often.

/// What bundles are opened and checked with.
struct BundleTrust: Sendable {
    /// The cloud's private RSA key in PEM, to whose certificate bundles are encrypted.
    var key: @Sendable () async throws(CloudError) -> String
    /// The active signing certificates, in PEM, of whoever calls.
    var certificates: @Sendable (Caller) async throws(CloudError) -> [String]
    /// The certificate of `key`, in PEM.
    var cloudCertificate: @Sendable () async throws(CloudError) -> String
    /// Certificate and private key, in PEM, with which the cloud signs the bundles that it makes itself.
    var signer: @Sendable () async throws(CloudError) -> (certificate: String, key: String)
}

extension ImageObjects {
    func bundleTrust() throws(CloudError) -> BundleTrust {
        guard let trust = trust.withLock({ $0 }) else {
            throw .unsupported(
                "This cloud has no key for bundles and no users' certificates yet; upload the disk itself (raw or qcow2) "
                    + "and register that.")
        }
        return trust
    }

    /// A bucket of the administrator's account, in which the cloud keeps what it made of bundles.
    private func bucket() throws(CloudError) -> String {
        "mallee-unbundled-" + (try attached().own.accountID)
    }

    func bundle(manifest location: String, as caller: Caller) async throws(CloudError) -> BundledImage {
        let trust = try bundleTrust()
        let client = try await client(for: caller)
        let (manifest, _) = try await read(location, client)
        let key = CloudKey(pem: try await trust.key())
        var certificates = try await trust.certificates(caller)
        // A bundle that the cloud made (BundleInstance) is as good as one that its owner signed.
        if manifest.user == caller.accountID { certificates.append(try await trust.signer().certificate) }
        do throws(BundleError) {
            _ = try key.unwrap(manifest)
            try manifest.verifySignature(certificates: certificates)
        } catch {
            throw Self.refusal(error, location)
        }
        try await checkParts(manifest, location, client)
        return BundledImage(
            name: manifest.name, architecture: ["i386", "x86_64"].first { $0 == manifest.architecture },
            kind: Image.Kind(rawValue: manifest.kind.rawValue) ?? .machine, kernelID: manifest.kernelID,
            ramdiskID: manifest.ramdiskID, sizeBytes: manifest.size)
    }

    func unbundle(manifest location: String, of account: String) async throws(CloudError) -> UnbundledImage {
        let client = try client(try attached().own)
        let (manifest, digest) = try await read(location, client)
        let target = try bucket() + "/" + digest
        if let made = try await made(target, manifest, client) { return made }
        let cipher: BundleCipher
        let key = CloudKey(pem: try await bundleTrust().key())
        do throws(BundleError) { cipher = try key.unwrap(manifest) } catch { throw Self.refusal(error, location) }
        let failure = Failure()
        let image = BundleImage(manifest: manifest, cipher: cipher) { part in
            try await client.stream(Self.location(of: part, beside: location))
        }
        do {
            try await client.createBucket(try bucket())
            try await client.put(target, size: manifest.size, body: Noting(base: image, failure: failure))
        } catch {
            // What the body throws comes back wrapped in what the connection makes of it.
            throw refusal(of: failure.error ?? error, location)
        }
        guard let made = try await made(target, manifest, client) else {
            throw .internalError(
                message: "The image of a bundle could not be kept.", detail: "\(target) is not there after its upload")
        }
        return made
    }

    func discard(location: String) async throws(CloudError) {
        // Nothing but what was made here.
        guard location.hasPrefix(try bucket() + "/") else { return }
        let client = try client(try attached().own)
        do {
            try await client.delete(location)
        } catch {
            throw refusal(of: error, location)
        }
    }

    // MARK: Parts

    private func read(
        _ location: String, _ client: S3Client
    ) async throws(CloudError) -> (manifest: BundleManifest, digest: String) {
        let bytes: [UInt8]
        do {
            bytes = try await client.bytes(location, atMost: BundleManifest.largest)
        } catch {
            throw refusal(of: error, location)
        }
        do throws(BundleError) {
            let digest = SHA256.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            return (try BundleManifest(bytes), digest)
        } catch {
            throw Self.refusal(error, location)
        }
    }

    /// Where a part lies: in the manifest's bucket, with the manifest's prefix.
    private static func location(of part: BundleManifest.Part, beside manifest: String) -> String {
        (manifest.lastIndex(of: "/").map { String(manifest[...$0]) } ?? "") + part.name
    }

    /// Whether the caller can read all parts, and they have the manifest's size together.
    private func checkParts(_ manifest: BundleManifest, _ location: String, _ client: S3Client) async throws(CloudError)
    {
        do {
            let total = try await withThrowingTaskGroup(of: Int64.self) { group in
                var rest = manifest.parts[...]
                var total: Int64 = 0
                for part in rest.prefix(8) {
                    group.addTask { try await client.head(Self.location(of: part, beside: location)).size }
                }
                rest = rest.dropFirst(8)
                while let size = try await group.next() {
                    total += size
                    if let part = rest.popFirst() {
                        group.addTask { try await client.head(Self.location(of: part, beside: location)).size }
                    }
                }
                return total
            }
            guard total == manifest.bundledSize else {
                throw BundleError.damaged(
                    "The parts of the bundle have \(total) bytes together; the manifest says \(manifest.bundledSize). "
                        + "Upload them again.")
            }
        } catch let error as CloudClientError where error.status == 404 {
            throw .invalidValue(
                parameter: "ImageLocation", value: location,
                reason: "Not all \(manifest.parts.count) parts of the bundle are there (\(manifest.parts[0].name) …); "
                    + "upload it again.")
        } catch {
            throw refusal(of: error, location)
        }
    }

    /// What was made of a manifest before, if it is there.
    private func made(
        _ target: String, _ manifest: BundleManifest, _ client: S3Client
    ) async throws(CloudError) -> UnbundledImage? {
        do {
            let facts = try await client.head(target)
            guard facts.size == manifest.size else { return nil }
            let sha256: String
            if let known = facts.sha256 { sha256 = known } else { sha256 = try await client.digest(target) }
            let leading = facts.size == 0 ? [] : try await client.prefix(target, bytes: ImageInspection.headerBytes)
            return UnbundledImage(
                location: target, object: ImageObject(sizeBytes: facts.size, sha256: sha256, leading: leading))
        } catch let error as CloudClientError where error.status == 404 {
            return nil
        } catch {
            throw refusal(of: error, target)
        }
    }

    // MARK: Errors

    private static func refusal(_ error: BundleError, _ location: String) -> CloudError {
        .invalidValue(parameter: "ImageLocation", value: location, reason: error.description)
    }

    func refusal(of error: any Error, _ location: String) -> CloudError {
        switch error {
        case let error as CloudError: error
        case let error as BundleError: Self.refusal(error, location)
        case let error as CloudClientError: refusal(error, location)
        default: .unavailable(component: "Walrus", reason: "\(error)")
        }
    }
}

/// What ended a body.
private final class Failure: Sendable {
    private let state = Mutex<(any Error)?>(nil)

    var error: (any Error)? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// A body whose error is kept.
private struct Noting<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable where Base.Element == ByteBuffer {
    let base: Base
    let failure: Failure

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        let failure: Failure

        mutating func next() async throws -> ByteBuffer? {
            do {
                return try await base.next()
            } catch {
                failure.error = error
                throw error
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: base.makeAsyncIterator(), failure: failure) }
}
