internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Walrus

/// The conditional headers of RFC 9110, section 13, on an object.
struct Preconditions {
    enum Outcome {
        case proceed
        case notModified
        case failed(String)
    }

    var match: String?
    var noneMatch: String?
    var modifiedSince: Int64?
    var unmodifiedSince: Int64?

    /// - Parameter prefix: empty, or `x-amz-copy-source-`.
    init(_ request: S3Request, prefix: String = "") {
        match = request.header(prefix + "if-match")
        noneMatch = request.header(prefix + "if-none-match")
        modifiedSince = request.header(prefix + "if-modified-since").flatMap(Timestamp.parseHTTP)
        unmodifiedSince = request.header(prefix + "if-unmodified-since").flatMap(Timestamp.parseHTTP)
    }

    private static func names(_ list: String, _ etag: String) -> Bool {
        list.split(separator: ",").contains { item in
            var text = item.filter { $0 != " " && $0 != "\"" }
            if text.hasPrefix("W/") { text.removeFirst(2) }
            return text == "*" || text == etag
        }
    }

    /// The condition of a write that was sent, for the one that it failed.
    static func named(_ request: S3Request, prefix: String = "") -> String {
        let names = ["If-Match", "If-None-Match", "If-Unmodified-Since", "If-Modified-Since"]
        return names.first { request.header(prefix + $0.lowercased()) != nil }.map { prefix + $0 } ?? "If-Match"
    }

    func judge(_ record: ObjectRecord) -> Outcome {
        let modified = record.modified / 1000
        if let match {
            if !Self.names(match, record.etag) { return .failed("If-Match") }
        } else if let unmodifiedSince, modified > unmodifiedSince {
            return .failed("If-Unmodified-Since")
        }
        if let noneMatch {
            if Self.names(noneMatch, record.etag) { return .notModified }
        } else if let modifiedSince, modified <= modifiedSince {
            return .notModified
        }
        return .proceed
    }
}

/// A `Range` header applied to a size.
enum ByteRange: Equatable {
    /// No range, or one that is not understood: everything.
    case whole
    case part(Range<Int64>)
    case unsatisfiable

    /// One range of bytes; several at once are answered with everything, as S3 does.
    init(_ header: String?, size: Int64) {
        self = .whole
        guard let header, header.hasPrefix("bytes=") else { return }
        let text = header.dropFirst(6)
        guard !text.contains(","), let dash = text.firstIndex(of: "-") else { return }
        let first = text[..<dash].filter { $0 != " " }
        let last = text[text.index(after: dash)...].filter { $0 != " " }
        // Digits only: Int64 would take a sign.
        guard (first + last).utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return }
        if first.isEmpty {
            guard !last.isEmpty else { return }
            let count = Int64(last) ?? .max
            self = count == 0 || size == 0 ? .unsatisfiable : .part(max(size - count, 0)..<size)
            return
        }
        let start = Int64(first) ?? .max
        let end = last.isEmpty ? Int64.max : (Int64(last) ?? .max)
        guard start <= end else { return }
        self = start >= size ? .unsatisfiable : .part(start..<min(end, size - 1) + 1)
    }
}

extension S3Call {
    /// Query parameters with which a signed caller sets headers of the answer.
    private static let overrides = [
        ("response-cache-control", "cache-control"), ("response-content-disposition", "content-disposition"),
        ("response-content-encoding", "content-encoding"), ("response-content-language", "content-language"),
        ("response-content-type", "content-type"), ("response-expires", "expires"),
    ]

    private func headers(_ record: ObjectRecord, _ state: BucketState) throws -> HTTPFields {
        var headers = HTTPFields()
        versionHeader(record, state, &headers)
        encryptionHeaders(record.attributes.encryption, &headers)
        expirationHeader(record, state, &headers)
        if let tags = record.attributes.tags { headers[text: "x-amz-tagging-count"] = String(tags.count) }
        if let target = record.attributes.redirect { headers[text: "x-amz-website-redirect-location"] = target }
        if let retention = record.attributes.retention {
            headers[text: "x-amz-object-lock-mode"] = retention.mode.rawValue
            headers[text: "x-amz-object-lock-retain-until-date"] = S3Clock.extended(retention.until)
        }
        if let isHeld = record.attributes.legalHold {
            headers[text: "x-amz-object-lock-legal-hold"] = isHeld ? "ON" : "OFF"
        }
        headers[.eTag] = "\"" + record.etag + "\""
        // For the cloud controller, which registers images by it.
        if let sha256 = record.sha256 { headers[text: S3Header.digest] = sha256 }
        headers[.lastModified] = Timestamp.http(record.modified / 1000)
        headers[.acceptRanges] = "bytes"
        headers[.contentType] = "binary/octet-stream"
        for (name, value) in record.attributes.headers { headers[text: name] = value }
        for (name, value) in record.attributes.metadata { headers[text: "x-amz-meta-" + name] = value }
        for (parameter, name) in Self.overrides {
            guard let value = request[parameter] else { continue }
            guard caller.principal != nil else {
                throw S3Error(
                    .invalidRequest, "Request specific response headers cannot be used for anonymous GET requests.")
            }
            guard HTTPField.isValidValue(value) else {
                throw S3Error(
                    .invalidArgument, "Header value cannot be represented.", fields: [("ArgumentName", parameter)])
            }
            headers[text: name] = value
        }
        return headers
    }

    /// The answer without its body; nil as range if there is none to send.
    private func head(_ record: ObjectRecord, _ state: BucketState, _ parts: [ObjectPart]) throws -> (
        status: HTTPResponse.Status, headers: HTTPFields, range: Range<Int64>?
    ) {
        if let asked = request.header("x-amz-server-side-encryption") {
            throw S3Error.argument(
                "x-amz-server-side-encryption", asked,
                "x-amz-server-side-encryption header is not supported for this operation.")
        }
        var headers = try headers(record, state)
        switch Preconditions(request).judge(record) {
        case .proceed: break
        case .notModified:
            headers[.contentType] = nil
            return (.notModified, headers, nil)
        case .failed(let condition):
            throw S3Error(
                .preconditionFailed, "At least one of the pre-conditions you specified did not hold",
                fields: [("Condition", condition)])
        }
        if let part = try partRange(record, parts, &headers) {
            headers[.contentLength] = String(part.count)
            guard part.count > 0 else { return (.partialContent, headers, part) }
            headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(record.size)"
            return (.partialContent, headers, part)
        }
        switch ByteRange(request.header("range"), size: record.size) {
        case .whole:
            if request.header("x-amz-checksum-mode")?.uppercased() == "ENABLED" {
                checksumHeaders(record.attributes.checksum, &headers)
            }
            headers[.contentLength] = String(record.size)
            return (.ok, headers, 0..<record.size)
        case .part(let range):
            headers[.contentLength] = String(range.count)
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(record.size)"
            return (.partialContent, headers, range)
        case .unsatisfiable:
            throw S3Error(
                .invalidRange, "The requested range is not satisfiable",
                fields: [
                    ("RangeRequested", request.header("range") ?? ""), ("ActualObjectSize", String(record.size)),
                ])
        }
    }

    /// The stretch that `partNumber` asks for; nil without it.
    private func partRange(
        _ record: ObjectRecord, _ parts: [ObjectPart], _ headers: inout HTTPFields
    ) throws -> Range<Int64>? {
        guard let text = request["partNumber"] else { return nil }
        guard request.header("range") == nil else {
            throw S3Error(.invalidRequest, "Cannot specify both Range header and partNumber query parameter")
        }
        guard let number = Int(text), (1...10_000).contains(number) else {
            throw S3Error.argument(
                "partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
        }
        let outside = S3Error(
            .invalidPart, "The requested partnumber is not satisfiable", fields: [("PartNumber", text)])
        guard !parts.isEmpty else {
            guard number == 1 else { throw outside }
            return 0..<record.size
        }
        var start: Int64 = 0
        for part in parts {
            if part.number == number {
                headers[text: "x-amz-mp-parts-count"] = String(parts.count)
                if let checksum = part.checksum, request.header("x-amz-checksum-mode")?.uppercased() == "ENABLED" {
                    headers[text: checksum.algorithm.headerName] = checksum.value
                    let isComposite = record.attributes.checksum?.isComposite ?? true
                    headers[text: S3Header.checksumType] = isComposite ? "COMPOSITE" : "FULL_OBJECT"
                }
                return start..<start + part.size
            }
            start += part.size
        }
        throw outside
    }

    func headObject(_ bucket: String, _ key: String) async throws -> Response {
        let customer = try customerKey()
        if request["partNumber"] != nil {
            let (content, state) = try await walrus.getObject(
                caller, bucket: bucket, key: key, version: version, customerKey: customer)
            defer { content.close() }
            let answer = try head(content.record, state, content.parts)
            return bodyless(answer.status, answer.headers)
        }
        let (record, state) = try await walrus.headObject(
            caller, bucket: bucket, key: key, version: version, customerKey: customer)
        let answer = try head(record, state, [])
        return bodyless(answer.status, answer.headers)
    }

    private func bodyless(_ status: HTTPResponse.Status, _ headers: HTTPFields) -> Response {
        var response = Response(status: status, headers: headers)
        if status == .notModified { response.headers[.contentLength] = nil }
        return response
    }

    func getObject(_ bucket: String, _ key: String) async throws -> Response {
        let (content, state) = try await walrus.getObject(
            caller, bucket: bucket, key: key, version: version, customerKey: try customerKey()
        ) { content in
            var unused = HTTPFields()
            _ = try partRange(content.record, content.parts, &unused)
        }
        do {
            let answer = try head(content.record, state, content.parts)
            guard let range = answer.range else {
                content.close()
                return bodyless(answer.status, answer.headers)
            }
            if range.count <= ContentStream.chunkSize {
                // One buffer is one write with the head.
                let buffer = try await content.read(at: range.lowerBound, count: range.count)
                content.close()
                guard buffer.readableBytes == range.count else {
                    throw ObjectStoreError.failed("the object \(key) is shorter than its record")
                }
                return Response(
                    status: answer.status, headers: answer.headers, body: ResponseBody(byteBuffer: buffer))
            }
            let body = ResponseBody(contentLength: range.count) { writer in
                // The object's last reference goes with this closure if it is never called.
                defer { content.close() }
                let rest = try await sendFiles(content, range)
                var iterator = ContentStream(content, range: rest).makeAsyncIterator()
                while let buffer = try await iterator.next() {
                    try await writer.write(buffer)
                    try await drained()
                }
                try await writer.finish(nil)
            }
            return Response(status: answer.status, headers: answer.headers, body: body)
        } catch {
            content.close()
            throw error
        }
    }
    /// Bytes that go out of a file in one piece: what a slow reader may have waiting in the system's memory.
    private static let fileStretch = 4 << 20

    /// Sends what lies in files past this process, where the connection can do that.
    ///
    /// - Returns: what is left to be read and written.
    private func sendFiles(_ content: any ObjectContent, _ range: Range<Int64>) async throws -> Range<Int64> {
        guard let fileSender else { return range }
        var position = range.lowerBound
        while position < range.upperBound {
            let limit = Int(min(range.upperBound - position, Int64(Self.fileStretch)))
            guard let stretch = try await content.stretch(at: position, limit: limit) else { break }
            try await fileSender(stretch.descriptor, stretch.offset, stretch.count)
            position += Int64(stretch.count)
        }
        return position..<range.upperBound
    }
}
