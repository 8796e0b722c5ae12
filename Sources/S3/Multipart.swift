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
        let upload = try await walrus.createUpload(caller, bucket: bucket, key: key, attributes: try attributes())
        return xml("InitiateMultipartUploadResult") { writer in
            writer.element("Bucket", bucket)
            writer.element("Key", key)
            writer.element("UploadId", upload.id)
        }
    }

    func uploadPart(_ bucket: String, _ key: String) async throws -> Response {
        let (number, upload) = try partNumberAndUpload()
        let incoming = try IncomingBody(self)
        let part = try await walrus.uploadPart(
            caller, bucket: bucket, key: key, upload: upload, number: number,
            options: try incoming.options(ObjectAttributes()), body: incoming.stream)
        var headers = HTTPFields()
        headers[.eTag] = "\"" + part.etag + "\""
        if let checksum = part.checksum {
            headers[text: checksum.algorithm.headerName] = checksum.value
        }
        return Response(status: .ok, headers: headers)
    }

    func completeUpload(_ bucket: String, _ key: String) async throws -> Response {
        let root = try parse(try await document(limit: 8 << 20), root: "CompleteMultipartUpload")
        let parts = try root.children("Part").map { part in
            guard let text = part.child("PartNumber")?.trimmedText, let number = Int(text),
                let etag = part.child("ETag")?.trimmedText
            else { throw S3Error(.malformedXML, "A Part has no valid PartNumber or no ETag.") }
            return CompletedPart(number: number, etag: unquoted(etag))
        }
        let record = try await walrus.completeUpload(
            caller, bucket: bucket, key: key, upload: uploadID, parts: parts, condition: try writeCondition())
        return xml("CompleteMultipartUploadResult") { writer in
            writer.element("Location", "http://" + request.authority + request.rawPath)
            writer.element("Bucket", bucket)
            writer.element("Key", key)
            writer.element("ETag", "\"" + record.etag + "\"")
        }
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
        return xml("ListPartsResult") { writer in
            writer.element("Bucket", bucket)
            writer.element("Key", encoding(key))
            writer.element("UploadId", upload.id)
            owner(&writer, "Initiator", id: upload.owner)
            owner(&writer, id: upload.owner)
            writer.element("StorageClass", "STANDARD")
            writer.element("PartNumberMarker", marker)
            writer.element("NextPartNumberMarker", parts.last?.number ?? marker)
            writer.element("MaxParts", limit)
            writer.element("IsTruncated", found.count > limit)
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
                    writer.element("StorageClass", "STANDARD")
                    writer.element("Initiated", S3Clock.extended(upload.initiated))
                }
            }
            commonPrefixes(&writer, page.commonPrefixes, encoding)
        }
    }
}
