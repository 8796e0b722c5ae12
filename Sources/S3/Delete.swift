internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    func deleteObject(_ bucket: String, _ key: String) async throws -> Response {
        var deletion = Deletion(key: key, version: version, etag: request.header("if-match").map(unquoted))
        if let text = request.header("x-amz-if-match-last-modified-time") {
            guard let time = Timestamp.parseHTTP(text) else {
                throw S3Error.argument("x-amz-if-match-last-modified-time", text, "It is no date.")
            }
            deletion.modified = time
        }
        if let text = request.header("x-amz-if-match-size") {
            guard let size = Int64(text) else {
                throw S3Error.argument("x-amz-if-match-size", text, "It is no number.")
            }
            deletion.size = size
        }
        let results = try await walrus.deleteObjects(caller, bucket: bucket, [deletion], bypass: bypassesGovernance)
        guard let deleted = try results.first?.get() else { return noContent() }
        await emit(deleted, bucket)
        var response = noContent()
        if let version = deleted.version, try await walrus.state(caller, bucket).record.versioning != .never {
            response.headers[text: S3Header.versionID] = version
        }
        if deleted.isMarker { response.headers[text: "x-amz-delete-marker"] = "true" }
        return response
    }

    private func emit(_ deleted: Deleted, _ bucket: String) async {
        let isMarker = deleted.isMarker && deleted.removed == nil
        await emit(
            isMarker ? "ObjectRemoved:DeleteMarkerCreated" : "ObjectRemoved:Delete", bucket, deleted.key,
            deleted.removed)
    }

    func deleteObjects(_ bucket: String) async throws -> Response {
        let root = try parse(try await document(limit: 4 << 20), root: "Delete")
        let quiet = root.child("Quiet")?.trimmedText == "true"
        let objects = root.children("Object")
        guard (1...1000).contains(objects.count) else {
            throw S3Error.malformed("A Delete document names 1 to 1000 objects.")
        }
        let deletions = try objects.map { object in
            guard let key = object.child("Key")?.text, !key.isEmpty else {
                throw S3Error.malformed("An Object of a Delete document has no Key.")
            }
            var deletion = Deletion(
                key: key, version: text(object, "VersionId").flatMap { $0.isEmpty ? nil : $0 },
                etag: text(object, "ETag").map(unquoted))
            if let time = text(object, "LastModifiedTime") {
                guard let seconds = Timestamp.parseHTTP(time) else {
                    throw S3Error.malformed("LastModifiedTime is no date.")
                }
                deletion.modified = seconds
            }
            if let size = text(object, "Size") {
                guard let bytes = Int64(size) else { throw S3Error.malformed("Size is no number.") }
                deletion.size = bytes
            }
            return deletion
        }
        let results = try await walrus.deleteObjects(caller, bucket: bucket, deletions, bypass: bypassesGovernance)
        let hasVersions = try await walrus.state(caller, bucket).record.versioning != .never
        for (deletion, result) in zip(deletions, results) {
            switch result {
            case .success(let deleted):
                batch.note(deletion, nil)
                await emit(deleted, bucket)
            case .failure(let error): batch.note(deletion, S3Error(error))
            }
        }
        return xml("DeleteResult") { writer in
            for (deletion, result) in zip(deletions, results) {
                switch result {
                case .success(let deleted):
                    if quiet { continue }
                    writer.element("Deleted") { writer in
                        writer.element("Key", deleted.key)
                        if let version = deletion.version { writer.element("VersionId", version) }
                        if deleted.isMarker, hasVersions {
                            writer.element("DeleteMarker", true)
                            if let version = deleted.version { writer.element("DeleteMarkerVersionId", version) }
                        }
                    }
                case .failure(let error):
                    let failure = S3Error(error)
                    writer.element("Error") { writer in
                        writer.element("Key", deletion.key)
                        if let version = deletion.version { writer.element("VersionId", version) }
                        writer.element("Code", failure.code.rawValue)
                        writer.element("Message", failure.message)
                    }
                }
            }
        }
    }
}
