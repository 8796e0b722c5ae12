internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

/// How names are written in a listing.
struct ListEncoding: Sendable {
    let isURL: Bool

    init(_ request: S3Request) throws {
        switch request["encoding-type"] {
        case nil, "": isURL = false
        case "url": isURL = true
        case let other?:
            throw S3Error(
                .invalidArgument, "Invalid Encoding Method specified in Request",
                fields: [("ArgumentName", "encoding-type"), ("ArgumentValue", other)])
        }
    }

    func callAsFunction(_ text: String) -> String { isURL ? Self.encode(text) : text }

    /// Whether XML can hold the text as it is.
    static func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 || $0.value == 0x0A || $0.value == 0x09 }
    }

    /// A key as in a URL.
    static func encode(_ text: String) -> String { PercentEncoding.encode(text, keepingSlash: true) }
}

extension S3Call {
    private func listQuery(after: String) throws -> ListQuery {
        ListQuery(
            prefix: request["prefix"] ?? "", delimiter: request["delimiter"] ?? "", after: after,
            limit: try number("max-keys", default: 1000, in: 0...1000))
    }

    private func contents(
        _ writer: inout XMLWriter, _ page: ListPage<ObjectRecord>, _ encoding: ListEncoding, owner id: String?
    ) {

        for object in page.items {
            writer.element("Contents") { writer in
                writer.element("Key", encoding(object.key))
                writer.element("LastModified", S3Clock.extended(object.modified))
                writer.element("ETag", "\"" + object.etag + "\"")
                if let checksum = object.attributes.checksum {
                    writer.element("ChecksumAlgorithm", checksum.algorithm.rawValue)
                    writer.element("ChecksumType", checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT")
                }
                writer.element("Size", object.size)
                if let id { owner(&writer, id: object.attributes.owner ?? id) }
                writer.element("StorageClass", object.storageClass)
            }
        }
        commonPrefixes(&writer, page.commonPrefixes, encoding)
    }

    func commonPrefixes(_ writer: inout XMLWriter, _ prefixes: [String], _ encoding: ListEncoding) {
        for prefix in prefixes {
            writer.element("CommonPrefixes") { $0.element("Prefix", encoding(prefix)) }
        }
    }

    func listObjects(_ bucket: String) async throws -> Response {
        let encoding = try ListEncoding(request)
        let marker = request["marker"] ?? ""
        let query = try listQuery(after: marker)
        let (page, ownerID) = try await walrus.listObjects(caller, bucket: bucket, query)
        try await names.learn([ownerID] + page.items.compactMap(\.attributes.owner))
        return xml("ListBucketResult") { writer in
            writer.element("Name", bucket)
            // Clients do not decode the prefix of this call, so it is encoded only where XML cannot hold it.
            writer.element("Prefix", ListEncoding.isPlain(query.prefix) ? query.prefix : encoding(query.prefix))
            writer.element("Marker", encoding(marker))
            writer.element("MaxKeys", query.limit)
            if !query.delimiter.isEmpty { writer.element("Delimiter", encoding(query.delimiter)) }
            if encoding.isURL { writer.element("EncodingType", "url") }
            writer.element("IsTruncated", page.next != nil)
            // Without a delimiter the client goes on from the last key.
            if let next = page.next, !query.delimiter.isEmpty { writer.element("NextMarker", encoding(next)) }
            contents(&writer, page, encoding, owner: ownerID)
        }
    }

    func listObjectsV2(_ bucket: String) async throws -> Response {
        let encoding = try ListEncoding(request)
        let token = request["continuation-token"]
        var after = request["start-after"] ?? ""
        if let token, !token.isEmpty {
            guard let bytes = Base64.decode(token), !bytes.isEmpty, String(validating: bytes, as: UTF8.self) != nil
            else {
                throw S3Error(
                    .invalidArgument, "The continuation token provided is incorrect",
                    fields: [("ArgumentName", "continuation-token")])
            }
            after = String(decoding: bytes, as: UTF8.self)
        }
        let query = try listQuery(after: after)
        let (page, ownerID) = try await walrus.listObjects(caller, bucket: bucket, query)
        try await names.learn([ownerID] + page.items.compactMap(\.attributes.owner))
        return xml("ListBucketResult") { writer in
            writer.element("Name", bucket)
            writer.element("Prefix", encoding(query.prefix))
            // Who goes on with a token started elsewhere.
            if let start = request["start-after"] { writer.element("StartAfter", encoding(start)) }
            if let token { writer.element("ContinuationToken", token) }
            if let next = page.next { writer.element("NextContinuationToken", Base64.encode(next.utf8)) }
            writer.element("KeyCount", page.items.count + page.commonPrefixes.count)
            writer.element("MaxKeys", query.limit)
            if !query.delimiter.isEmpty { writer.element("Delimiter", encoding(query.delimiter)) }
            if encoding.isURL { writer.element("EncodingType", "url") }
            writer.element("IsTruncated", page.next != nil)
            contents(&writer, page, encoding, owner: request["fetch-owner"] == "true" ? ownerID : nil)
        }
    }

    func listObjectVersions(_ bucket: String) async throws -> Response {
        let encoding = try ListEncoding(request)
        let marker = request["key-marker"] ?? ""
        let versionMarker = request["version-id-marker"] ?? ""
        if marker.isEmpty, !versionMarker.isEmpty {
            throw S3Error.argument(
                "version-id-marker", versionMarker, "A version-id marker cannot be specified without a key marker.")
        }
        let query = try listQuery(after: marker)
        let (page, ownerID) = try await walrus.listVersions(
            caller, bucket: bucket, query, afterVersion: versionMarker)
        try await names.learn([ownerID] + page.items.compactMap(\.attributes.owner))
        return xml("ListVersionsResult") { writer in
            writer.element("Name", bucket)
            writer.element("Prefix", encoding(query.prefix))
            writer.element("KeyMarker", encoding(marker))
            writer.element("VersionIdMarker", versionMarker)
            if let next = page.next {
                writer.element("NextKeyMarker", encoding(next))
                if let last = page.items.last, last.key.utf8.elementsEqual(next.utf8) {
                    writer.element("NextVersionIdMarker", last.versionID)
                }
            }
            writer.element("MaxKeys", query.limit)
            if !query.delimiter.isEmpty { writer.element("Delimiter", encoding(query.delimiter)) }
            if encoding.isURL { writer.element("EncodingType", "url") }
            writer.element("IsTruncated", page.next != nil)
            for object in page.items {
                writer.element(object.isDeleteMarker ? "DeleteMarker" : "Version") { writer in
                    writer.element("Key", encoding(object.key))
                    writer.element("VersionId", object.versionID)
                    writer.element("IsLatest", object.isLatest)
                    writer.element("LastModified", S3Clock.extended(object.modified))
                    if !object.isDeleteMarker {
                        writer.element("ETag", "\"" + object.etag + "\"")
                        if let checksum = object.attributes.checksum {
                            writer.element("ChecksumAlgorithm", checksum.algorithm.rawValue)
                            writer.element("ChecksumType", checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT")
                        }
                        writer.element("Size", object.size)
                    }
                    owner(&writer, id: object.attributes.owner ?? ownerID)
                    if !object.isDeleteMarker { writer.element("StorageClass", object.storageClass) }
                }
            }
            commonPrefixes(&writer, page.commonPrefixes, encoding)
        }
    }
}
