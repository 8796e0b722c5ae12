internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Walrus

extension S3Call {
    /// S3 allows 2 KB of user metadata, names and values together.
    private static let mostMetadata = 2048

    /// Headers and metadata that are kept with an object.
    func attributes() throws -> ObjectAttributes {
        var attributes = ObjectAttributes()
        for name in S3Header.stored {
            guard var value = request.header(name) else { continue }
            if name == "content-encoding" {
                // aws-chunked is how it was sent, not what it is.
                value = value.split(separator: ",").map { $0.drop { $0 == " " } }
                    .filter { !$0.isEmpty && $0.lowercased() != "aws-chunked" }.joined(separator: ",")
                if value.isEmpty { continue }
            }
            attributes.headers[name] = value
        }
        var size = 0
        for field in request.headers {
            let name = field.name.canonicalName
            guard name.hasPrefix("x-amz-meta-") else { continue }
            let short = String(name.dropFirst("x-amz-meta-".count))
            size += short.utf8.count + field.value.utf8.count
            attributes.metadata[short] = attributes.metadata[short].map { $0 + "," + field.value } ?? field.value
        }
        guard size <= Self.mostMetadata else {
            throw S3Error(
                .metadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size",
                fields: [("Size", String(size)), ("MaxSizeAllowed", String(Self.mostMetadata))])
        }
        return attributes
    }

    /// The condition of a write (`If-None-Match`, `If-Match`).
    func writeCondition() throws -> PutCondition {
        switch (request.header("if-none-match"), request.header("if-match")) {
        case (nil, nil): return .none
        case (let text?, nil): return text == "*" ? .absent : .notEtag(unquoted(text))
        case (nil, let text?): return text == "*" ? .present : .etag(unquoted(text))
        case (_?, _?):
            throw S3Error(.notImplemented, "If-Match and If-None-Match together are not implemented for a write.")
        }
    }

    /// An entity tag without its quotes.
    func unquoted(_ text: String) -> String { text.filter { $0 != "\"" && $0 != " " } }

    func putObject(_ bucket: String, _ key: String) async throws -> Response {
        let incoming = try IncomingBody(self)
        let options = try incoming.options(try attributes(), condition: try writeCondition())
        let record = try await walrus.putObject(
            caller, bucket: bucket, key: key, options: options, body: incoming.stream)
        var headers = HTTPFields()
        headers[.eTag] = "\"" + record.etag + "\""
        checksumHeaders(record.attributes.checksum, &headers)
        return Response(status: .ok, headers: headers)
    }

    func checksumHeaders(_ checksum: ObjectChecksum?, _ headers: inout HTTPFields) {
        guard let checksum else { return }
        headers[text: checksum.algorithm.headerName] = checksum.value
        headers[text: S3Header.checksumType] = "FULL_OBJECT"
    }
}
