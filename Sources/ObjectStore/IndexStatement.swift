// The closed list of statements that change the index. Each write goes through `IndexWriter.run`, which also puts it
// into the journal; so a statement's number and the order of its arguments are a format on the disk and never change.

internal import Foundation
internal import GRDB
internal import NIOCore

/// A statement that changes the index. Each is about whole rows, named by their keys.
enum IndexStatement: UInt8, CaseIterable, Sendable {
    case putBucket = 1
    case deleteBucket = 2
    case putSetting = 3
    case deleteSetting = 4
    case deleteSettings = 5
    case putObject = 6
    case deleteObject = 7
    case putVersion = 8
    case deleteVersion = 9
    case setObjectAttributes = 10
    case setVersionAttributes = 11
    case putInline = 12
    case deleteInline = 13
    case putPiece = 14
    case deletePieces = 15
    case putUpload = 16
    case deleteUpload = 17
    case deleteUploads = 18
    case putPart = 19
    case deleteParts = 20
    case deletePartsOfBucket = 21
    case putHashedPiece = 22

    private static let entryColumns =
        "bucket, key, content, layout, size, modified, etag, sha256, attributes, version, sequence"

    var sql: String {
        switch self {
        case .putBucket:
            "INSERT OR REPLACE INTO bucket (id, name, owner, region, created, versioning) VALUES (?, ?, ?, ?, ?, ?)"
        case .deleteBucket: "DELETE FROM bucket WHERE id = ?"
        case .putSetting: "INSERT OR REPLACE INTO setting (bucket, name, value) VALUES (?, ?, ?)"
        case .deleteSetting: "DELETE FROM setting WHERE bucket = ? AND name = ?"
        case .deleteSettings: "DELETE FROM setting WHERE bucket = ?"
        case .putObject:
            "INSERT OR REPLACE INTO object (\(Self.entryColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        case .deleteObject: "DELETE FROM object WHERE bucket = ? AND key = ?"
        case .putVersion:
            "INSERT OR REPLACE INTO version (\(Self.entryColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        case .deleteVersion: "DELETE FROM version WHERE bucket = ? AND key = ? AND sequence = ?"
        case .setObjectAttributes:
            "UPDATE object SET attributes = ? WHERE bucket = ? AND key = ? AND sequence = ? AND version = ?"
        case .setVersionAttributes:
            "UPDATE version SET attributes = ? WHERE bucket = ? AND key = ? AND sequence = ? AND version = ?"
        case .putInline: "INSERT OR REPLACE INTO inline (content, data) VALUES (?, ?)"
        case .deleteInline: "DELETE FROM inline WHERE content = ?"
        case .putPiece:  // of former versions; what is written now has its MD5
            "INSERT OR REPLACE INTO piece (content, number, file, size, checksum) VALUES (?, ?, ?, ?, ?)"
        case .putHashedPiece:
            "INSERT OR REPLACE INTO piece (content, number, file, size, checksum, md5) VALUES (?, ?, ?, ?, ?, ?)"
        case .deletePieces: "DELETE FROM piece WHERE content = ?"
        case .putUpload:
            "INSERT OR REPLACE INTO upload (id, bucket, key, owner, initiated, attributes) VALUES (?, ?, ?, ?, ?, ?)"
        case .deleteUpload: "DELETE FROM upload WHERE id = ?"
        case .deleteUploads: "DELETE FROM upload WHERE bucket = ?"
        case .putPart:
            """
            INSERT OR REPLACE INTO part (upload, number, file, size, etag, modified, checksum)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """
        case .deleteParts: "DELETE FROM part WHERE upload = ?"
        case .deletePartsOfBucket: "DELETE FROM part WHERE upload IN (SELECT id FROM upload WHERE bucket = ?)"
        }
    }

    /// Where a snapshot finds the rows that this statement writes, columns in the order of its arguments; nil for
    /// statements that write no new rows.
    var rows: String? {
        switch self {
        case .putBucket: "SELECT id, name, owner, region, created, versioning FROM bucket"
        case .putSetting: "SELECT bucket, name, value FROM setting"
        case .putObject: "SELECT \(Self.entryColumns) FROM object"
        case .putVersion: "SELECT \(Self.entryColumns) FROM version"
        case .putInline: "SELECT content, data FROM inline"
        case .putHashedPiece: "SELECT content, number, file, size, checksum, md5 FROM piece"
        case .putUpload: "SELECT id, bucket, key, owner, initiated, attributes FROM upload"
        case .putPart: "SELECT upload, number, file, size, etag, modified, checksum FROM part"
        default: nil
        }
    }
}

/// Objects, bytes, and bytes of parts under way: of a bucket, or what a change adds to them.
public struct StorageUsage: Sendable, Equatable {
    /// Objects and versions, without delete markers.
    public var objects: Int64 = 0
    /// Their bytes.
    public var bytes: Int64 = 0
    /// Bytes of the parts of uploads that are under way.
    public var partBytes: Int64 = 0

    /// Nothing.
    public init() {}

    /// The sum of both.
    public static func + (one: StorageUsage, other: StorageUsage) -> StorageUsage {
        var sum = one
        sum.objects += other.objects
        sum.bytes += other.bytes
        sum.partBytes += other.partBytes
        return sum
    }

    /// What is left of the one without the other.
    public static func - (one: StorageUsage, other: StorageUsage) -> StorageUsage {
        var rest = one
        rest.objects -= other.objects
        rest.bytes -= other.bytes
        rest.partBytes -= other.partBytes
        return rest
    }
}

/// Changes the index within one transaction, and gathers what the journal has to keep of it and what it adds to the
/// usage of buckets. Only the thread of the transaction uses it.
final class IndexWriter {
    /// A place to which a failed job is taken back.
    struct Mark {
        fileprivate var entries: Int
        fileprivate var usage: [Int64: StorageUsage]
    }

    /// For reading.
    let database: Database
    /// Entries of the journal, encoded.
    private(set) var entries = ByteBuffer()
    /// What was added, by the bucket's id.
    private(set) var usage: [Int64: StorageUsage] = [:]
    /// Keys that were changed.
    private(set) var keys: [HotObjects.Key] = []

    init(_ database: Database) { self.database = database }

    var mark: Mark { Mark(entries: entries.writerIndex, usage: usage) }

    func rollBack(to mark: Mark) {
        entries.moveWriterIndex(to: mark.entries)
        usage = mark.usage
    }

    /// Executes a statement and journals it.
    func run(_ statement: IndexStatement, _ arguments: [(any DatabaseValueConvertible)?]) throws {
        let values = arguments.map { $0?.databaseValue ?? .null }
        try database.cachedStatement(sql: statement.sql).execute(arguments: StatementArguments(values))
        JournalEntry.encode(statement, values, into: &entries)
    }

    /// A key's object is another one from now on, or none. More than is true does no harm.
    func touch(_ bucket: Int64, _ key: String) { keys.append(HotObjects.Key(bucket: bucket, key: key)) }

    /// Counts what a bucket gains, or loses where it is negative.
    func count(_ bucket: Int64, objects: Int64 = 0, bytes: Int64 = 0, partBytes: Int64 = 0) {
        var added = StorageUsage()
        (added.objects, added.bytes, added.partBytes) = (objects, bytes, partBytes)
        usage[bucket] = (usage[bucket] ?? StorageUsage()) + added
    }
}

/// A statement in the journal:
///
///     number (1)  count of arguments (1)  then each argument: kind (1) and
///         0 null   1 integer (8)   2 text: length (4), UTF-8   3 blob: length (4), bytes   4 real (8, bits)
///
/// All integers are little-endian.
enum JournalEntry {
    static func encode(_ statement: IndexStatement, _ values: [DatabaseValue], into buffer: inout ByteBuffer) {
        buffer.writeInteger(statement.rawValue)
        buffer.writeInteger(UInt8(truncatingIfNeeded: values.count))
        for value in values {
            switch value.storage {
            case .null: buffer.writeInteger(0 as UInt8)
            case .int64(let number):
                buffer.writeInteger(1 as UInt8)
                buffer.writeInteger(number, endianness: .little)
            case .double(let number):
                buffer.writeInteger(4 as UInt8)
                buffer.writeInteger(number.bitPattern, endianness: .little)
            case .string(let text):
                buffer.writeInteger(2 as UInt8)
                buffer.writeInteger(UInt32(truncatingIfNeeded: text.utf8.count), endianness: .little)
                buffer.writeString(text)
            case .blob(let data):
                buffer.writeInteger(3 as UInt8)
                buffer.writeInteger(UInt32(truncatingIfNeeded: data.count), endianness: .little)
                buffer.writeBytes(data)
            }
        }
    }

    /// The next entry; nil at the end. Throws `failed` for what cannot be read.
    static func decode(
        _ buffer: inout ByteBuffer
    ) throws(ObjectStoreError) -> (statement: IndexStatement, values: [DatabaseValue])? {
        guard buffer.readableBytes > 0 else { return nil }
        let unreadable = ObjectStoreError.failed("the journal holds an entry that cannot be read")
        guard let number = buffer.readInteger(as: UInt8.self), let count = buffer.readInteger(as: UInt8.self) else {
            throw unreadable
        }
        guard let statement = IndexStatement(rawValue: number) else {
            throw .failed("the journal holds an unknown entry (\(number)); it was written by a newer version")
        }
        var values: [DatabaseValue] = []
        values.reserveCapacity(Int(count))
        for _ in 0..<count {
            switch buffer.readInteger(as: UInt8.self) {
            case 0: values.append(.null)
            case 1:
                guard let value = buffer.readInteger(endianness: .little, as: Int64.self) else { throw unreadable }
                values.append(value.databaseValue)
            case 4:
                guard let value = buffer.readInteger(endianness: .little, as: UInt64.self) else { throw unreadable }
                values.append(Double(bitPattern: value).databaseValue)
            case 2:
                guard let length = buffer.readInteger(endianness: .little, as: UInt32.self),
                    let text = buffer.readString(length: Int(length))
                else { throw unreadable }
                values.append(text.databaseValue)
            case 3:
                guard let length = buffer.readInteger(endianness: .little, as: UInt32.self),
                    let bytes = buffer.readSlice(length: Int(length))
                else { throw unreadable }
                values.append(bytes.withUnsafeReadableBytes { Data($0) }.databaseValue)
            default: throw unreadable
            }
        }
        guard values.count == Swift.max(0, statement.sql.utf8.count { $0 == 0x3F }) else { throw unreadable }
        return (statement, values)
    }
}
