// Access control lists as documents and headers.

internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Walrus
internal import XML

extension S3Call {
    private func accessControlPolicy(owner id: String, _ list: AccessControlList) async throws -> Response {
        try await names.learn([id])
        try await names.learn(list.grants)
        return xml("AccessControlPolicy") { writer in
            owner(&writer, id: id)
            writer.element("AccessControlList") { writer in
                // Groups first: clients take the first grant with a name for the owner's.
                for grant in list.grants.filter({ $0.grantee.uri != nil })
                    + list.grants.filter({ $0.grantee.uri == nil })
                {
                    self.grant(&writer, grant)
                }
            }
        }
    }

    func grant(_ writer: inout XMLWriter, _ grant: Grant) {
        writer.element("Grant") { writer in
            grantee(&writer, grant.grantee)
            writer.element("Permission", grant.permission.rawValue)
        }
    }

    private func grantee(_ writer: inout XMLWriter, _ grantee: Grantee) {
        let kind = grantee.uri == nil ? "CanonicalUser" : "Group"
        writer.open(
            "Grantee", [("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"), ("xsi:type", kind)])
        if let uri = grantee.uri {
            writer.element("URI", uri)
        } else if case .account(let id) = grantee {
            writer.element("ID", id)
            writer.element("DisplayName", displayName(id))
        }
        writer.close()
    }

    /// The name shown for an account.
    func displayName(_ id: String) -> String {
        caller.principal.flatMap { $0.accountID == id ? $0.displayName : nil } ?? names[id]
    }

    // MARK: Reading

    private static let grantHeaders: [(name: String, permission: Permission)] = [
        ("x-amz-grant-read", .read), ("x-amz-grant-write", .write), ("x-amz-grant-read-acp", .readACP),
        ("x-amz-grant-write-acp", .writeACP), ("x-amz-grant-full-control", .fullControl),
    ]

    /// Whether headers name an access control list.
    var hasACLHeaders: Bool {
        request.header("x-amz-acl") != nil || Self.grantHeaders.contains { request.header($0.name) != nil }
    }

    /// The list that headers name, to be made once the owners are known; nil if they name none.
    func headerACL(
        canned name: String? = nil
    ) async throws -> (@Sendable (_ owner: String, _ bucketOwner: String) throws -> AccessControlList)? {
        let canned = name ?? request.header("x-amz-acl")
        var grants: [Grant] = []
        for (header, permission) in Self.grantHeaders {
            guard let value = request.header(header) else { continue }
            for piece in value.split(separator: ",") {
                let parts = piece.split(separator: "=", maxSplits: 1).map {
                    String($0).trimmingXMLWhitespace().filter { $0 != "\"" }
                }
                guard parts.count == 2 else {
                    throw S3Error.argument(header, value, "Argument format not recognized")
                }
                grants.append(Grant(try await grantee(kind: parts[0].lowercased(), parts[1]), permission))
            }
        }
        if let canned {
            guard grants.isEmpty else {
                throw S3Error(.invalidRequest, "Specifying both Canned ACLs and Header Grants is not allowed")
            }
            guard AccessControlList.canned(canned, owner: "", bucketOwner: "") != nil else {
                throw S3Error.argument("x-amz-acl", canned, "")
            }
            return { owner, bucketOwner in
                AccessControlList.canned(canned, owner: owner, bucketOwner: bucketOwner) ?? .owned(by: owner)
            }
        }
        guard !grants.isEmpty else { return nil }
        let list = AccessControlList(grants: grants)
        return { _, _ in list }
    }

    private func grantee(kind: String, _ value: String) async throws -> Grantee {
        switch kind {
        case "id":
            if try await credentials.accountExists(value) == false {
                throw S3Error.argument("CanonicalUser/ID", value, "Invalid id")
            }
            return .account(value)
        case "uri":
            guard let group = Grantee(uri: value) else {
                throw S3Error.argument("Group/URI", value, "Invalid group uri")
            }
            return group
        case "emailaddress":
            guard let id = try await credentials.account(forEmail: value) else {
                throw S3Error(
                    .unresolvableGrantByEmailAddress,
                    "The e-mail address you provided does not match any account on record.",
                    fields: [("EmailAddress", value)])
            }
            return .account(id)
        default: throw S3Error.argument(kind, value, "Argument format not recognized")
        }
    }

    /// The list of an AccessControlPolicy document.
    private func readACL(_ bytes: [UInt8], owner: String) async throws -> AccessControlList {
        let root: XMLElement
        do {
            root = try parse(bytes, root: "AccessControlPolicy")
        } catch {
            throw S3Error(
                .malformedACLError,
                "The XML you provided was not well-formed or did not validate against our published schema")
        }
        let named = root.child("Owner")?.child("ID")?.trimmedText
        // SOAP's message has no owner.
        guard named != nil || request.isInner else {
            throw S3Error(.malformedACLError, "An AccessControlPolicy has an Owner with an ID.")
        }
        guard named == nil || named == owner else { throw S3Error(.accessDenied, "Access Denied") }
        let items = root.child("AccessControlList")?.children("Grant") ?? []
        guard items.count <= 100 else {
            throw S3Error(.malformedACLError, "An access control list has at most 100 grants.")
        }
        var grants: [Grant] = []
        for item in items {
            guard let grantee = item.child("Grantee"),
                let permission = item.child("Permission").flatMap({ Permission(rawValue: $0.trimmedText) })
            else { throw S3Error(.malformedACLError, "A Grant has no Grantee or no valid Permission.") }
            grants.append(Grant(try await self.grantee(grantee), permission))
        }
        return AccessControlList(grants: grants)
    }

    /// Whom a Grantee element names.
    func grantee(_ element: XMLElement) async throws -> Grantee {
        if let id = text(element, "ID") { return try await grantee(kind: "id", id) }
        if let uri = text(element, "URI") { return try await grantee(kind: "uri", uri) }
        if let mail = text(element, "EmailAddress") { return try await grantee(kind: "emailaddress", mail) }
        throw S3Error(.malformedACLError, "A Grantee is neither an ID, a URI nor an EmailAddress.")
    }

    /// The list that a request to set one brings, in its headers or as a document.
    private func requestedACL(
        owner: String, bucketOwner: String, header: (@Sendable (String, String) throws -> AccessControlList)?,
        _ bytes: [UInt8]
    ) async throws -> AccessControlList {
        if let header {
            guard bytes.isEmpty else { throw S3Error(.unexpectedContent, "This request does not support content") }
            return try header(owner, bucketOwner)
        }
        guard !bytes.isEmpty else {
            throw S3Error(.missingSecurityHeader, "Your request was missing a required header: x-amz-acl")
        }
        return try await readACL(bytes, owner: owner)
    }

    func putBucketACL(_ bucket: String) async throws -> Response {
        let bytes = try await document()
        let header = try await headerACL()
        let state = try await walrus.authorised(caller, .putBucketACL, bucket)
        let owner = state.record.owner
        let list = try await requestedACL(owner: owner, bucketOwner: owner, header: header, bytes)
        try await walrus.putBucketACL(caller, bucket: bucket, list)
        return Response(status: .ok)
    }

    func getBucketACL(_ bucket: String) async throws -> Response {
        let state = try await walrus.authorised(caller, .getBucketACL, bucket)
        let owner = state.record.owner
        let isEnforced = state.settings.ownership == .enforced
        return try await accessControlPolicy(owner: owner, (isEnforced ? nil : state.settings.acl) ?? .owned(by: owner))
    }

    func getObjectACL(_ bucket: String, _ key: String) async throws -> Response {
        let (list, owner, object) = try await walrus.objectACL(caller, bucket: bucket, key: key, version: version)
        var response = try await accessControlPolicy(owner: owner, list)
        versionHeader(object, try await walrus.state(caller, bucket), &response.headers)
        return response
    }

    func putObjectACL(_ bucket: String, _ key: String) async throws -> Response {
        let bytes = try await document()
        let header = try await headerACL()
        let object = try await walrus.putObjectACL(caller, bucket: bucket, key: key, version: version) {
            try await requestedACL(owner: $0, bucketOwner: $1, header: header, bytes)
        }
        var headers = HTTPFields()
        versionHeader(object, try await walrus.state(caller, bucket), &headers)
        return Response(status: .ok, headers: headers)
    }

    /// `x-amz-version-id`, for buckets that have versions.
    func versionHeader(_ object: ObjectRecord, _ state: BucketState, _ headers: inout HTTPFields) {
        if state.record.versioning != .never { headers[text: S3Header.versionID] = object.versionID }
    }
}
