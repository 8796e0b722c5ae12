internal import Foundation
internal import GRDB
internal import NIOCore

extension FileBackend {
    static func data(_ key: String) -> Data { Data(key.utf8) }
    static func data(_ buffer: ByteBuffer) -> Data { buffer.withUnsafeReadableBytes { Data($0) } }

    /// See `ObjectBackend`.
    public func list(bucket: String, _ query: ListQuery) async throws -> ListPage<ObjectRecord> {
        try await index.read { database in
            let id = try ObjectIndex.bucketID(bucket, database)
            return try Self.page(query) { start, end, limit in
                let bound = end == nil ? "" : "AND key < :end"
                let statement = try database.cachedStatement(
                    sql: """
                        SELECT \(ObjectIndex.columns) FROM object
                        WHERE bucket = :bucket AND key >= :start \(bound) ORDER BY key LIMIT :limit
                        """)
                var arguments: StatementArguments = ["bucket": id, "start": start, "limit": limit]
                if let end { arguments += ["end": end] }
                return try Row.fetchAll(statement, arguments: arguments).map {
                    let record = try ObjectIndex.entry($0).record
                    return (record.key, Self.data(record.key), record)
                }
            }
        }
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
