internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    /// Bucket and key of `x-amz-copy-source`, which is `[/]bucket/key[?versionId=…]`, percent-encoded.
    func copySource() throws -> (bucket: String, key: String) {
        let invalid = S3Error(
            .invalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            fields: [
                ("ArgumentName", "x-amz-copy-source"), ("ArgumentValue", request.header("x-amz-copy-source") ?? ""),
            ])
        guard var text = request.header("x-amz-copy-source") else { throw invalid }
        if let question = text.firstIndex(of: "?") {
            guard ["?versionId=null"].contains(text[question...]) else {
                throw S3Error(.notImplemented, "Versions are not implemented.")
            }
            text = String(text[..<question])
        }
        guard let decoded = String(validating: PercentEncoding.decode(Array(text.utf8)), as: UTF8.self) else {
            throw invalid
        }
        let path = decoded.utf8.first == 0x2F ? decoded.utf8.dropFirst() : decoded.utf8[...]
        guard let slash = path.firstIndex(of: 0x2F), slash != path.startIndex else { throw invalid }
        let key = String(decoding: path[path.index(after: slash)...], as: UTF8.self)
        guard !key.isEmpty else { throw invalid }
        return (String(decoding: path[..<slash], as: UTF8.self), key)
    }

    /// Opens the source if its conditions hold.
    private func openSource() async throws -> (content: any ObjectContent, bucket: String) {
        let source = try copySource()
        let content = try await walrus.getObject(caller, bucket: source.bucket, key: source.key)
        switch Preconditions(request, prefix: "x-amz-copy-source-").judge(content.record) {
        case .proceed: return (content, source.bucket)
        case .notModified, .failed:
            content.close()
            throw S3Error(.preconditionFailed, "At least one of the pre-conditions you specified did not hold")
        }
    }

    func copyObject(_ bucket: String, _ key: String) async throws -> Response {
        let directive: Walrus.CopyDirective
        switch request.header("x-amz-metadata-directive")?.uppercased() {
        case nil, "COPY": directive = .copy
        case "REPLACE": directive = .replace(try attributes())
        case let other?:
            throw S3Error(
                .invalidArgument, "Unknown metadata directive.",
                fields: [("ArgumentName", "x-amz-metadata-directive"), ("ArgumentValue", other)])
        }
        let (content, sourceBucket) = try await openSource()
        defer { content.close() }
        let record = try await walrus.copyObject(
            caller, source: content, sourceBucket: sourceBucket, bucket: bucket, key: key, directive: directive)
        return xml("CopyObjectResult") { writer in
            writer.element("LastModified", S3Clock.extended(record.modified))
            writer.element("ETag", "\"" + record.etag + "\"")
        }
    }

    func uploadPartCopy(_ bucket: String, _ key: String) async throws -> Response {
        let (number, upload) = try partNumberAndUpload()
        let (content, _) = try await openSource()
        defer { content.close() }
        var range = 0..<content.record.size
        if let text = request.header("x-amz-copy-source-range") {
            guard case .part(let part) = ByteRange(text, size: .max), !text.hasSuffix("-"), !text.hasPrefix("bytes=-")
            else {
                throw S3Error(
                    .invalidArgument,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
                        + "the zero-based offsets of the first and last bytes to copy",
                    fields: [("ArgumentName", "x-amz-copy-source-range"), ("ArgumentValue", text)])
            }
            guard part.upperBound <= content.record.size else {
                throw S3Error(
                    .invalidRange, "The requested range is not satisfiable",
                    fields: [("RangeRequested", text), ("ActualObjectSize", String(content.record.size))])
            }
            range = part
        }
        let part = try await walrus.uploadPart(
            caller, bucket: bucket, key: key, upload: upload, number: number,
            options: PutOptions(expectedSize: Int64(range.count)), body: ContentStream(content, range: range))
        return xml("CopyPartResult") { writer in
            writer.element("LastModified", S3Clock.extended(part.modified))
            writer.element("ETag", "\"" + part.etag + "\"")
        }
    }
}
