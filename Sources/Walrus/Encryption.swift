// Keys of encrypted objects. SSE-S3: a random key for each object, wrapped by the store's. SSE-C: derived from the
// customer's key and a random salt; of the customer's key nothing but its MD5 is kept, as S3 does.

internal import Foundation
internal import ObjectStore

/// What a request asks for.
public enum EncryptionRequest: Sendable, Equatable {
    /// As the bucket's default says.
    case standard
    /// A key of the store's.
    case store
    /// This customer's key.
    case customer(CustomerKey)
}

/// A customer's key. It lives as long as the request.
public struct CustomerKey: Sendable, Equatable {
    let bytes: [UInt8]
    /// MD5 in Base64.
    public let md5: String

    /// - Parameters:
    ///   - bytes: 32 bytes.
    ///   - md5: of these, in Base64; the caller has compared them.
    public init(bytes: [UInt8], md5: String) {
        self.bytes = bytes
        self.md5 = md5
    }
}

extension Walrus {
    /// A new object's key and how it is recorded; nil if it is not to be encrypted.
    func newKey(
        _ request: EncryptionRequest, in state: BucketState
    ) throws -> (key: ContentKey, record: ObjectEncryption)? {
        switch request {
        case .standard where state.settings.encryption == nil: return nil
        case .standard, .store:
            let (key, bytes) = ContentKey.random()
            let wrapped = Data(try backend.storeKey.wrap(bytes)).base64EncodedString()
            return (key, ObjectEncryption(kind: .store, material: wrapped))
        case .customer(let customer):
            let salt = ContentKey.random().bytes
            return (
                ContentKey.derived(fromCustomerKey: customer.bytes, salt: salt),
                ObjectEncryption(
                    kind: .customer, material: Data(salt).base64EncodedString(), keyMD5: customer.md5)
            )
        }
    }

    /// The key of an object or upload; nil if it is not encrypted. Throws if the customer's is needed and not there,
    /// another, or not needed.
    func key(_ record: ObjectEncryption?, _ customer: CustomerKey?) throws -> ContentKey? {
        guard let record else {
            if customer != nil { throw WalrusError.encryptionKeyNotApplicable }
            return nil
        }
        let material = Data(base64Encoded: record.material).map { Array($0) } ?? []
        switch record.kind {
        case .store:
            if customer != nil { throw WalrusError.encryptionKeyNotApplicable }
            return ContentKey(bytes: try backend.storeKey.unwrap(material))
        case .customer:
            guard let customer else { throw WalrusError.encryptionKeyNeeded }
            guard customer.md5 == record.keyMD5 else { throw WalrusError.encryptionKeyWrong }
            return ContentKey.derived(fromCustomerKey: customer.bytes, salt: material)
        }
    }
}
