// Signature Version 1 of query services, which the tools of 2008 send (EC2 Developer Guide of API version 2008-12-01,
// "Signing Query requests"): HMAC-SHA1 over all parameters except Signature, sorted without regard to case, each name
// followed at once by its value.
//
// Since nothing separates names from values, two requests can have one string to sign ("a=bc" and "ab=c"): whoever
// can read and change a request on its way can shift that border. It is no weaker than the plain HTTP that those tools
// use, and can be switched off (`SignaturePolicy.acceptsVersion1`).

enum SigV1 {
    /// The string to sign; `parameters` without `Signature`.
    static func stringToSign(_ parameters: QueryParameters) -> [UInt8] {
        let sorted = parameters.parameters
            .map { (order: $0.name.map(lowercased), parameter: $0) }
            .sorted { $0.order.lexicographicallyPrecedes($1.order) }
        return sorted.flatMap { $0.parameter.name + $0.parameter.value }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
    }
}

extension SigV2.Claim {
    func verifyVersion1(
        _ request: SignedRequest, secret: String, policy: SignaturePolicy
    ) throws(SignatureError) {
        guard policy.acceptsVersion1 else {
            throw .unsupported("SignatureVersion 1 is switched off here; use 2, or Signature Version 4.")
        }
        let key = Array(secret.utf8)
        let claimed = Self.withoutPadding(signature)
        // As in version 2, some clients sign a plus that stands for itself.
        for reading in [parameters, SigV2.allParameters(request, plusIsSpace: false)] {
            let text = SigV1.stringToSign(reading.without("Signature"))
            let code = Base64.encode(Digests.hmacSHA1(text, key: key))
            if equalInConstantTime(Self.withoutPadding(code), claimed) { return }
        }
        // The string would show the request's values and nothing about the cause.
        throw .mismatch(stringToSign: "", canonicalRequest: "")
    }

    /// Some tools of the time leave the padding out.
    private static func withoutPadding(_ text: String) -> String {
        var bytes = Array(text.utf8)
        while bytes.last == UInt8(ascii: "=") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
