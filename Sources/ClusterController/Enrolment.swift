public import Contracts
import Crypto
public import Logging
import Synchronization

/// Who is let in that knows the secret.
public enum EnrolmentPolicy: String, Sendable {
    /// Everybody, at once.
    case auto
    /// Whom the administrator approves.
    case approve
}

/// What the enrolment service of a zone needs.
public struct EnrolmentSettings: Sendable {
    /// Who is let in.
    public var policy: EnrolmentPolicy
    /// The 32 bytes that every node of the zone knows; asked for with each request, so that they can be replaced.
    public var secret: @Sendable () throws(ServiceFault) -> [UInt8]
    /// SHA-256 of the certificate (DER) that this service shows in TLS.
    public var serverCertificateDigest: [UInt8]
    /// The cloud controller, which signs.
    public var cloud: any CloudContract.AsyncService
    /// Where the call that this task serves comes from: an IP address, or nil if that is not known.
    public var peerAddress: @Sendable () -> String?
    /// Seconds after which a node that waits for approval asks again.
    public var retrySeconds: Int

    /// Settings with the usual pause.
    public init(
        policy: EnrolmentPolicy, secret: @escaping @Sendable () throws(ServiceFault) -> [UInt8],
        serverCertificateDigest: [UInt8], cloud: any CloudContract.AsyncService,
        peerAddress: @escaping @Sendable () -> String?, retrySeconds: Int = 10
    ) {
        self.policy = policy
        self.secret = secret
        self.serverCertificateDigest = serverCertificateDigest
        self.cloud = cloud
        self.peerAddress = peerAddress
        self.retrySeconds = retrySeconds
    }
}

/// The service behind the enrolment contract: verifies that a node knows the secret and is the one that it was given a
/// nonce, before anything else is looked at.
public final class EnrolmentService: EnrolmentContract.AsyncService {
    private let controller: ClusterController
    private let settings: EnrolmentSettings
    private let logger: Logger
    private let nonces: EnrolmentNonces
    /// Refusals that were logged lately, so that nobody without the secret can fill the disk.
    private let complaints = Mutex<[String: Int64]>([:])
    private let monotonic: @Sendable () -> Int64

    /// - Parameter monotonic: milliseconds of a clock that nobody sets.
    public init(
        controller: ClusterController, settings: EnrolmentSettings, logger: Logger,
        monotonic: @escaping @Sendable () -> Int64
    ) {
        self.controller = controller
        self.settings = settings
        self.logger = logger
        self.monotonic = monotonic
        nonces = EnrolmentNonces(clock: monotonic)
    }

    /// A nonce for the name.
    public func beginEnrolment(_ request: EnrolmentContract.BeginEnrolmentRequest) async throws(ServiceFault)
        -> EnrolmentContract.BeginEnrolmentResponse
    {
        try await controller.checkEnrolmentName(request.nodeName)
        return .init(
            serverNonce: nonces.issue(for: request.nodeName),
            validSeconds: Int(EnrolmentNonces.validMilliseconds / 1000))
    }

    /// A certificate, or the word to wait.
    public func enrol(_ request: EnrolmentContract.EnrolRequest) async throws(ServiceFault)
        -> EnrolmentContract.EnrolResponse
    {
        let name = request.nodeName
        let peer = settings.peerAddress()
        try await controller.checkEnrolmentName(name)
        guard request.nodeNonce.count == EnrolmentProof.byteCount else {
            throw ServiceFault(code: .invalidRequest, message: "nodeNonce must have 32 bytes.", resource: "nodeNonce")
        }
        let key = SymmetricKey(data: try settings.secret())
        let proved = EnrolmentProof.request(
            nodeName: name, address: request.address, publicKey: request.publicKey, serverNonce: request.serverNonce,
            nodeNonce: request.nodeNonce, serverCertificateDigest: settings.serverCertificateDigest)
        guard nonces.isGood(request.serverNonce, for: name) else { throw Self.staleNonce }
        guard HMAC<SHA256>.isValidAuthenticationCode(request.proof, authenticating: proved, using: key) else {
            complain(of: name, from: peer)
            throw ServiceFault(
                code: .invalidRequest,
                message:
                    "The enrolment secret of \(name) is not that of zone \(controller.configuration.zone). Compare the "
                    + "node's /etc/mallee/enrolment.secret with the frontend's (on Rocks: 411get --all), or the cloud "
                    + "was addressed through another server.",
                resource: NodeRefusal.secret.rawValue)
        }
        guard nonces.use(request.serverNonce, for: name) else { throw Self.staleNonce }
        let applicant = try applicant(request, peer)
        let signed = try await controller.enrol(applicant, policy: settings.policy, cloud: settings.cloud)
        let outcome: EnrolmentContract.Outcome = signed == nil ? .pendingApproval : .issued
        let answer = EnrolmentProof.answer(
            nodeName: name, publicKey: request.publicKey, serverNonce: request.serverNonce,
            nodeNonce: request.nodeNonce, outcome: outcome, certificate: signed?.certificate,
            authority: signed?.authority, serverCertificateDigest: settings.serverCertificateDigest)
        return .init(
            outcome: outcome, certificate: signed?.certificate, authority: signed?.authority,
            retrySeconds: signed == nil ? settings.retrySeconds : nil, serverTime: controller.now(),
            serverProof: Array(HMAC<SHA256>.authenticationCode(for: answer, using: key)))
    }

    private static var staleNonce: ServiceFault {
        ServiceFault(
            code: .conflict,
            message: "The nonce was used, is older than two minutes, or is another node's; begin again.",
            resource: NodeRefusal.nonce.rawValue)
    }

    private func applicant(_ request: EnrolmentContract.EnrolRequest, _ peer: String?) throws(ServiceFault)
        -> EnrolmentApplicant
    {
        do { _ = try P256.Signing.PublicKey(derRepresentation: request.publicKey) } catch {
            throw ServiceFault(
                code: .invalidRequest, message: "publicKey is not a P-256 key as DER of a SubjectPublicKeyInfo.",
                resource: "publicKey")
        }
        if let address = request.address, !Self.isHost(address) {
            throw ServiceFault(
                code: .invalidRequest,
                message: "address is neither an IP address nor a host name; set ADVERTISED_ADDRESS of the node.",
                resource: "address")
        }
        let digest = SHA256.hash(data: request.publicKey).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let peer = peer.flatMap { IPAddressText.canonical($0) }
        return EnrolmentApplicant(
            name: request.nodeName, publicKey: request.publicKey, keyFingerprint: "sha256:" + digest,
            address: request.address ?? peer, peerAddress: peer)
    }

    private static func isHost(_ text: String) -> Bool {
        if IPAddressText.canonical(text) != nil { return true }
        return (1...253).contains(text.utf8.count)
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count)
                    && label.utf8.allSatisfy {
                        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45
                            || $0 == 95
                    }
            }
    }

    /// At most one line a minute for each name and address, and 256 of them.
    private func complain(of name: String, from peer: String?) {
        let now = monotonic()
        let isNews = complaints.withLock { complaints in
            let subject = "\(name) \(peer ?? "")"
            if let last = complaints[subject], now - last < 60_000 { return false }
            if complaints.count >= 256 { complaints = complaints.filter { now - $0.value < 60_000 } }
            guard complaints.count < 256 else { return false }
            complaints[subject] = now
            return true
        }
        guard isNews else { return }
        logger.warning(
            "A node was refused: it does not know this zone's enrolment secret. Compare its enrolment.secret with the frontend's (on Rocks: 411get --all on the node).",
            metadata: ["node": "\(name)", "address": "\(peer ?? "unknown")"])
    }
}

/// A node that has proved that it knows the secret.
struct EnrolmentApplicant: Sendable {
    var name: String
    var publicKey: [UInt8]
    var keyFingerprint: String
    var address: String?
    var peerAddress: String?
}

extension ClusterController {
    /// Lets a node in, as the policy and the administrator's orders say. The record is durable before the answer.
    ///
    /// - Returns: nil if it must wait for approval.
    func enrol(
        _ applicant: EnrolmentApplicant, policy: EnrolmentPolicy, cloud: any CloudContract.AsyncService
    ) async throws(ServiceFault) -> CloudContract.SignNodeResponse? {
        let name = applicant.name
        await acquire(name)
        defer { release(name) }
        var record = records[name] ?? NodeRecord(name, .pending, since: now())
        if record.phase == .denied {
            logger.warning(
                "A node was refused: it is denied. `mallee node approve` lets it in.",
                metadata: ["node": "\(name)", "address": "\(applicant.peerAddress ?? "unknown")"])
            try await noteCandidate(of: &record, applicant)
            throw NodeAdmission.fault(.denied, name)
        }
        if let expected = record.expectedAddress, let peer = applicant.peerAddress, peer != expected {
            logger.warning(
                "A node was refused: its name was announced for another address. If the host has moved, announce it again with the new address.",
                metadata: ["node": "\(name)", "address": "\(peer)", "announced": "\(expected)"])
            throw ServiceFault(
                code: .conflict,
                message:
                    "The name \(name) was announced for \(expected), and this request comes from \(peer). Set this "
                    + "node's own NODE_NAME, or run `mallee node announce \(name) --address \(peer)` on the frontend.",
                resource: NodeRefusal.address.rawValue)
        }
        if record.phase == .removed { record.enter(.pending, at: now()) }
        // Whoever did not get the answer asks again with the same key.
        let isRepetition = record.serial != nil && record.keyFingerprint == applicant.keyFingerprint
        if policy == .approve && !isRepetition {
            let candidate = record.candidate
            guard let candidate, candidate.isApproved, candidate.keyFingerprint == applicant.keyFingerprint else {
                try await noteCandidate(of: &record, applicant)
                return nil
            }
        }
        let signed = try await cloud.signNode(
            CloudContract.SignNodeRequest(
                nodeName: name, publicKey: applicant.publicKey,
                host: applicant.address.map { $0 == name ? [name] : [name, $0] } ?? [name]))
        let old = record.serial
        record.enter(.enrolled, at: now())
        record.since = now()
        record.serial = signed.serialNumber
        record.keyFingerprint = applicant.keyFingerprint
        record.address = applicant.address
        record.candidate = nil
        record.generation += 1
        record.trustsHandmade = false
        try await keep(record)
        logger.info(
            "A node has enrolled.",
            metadata: [
                "node": "\(name)", "address": "\(applicant.address ?? "unknown")", "serial": "\(signed.serialNumber)",
                "generation": "\(record.generation)", "supersedes": "\(old ?? "nothing")",
            ])
        return signed
    }

    private func noteCandidate(of record: inout NodeRecord, _ applicant: EnrolmentApplicant) async throws(ServiceFault)
    {
        guard record.candidate?.keyFingerprint != applicant.keyFingerprint else { return }
        record.candidate = NodeRecord.Candidate(
            keyFingerprint: applicant.keyFingerprint, address: applicant.address, since: now(), isApproved: false)
        try await keep(record)
        logger.info(
            "A node waits for approval: `mallee node approve` or `mallee node deny`.",
            metadata: [
                "node": "\(record.name)", "address": "\(applicant.address ?? "unknown")",
                "key": "\(applicant.keyFingerprint)",
            ])
    }
}
