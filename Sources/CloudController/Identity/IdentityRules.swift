import AccessPolicy
import CloudModel
import Crypto
import CryptoExtras
import Foundation

// What names, paths, documents and passwords may be ("IAM and AWS STS quotas" and the API reference).

enum IdentityRules {
    static let usersPerAccount = 5000
    static let groupsPerAccount = 300
    static let rolesPerAccount = 1000
    static let policiesPerAccount = 1500
    static let profilesPerAccount = 1000
    static let groupsPerUser = 10
    static let keysPerUser = 2
    static let certificatesPerUser = 2
    static let attachedPoliciesPerIdentity = 20
    static let versionsPerPolicy = 5
    /// Of a managed policy, in characters without white space.
    static let policySize = 6144
    static let trustPolicySize = 8192
    static let sessionPolicySize = 2048
    /// Of all inline policies of a user, a group, a role.
    static let userPolicySize = 2048
    static let groupPolicySize = 5120
    static let rolePolicySize = 10_240

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "="),
            UInt8(ascii: ","), UInt8(ascii: "."), UInt8(ascii: "@"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    static func checkName(_ name: String, _ parameter: String, most: Int) throws(CloudError) {
        guard !name.isEmpty, name.utf8.allSatisfy(isNameByte) else {
            throw .invalidValue(
                parameter: parameter, value: String(name.prefix(64)),
                reason: "The specified value for \(parameter) is invalid. It must contain only alphanumeric characters "
                    + "and/or the following: +=,.@_-")
        }
        guard name.utf8.count <= most else {
            throw .invalidValue(
                parameter: parameter, value: String(name.prefix(64)),
                reason:
                    "1 validation error detected: Value '\(name.prefix(512))' at '\(parameter)' failed to satisfy "
                    + "constraint: Member must have length less than or equal to \(most)")
        }
    }

    // MARK: Tags, of which IAM says what is wrong in words of its own

    static func checkTags(_ tags: [Tag]) throws(CloudError) {
        try checkTagCount(tags.count, "tags")
        var keys = Set<String>()
        for (index, tag) in tags.enumerated() {
            try checkTagKey(tag.key, "tags.\(index + 1).member.key")
            try checkTagText(tag.value, "tags.\(index + 1).member.value", most: 256)
            guard keys.insert(tag.key.lowercased()).inserted else {
                throw .invalidValue(
                    parameter: "Tags", value: String(tag.key.prefix(64)),
                    reason: "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
            }
        }
    }

    static func checkTagKeys(_ keys: [String]) throws(CloudError) {
        try checkTagCount(keys.count, "tagKeys")
        for key in keys { try checkTagKey(key, "tagKeys") }
    }

    private static func checkTagCount(_ count: Int, _ place: String) throws(CloudError) {
        guard count <= 50 else {
            throw refusal(place, "", "Member must have length less than or equal to 50.")
        }
    }

    private static func checkTagKey(_ key: String, _ place: String) throws(CloudError) {
        guard !key.isEmpty else {
            throw refusal(place, key, "Member must have length greater than or equal to 1.")
        }
        try checkTagText(key, place, most: 128)
        guard !key.lowercased().hasPrefix("aws:") else {
            throw .invalidValue(
                parameter: place, value: String(key.prefix(64)),
                reason: "Tag keys starting with 'aws:' are reserved for internal use.")
        }
    }

    private static func checkTagText(_ text: String, _ place: String, most: Int) throws(CloudError) {
        guard text.unicodeScalars.count <= most else {
            throw refusal(place, text, "Member must have length less than or equal to \(most).")
        }
        let isGood = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .spaceSeparator,
                .lineSeparator, .paragraphSeparator, .decimalNumber, .letterNumber, .otherNumber:
                true
            default: "_.:/=+-@".unicodeScalars.contains(scalar)
            }
        }
        guard isGood else {
            throw refusal(
                place, text, "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+")
        }
    }

    private static func refusal(_ place: String, _ value: String, _ constraint: String) -> CloudError {
        .invalidValue(
            parameter: place, value: "",
            reason: "1 validation error detected: Value '\(value.prefix(300))' at '\(place)' failed to satisfy "
                + "constraint: \(constraint)")
    }

    static func checkPath(_ path: String) throws(CloudError) {
        let isGood =
            path == "/"
            || (path.hasPrefix("/") && path.hasSuffix("/") && path.utf8.count <= 512
                && path.utf8.allSatisfy { (0x21...0x7E).contains($0) })
        guard isGood else {
            throw .invalidValue(
                parameter: "path", value: String(path.prefix(64)),
                reason: "The specified value for path is invalid. It must begin and end with / and contain only "
                    + "printable ASCII characters.")
        }
    }

    /// Reads a document.
    ///
    /// - Throws: `invalidValue` of the parameter, which interfaces answer as a malformed document.
    static func checkPolicy(
        _ document: String, parameter: String = "PolicyDocument", most: Int, _ rules: PolicyRules
    ) throws(CloudError) {
        let size = document.unicodeScalars.reduce(0) { $0 + ($1.properties.isWhitespace ? 0 : 1) }
        guard size <= most else {
            throw .limitExceeded(.policy, limit: most, inUse: size, requested: 0)
        }
        do throws(PolicyError) {
            let bytes = Array(document.utf8)
            try PolicyGrammar.check(bytes, rules)
            _ = try Policy(bytes, kind: rules == .trust ? .trust : .identity)
        } catch {
            throw .invalidValue(parameter: parameter, value: "", reason: error.message)
        }
    }

    /// N of scrypt: 16 MiB and some tens of milliseconds with r = 8.
    private static let cost = 16_384

    static func hash(_ password: String) throws(CloudError) -> PasswordHash {
        var generator = SystemRandomNumberGenerator()
        let salt = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return PasswordHash(salt: salt, digest: try scrypt(password, salt: salt, cost: cost), cost: cost)
    }

    static func verify(_ password: String, _ hash: PasswordHash) throws(CloudError) -> Bool {
        let digest = try scrypt(password, salt: hash.salt, cost: hash.cost)
        guard digest.count == hash.digest.count else { return false }
        // Takes the same time wherever they differ.
        return zip(digest, hash.digest).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func scrypt(_ password: String, salt: [UInt8], cost: Int) throws(CloudError) -> [UInt8] {
        do {
            let key = try KDF.Scrypt.deriveKey(
                from: Array(password.utf8), salt: salt, outputByteCount: 32, rounds: cost, blockSize: 8,
                parallelism: 1)
            return key.withUnsafeBytes { Array($0) }
        } catch {
            throw .internalError(message: "The password could not be read.", detail: "scrypt: \(error)")
        }
    }
}

extension Credentials {
    private static let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

    /// A unique id such as AIDA….
    static func uniqueID(_ prefix: String) -> String { prefix + text(17, of: letters) }
    static func temporaryKeyID() -> String { "ASIA" + text(16, of: letters) }
    static func certificateID() -> String { text(24, of: letters) }
}
