// ImageBundle: the image bundles of EC2's and Eucalyptus' tools (ec2-bundle-image, euca-bundle-image).
//
//   image ──tar──┬─gzip──AES-128-CBC──split──> name.part.0 … name.part.N     each with its SHA-1 in the manifest
//                └─SHA-1 in the manifest
//
// The AES key and IV stand in the manifest, each as hexadecimal text encrypted by RSA (PKCS #1 v1.5) for the cloud and
// for the user; the user signs what the manifest says by RSA with SHA-1.
//
// Here: reading and checking manifests, the cloud's key, the image as a stream out of its parts, and bundles made of an
// image (`BundleMaker`). Not here: where parts come from and where the image goes. It fails with `BundleError`, whose text is for the user.
//
// Sources: euca2ools (euca2ools/bundle), EC2 AMI tools (ec2/amitools: bundle, manifestv20071010), GNU tar manual
// ("Basic Tar Format", "Old GNU Format").

/// Why a bundle is refused. The description says what was expected where, for the user.
public enum BundleError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The manifest is not one, or says what cannot be.
    case malformed(String)
    /// The key in the manifest does not open with this cloud's key.
    case foreign(String)
    /// The signature is not by one of the user's certificates.
    case badSignature(String)
    /// Parts and manifest do not agree.
    case damaged(String)

    /// The text.
    public var description: String {
        switch self {
        case .malformed(let text), .foreign(let text), .badSignature(let text), .damaged(let text): text
        }
    }
}

/// The bytes of hexadecimal text; nil if it is none.
func bytes(hexadecimal text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for position in stride(from: 0, to: digits.count, by: 2) {
        guard let high = Character(UnicodeScalar(digits[position])).hexDigitValue,
            let low = Character(UnicodeScalar(digits[position + 1])).hexDigitValue
        else { return nil }
        bytes.append(UInt8(high << 4 | low))
    }
    return bytes
}
