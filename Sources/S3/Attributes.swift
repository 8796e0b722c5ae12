internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    func getObjectAttributes(_ bucket: String, _ key: String) async throws -> Response {
        let asked = (request.header("x-amz-object-attributes") ?? "").split(separator: ",").map {
            String($0).trimmingXMLWhitespace()
        }
        guard !asked.isEmpty else {
            throw S3Error.argument("x-amz-object-attributes", "", "At least one attribute must be asked for.")
        }
        let known: Set<String> = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
        for name in asked where !known.contains(name) {
            throw S3Error.argument("x-amz-object-attributes", name, "Invalid attribute name specified.")
        }
        let most = try headerNumber("x-amz-max-parts", default: 1000)
        let marker = try headerNumber("x-amz-part-number-marker", default: 0)
        let (object, parts) = try await walrus.objectParts(
            caller, bucket: bucket, key: key, version: version, customerKey: try customerKey())
        let rest = parts.filter { $0.number > marker }
        let page = rest.prefix(most)
        let checksum = object.attributes.checksum
        var response = xml("GetObjectAttributesResponse") { writer in
            if asked.contains("ETag") { writer.element("ETag", object.etag) }
            if asked.contains("Checksum"), let checksum {
                writer.element("Checksum") { writer in
                    writer.element("Checksum" + checksum.algorithm.rawValue, checksum.value)
                    writer.element("ChecksumType", checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT")
                }
            }
            if asked.contains("ObjectParts"), !parts.isEmpty {
                writer.element("ObjectParts") { writer in
                    writer.element("PartsCount", parts.count)
                    writer.element("PartNumberMarker", marker)
                    writer.element("NextPartNumberMarker", page.last?.number ?? marker)
                    writer.element("MaxParts", most)
                    writer.element("IsTruncated", rest.count > page.count)
                    for part in page {
                        writer.element("Part") { writer in
                            writer.element("PartNumber", part.number)
                            writer.element("Size", part.size)
                            if let checksum = part.checksum {
                                writer.element("Checksum" + checksum.algorithm.rawValue, checksum.value)
                            }
                        }
                    }
                }
            }
            if asked.contains("StorageClass") { writer.element("StorageClass", object.storageClass) }
            if asked.contains("ObjectSize") { writer.element("ObjectSize", object.size) }
        }
        response.headers[.lastModified] = Timestamp.http(object.modified / 1000)
        versionHeader(object, try await walrus.state(caller, bucket), &response.headers)
        return response
    }

    private func headerNumber(_ name: String, default value: Int) throws -> Int {
        guard let text = request.header(name) else { return value }
        guard let number = Int(text), (0...10_000).contains(number) else {
            throw S3Error.argument(name, text, "Provided \(name) not an integer or within integer range")
        }
        return number
    }
}
