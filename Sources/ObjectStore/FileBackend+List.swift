internal import Foundation
internal import GRDB
internal import NIOCore

extension FileBackend {
    static func data(_ key: String) -> Data { Data(key.utf8) }
    static func data(_ buffer: ByteBuffer) -> Data { buffer.withUnsafeReadableBytes { Data($0) } }

    /// What a listing shows of an object: reading all attributes of each would cost more than everything else.
    private static let listed = """
        key, size, modified, etag, json_extract(attributes, '$.owner'),
        json_extract(attributes, '$.checksum.algorithm'), json_extract(attributes, '$.checksum.composite'), version,
        json_extract(attributes, '$.headers."x-amz-storage-class"')
        """

    private static func listed(_ row: Row) -> ObjectRecord {
        let key: Data = row[0]
        var attributes = ObjectAttributes()
        attributes.owner = row[4]
        if let storageClass: String = row[8] { attributes.headers["x-amz-storage-class"] = storageClass }
        if let name: String = row[5], let algorithm = ChecksumAlgorithm(rawValue: name) {
            attributes.checksum = ObjectChecksum(
                algorithm: algorithm, value: "", isComposite: (row[6] as Bool?) ?? false)
        }
        var record = ObjectRecord(
            key: String(decoding: key, as: UTF8.self), size: row[1], etag: row[3], sha256: nil, modified: row[2],
            attributes: attributes)
        record.version = row[7]
        return record
    }

    /// See `ObjectBackend`.
    public func list(bucket: String, _ query: ListQuery) async throws -> ListPage<ObjectRecord> {
        try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            return try Self.page(query) { start, end, limit in
                let bound = end == nil ? "" : "AND key < :end"
                let statement = try database.cachedStatement(
                    sql: """
                        SELECT \(Self.listed) FROM object
                        WHERE bucket = :bucket AND key >= :start \(bound) ORDER BY key LIMIT :limit
                        """)
                var arguments: StatementArguments = ["bucket": id, "start": start, "limit": limit]
                if let end { arguments += ["end": end] }
                return try Row.fetchAll(statement, arguments: arguments).map {
                    let record = Self.listed($0)
                    return (record.key, Self.data(record.key), record)
                }
            }
        }
    }

    /// See `ObjectBackend`.
    public func versions(
        bucket: String, _ query: ListQuery, afterVersion: String
    ) async throws -> ListPage<ObjectRecord> {
        try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            var behind: Data?
            if !afterVersion.isEmpty, !query.after.isEmpty,
                let entry = try ObjectIndex.stored(
                    bucket: id, key: Self.data(query.after), version: Self.storedVersion(afterVersion) ?? "", database)
            {
                behind = Self.place(Self.data(query.after), entry.sequence) + [0]
            }
            var latestOf: String?
            return try Self.page(query, behind: behind) { start, end, limit in
                let from = Self.versionStart(start)
                var arguments: StatementArguments = ["bucket": id, "start": from.key, "limit": limit]
                var bound = from.isBehind ? "AND key > :start" : "AND key >= :start"
                if let sequence = from.sequence {
                    bound += " AND NOT (key = :start AND sequence >= :sequence)"
                    arguments += ["sequence": sequence]
                    // What follows within the key is older than what was listed.
                    if latestOf == nil { latestOf = String(decoding: from.key, as: UTF8.self) }
                }
                if let end {
                    bound += " AND key < :end"
                    arguments += ["end": end]
                }
                let rows = try Row.fetchAll(
                    database,
                    sql: """
                        SELECT \(Self.listed), sequence AS sequence, 0 AS marker FROM object
                        WHERE bucket = :bucket \(bound) UNION ALL
                        SELECT \(Self.listed), sequence, layout = 3 FROM version
                        WHERE bucket = :bucket \(bound) ORDER BY key, sequence DESC LIMIT :limit
                        """, arguments: arguments)
                return rows.map { row in
                    var record = Self.listed(row)
                    record.isDeleteMarker = row["marker"]
                    record.isLatest = latestOf.map { !$0.utf8.elementsEqual(record.key.utf8) } ?? true
                    latestOf = record.key
                    return (record.key, Self.place(Self.data(record.key), row["sequence"]), record)
                }
            }
        }
    }

    /// Where a version stands in the order of a listing: key, NUL (which no key holds), newest first.
    private static func place(_ key: Data, _ sequence: Int64) -> Data {
        let descending = UInt64(bitPattern: ~sequence)
        return key + [0] + stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: descending >> $0) }
    }

    /// The key where a walk over versions starts, and within it the version behind which it does; `isBehind`: after
    /// all versions of the key.
    private static func versionStart(_ start: Data) -> (key: Data, sequence: Int64?, isBehind: Bool) {
        guard let zero = start.firstIndex(of: 0) else { return (start, nil, false) }
        let key = Data(start[..<zero])
        let rest = start[(zero + 1)...]
        guard rest.count >= 8 else { return (key, nil, true) }
        let descending = rest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return (key, ~Int64(bitPattern: descending), false)
    }

    /// Walks an ordered index of keys by a listing's rules. A rolled-up prefix is skipped by seeking behind it, so the
    /// cost follows what is returned, not what lies under the prefixes.
    ///
    /// - Parameters:
    ///   - behind: where the walk starts if `query.after` is given; by default right behind that key.
    ///   - fetch: items with a place from `start` on, below `end`, in byte order, at most `limit`. The place starts
    ///     with the key and tells items of one key apart.
    static func page<Item: Sendable>(
        _ query: ListQuery, behind: Data? = nil,
        fetch: (_ start: Data, _ end: Data?, _ limit: Int) throws -> [(key: String, place: Data, item: Item)]
    ) throws -> ListPage<Item> {
        var page = ListPage<Item>()
        guard query.limit > 0 else { return page }
        let prefix = data(query.prefix)
        let delimiter = data(query.delimiter)
        let end = successor(prefix)
        var start = prefix
        if !query.after.isEmpty {
            let after = data(query.after)
            // Behind the key itself; and if it lies under a rolled-up prefix, behind all of that.
            let behind =
                rolledUp(after, prefix: prefix, delimiter: delimiter).map { successor($0) ?? after } ?? behind ?? after
                + [0]
            if start.lexicographicallyPrecedes(behind) { start = behind }
        }
        var count = 0
        var last = ""
        while true {
            if let end, !start.lexicographicallyPrecedes(end) { return page }
            // With a delimiter few of a batch may be used, since one prefix can cover all of the rest.
            let batch = delimiter.isEmpty ? query.limit - count + 1 : min(query.limit - count + 1, 64)
            let found = try fetch(start, end, batch)
            var seek: Data?
            for (key, place, item) in found {
                if count == query.limit {
                    page.next = last
                    return page
                }
                if let common = rolledUp(data(key), prefix: prefix, delimiter: delimiter) {
                    last = String(decoding: common, as: UTF8.self)
                    page.commonPrefixes.append(last)
                    count += 1
                    seek = successor(common)
                    if seek == nil { return page }
                    break
                }
                page.items.append(item)
                last = key
                count += 1
                start = place + [0]
            }
            if let seek {
                start = seek
            } else if found.count < batch {
                return page
            }
        }
    }

    /// The prefix that a key is rolled up to, if any.
    static func rolledUp(_ key: Data, prefix: Data, delimiter: Data) -> Data? {
        guard !delimiter.isEmpty, key.starts(with: prefix) else { return nil }
        guard let found = key.range(of: delimiter, in: (key.startIndex + prefix.count)..<key.endIndex) else {
            return nil
        }
        return key[key.startIndex..<found.upperBound]
    }

    /// The first byte string after all that start with this one; nil if there is none.
    static func successor(_ prefix: Data) -> Data? {
        var bytes = Array(prefix)
        while let last = bytes.last {
            if last < 255 {
                bytes[bytes.count - 1] = last + 1
                return Data(bytes)
            }
            bytes.removeLast()
        }
        return nil
    }
}
