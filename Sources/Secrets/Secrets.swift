// Secrets: what is secret in a store is wrapped by a key of the cloud, so that neither the store's file nor its backup
// gives it away.
//
// Lives here: the wrapping itself (`SecretBox`), the file with the keys (`SecretKeyFile`), and a store that wraps the
// values below some prefixes on their way down and opens them on their way up (`SealedStore`), with their rotation.
// Does not live here: which values are secret; the service that owns the store says so.
//
// Fails with `SecretsError`, which says cause and cure, and with the store's own `StoreError`.

/// Why secrets cannot be wrapped or opened.
public enum SecretsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file of keys is not there, but the store has values wrapped by these keys.
    case keyFileMissing(path: String, needed: [String])
    /// The file of keys has others than those that the store's values are wrapped by.
    case wrongKeys(path: String, needed: [String], present: [String])
    /// The file of keys cannot be understood.
    case keyFileDamaged(path: String, reason: String)
    /// Others than its owner may read or change the file of keys.
    case keyFileOpen(path: String, mode: UInt32)
    /// The file of keys cannot be read or written.
    case file(path: String, cause: String)
    /// A value was changed, or belongs to another key of the store.
    case damaged(String)
    /// The store failed.
    case store(String)

    /// Cause and cure.
    public var description: String {
        switch self {
        case .keyFileMissing(let path, let needed):
            "The key file \(path) is missing, and the secrets in the store are wrapped by the key "
                + "\(needed.joined(separator: ", ")). Restore the file from a backup, or set SECRETS_KEY_FILE to where "
                + "it is. Without it the access keys of all users are lost."
        case .wrongKeys(let path, let needed, let present):
            "The key file \(path) has the key \(present.joined(separator: ", ")), but the secrets in the store are "
                + "wrapped by \(needed.joined(separator: ", ")). Restore the key file that belongs to this store, or "
                + "the store that belongs to it, from the same backup."
        case .keyFileDamaged(let path, let reason):
            "The key file \(path) cannot be used: \(reason). Restore it from a backup."
        case .keyFileOpen(let path, let mode):
            "The key file \(path) has the mode \(String(mode, radix: 8)), so others than its owner can use it. Correct "
                + "that (chmod 600 \(path)), and rotate the key if somebody may have read it."
        case .file(let path, let cause): "The key file \(path) cannot be used: \(cause)."
        case .damaged(let key):
            "The wrapped value of \(key) was changed or moved, and cannot be opened. Restore the store from a backup."
        case .store(let cause): cause
        }
    }
}
