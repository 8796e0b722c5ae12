/// A virtual device for multi-factor authentication: a secret from which the device and the cloud make the same codes of
/// six digits, one every 30 seconds (RFC 6238).
public struct MFADevice: Hashable, Sendable, Codable {
    /// Owner.
    public var accountID: String
    /// Unique in account and path, whatever its case.
    public var name: String
    /// "/" or "/division/".
    public var path: String
    /// What the codes are made of. Handed out once.
    public var secret: [UInt8]
    /// When it was created.
    public var createdAt: Timestamp
    /// Unique id of the user whose it is, or the account's for the account itself; nil as long as nobody has it.
    public var ownerID: String?
    /// Since when he has it.
    public var enabledAt: Timestamp?
    /// How far the device's clock is from the cloud's, in steps of 30 seconds.
    public var drift: Int64 = 0
    /// The last step whose code was used: each is good once.
    public var lastStep: Int64 = 0
    /// Tags.
    public var tags: [Tag] = []
    /// Makes a device that nobody has.
    public init(accountID: String, name: String, path: String, secret: [UInt8], createdAt: Timestamp) {
        self.accountID = accountID
        self.name = name
        self.path = path
        self.secret = secret
        self.createdAt = createdAt
    }
    /// Its ARN.
    public var serialNumber: String { "arn:aws:iam::\(accountID):mfa\(path)\(name)" }
}

/// What somebody shows to prove that he has his device.
public struct MFACode: Hashable, Sendable {
    /// The device.
    public var serialNumber: String
    /// Six digits.
    public var code: String
    /// Makes it.
    public init(serialNumber: String, code: String) {
        self.serialNumber = serialNumber
        self.code = code
    }
}

/// The device as lists show it.
public struct MFADeviceListing: Hashable, Sendable {
    /// The device.
    public var device: MFADevice
    /// Whose it is, the account itself as its user `admin`; nil if nobody has it.
    public var owner: User?
    /// Makes it.
    public init(device: MFADevice, owner: User?) {
        self.device = device
        self.owner = owner
    }
}
