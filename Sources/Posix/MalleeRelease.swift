/// What this release calls itself. Here, since this is the lowest module that every program has.
public enum MalleeRelease {
    /// Version of all programs, packages and the roll, such as "0.1.0".
    public static let version = "0.1.0"
}
