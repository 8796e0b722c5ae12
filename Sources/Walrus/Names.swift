// Rules for names ("Bucket naming rules" and "Object key naming" of the S3 User Guide).

enum Names {
    /// First path segments that the service itself answers.
    static let reserved: Set<String> = ["services"]

    /// Throws `invalidBucketName` with the rule that is broken.
    static func checkBucket(_ name: String) throws(WalrusError) {
        let bytes = Array(name.utf8)
        guard (3...63).contains(bytes.count) else { throw .invalidBucketName("A name has 3 to 63 characters.") }
        for byte in bytes {
            switch byte {
            case 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E: break
            default: throw .invalidBucketName("A name has only lower-case letters, digits, hyphens and dots.")
            }
        }
        guard bytes.first != 0x2D, bytes.first != 0x2E, bytes.last != 0x2D, bytes.last != 0x2E else {
            throw .invalidBucketName("A name begins and ends with a letter or a digit.")
        }
        for (one, next) in zip(bytes, bytes.dropFirst()) {
            switch (one, next) {
            case (0x2E, 0x2E), (0x2E, 0x2D), (0x2D, 0x2E):
                throw .invalidBucketName("No dot of a name has a dot or a hyphen beside it.")
            default: break
            }
        }
        let labels = name.split(separator: ".")
        if labels.count == 4, labels.allSatisfy({ UInt8($0) != nil }) {
            throw .invalidBucketName("A name does not look like an IP address.")
        }
        if reserved.contains(name) { throw .invalidBucketName("This name is reserved.") }
    }

    static func checkKey(_ key: String) throws(WalrusError) {
        guard !key.isEmpty else { throw .invalidKey("A key is not empty.") }
        guard key.utf8.count <= 1024 else { throw .keyTooLong(bytes: key.utf8.count) }
        guard !key.utf8.contains(0) else { throw .invalidKey("A key holds no NUL.") }
    }
}
