import Crypto
import XML

/// Finds the certificate that a signature's `KeyInfo` names: in the message, in one of the ways of the X.509 token
/// profile that carry it.
enum CertificateReference {
    static func certificate(
        of signature: XMLElement, security: XMLElement, index: ElementIndex
    ) throws(WSSecurityError) -> [UInt8] {
        let infos = signature.children("KeyInfo", namespace: Names.signature)
        guard infos.count == 1, let info = infos.first, info.children.count == 1, let holder = info.children.first
        else {
            throw .unsupported("The Signature has no KeyInfo with one reference to a certificate.")
        }
        if holder.isNamed("X509Data", namespace: Names.signature) { return try embedded(holder) }
        guard holder.isNamed("SecurityTokenReference", namespace: Names.security), holder.children.count == 1,
            let reference = holder.children.first
        else { throw unknown }
        if reference.isNamed("Reference", namespace: Names.security) {
            let place = try index.place(reference.attribute("URI") ?? "")
            // Only a token of this very header counts.
            guard place.ancestors.last === security else {
                throw .ambiguous("The certificate is not a token of the Security header that holds the signature.")
            }
            return try token(place.element)
        }
        if reference.isNamed("KeyIdentifier", namespace: Names.security) {
            let value = try XMLSignature.base64(reference, "KeyIdentifier")
            switch reference.attribute("ValueType") ?? "" {
            case Names.x509v3: return value
            case Names.thumbprint:
                for candidate in security.children("BinarySecurityToken", namespace: Names.security) {
                    let certificate = try token(candidate)
                    if Array(Insecure.SHA1.hash(data: certificate)) == value { return certificate }
                }
                throw .unsupported("The certificate with the given thumbprint is not in the message; send it along.")
            default: throw unknown
            }
        }
        if reference.isNamed("X509Data", namespace: Names.signature) { return try embedded(reference) }
        throw unknown
    }

    private static let unknown = WSSecurityError.unsupported(
        "The certificate must be in the message: refer to a BinarySecurityToken of type X509v3.")

    private static func token(_ element: XMLElement) throws(WSSecurityError) -> [UInt8] {
        guard element.isNamed("BinarySecurityToken", namespace: Names.security),
            element.attribute("ValueType") == Names.x509v3,
            [nil, Names.base64].contains(element.attribute("EncodingType"))
        else { throw unknown }
        return try XMLSignature.base64(element, "BinarySecurityToken")
    }

    private static func embedded(_ data: XMLElement) throws(WSSecurityError) -> [UInt8] {
        let certificates = data.children("X509Certificate", namespace: Names.signature)
        guard certificates.count == 1 else { throw unknown }
        return try XMLSignature.base64(certificates[0], "X509Certificate")
    }
}
