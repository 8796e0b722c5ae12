import Posix

/// The file with the keys of a cloud: the current one first, older ones only while a rotation is under way.
///
/// A line for each key: "key", its id, its 32 bytes in base64. Lines that begin with # are comments. Mode 0600, and it
/// is replaced as a whole.
public struct SecretKeyFile: Sendable {
    /// Where it is.
    public let path: String

    /// The file at this path, which need not exist yet.
    public init(path: String) { self.path = path }

    private static let largest = 1 << 16
    private static let comment = """
        # The key that wraps the secrets in this cloud's store. Whoever has it and the store has every user's access key;
        # without it they are lost. Back it up apart from the store, and again after `mallee cloud key rotate`.

        """

    /// The keys, the current one first; nil if there is no file.
    public func read() throws(SecretsError) -> [SecretKey]? {
        let status: FileStatus?
        let text: String
        do throws(PosixError) {
            status = try FileSystem.statusIfPresent(path)
            text = status?.isRegular == true ? try FileSystem.readText(path, limit: Self.largest) : ""
        } catch {
            throw .file(path: path, cause: "\(error)")
        }
        guard let status else { return nil }
        guard status.isRegular else { throw .file(path: path, cause: "it is not an ordinary file") }
        guard status.permissions & 0o077 == 0 else { throw .keyFileOpen(path: path, mode: status.permissions) }
        return try Self.parse(text, path: path)
    }

    /// The keys of a file's text.
    static func parse(_ text: String, path: String) throws(SecretsError) -> [SecretKey] {
        var keys: [SecretKey] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" })
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard first == "key", words.count == 3, let bytes = Base64.decode(String(words[2])),
                let key = SecretKey(bytes: bytes)
            else { throw .keyFileDamaged(path: path, reason: "line \(index + 1) is no key") }
            guard key.id == words[1] else {
                throw .keyFileDamaged(path: path, reason: "the key in line \(index + 1) is not the one it is called")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw .keyFileDamaged(path: path, reason: "there is no key in it") }
        return keys
    }

    /// Replaces the file; durable when it returns.
    public func write(_ keys: [SecretKey]) throws(SecretsError) {
        let text = Self.comment + keys.map { "key \($0.id) \(Base64.encode($0.bytes))\n" }.joined()
        do throws(PosixError) {
            let (file, temporary) = try FileSystem.temporaryFile(beside: path)
            do throws(PosixError) {
                try file.setPermissions(0o600)
                try file.write(Array(text.utf8))
                try file.synchronize()
                try FileSystem.rename(temporary, to: path)
            } catch {
                try? FileSystem.remove(temporary, ifPresent: true)  // the error that matters is at hand
                throw error
            }
            try FileSystem.synchronizeDirectory(FileSystem.parent(path))
        } catch {
            throw .file(path: path, cause: "\(error)")
        }
    }

    /// Makes the file with a new key if there is none.
    ///
    /// - Returns: whether it was made now.
    @discardableResult
    public func createIfAbsent() throws(SecretsError) -> Bool {
        if try read() != nil { return false }
        try write([SecretKey()])
        return true
    }
}
