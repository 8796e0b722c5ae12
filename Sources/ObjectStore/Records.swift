// The values that a back end keeps and gives: buckets, objects, versions, uploads, parts, and what a caller asks of them.

/// A bucket.
public struct BucketRecord: Sendable, Equatable {
    /// The name, unique in the store.
    public var name: String
    /// The account that owns it.
    public var owner: String
    /// The location constraint it was created with; empty for none.
    public var region: String
    /// Milliseconds since 1970.
    public var created: Int64
    /// Whether overwritten and deleted objects are kept as versions.
    public var versioning: VersioningState
    /// Documents by name, of which the store knows nothing (access control, policy, lifecycle, …).
    public var settings: [String: String]
    /// Changes with each change of the record while the store is open.
    public var revision: Int64

    /// Makes a record.
    public init(
        name: String, owner: String, region: String, created: Int64, versioning: VersioningState = .never,
        settings: [String: String] = [:]
    ) {
        self.name = name
        self.owner = owner
        self.region = region
        self.created = created
        self.versioning = versioning
        self.settings = settings
        revision = 0
    }
}

/// A bucket's versioning:
///
///     never ──> enabled <──> suspended
public enum VersioningState: String, Sendable, Codable {
    /// An object has one version, the null version, and a write replaces it.
    case never = ""
    /// Each write makes a version; a deletion makes a delete marker.
    case enabled = "Enabled"
    /// Writes replace the null version; other versions stay.
    case suspended = "Suspended"
}

/// What a client said about an object beside its bytes.
public struct ObjectAttributes: Sendable, Equatable, Codable {
    /// Standard headers that are given back as they came (`content-type`, `cache-control`, …), names in lower case.
    public var headers: [String: String]
    /// User metadata, names in lower case without `x-amz-meta-`.
    public var metadata: [String: String]
    /// The checksum the client asked for, once the bytes are known to match it. Of an upload: its algorithm and kind.
    public var checksum: ObjectChecksum?
    /// The account that owns the object where that is not the owner of the bucket.
    public var owner: String?
    /// The access control list, encoded by the service; nil is the owner's alone.
    public var acl: String?
    /// Tags in the order they were given; nil for none.
    public var tags: [ObjectTag]?
    /// Where the website sends a reader of this object.
    public var redirect: String?
    /// Until when, and how strictly, this version is kept.
    public var retention: ObjectRetention?
    /// Whether a legal hold keeps this version; nil if none was ever set.
    public var legalHold: Bool?
    /// How the bytes are encrypted.
    public var encryption: ObjectEncryption?

    /// Makes attributes.
    public init(
        headers: [String: String] = [:], metadata: [String: String] = [:], checksum: ObjectChecksum? = nil
    ) {
        self.headers = headers
        self.metadata = metadata
        self.checksum = checksum
    }
}

/// A tag of an object.
public struct ObjectTag: Sendable, Equatable, Codable {
    /// 1 to 128 characters.
    public var key: String
    /// Up to 256 characters.
    public var value: String

    /// Makes a tag.
    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// Object lock's retention of one version.
public struct ObjectRetention: Sendable, Equatable, Codable {
    /// How strict it is.
    public enum Mode: String, Sendable, Codable {
        /// Those with the right to do so may shorten or bypass it.
        case governance = "GOVERNANCE"
        /// Nobody may.
        case compliance = "COMPLIANCE"
    }

    /// How strict it is.
    public var mode: Mode
    /// Milliseconds since 1970.
    public var until: Int64

    /// Makes a retention.
    public init(mode: Mode, until: Int64) {
        self.mode = mode
        self.until = until
    }
}

/// How an object's bytes are encrypted at rest. It holds nothing that opens them by itself.
public struct ObjectEncryption: Sendable, Equatable, Codable {
    /// Whose key it is.
    public enum Kind: String, Sendable, Codable {
        /// A key of the store's (SSE-S3).
        case store
        /// The customer's, sent with each request (SSE-C).
        case customer
    }

    /// Whose key it is.
    public var kind: Kind
    /// `store`: the object's key, wrapped by the store's. `customer`: the salt from which it is derived. Base64.
    public var material: String
    /// `customer`: MD5 of the customer's key in Base64, by which he is told a wrong key from damage.
    public var keyMD5: String?

    /// Makes a description.
    public init(kind: Kind, material: String, keyMD5: String? = nil) {
        self.kind = kind
        self.material = material
        self.keyMD5 = keyMD5
    }
}

/// A checksum of a whole object.
public struct ObjectChecksum: Sendable, Equatable, Codable {
    /// The algorithm.
    public var algorithm: ChecksumAlgorithm
    /// The value in Base64; with `-N` behind it if it is the checksum of N parts' checksums.
    public var value: String
    /// Whether it is the checksum of the parts' checksums.
    public var isComposite: Bool { composite == true }
    private var composite: Bool?

    /// Makes a checksum.
    public init(algorithm: ChecksumAlgorithm, value: String, isComposite: Bool = false) {
        self.algorithm = algorithm
        self.value = value
        composite = isComposite ? true : nil
    }
}

/// An object without its bytes.
public struct ObjectRecord: Sendable, Equatable {
    /// The key, any UTF-8 of 1 to 1024 bytes.
    public var key: String
    /// Bytes.
    public var size: Int64
    /// The entity tag without quotes: MD5 in hexadecimal, or `md5-of-md5s-N` for N parts.
    public var etag: String
    /// SHA-256 of the bytes in hexadecimal: of small objects, and where the client has signed or announced it, or asked
    /// for it; nil of others.
    public var sha256: String?
    /// Milliseconds since 1970.
    public var modified: Int64
    /// Headers and metadata. A listing fills in only what it shows: owner and checksum algorithm.
    public var attributes: ObjectAttributes
    /// The version's id as stored; empty is the null version.
    public var version = ""
    /// Whether it is the newest version of its key.
    public var isLatest = true
    /// Whether it says that the object was deleted. It has no bytes.
    public var isDeleteMarker = false

    /// The version's id as S3 writes it.
    public var versionID: String { version.isEmpty ? "null" : version }
}

/// One part of an object that was put together, or the whole of another.
public struct ObjectPart: Sendable, Equatable {
    /// 1 to 10,000.
    public var number: Int
    /// Bytes.
    public var size: Int64
    /// The part's checksum, if one was sent.
    public var checksum: ObjectChecksum?
}

/// A deletion of an object or of one of its versions.
public struct Deletion: Sendable, Equatable {
    /// The key.
    public var key: String
    /// The version's id (`null` for the null version); nil to delete the object, which a versioned bucket does by a
    /// delete marker.
    public var version: String?
    /// Only if the object has this entity tag (`*`: only if it is there).
    public var etag: String?
    /// Only if it was last modified at this second since 1970.
    public var modified: Int64?
    /// Only if it has so many bytes.
    public var size: Int64?

    /// Makes a deletion.
    public init(key: String, version: String? = nil, etag: String? = nil, modified: Int64? = nil, size: Int64? = nil) {
        self.key = key
        self.version = version
        self.etag = etag
        self.modified = modified
        self.size = size
    }
}

extension Deletion {
    /// Whether it depends on what is there.
    var isConditional: Bool { etag != nil || modified != nil || size != nil }
}

/// What a deletion did.
public struct Deleted: Sendable, Equatable {
    /// The key.
    public var key: String
    /// The id of the version that was removed for good, or of the delete marker that was made; nil without versions.
    public var version: String?
    /// Whether that version is (or was) a delete marker.
    public var isMarker: Bool
    /// What was removed, if anything was.
    public var removed: ObjectRecord?
}

/// How an upload ends.
public struct CompletionOptions: Sendable {
    /// The least bytes of a part that is not the last.
    public var minimumPartSize: Int64
    /// What must hold for the object that is there.
    public var condition: PutCondition
    /// The checksum that the whole must have; only its value is compared.
    public var checksum: String?
    /// The bytes that the whole must have.
    public var size: Int64?

    /// Makes options.
    public init(
        minimumPartSize: Int64 = 5 << 20, condition: PutCondition = .none, checksum: String? = nil, size: Int64? = nil
    ) {
        self.minimumPartSize = minimumPartSize
        self.condition = condition
        self.checksum = checksum
        self.size = size
    }
}

/// What is known about the bytes of a body once all have arrived.
public struct ContentDigests: Sendable, Equatable {
    /// Bytes.
    public var size: Int64
    /// MD5, raw.
    public var md5: [UInt8]
    /// SHA-256, raw; empty if it was not computed (`PutOptions.hasSHA256`).
    public var sha256: [UInt8]
    /// The checksum that was asked for, raw.
    public var checksum: [UInt8]?
}

/// What comes with the bytes of a put.
public struct PutOptions: Sendable {
    /// Headers and metadata.
    public var attributes: ObjectAttributes
    /// The announced size in bytes; another number of bytes is refused.
    public var expectedSize: Int64?
    /// A checksum to compute beside MD5 and SHA-256.
    public var checksum: ChecksumAlgorithm?
    /// Called when all bytes are there and before they become visible: a throw refuses the put. It may return the
    /// checksum to record.
    public var validate: @Sendable (ContentDigests) throws -> ObjectChecksum?
    /// What must hold for the object that is there (conditional writes).
    public var condition: PutCondition
    /// The key that encrypts the bytes at rest; nil for none.
    public var key: ContentKey?
    /// Whether the SHA-256 is wanted, for `validate` or the record. Small objects have one in any case; to do without it
    /// saves a larger one a tenth and more of what it costs.
    public var hasSHA256 = true

    /// Makes options; by default everything is accepted.
    public init(
        attributes: ObjectAttributes = ObjectAttributes(), expectedSize: Int64? = nil,
        checksum: ChecksumAlgorithm? = nil, condition: PutCondition = .none, key: ContentKey? = nil,
        validate: @escaping @Sendable (ContentDigests) throws -> ObjectChecksum? = { _ in nil }
    ) {
        self.attributes = attributes
        self.expectedSize = expectedSize
        self.checksum = checksum
        self.condition = condition
        self.key = key
        self.validate = validate
    }
}

/// The condition of a write on the present object, judged in the same transaction.
public enum PutCondition: Sendable, Equatable {
    /// Overwrite whatever is there.
    case none
    /// Only if there is no such object (`If-None-Match: *`).
    case absent
    /// Only if there is an object (`If-Match: *`).
    case present
    /// Only if the object is there with this entity tag (`If-Match`).
    case etag(String)
    /// Only if there is no object with this entity tag (`If-None-Match`).
    case notEtag(String)
}

/// A page of a listing to be read.
public struct ListQuery: Sendable {
    /// Only keys that start with this.
    public var prefix: String
    /// Keys are rolled up to the first occurrence of this after the prefix; empty for none.
    public var delimiter: String
    /// Only keys (and rolled-up prefixes) after this one in byte order.
    public var after: String
    /// At most so many keys and prefixes together.
    public var limit: Int

    /// Makes a query.
    public init(prefix: String = "", delimiter: String = "", after: String = "", limit: Int = 1000) {
        self.prefix = prefix
        self.delimiter = delimiter
        self.after = after
        self.limit = limit
    }
}

/// A page of a listing.
public struct ListPage<Item: Sendable>: Sendable {
    /// The items in byte order of their keys.
    public var items: [Item]
    /// The rolled-up prefixes in byte order.
    public var commonPrefixes: [String]
    /// Where the next page starts (to be given as `after`); nil if this one is the last.
    public var next: String?

    /// Makes a page.
    public init(items: [Item] = [], commonPrefixes: [String] = [], next: String? = nil) {
        self.items = items
        self.commonPrefixes = commonPrefixes
        self.next = next
    }
}

/// A multipart upload under way.
public struct UploadRecord: Sendable, Equatable {
    /// The upload's id.
    public var id: String
    /// The key that it will become.
    public var key: String
    /// The account that began it.
    public var owner: String
    /// Milliseconds since 1970.
    public var initiated: Int64
    /// Headers and metadata of the object to be.
    public var attributes: ObjectAttributes
}

/// An uploaded part.
public struct PartRecord: Sendable, Equatable {
    /// 1 to 10,000.
    public var number: Int
    /// Bytes.
    public var size: Int64
    /// MD5 in hexadecimal.
    public var etag: String
    /// Milliseconds since 1970.
    public var modified: Int64
    /// The part's checksum, if one was sent.
    public var checksum: ObjectChecksum?
}

/// A part as the caller names it when completing.
public struct CompletedPart: Sendable, Equatable {
    /// 1 to 10,000.
    public var number: Int
    /// The part's entity tag, without quotes.
    public var etag: String
    /// The part's checksum in Base64, if the caller names one.
    public var checksum: String?

    /// Makes one.
    public init(number: Int, etag: String, checksum: String? = nil) {
        self.number = number
        self.etag = etag
        self.checksum = checksum
    }
}
