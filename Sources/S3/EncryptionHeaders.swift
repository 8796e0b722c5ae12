// Server-side encryption in headers.

internal import Crypto
internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus

extension S3Call {
    private static let encryption = "x-amz-server-side-encryption"
    private static let managedKey = "x-amz-server-side-encryption-aws-kms-key-id"
    private static let customer = "x-amz-server-side-encryption-customer-"

    /// The customer's key of a request; nil if it brings none.
    ///
    /// - Parameter prefix: `x-amz-copy-source-server-side-encryption-customer-` for the source of a copy.
    func customerKey(prefix: String = customer) throws -> CustomerKey? {
        let algorithm = request.header(prefix + "algorithm")
        let key = request.header(prefix + "key")
        let md5 = request.header(prefix + "key-md5")
        return try Self.customerKey(algorithm: algorithm, key: key, md5: md5, prefix: prefix)
    }

    static func customerKey(algorithm: String?, key: String?, md5: String?, prefix: String = customer) throws
        -> CustomerKey?
    {
        if algorithm == nil, key == nil, md5 == nil { return nil }
        guard let algorithm else {
            throw S3Error.argument(
                prefix + "algorithm", "",
                "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm."
            )
        }
        guard algorithm == "AES256" else {
            throw S3Error(
                .invalidEncryptionAlgorithmError,
                "The Encryption request you specified is not valid. Supported value: AES256.",
                fields: [("ArgumentName", prefix + "algorithm"), ("ArgumentValue", algorithm)])
        }
        guard let key else {
            throw S3Error.argument(
                prefix + "key", "",
                "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key."
            )
        }
        guard let bytes = Base64.decode(key), bytes.count == 32 else {
            throw S3Error.argument(
                prefix + "key", "", "The secret key was invalid for the specified algorithm.")
        }
        guard let md5 else {
            throw S3Error.argument(
                prefix + "key-MD5", "",
                "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key."
            )
        }
        guard md5 == Base64.encode(Array(Insecure.MD5.hash(data: bytes))) else {
            throw S3Error.argument(
                prefix + "key-MD5", md5, "The calculated MD5 hash of the key did not match the hash that was provided.")
        }
        return CustomerKey(bytes: bytes, md5: md5)
    }

    /// What a new object's headers ask for.
    func encryptionRequest() throws -> EncryptionRequest {
        let asked = request.header(Self.encryption)
        if let key = request.header(Self.managedKey), asked?.hasPrefix("aws:kms") != true {
            throw S3Error.argument(
                Self.managedKey, key,
                "A key of a key management service goes with the encryption method aws:kms only.")
        }
        let customer = try customerKey()
        if asked != nil, customer != nil {
            throw S3Error.argument(
                Self.encryption, asked ?? "",
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"
            )
        }
        if let customer { return .customer(customer) }
        try refuseManagedKeys()
        switch asked {
        case nil: return .standard
        case "AES256": return .store
        case let other?:
            throw S3Error.argument(Self.encryption, other, "The encryption method specified is not supported")
        }
    }

    /// Throws if keys of a key management service are asked for: to leave them out silently would be a false success.
    func refuseManagedKeys() throws {
        guard let asked = request.header(Self.encryption), asked.hasPrefix("aws:") else { return }
        throw S3Error(
            .notImplemented,
            "Keys of a key management service are not implemented; use AES256, or a key of your own (SSE-C).",
            fields: [("Header", Self.encryption), ("additionalMessage", asked)])
    }

    func encryptionHeaders(_ encryption: ObjectEncryption?, _ headers: inout HTTPFields) {
        guard let encryption else { return }
        switch encryption.kind {
        case .store: headers[text: Self.encryption] = "AES256"
        case .customer:
            headers[text: Self.customer + "algorithm"] = "AES256"
            headers[text: Self.customer + "key-md5"] = encryption.keyMD5
        }
    }
}
