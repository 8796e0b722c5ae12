// What the two proofs of an enrolment are made over (enrolment.wsdl). The HMAC itself is each side's own library's.

/// The bytes that node and cluster controller authenticate with the enrolment secret.
///
/// Every field stands behind its length, so that no two different sets of fields give the same bytes; the first words
/// keep a proof of one side from being sent back as one of the other.
public enum EnrolmentProof {
    /// Bytes of a nonce, of the secret, of a proof and of a digest.
    public static var byteCount: Int { 32 }

    /// What the node proves.
    ///
    /// - Parameter serverCertificateDigest: SHA-256 of the server's own certificate, as its end of TLS saw it.
    public static func request(
        nodeName: String, address: String?, publicKey: [UInt8], serverNonce: [UInt8], nodeNonce: [UInt8],
        serverCertificateDigest: [UInt8]
    ) -> [UInt8] {
        var bytes = Array("mallee-enrolment-1".utf8)
        append(Array(nodeName.utf8), to: &bytes)
        append(Array((address ?? "").utf8), to: &bytes)
        append(publicKey, to: &bytes)
        append(serverNonce, to: &bytes)
        append(nodeNonce, to: &bytes)
        return bytes + serverCertificateDigest
    }

    /// What the cluster controller proves: that this answer is its own, and to this very request.
    public static func answer(
        nodeName: String, publicKey: [UInt8], serverNonce: [UInt8], nodeNonce: [UInt8],
        outcome: EnrolmentContract.Outcome, certificate: String?, authority: String?, serverCertificateDigest: [UInt8]
    ) -> [UInt8] {
        var bytes = Array("mallee-enrolment-answer-1".utf8)
        append(Array(nodeName.utf8), to: &bytes)
        append(publicKey, to: &bytes)
        append(serverNonce, to: &bytes)
        append(nodeNonce, to: &bytes)
        append(Array(outcome.rawValue.utf8), to: &bytes)
        append(Array((certificate ?? "").utf8), to: &bytes)
        append(Array((authority ?? "").utf8), to: &bytes)
        return bytes + serverCertificateDigest
    }

    private static func append(_ field: [UInt8], to bytes: inout [UInt8]) {
        let count = UInt32(truncatingIfNeeded: field.count)
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: count >> shift)) }
        bytes += field
    }
}

/// Why a node or its certificate is refused: the `resource` of the fault, so that programs need not read messages.
public enum NodeRefusal: String, Sendable, Equatable {
    /// The proof is not made with this zone's secret.
    case secret = "enrolment-secret"
    /// The nonce was used, is too old, or was another name's.
    case nonce = "enrolment-nonce"
    /// The administrator keeps the name out.
    case denied = "node-denied"
    /// The name was announced for another address.
    case address = "node-address"
    /// A newer certificate was issued for the same name.
    case superseded = "certificate-superseded"
    /// The administrator took the node out.
    case removed = "node-removed"

    /// The refusal that a fault carries; nil for any other fault.
    public init?(_ fault: ServiceFault) {
        guard let resource = fault.resource, let known = NodeRefusal(rawValue: resource) else { return nil }
        self = known
    }
}
