// Signatures of browser-based uploads ("Authenticating requests: browser-based uploads using POST" of the S3 API
// Reference): what is signed is the policy as it stands in the form.

/// Checks the signature of a form's policy.
public enum PostPolicySignature {
    /// The parts of `x-amz-credential`: `key/date/region/service/aws4_request`; nil if it has not that form.
    public static func accessKeyID(ofCredential credential: String) -> String? {
        scope(credential).map { $0.key }
    }

    private static func scope(_ credential: String) -> (key: String, date: String, region: String, service: String)? {
        let parts = credential.split(separator: "/", omittingEmptySubsequences: false).map { String($0) }
        guard parts.count >= 5, parts.last == "aws4_request" else { return nil }
        // A key may hold a slash.
        let key = parts[..<(parts.count - 4)].joined(separator: "/")
        guard !key.isEmpty else { return nil }
        return (key, parts[parts.count - 4], parts[parts.count - 3], parts[parts.count - 2])
    }

    /// Version 4: HMAC-SHA256 of the policy's Base64, in hexadecimal.
    public static func isValid(policy: String, signature: String, credential: String, secret: String) -> Bool {
        guard let scope = scope(credential) else { return false }
        let key = SigV4.signingKey(secret: secret, date: scope.date, region: scope.region, service: scope.service)
        return equalInConstantTime(hexadecimal(Digests.hmacSHA256(policy, key: key)), lowercasedASCII(signature))
    }

    /// Version 2: HMAC-SHA1 of the policy's Base64, in Base64.
    public static func isValid(policy: String, signature: String, secret: String) -> Bool {
        equalInConstantTime(
            Base64.encode(Digests.hmacSHA1(policy, key: Array(secret.utf8))), signature)
    }
}
