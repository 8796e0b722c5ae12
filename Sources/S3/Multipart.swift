internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Walrus
internal import XML

extension S3Call {
    func partNumberAndUpload() throws -> (number: Int, upload: String) {
        guard let text = request["partNumber"], let number = Int(text), let upload = request["uploadId"] else {
            throw S3Error(
                .invalidArgument, "Part number must be an integer between 1 and 10000, inclusive",
                fields: [("ArgumentName", "partNumber"), ("ArgumentValue", request["partNumber"] ?? "")])
        }
        return (number, upload)
    }

    private var uploadID: String { request["uploadId"] ?? "" }

    func createUpload(_ bucket: String, _ key: String) async throws -> Response {
        _ = try await walrus.authorised(caller, .putObject, bucket, key: key)
        var attributes = try attributes()
        let write = try await writeOptions(&attributes)
        attributes.checksum = try uploadChecksum()
        let upload = try await walrus.createUpload(
            caller, bucket: bucket, key: key, attributes: attributes, write: write)
        var response = xml("InitiateMultipartUploadResult") { writer in
            writer.element("Bucket", bucket)
            writer.element("Key", key)
            writer.element("UploadId", upload.id)
        }
        if let checksum = upload.attributes.checksum {
            response.headers[text: "x-amz-checksum-algorithm"] = checksum.algorithm.rawValue
            response.headers[text: S3Header.checksumType] = checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT"
        }
        encryptionHeaders(upload.attributes.encryption, &response.headers)
        return response
    }

    /// The algorithm and kind of checksum that the upload asks for.
    private func uploadChecksum() throws -> ObjectChecksum? {
        let type = request.header(S3Header.checksumType)?.uppercased()
        guard let name = request.header("x-amz-checksum-algorithm") else {
            guard type == nil else {
                throw S3Error(
                    .invalidRequest,
                    "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
            }
            return nil
        }
        guard let algorithm = ChecksumAlgorithm(rawValue: name.uppercased()) else {
            throw S3Error(.invalidRequest, ChecksumAlgorithm.unsupported)
        }
        let isHash = algorithm == .sha1 || algorithm == .sha256
        let isComposite: Bool
        switch type {
        case nil: isComposite = algorithm != .crc64nvme
        case "COMPOSITE": isComposite = true
        case "FULL_OBJECT": isComposite = false
        case let other?:
            throw S3Error.argument(S3Header.checksumType, other, "Value for x-amz-checksum-type header is invalid.")
        }
        guard isComposite ? algorithm != .crc64nvme : !isHash else {
            throw S3Error(
                .invalidRequest,
                "The \(isComposite ? "COMPOSITE" : "FULL_OBJECT") checksum type cannot be used with the \(algorithm.rawValue.lowercased()) checksum algorithm."
            )
        }
        return ObjectChecksum(algorithm: algorithm, value: "", isComposite: isComposite)
    }

    func uploadPart(_ bucket: String, _ key: String) async throws -> Response {
        let (number, upload) = try partNumberAndUpload()
        try refuseManagedKeys()
        let incoming = try IncomingBody(self, needsLength: true)
        var options = incoming.options(ObjectAttributes())
        options.hasSHA256 = incoming.hasSHA256
        let asked = try await walrus.uploadChecksum(caller, bucket: bucket, key: key, upload: upload)
        if let asked, let sent = options.checksum, sent != asked.algorithm {
            throw S3Error(
                .invalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: \(asked.algorithm.rawValue.lowercased()), actual checksum Type: \(sent.rawValue.lowercased())"
            )
        }
        if options.checksum == nil, let asked {
            // The client sends none; the whole's needs it.
            options.checksum = asked.algorithm
            let validate = options.validate
            options.validate = { digests in
                _ = try validate(digests)
                return digests.checksum.map { ObjectChecksum(algorithm: asked.algorithm, rawValue: $0) }
            }
        }
        let (part, encryption) = try await walrus.uploadPart(
            caller, bucket: bucket, key: key, upload: upload, number: number, options: options,
            customerKey: try customerKey(), body: incoming.stream)
        var headers = HTTPFields()
        headers[.eTag] = "\"" + part.etag + "\""
        if let checksum = part.checksum { headers[text: checksum.algorithm.headerName] = checksum.value }
        encryptionHeaders(encryption, &headers)
        return Response(status: .ok, headers: headers)
    }

    func completeUpload(_ bucket: String, _ key: String) async throws -> Response {
        let root = try parse(try await plainDocument(limit: 8 << 20), root: "CompleteMultipartUpload")
        var parts: [CompletedPart] = []
        for part in root.children("Part") {
            guard let number = text(part, "PartNumber").flatMap({ Int($0) }), let etag = text(part, "ETag") else {
                throw S3Error.malformed("A Part has no valid PartNumber or no ETag.")
            }
            let checksum = ChecksumAlgorithm.allCases.lazy.compactMap { text(part, "Checksum" + $0.rawValue) }.first
            // Of a part that was sent twice, and so is named twice, the last holds.
            if parts.last?.number == number { parts.removeLast() }
            parts.append(CompletedPart(number: number, etag: unquoted(etag), checksum: checksum))
        }
        var options = CompletionOptions(condition: try writeCondition())
        options.checksum = ChecksumAlgorithm.allCases.lazy.compactMap { request.header($0.headerName) }.first
        if let text = request.header("x-amz-mp-object-size") {
            guard let size = Int64(text), size >= 0 else {
                throw S3Error(.invalidRequest, "Value for x-amz-mp-object-size header is invalid.")
            }
            options.size = size
        }
        let record = try await walrus.completeUpload(
            caller, bucket: bucket, key: key, upload: uploadID, parts: parts, options: options,
            customerKey: try customerKey())
        await emit("ObjectCreated:CompleteMultipartUpload", bucket, key, record)
        var response = xml("CompleteMultipartUploadResult") { writer in
            writer.element("Location", "http://" + request.authority + request.rawPath)
            writer.element("Bucket", bucket)
            writer.element("Key", key)
            writer.element("ETag", "\"" + record.etag + "\"")
            if let checksum = record.attributes.checksum {
                writer.element("Checksum" + checksum.algorithm.rawValue, checksum.value)
                writer.element("ChecksumType", checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT")
            }
        }
        let state = try await walrus.state(caller, bucket)
        if !record.version.isEmpty { versionHeader(record, state, &response.headers) }
        encryptionHeaders(record.attributes.encryption, &response.headers)
        expirationHeader(record, state, &response.headers)
        return response
    }

    /// Who will own the object.
    private func uploadOwner(_ upload: UploadRecord, _ bucket: String) async throws -> String {
        if let owner = upload.attributes.owner { return owner }
        return try await walrus.state(caller, bucket).record.owner
    }

    func abortUpload(_ bucket: String, _ key: String) async throws -> Response {
        try await walrus.abortUpload(caller, bucket: bucket, key: key, upload: uploadID)
        return noContent()
    }

    func listParts(_ bucket: String, _ key: String) async throws -> Response {
        let encoding = try ListEncoding(request)
        let limit = try number("max-parts", default: 1000, in: 0...1000)
        let marker = try number("part-number-marker", default: 0, in: 0...10_000)
        let (upload, found) = try await walrus.listParts(
            caller, bucket: bucket, key: key, upload: uploadID, after: marker, limit: limit + 1)
        let parts = found.prefix(limit)
        let ownerID = try await uploadOwner(upload, bucket)
        try await names.learn([upload.owner, ownerID])
        return xml("ListPartsResult") { writer in
            writer.element("Bucket", bucket)
            writer.element("Key", encoding(key))
            writer.element("UploadId", upload.id)
            owner(&writer, "Initiator", id: upload.owner)
            owner(&writer, id: ownerID)
            writer.element("StorageClass", upload.attributes.storageClass)
            writer.element("PartNumberMarker", marker)
            writer.element("NextPartNumberMarker", parts.last?.number ?? marker)
            writer.element("MaxParts", limit)
            writer.element("IsTruncated", found.count > limit)
            if let checksum = upload.attributes.checksum {
                writer.element("ChecksumAlgorithm", checksum.algorithm.rawValue)
                writer.element("ChecksumType", checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT")
            }
            for part in parts {
                writer.element("Part") { writer in
                    writer.element("PartNumber", part.number)
                    writer.element("LastModified", S3Clock.extended(part.modified))
                    writer.element("ETag", "\"" + part.etag + "\"")
                    writer.element("Size", part.size)
                    if let checksum = part.checksum {
                        writer.element("Checksum" + checksum.algorithm.rawValue, checksum.value)
                    }
                }
            }
        }
    }

    func listUploads(_ bucket: String) async throws -> Response {
        let encoding = try ListEncoding(request)
        let limit = try number("max-uploads", default: 1000, in: 1...1000)
        let marker = request["key-marker"] ?? ""
        let uploadMarker = marker.isEmpty ? "" : request["upload-id-marker"] ?? ""
        let query = ListQuery(
            prefix: request["prefix"] ?? "", delimiter: request["delimiter"] ?? "", after: marker, limit: limit)
        let page = try await walrus.listUploads(caller, bucket: bucket, query, afterUpload: uploadMarker)
        try await names.learn(page.items.map(\.owner))
        return xml("ListMultipartUploadsResult") { writer in
            writer.element("Bucket", bucket)
            writer.element("KeyMarker", encoding(marker))
            writer.element("UploadIdMarker", uploadMarker)
            if let next = page.next {
                writer.element("NextKeyMarker", encoding(next))
                let last = page.items.last { $0.key.utf8.elementsEqual(next.utf8) }
                writer.element("NextUploadIdMarker", last?.id ?? "")
            }
            if !query.prefix.isEmpty { writer.element("Prefix", encoding(query.prefix)) }
            if !query.delimiter.isEmpty { writer.element("Delimiter", encoding(query.delimiter)) }
            if encoding.isURL { writer.element("EncodingType", "url") }
            writer.element("MaxUploads", limit)
            writer.element("IsTruncated", page.next != nil)
            for upload in page.items {
                writer.element("Upload") { writer in
                    writer.element("Key", encoding(upload.key))
                    writer.element("UploadId", upload.id)
                    owner(&writer, "Initiator", id: upload.owner)
                    owner(&writer, id: upload.owner)
                    writer.element("StorageClass", upload.attributes.storageClass)
                    writer.element("Initiated", S3Clock.extended(upload.initiated))
                    if let checksum = upload.attributes.checksum {
                        writer.element("ChecksumAlgorithm", checksum.algorithm.rawValue)
                        writer.element("ChecksumType", checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT")
                    }
                }
            }
            commonPrefixes(&writer, page.commonPrefixes, encoding)
        }
    }
}
