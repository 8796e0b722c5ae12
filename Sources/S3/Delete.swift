internal import Hummingbird
internal import Walrus
internal import XML

extension S3Call {
    func deleteObject(_ bucket: String, _ key: String) async throws -> Response {
        try await walrus.deleteObjects(caller, bucket: bucket, keys: [key])
        return noContent()
    }

    func deleteObjects(_ bucket: String) async throws -> Response {
        let root = try parse(try await document(limit: 4 << 20), root: "Delete")
        let quiet = root.child("Quiet")?.trimmedText == "true"
        let objects = root.children("Object")
        guard (1...1000).contains(objects.count) else {
            throw S3Error(.malformedXML, "A Delete document names 1 to 1000 objects.")
        }
        var keys: [String] = []
        for object in objects {
            guard let key = object.child("Key")?.text, !key.isEmpty else {
                throw S3Error(.malformedXML, "An Object of a Delete document has no Key.")
            }
            if let version = object.child("VersionId")?.trimmedText, version != "null" {
                throw S3Error(.notImplemented, "Versions are not implemented.", fields: [("Key", key)])
            }
            keys.append(key)
        }
        try await walrus.deleteObjects(caller, bucket: bucket, keys: keys)
        return xml("DeleteResult") { writer in
            guard !quiet else { return }
            for key in keys { writer.element("Deleted") { $0.element("Key", key) } }
        }
    }
}
