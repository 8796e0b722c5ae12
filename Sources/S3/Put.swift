internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Signatures
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
                let codings = value.split(separator: ",").map { $0.drop { $0 == " " } }
                let kept = codings.filter { !$0.isEmpty && $0.lowercased() != "aws-chunked" }
                if kept.count < codings.count { value = kept.joined(separator: ", ") }
                if value.isEmpty { continue }
            }
            if name == S3Header.storageClass, value == "STANDARD" { continue }
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

    /// What the headers of a new object say beside those that are kept as they are.
    func writeOptions(_ attributes: inout ObjectAttributes) async throws -> WriteOptions {
        var write = WriteOptions()
        write.acl = try await headerACL()
        write.namesForeignACL =
            write.acl != nil && request.header("x-amz-acl") != "bucket-owner-full-control"
        if let header = request.header("x-amz-tagging") { write.tags = try Tags.parse(header) }
        try lockHeaders(&write)
        write.encryption = try encryptionRequest()
        if let target = request.header("x-amz-website-redirect-location") {
            guard target.hasPrefix("/") || target.hasPrefix("http://") || target.hasPrefix("https://") else {
                throw S3Error.argument(
                    "x-amz-website-redirect-location", target,
                    "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
            }
            attributes.redirect = target
        }
        return write
    }

    func putObject(_ bucket: String, _ key: String) async throws -> Response {
        // Before the headers are judged: a policy may forbid what would be refused as well.
        _ = try await walrus.authorised(caller, .putObject, bucket, key: key)
        let incoming = try IncomingBody(self, needsLength: true)
        var attributes = try attributes()
        let write = try await writeOptions(&attributes)
        var options = incoming.options(attributes, condition: try writeCondition())
        options.hasSHA256 = incoming.hasSHA256 || request.header(S3Header.digest) != nil
        let record = try await walrus.putObject(
            caller, bucket: bucket, key: key, options: options, write: write, body: incoming.stream)
        await emit("ObjectCreated:Put", bucket, key, record)
        return Response(status: .ok, headers: try await writtenHeaders(record, bucket))
    }

    /// The headers of an answer to a write.
    func writtenHeaders(_ record: ObjectRecord, _ bucket: String) async throws -> HTTPFields {
        var headers = HTTPFields()
        headers[.eTag] = "\"" + record.etag + "\""
        if request.isInner { headers[.lastModified] = Timestamp.http(record.modified / 1000) }
        checksumHeaders(record.attributes.checksum, &headers)
        encryptionHeaders(record.attributes.encryption, &headers)
        let state = try await walrus.state(caller, bucket)
        if !record.version.isEmpty { versionHeader(record, state, &headers) }
        expirationHeader(record, state, &headers)
        return headers
    }

    /// When a lifecycle rule will delete the object.
    func expirationHeader(_ record: ObjectRecord, _ state: BucketState, _ headers: inout HTTPFields) {
        guard let (time, rule) = state.expiry(of: record, day: walrus.configuration.lifecycleDay) else { return }
        headers[text: "x-amz-expiration"] =
            "expiry-date=\"\(Timestamp.http(time / 1000))\", rule-id=\"\(ListEncoding.encode(rule))\""
    }

    func checksumHeaders(_ checksum: ObjectChecksum?, _ headers: inout HTTPFields) {
        guard let checksum else { return }
        headers[text: checksum.algorithm.headerName] = checksum.value
        headers[text: S3Header.checksumType] = checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT"
    }
}
