internal import Hummingbird
internal import ObjectStore
internal import Walrus
internal import XML

/// Access control lists as they follow from `OwnerAccess`: the owner has everything. They cannot be changed yet.
extension S3Call {
    private func accessControlPolicy(owner id: String) -> Response {
        xml("AccessControlPolicy") { writer in
            owner(&writer, id: id)
            writer.element("AccessControlList") { writer in
                writer.element("Grant") { writer in
                    writer.open(
                        "Grantee",
                        [("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"), ("xsi:type", "CanonicalUser")])
                    writer.element("ID", id)
                    writer.element("DisplayName", caller.principal?.accountID == id ? ownName : id)
                    writer.close()
                    writer.element("Permission", "FULL_CONTROL")
                }
            }
        }
    }

    private var ownName: String { caller.principal?.displayName ?? "" }

    func getBucketACL(_ bucket: String) async throws -> Response {
        accessControlPolicy(owner: try await walrus.headBucket(caller, name: bucket).owner)
    }

    /// Objects belong to the owner of their bucket.
    func getObjectACL(_ bucket: String, _ key: String) async throws -> Response {
        _ = try await walrus.headObject(caller, bucket: bucket, key: key)
        return accessControlPolicy(owner: try await walrus.headBucket(caller, name: bucket).owner)
    }
}
