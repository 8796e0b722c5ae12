// One attempt of a node to get its certificate; see enrolment.wsdl for the protocol and what each side proves.

import BlockingHTTP
public import Contracts
public import Posix
import TLS

/// What a node asks with.
public struct EnrolmentRequest: Sendable {
    /// URL of the zone's enrolment service.
    public var endpoint: String
    /// The name that it wants its certificate for.
    public var nodeName: String
    /// Where it will be reached; nil leaves that to the server.
    public var address: String?
    /// Its private key in PEM.
    public var key: [UInt8]
    /// What every node of the zone knows: 32 bytes. Never sent.
    public var secret: [UInt8]
    /// SHA-256 of the authority's certificate.
    public var authorityFingerprint: [UInt8]

    /// A request.
    public init(
        endpoint: String, nodeName: String, address: String?, key: [UInt8], secret: [UInt8],
        authorityFingerprint: [UInt8]
    ) {
        self.endpoint = endpoint
        self.nodeName = nodeName
        self.address = address
        self.key = key
        self.secret = secret
        self.authorityFingerprint = authorityFingerprint
    }
}

/// What became of an attempt.
public enum EnrolmentOutcome: Sendable, Equatable {
    /// Certificate and authority in PEM, verified; the server's clock in milliseconds since 1970.
    case issued(certificate: [UInt8], authority: [UInt8], serverTime: Int64)
    /// To be asked again with the same key after this time.
    case pendingApproval(retryAfter: Milliseconds)
}

/// Why an attempt failed.
public struct EnrolmentFailure: Error, Sendable, CustomStringConvertible {
    /// Cause and, where it is known, cure.
    public let description: String
    /// What the server refused, if it did.
    public let refusal: NodeRefusal?

    init(_ description: String, refusal: NodeRefusal? = nil) {
        self.description = description
        self.refusal = refusal
    }
}

/// The node's side of the enrolment contract.
public enum EnrolmentClient {
    /// Asks once; blocks for as long as the network lets it, at most about a minute.
    public static func attempt(_ request: EnrolmentRequest) throws(EnrolmentFailure) -> EnrolmentOutcome {
        var options = HTTPClient.Options()
        options.verifyHost = false
        options.totalTime = 30_000
        options.kept = 1
        let tls: TLSContext
        let publicKey: [UInt8]
        let nodeNonce: [UInt8]
        do throws(TLSError) {
            tls = try TLSContext.client(authorityFingerprint: request.authorityFingerprint)
            publicKey = try ComponentKey.publicKey(of: request.key)
        } catch {
            throw EnrolmentFailure(error.message)
        }
        do throws(PosixError) {
            nodeNonce = try Random.bytes(EnrolmentProof.byteCount)
        } catch {
            throw EnrolmentFailure("\(error)")
        }
        options.tls = tls
        let http = HTTPClient(options: options)
        defer { http.close() }
        let service = EnrolmentContract.Client(transport: HTTPSOAPTransport(client: http, endpoint: request.endpoint))

        let begun: EnrolmentContract.BeginEnrolmentResponse
        do throws(ServiceFault) {
            begun = try service.beginEnrolment(.init(nodeName: request.nodeName))
        } catch {
            throw failure(error)
        }
        let digest = try server(tls)
        let proof = HMACSHA256.authenticate(
            EnrolmentProof.request(
                nodeName: request.nodeName, address: request.address, publicKey: publicKey,
                serverNonce: begun.serverNonce, nodeNonce: nodeNonce, serverCertificateDigest: digest),
            key: request.secret)
        let answer: EnrolmentContract.EnrolResponse
        do throws(ServiceFault) {
            answer = try service.enrol(
                .init(
                    nodeName: request.nodeName, address: request.address, publicKey: publicKey,
                    serverNonce: begun.serverNonce, nodeNonce: nodeNonce, proof: proof))
        } catch {
            throw failure(error)
        }
        // A new connection may have gone to another server of the cloud: its proof cannot be for this digest.
        let expected = HMACSHA256.authenticate(
            EnrolmentProof.answer(
                nodeName: request.nodeName, publicKey: publicKey, serverNonce: begun.serverNonce,
                nodeNonce: nodeNonce, outcome: answer.outcome, certificate: answer.certificate,
                authority: answer.authority, serverCertificateDigest: digest),
            key: request.secret)
        guard constantTimeEqual(expected, answer.serverProof) else {
            throw EnrolmentFailure(
                "the server's answer is not proved with this node's enrolment secret: it has another secret, or somebody "
                    + "stands between",
                refusal: .secret)
        }
        switch answer.outcome {
        case .pendingApproval:
            let seconds = min(max(answer.retrySeconds ?? 10, 1), 300)
            return .pendingApproval(retryAfter: Milliseconds(seconds) * 1000)
        case .issued:
            return try issued(answer, to: request)
        }
    }

    /// The digest of the certificate that the server has shown, if it is a cluster controller's: every component has a
    /// certificate of the authority, and a node's must not do for more than that node.
    private static func server(_ tls: TLSContext) throws(EnrolmentFailure) -> [UInt8] {
        guard let digest = tls.latestPeerDigest else {
            throw EnrolmentFailure("the server has no certificate; ENROLMENT_ENDPOINT must be an https URL")
        }
        let name = tls.latestPeerName ?? "nobody"
        guard name.hasPrefix(SOAPClusterLink.serverNamePrefix) else {
            throw EnrolmentFailure("the server is \(name) and no cluster controller; correct ENROLMENT_ENDPOINT")
        }
        return digest
    }

    private static func issued(
        _ answer: EnrolmentContract.EnrolResponse, to request: EnrolmentRequest
    ) throws(EnrolmentFailure) -> EnrolmentOutcome {
        let certificate = Array((answer.certificate ?? "").utf8)
        let authority = Array((answer.authority ?? "").utf8)
        let known: (name: String, authorityFingerprint: [UInt8])
        do throws(TLSError) {
            known = try ComponentKey.check(certificate: certificate, key: request.key, authority: authority)
        } catch {
            throw EnrolmentFailure("the certificate that was issued cannot be used: \(error.message)")
        }
        guard known.name == "node:" + request.nodeName else {
            throw EnrolmentFailure("the certificate that was issued is for \(known.name), not node:\(request.nodeName)")
        }
        guard known.authorityFingerprint == request.authorityFingerprint else {
            throw EnrolmentFailure(
                "the certificate that was issued is of the authority "
                    + AuthorityFingerprint.text(known.authorityFingerprint) + ", which this host was not told to trust")
        }
        return .issued(certificate: certificate, authority: authority, serverTime: answer.serverTime)
    }

    private static func failure(_ fault: ServiceFault) -> EnrolmentFailure {
        EnrolmentFailure(fault.message, refusal: NodeRefusal(fault))
    }
}
