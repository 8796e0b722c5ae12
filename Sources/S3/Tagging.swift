// Tags of buckets and objects: documents, and the header that is a query string.

internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

enum Tags {
    static func check(_ tags: [ObjectTag], most: Int) throws -> [ObjectTag] {
        guard tags.count <= most else {
            throw S3Error(.invalidTag, "There cannot be more than \(most) tags")
        }
        var seen: Set<String> = []
        for tag in tags {
            guard (1...128).contains(tag.key.unicodeScalars.count) else {
                throw S3Error(.invalidTag, "The TagKey you have provided is invalid", fields: [("TagKey", tag.key)])
            }
            guard !tag.key.lowercased().hasPrefix("aws:") else {
                let isBucket = most > 10
                throw S3Error(
                    .invalidTag,
                    isBucket
                        ? "System tags cannot be added/updated by requester"
                        : "Your TagKey cannot be prefixed with aws:", fields: [("TagKey", tag.key)])
            }
            guard tag.value.unicodeScalars.count <= 256 else {
                throw S3Error(
                    .invalidTag, "The TagValue you have provided is invalid", fields: [("TagValue", tag.value)])
            }
            guard seen.insert(tag.key).inserted else {
                throw S3Error(
                    .invalidTag, "Cannot provide multiple Tags with the same key", fields: [("TagKey", tag.key)])
            }
        }
        return tags
    }

    /// `key=value&…`, as `x-amz-tagging` has it.
    static func parse(_ header: String) throws -> [ObjectTag] {
        try check(
            header.utf8.split(separator: 0x26).map { piece in
                let equals = piece.firstIndex(of: 0x3D)
                func text(_ bytes: Substring.UTF8View.SubSequence) -> String {
                    String(decoding: PercentEncoding.decode(bytes, plusIsSpace: true), as: UTF8.self)
                }
                return ObjectTag(
                    key: text(piece[..<(equals ?? piece.endIndex)]),
                    value: equals.map { text(piece[piece.index(after: $0)...]) } ?? "")
            }.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }, most: 10)
    }
}

extension S3Call {
    func readTags(_ bytes: [UInt8], most: Int) throws -> [ObjectTag] {
        let root = try parse(bytes, root: "Tagging")
        guard let set = root.child("TagSet") else { throw S3Error.malformed("Tagging has a TagSet.") }
        return try Tags.check(
            set.children("Tag").map { tag in
                guard let key = tag.child("Key")?.text, let value = tag.child("Value")?.text else {
                    throw S3Error.malformed("A Tag has a Key and a Value.")
                }
                return ObjectTag(key: key, value: value)
            }, most: most)
    }

    func writeTags(_ tags: [ObjectTag]) -> Response {
        xml("Tagging") { writer in
            writer.element("TagSet") { writer in
                for tag in tags {
                    writer.element("Tag") { writer in
                        writer.element("Key", tag.key)
                        writer.element("Value", tag.value)
                    }
                }
            }
        }
    }

    func objectTagging(_ verb: DocumentVerb, _ bucket: String, _ key: String) async throws -> Response {
        switch verb {
        case .get:
            let object = try await walrus.objectTags(caller, bucket: bucket, key: key, version: version)
            var response = writeTags(object.attributes.tags ?? [])
            versionHeader(object, try await walrus.state(caller, bucket), &response.headers)
            return response
        case .put, .delete:
            let tags = verb == .put ? try readTags(try await document(), most: 10) : nil
            let asked = WalrusCaller(principal: caller.principal) { [facts = caller.facts] name in
                S3Facts.requestTags(name, tags ?? []) ?? facts(name)
            }
            let object = try await walrus.putObjectTags(asked, bucket: bucket, key: key, version: version, tags)
            await emit(
                verb == .put ? "ObjectTagging:Put" : "ObjectTagging:Delete", bucket, key, object)
            var response = verb == .put ? Response(status: .ok) : noContent()
            versionHeader(object, try await walrus.state(caller, bucket), &response.headers)
            return response
        }
    }
}
