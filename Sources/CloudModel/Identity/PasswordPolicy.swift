/// What an account asks of its users' passwords (UpdateAccountPasswordPolicy in IAM's API reference). The values of a new
/// one are IAM's defaults for what a request leaves out.
public struct PasswordPolicy: Hashable, Sendable, Codable {
    /// In characters, 6 to 128.
    public var minimumLength = 6
    /// At least one of `symbols`.
    public var requiresSymbols = false
    /// At least one of 0 to 9.
    public var requiresNumbers = false
    /// At least one of A to Z.
    public var requiresUppercase = false
    /// At least one of a to z.
    public var requiresLowercase = false
    /// Whether every user may change his own password, whatever his policies allow.
    public var allowsChange = false
    /// In days, 1 to 1095; 0 for passwords that are good for ever.
    public var maximumAge = 0
    /// How many earlier passwords may not be taken again, 1 to 24; 0 for none.
    public var reusePrevention = 0
    /// Whether only an administrator of the account can replace a password that is too old.
    public var isHardExpiry = false
    /// IAM's defaults.
    public init() {}

    /// What counts as a symbol.
    public static let symbols = "!@#$%^&*()_+-=[]{}|'"

    /// When a password that was chosen at some time is too old; nil for never.
    public func end(ofPasswordFrom time: Timestamp) -> Timestamp? {
        guard maximumAge > 0 else { return nil }
        return Timestamp(milliseconds: time.milliseconds + Int64(maximumAge) * 86_400_000)
    }
}

/// How an attempt to sign in with a password ended.
public enum SignIn: Hashable, Sendable {
    /// Account, user, password or code are wrong: one answer for all, so that it does not tell who exists.
    case refused
    /// The password is right; the code of an MFA device is missing.
    case needsCode
    /// All is right, but he has to choose another password before anything else (`PasswordResetRequired`, or it is too
    /// old).
    case mustChangePassword(Principal)
    /// He is who he says.
    case done(Principal)
}
