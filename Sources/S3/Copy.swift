internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    /// Bucket and key of `x-amz-copy-source`, which is `[/]bucket/key[?versionId=…]`, percent-encoded.
    func copySource() throws -> (bucket: String, key: String, version: String?) {
        let invalid = S3Error(
            .invalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            fields: [
                ("ArgumentName", "x-amz-copy-source"), ("ArgumentValue", request.header("x-amz-copy-source") ?? ""),
            ])
        guard var text = request.header("x-amz-copy-source") else { throw invalid }
        var version: String?
        // A question mark of the key itself is encoded; clients that do not encode write none but this.
        if let question = text.firstRange(of: "?versionId=").map(\.lowerBound) {
            guard text[question...].hasPrefix("?versionId=") else { throw invalid }
            version = String(text[question...].dropFirst("?versionId=".count))
            text = String(text[..<question])
        }
        guard let decoded = String(validating: PercentEncoding.decode(Array(text.utf8)), as: UTF8.self) else {
            throw invalid
        }
        let path = decoded.utf8.first == 0x2F ? decoded.utf8.dropFirst() : decoded.utf8[...]
        guard let slash = path.firstIndex(of: 0x2F), slash != path.startIndex else { throw invalid }
        let key = String(decoding: path[path.index(after: slash)...], as: UTF8.self)
        guard !key.isEmpty else { throw invalid }
        return (String(decoding: path[..<slash], as: UTF8.self), key, version)
    }

    private struct Source {
        var content: any ObjectContent
        var bucket: String
        var version: String?
        var state: BucketState
    }

    /// Opens the source if its conditions hold.
    private func openSource() async throws -> Source {
        let source = try copySource()
        if let expected = request.header("x-amz-source-expected-bucket-owner"),
            try await walrus.state(caller, source.bucket).record.owner != expected
        {
            throw WalrusError.accessDenied
        }
        let customer = try customerKey(prefix: "x-amz-copy-source-server-side-encryption-customer-")
        let (content, state) = try await walrus.getObject(
            caller, bucket: source.bucket, key: source.key, version: source.version, customerKey: customer)
        switch Preconditions(request, prefix: "x-amz-copy-source-").judge(content.record) {
        case .proceed:
            return Source(content: content, bucket: source.bucket, version: source.version, state: state)
        case .notModified, .failed:
            content.close()
            throw S3Error(
                .preconditionFailed, "At least one of the pre-conditions you specified did not hold",
                fields: [("Condition", Preconditions.named(request, prefix: "x-amz-copy-source-"))])
        }
    }

    private func isReplaced(_ header: String) throws -> Bool {
        switch request.header(header)?.uppercased() {
        case nil, "COPY": return false
        case "REPLACE": return true
        case let other?: throw S3Error.argument(header, other, "Unknown directive.")
        }
    }

    /// The checksum that a copy shall have.
    private func copyChecksum() throws -> ChecksumAlgorithm? {
        guard let name = request.header("x-amz-checksum-algorithm") else { return nil }
        guard let algorithm = ChecksumAlgorithm(rawValue: name.uppercased()) else {
            throw S3Error(.invalidRequest, ChecksumAlgorithm.unsupported)
        }
        return algorithm
    }

    func copyObject(_ bucket: String, _ key: String) async throws -> Response {
        var attributes = try attributes()
        var write = try await writeOptions(&attributes)
        let tags = try isReplaced("x-amz-tagging-directive") ? write.tags ?? [] : nil
        write.tags = nil
        let changes =
            ["x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-website-redirect-location"]
            .contains { request.header($0) != nil } || write.encryption != .standard
        write.redirect = attributes.redirect
        let directive = Walrus.CopyDirective(
            attributes: try isReplaced("x-amz-metadata-directive") ? attributes : nil, tags: tags,
            checksum: try copyChecksum(), changesSomething: changes,
            ownHeaders: [S3Header.storageClass: attributes.headers[S3Header.storageClass]]
        )
        let source = try await openSource()
        defer { source.content.close() }
        let record = try await walrus.copyObject(
            caller, source: source.content, sourceBucket: source.bucket, sourceVersion: source.version, bucket: bucket,
            key: key, directive: directive, write: write, condition: try writeCondition())
        await emit("ObjectCreated:Copy", bucket, key, record)
        var response = xml("CopyObjectResult") { writer in
            writer.element("LastModified", S3Clock.extended(record.modified))
            writer.element("ETag", "\"" + record.etag + "\"")
            if let checksum = record.attributes.checksum {
                writer.element("Checksum" + checksum.algorithm.rawValue, checksum.value)
                writer.element("ChecksumType", "FULL_OBJECT")
            }
        }
        versionHeader(record, try await walrus.state(caller, bucket), &response.headers)
        encryptionHeaders(record.attributes.encryption, &response.headers)
        sourceVersionHeader(source, &response.headers)
        return response
    }

    private func sourceVersionHeader(_ source: Source, _ headers: inout HTTPFields) {
        guard source.state.record.versioning != .never else { return }
        headers[text: "x-amz-copy-source-version-id"] = source.content.record.versionID
    }

    func uploadPartCopy(_ bucket: String, _ key: String) async throws -> Response {
        let (number, upload) = try partNumberAndUpload()
        let source = try await openSource()
        let content = source.content
        defer { content.close() }
        var range = 0..<content.record.size
        if let text = request.header("x-amz-copy-source-range") {
            guard case .part(let part) = ByteRange(text, size: .max), !text.hasSuffix("-"), !text.hasPrefix("bytes=-")
            else {
                throw S3Error.argument(
                    "x-amz-copy-source-range", text,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
                        + "the zero-based offsets of the first and last bytes to copy")
            }
            guard part.upperBound <= content.record.size else {
                throw S3Error(
                    .invalidRange, "The requested range is not satisfiable",
                    fields: [("RangeRequested", text), ("ActualObjectSize", String(content.record.size))])
            }
            range = part
        }
        let algorithm = try await walrus.uploadChecksum(caller, bucket: bucket, key: key, upload: upload)?.algorithm
        let options = PutOptions(expectedSize: Int64(range.count), checksum: algorithm) { digests in
            guard let algorithm, let computed = digests.checksum else { return nil }
            return ObjectChecksum(algorithm: algorithm, rawValue: computed)
        }
        let (part, encryption) = try await walrus.uploadPart(
            caller, bucket: bucket, key: key, upload: upload, number: number, options: options,
            customerKey: try customerKey(), body: ContentStream(content, range: range))
        var response = xml("CopyPartResult") { writer in
            writer.element("LastModified", S3Clock.extended(part.modified))
            writer.element("ETag", "\"" + part.etag + "\"")
            if let checksum = part.checksum {
                writer.element("Checksum" + checksum.algorithm.rawValue, checksum.value)
            }
        }
        encryptionHeaders(encryption, &response.headers)
        sourceVersionHeader(source, &response.headers)
        return response
    }
}
