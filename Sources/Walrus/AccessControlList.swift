// Access control lists ("Access control list (ACL) overview" of the S3 User Guide).

/// A permission on a bucket or an object.
public enum Permission: String, Sendable, Codable, CaseIterable {
    /// A bucket: list it. An object: read it.
    case read = "READ"
    /// A bucket: make, replace and delete objects.
    case write = "WRITE"
    /// Read the list itself.
    case readACP = "READ_ACP"
    /// Change the list.
    case writeACP = "WRITE_ACP"
    /// All of them.
    case fullControl = "FULL_CONTROL"
}

/// To whom something is granted.
public enum Grantee: Sendable, Equatable, Codable {
    /// An account, by its id.
    case account(String)
    /// Everybody.
    case allUsers
    /// Every account.
    case authenticatedUsers
    /// Whoever writes access logs.
    case logDelivery

    /// The group's URI; nil for an account.
    public var uri: String? {
        switch self {
        case .account: nil
        case .allUsers: "http://acs.amazonaws.com/groups/global/AllUsers"
        case .authenticatedUsers: "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
        case .logDelivery: "http://acs.amazonaws.com/groups/s3/LogDelivery"
        }
    }

    /// A group by its URI.
    public init?(uri: String) {
        guard let group = [Grantee.allUsers, .authenticatedUsers, .logDelivery].first(where: { $0.uri == uri }) else {
            return nil
        }
        self = group
    }

    func includes(_ principal: WalrusPrincipal?) -> Bool {
        switch self {
        case .account(let id): principal?.accountID == id
        case .allUsers: true
        case .authenticatedUsers: principal != nil
        case .logDelivery: false
        }
    }

    var isPublic: Bool { self == .allUsers || self == .authenticatedUsers }
}

/// One grant.
public struct Grant: Sendable, Equatable, Codable {
    /// To whom.
    public var grantee: Grantee
    /// What.
    public var permission: Permission

    /// Makes a grant.
    public init(_ grantee: Grantee, _ permission: Permission) {
        self.grantee = grantee
        self.permission = permission
    }
}

/// The access control list of a bucket or an object.
public struct AccessControlList: Sendable, Equatable, Codable {
    /// Grants in the order they were given; at most 100.
    public var grants: [Grant]

    /// Makes a list.
    public init(grants: [Grant]) { self.grants = grants }

    /// What holds where no list was set.
    public static func owned(by owner: String) -> AccessControlList {
        AccessControlList(grants: [Grant(.account(owner), .fullControl)])
    }

    /// A canned list ("Canned ACL"); nil if there is none of that name.
    public static func canned(_ name: String, owner: String, bucketOwner: String) -> AccessControlList? {
        var list = AccessControlList.owned(by: owner)
        switch name {
        case "private": break
        case "public-read": list.grants.insert(Grant(.allUsers, .read), at: 0)
        case "public-read-write": list.grants = [Grant(.allUsers, .read), Grant(.allUsers, .write)] + list.grants
        case "authenticated-read": list.grants.insert(Grant(.authenticatedUsers, .read), at: 0)
        case "log-delivery-write": list.grants += [Grant(.logDelivery, .write), Grant(.logDelivery, .readACP)]
        case "bucket-owner-read":
            if owner != bucketOwner { list.grants.append(Grant(.account(bucketOwner), .read)) }
        case "bucket-owner-full-control":
            if owner != bucketOwner { list.grants.append(Grant(.account(bucketOwner), .fullControl)) }
        // EC2 reads bundles with the permissions of who registers them.
        case "aws-exec-read", "ec2-bundle-read": break
        default: return nil
        }
        return list
    }

    /// Whether anybody beside named accounts is granted something.
    public var isPublic: Bool { grants.contains { $0.grantee.isPublic } }

    func permits(_ principal: WalrusPrincipal?, _ permission: Permission, ignoringPublic: Bool) -> Bool {
        grants.contains {
            ($0.permission == permission || $0.permission == .fullControl) && $0.grantee.includes(principal)
                && !(ignoringPublic && $0.grantee.isPublic)
        }
    }
}
