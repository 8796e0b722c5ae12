import CloudModel
import Foundation
import Store

// The documents in the store, and their keys. Every value is a JSON object with the version of its form ("v").
// An unknown field is ignored, so a new optional one needs no new version.

/// What a request with a client token was answered.
struct TokenRecord: Sendable, Codable {
    /// See `RunInstancesRequest.clientToken`.
    var token: String
    var accountID: String
    /// SHA-256 of the request's parameters.
    var fingerprint: String
    /// What RunInstances launched; nil for other actions.
    var reservationID: ReservationID?
    /// What another action made.
    var resource: String?
    var createdAt: Timestamp
}

/// An instance that was deliberately forgotten.
struct TombstoneRecord: Sendable, Codable {
    var id: InstanceID
    var forgottenAt: Timestamp
}

/// The revision of a zone's network document, and of which content it is.
struct NetworkRecord: Sendable, Codable {
    var zone: String
    var revision: Int64
    var digest: String
}

/// Tags of the parts of an account's network, which need no other record.
struct NetworkTagsRecord: Sendable, Codable {
    var accountID: String
    /// By identifier.
    var tags: [String: [Tag]]
}

/// The key that seals session tokens. Whoever has it can be anybody.
struct SessionKeyRecord: Sendable, Codable {
    /// 32 random bytes.
    var key: [UInt8]
    var createdAt: Timestamp
}

/// The last uses of an account's credentials.
struct CredentialUsesRecord: Sendable, Codable {
    var accountID: String
    var uses: CredentialUses
}

/// What is so of the cloud as a whole.
struct CloudRecord: Sendable, Codable {
    var administratorAccountID: String
    var createdAt: Timestamp
}

/// What an account has used, where the agreement keeps account of it; see `FairShare`.
struct UsageRecord: Sendable, Codable {
    var accountID: String
    /// Decayed use in weighted core-seconds at `asOf`.
    var usage: Double
    var asOf: Timestamp
}

/// Any of the documents.
enum StoredRecord: Sendable {
    case cloud(CloudRecord)
    case account(Account)
    case accessKey(AccessKey)
    case image(Image)
    case keyPair(KeyPair)
    case group(SecurityGroup)
    case type(InstanceType)
    case instance(Instance)
    case token(TokenRecord)
    case tombstone(TombstoneRecord)
    case network(NetworkRecord)
    case placementGroup(PlacementGroup)
    case launchTemplate(LaunchTemplate)
    case networkTags(NetworkTagsRecord)
    case imageImport(ImageImport)
    case bundleTask(BundleTask)
    case user(User)
    case userGroup(UserGroup)
    case role(Role)
    case policy(ManagedPolicy)
    case instanceProfile(InstanceProfile)
    case certificate(SigningCertificate)
    case mfaDevice(MFADevice)
    case credentialUses(CredentialUsesRecord)
    case sessionKey(SessionKeyRecord)
    case signingAuthority(SigningAuthorityRecord)
    case usage(UsageRecord)
    case refusals(RefusalsRecord)
    /// An instance's user data: bytes, not a document. It is read when the instance is placed and not kept in memory.
    case userData(InstanceID, [UInt8])

    /// Where it is stored.
    var key: String {
        switch self {
        case .cloud: Key.cloud
        case .account(let account): Key.account(account.id)
        case .accessKey(let key): Key.accessKey(key.id)
        case .image(let image): Key.image(image.id)
        case .keyPair(let pair): Key.keyPair(account: pair.accountID, name: pair.name)
        case .group(let group): Key.group(account: group.accountID, name: group.name)
        case .type(let type): Key.type(type.name)
        case .instance(let instance): Key.instance(instance.id)
        case .token(let token): Key.token(account: token.accountID, token: token.token)
        case .tombstone(let tombstone): Key.tombstone(tombstone.id)
        case .network(let network): Key.network(zone: network.zone)
        case .placementGroup(let group): Key.placementGroup(account: group.accountID, name: group.name)
        case .launchTemplate(let template): Key.launchTemplate(account: template.accountID, name: template.name)
        case .networkTags(let tags): Key.networkTags(account: tags.accountID)
        case .imageImport(let task): Key.imageImport(task.id)
        case .bundleTask(let task): Key.bundleTask(task.id)
        case .user(let user): Key.identity("users", account: user.accountID, name: user.name)
        case .userGroup(let group): Key.identity("usergroups", account: group.accountID, name: group.name)
        case .role(let role): Key.identity("roles", account: role.accountID, name: role.name)
        case .policy(let policy): Key.identity("policies", account: policy.accountID, name: policy.name)
        case .instanceProfile(let profile):
            Key.identity("instanceprofiles", account: profile.accountID, name: profile.name)
        case .certificate(let certificate): Key.certificate(certificate.fingerprint)
        case .mfaDevice(let device): Key.mfaDevice(device)
        case .credentialUses(let uses): Key.credentialUses(account: uses.accountID)
        case .sessionKey: Key.sessionKey
        case .signingAuthority: Key.signingAuthority
        case .usage(let usage): Key.usage(account: usage.accountID)
        case .refusals: Key.refusals
        case .userData(let id, _): Key.userData(id)
        }
    }

    /// The bytes to store.
    func encoded() throws(CloudError) -> [UInt8] {
        switch self {
        case .cloud(let record): try Self.encode(record)
        case .account(let record): try Self.encode(record)
        case .accessKey(let record): try Self.encode(record)
        case .image(let record): try Self.encode(record)
        case .keyPair(let record): try Self.encode(record)
        case .group(let record): try Self.encode(record)
        case .type(let record): try Self.encode(record)
        case .instance(let record): try Self.encode(record)
        case .token(let record): try Self.encode(record)
        case .tombstone(let record): try Self.encode(record)
        case .network(let record): try Self.encode(record)
        case .placementGroup(let record): try Self.encode(record)
        case .launchTemplate(let record): try Self.encode(record)
        case .networkTags(let record): try Self.encode(record)
        case .imageImport(let record): try Self.encode(record)
        case .bundleTask(let record): try Self.encode(record)
        case .user(let record): try Self.encode(record)
        case .userGroup(let record): try Self.encode(record)
        case .role(let record): try Self.encode(record)
        case .policy(let record): try Self.encode(record)
        case .instanceProfile(let record): try Self.encode(record)
        case .certificate(let record): try Self.encode(record)
        case .mfaDevice(let record): try Self.encode(record)
        case .credentialUses(let record): try Self.encode(record)
        case .sessionKey(let record): try Self.encode(record)
        case .signingAuthority(let record): try Self.encode(record)
        case .usage(let record): try Self.encode(record)
        case .refusals(let record): try Self.encode(record)
        case .userData(_, let bytes): bytes
        }
    }

    /// Reads what is stored under `key`; nil for what is not kept in memory or is not ours.
    static func decode(key: String, bytes: [UInt8]) throws(CloudError) -> StoredRecord? {
        let family = key.dropFirst().prefix { $0 != "/" }
        switch family {
        case "cloud": return .cloud(try decode(key, bytes))
        case "accounts": return .account(try decode(key, bytes))
        case "keys": return .accessKey(try decode(key, bytes))
        case "images": return .image(try decode(key, bytes))
        case "keypairs": return .keyPair(try decode(key, bytes))
        case "groups": return .group(try decode(key, bytes))
        case "types": return .type(try decode(key, bytes))
        case "instances": return .instance(try decode(key, bytes))
        case "tokens": return .token(try decode(key, bytes))
        case "forgotten": return .tombstone(try decode(key, bytes))
        case "networks": return .network(try decode(key, bytes))
        case "placementgroups": return .placementGroup(try decode(key, bytes))
        case "launchtemplates": return .launchTemplate(try decode(key, bytes))
        case "networktags": return .networkTags(try decode(key, bytes))
        case "imageimports": return .imageImport(try decode(key, bytes))
        case "bundletasks": return .bundleTask(try decode(key, bytes))
        case "users": return .user(try decode(key, bytes))
        case "usergroups": return .userGroup(try decode(key, bytes))
        case "roles": return .role(try decode(key, bytes))
        case "policies": return .policy(try decode(key, bytes))
        case "instanceprofiles": return .instanceProfile(try decode(key, bytes))
        case "certificates": return .certificate(try decode(key, bytes))
        case "mfadevices": return .mfaDevice(try decode(key, bytes))
        case "credentialuses": return .credentialUses(try decode(key, bytes))
        case "sessionkeys": return .sessionKey(try decode(key, bytes))
        case "signingauthority": return .signingAuthority(try decode(key, bytes))
        case "usage": return .usage(try decode(key, bytes))
        case "refusals": return .refusals(try decode(key, bytes))
        default: return nil
        }
    }

    private static func encode(_ record: some Encodable) throws(CloudError) -> [UInt8] {
        do {
            return [UInt8](try JSONEncoder().encode(Document(record: record)))
        } catch {
            throw .internalError(
                message: "A record could not be written.", detail: "\(Swift.type(of: record)): \(error)")
        }
    }

    private static func decode<Record: Decodable>(_ key: String, _ bytes: [UInt8]) throws(CloudError) -> Record {
        do {
            return try JSONDecoder().decode(Opened<Record>.self, from: Data(bytes)).record
        } catch {
            throw .internalError(
                message: "A record of the cloud's store cannot be read. Restore the store from a backup, or start the "
                    + "release that wrote it.",
                detail: "\(key): \(error)")
        }
    }
}

/// The version of all forms today.
private let documentVersion = 1

private enum DocumentKey: String, CodingKey { case v }

private struct Document<Record: Encodable>: Encodable {
    var record: Record
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: DocumentKey.self)
        try container.encode(documentVersion, forKey: .v)
        try record.encode(to: encoder)
    }
}

private struct Opened<Record: Decodable>: Decodable {
    var record: Record
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: DocumentKey.self)
        let version = try container.decode(Int.self, forKey: .v)
        guard version == documentVersion else {
            throw DecodingError.dataCorruptedError(
                forKey: .v, in: container,
                debugDescription: "version \(version) was written by another release; this one reads \(documentVersion)"
            )
        }
        record = try Record(from: decoder)
    }
}

/// Keys of the store.
enum Key {
    static let cloud = "/cloud/settings"
    static func account(_ id: String) -> String { "/accounts/\(id)" }
    static func accessKey(_ id: String) -> String { "/keys/\(id)" }
    static func image(_ id: ImageID) -> String { "/images/\(id.value)" }
    static func keyPair(account: String, name: String) -> String { "/keypairs/\(account)/\(name)" }
    static func group(account: String, name: String) -> String { "/groups/\(account)/\(name)" }
    static func type(_ name: String) -> String { "/types/\(name)" }
    static func instance(_ id: InstanceID) -> String { "/instances/\(id.value)" }
    static func userData(_ id: InstanceID) -> String { "/userdata/\(id.value)" }
    static func token(account: String, token: String) -> String { "/tokens/\(account)/\(token)" }
    static func tombstone(_ id: InstanceID) -> String { "/forgotten/\(id.value)" }
    static func network(zone: String) -> String { "/networks/\(zone)" }
    /// By name, so that the store itself keeps names unique.
    static func placementGroup(account: String, name: String) -> String { "/placementgroups/\(account)/\(name)" }
    /// See `placementGroup`.
    static func launchTemplate(account: String, name: String) -> String { "/launchtemplates/\(account)/\(name)" }
    static func networkTags(account: String) -> String { "/networktags/\(account)" }
    static func imageImport(_ id: ImageImportID) -> String { "/imageimports/\(id.value)" }
    /// A signed policy allows uploads in its user's name.
    static func bundleTask(_ id: BundleTaskID) -> String { "/bundletasks/\(id.value)" }
    static func usage(account: String) -> String { "/usage/\(account)" }
    /// Documents with secrets in them: the composition wraps them (`Secrets`).
    static let secretPrefixes = ["/keys/", "/sessionkeys/", "/signingauthority/", "/mfadevices/", "/bundletasks/"]
    /// Names are unique whatever their case.
    static func identity(_ family: String, account: String, name: String) -> String {
        "/\(family)/\(account)/\(name.lowercased())"
    }
    /// Under path and name, which are unique together whatever their case.
    static func mfaDevice(_ device: MFADevice) -> String {
        "/mfadevices/\(device.accountID)\((device.path + device.name).lowercased())"
    }
    static func credentialUses(account: String) -> String { "/credentialuses/\(account)" }
    static func certificate(_ fingerprint: [UInt8]) -> String {
        "/certificates/" + fingerprint.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    static let refusals = "/refusals/latest"
    static let sessionKey = "/sessionkeys/current"
    static let signingAuthority = "/signingauthority/current"
    /// What is read at start; user data is not.
    static let loadedPrefixes = [
        "/cloud/", "/accounts/", "/keys/", "/images/", "/keypairs/", "/groups/", "/types/", "/instances/", "/tokens/",
        "/forgotten/", "/networks/", "/placementgroups/", "/launchtemplates/", "/networktags/", "/imageimports/",
        "/bundletasks/",
        "/users/", "/usergroups/", "/roles/", "/policies/", "/instanceprofiles/", "/certificates/", "/sessionkeys/",
        "/signingauthority/", "/mfadevices/", "/credentialuses/", "/usage/", "/refusals/",
    ]
}

extension Timestamp {
    /// The present moment.
    static var now: Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }

    /// So many seconds later.
    func adding(seconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds + seconds * 1000) }
}
