internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import S3
internal import Signatures
internal import Walrus
internal import XML

/// An answer of REST, all of it.
struct Outcome: Sendable {
    let status: Int
    let headers: HTTPFields
    let body: [UInt8]

    /// Reads the body to its end.
    ///
    /// - Parameter largest: the most bytes; more is refused.
    init(_ response: Response, largest: Int) async throws {
        status = Int(response.status.code)
        headers = response.headers
        let collector = Collector(largest: largest)
        try await response.body.write(collector)
        body = collector.bytes
    }

    private final class Collector: ResponseBodyWriter {
        private let largest: Int
        private(set) var bytes: [UInt8] = []

        init(largest: Int) { self.largest = largest }

        func write(_ buffer: ByteBuffer) async throws {
            guard bytes.count + buffer.readableBytes <= largest else {
                throw S3SOAPFault("Client.InlineDataTooLarge", "The object is too large for an answer; get it by REST.")
            }
            bytes += Array(buffer.readableBytesView)
        }

        func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }

    /// The document that the body is.
    func document() throws -> XMLElement {
        do throws(XMLError) {
            return try XMLElement.parse(body, limits: XMLLimits(bytes: 8 << 20, depth: 16, elements: 100_000))
        } catch {
            throw S3SOAPFault.internalError("an answer of REST cannot be read: \(error.description)")
        }
    }

    func header(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
}

/// One call, put as REST's request, and REST's answer as the call's result.
struct Call: Sendable {
    let operation: Schema.Operation
    let arguments: Arguments
    let principal: WalrusPrincipal?
    let largestData: Int
    let perform: @Sendable (S3InnerRequest) async throws -> Outcome

    /// The element in the answer; nil for an answer without any.
    func result() async throws -> XMLElement? {
        switch operation.name {
        case "ListAllMyBuckets": return try await send(.get, bucket: nil).document()
        case "CreateBucket":
            let bucket = try arguments.required("Bucket")
            try await send(.put, bucket: bucket, headers: try grants())
            return Self.element("", [("BucketName", bucket)])
        case "DeleteBucket":
            try await send(.delete, bucket: try arguments.required("Bucket"))
            return Self.element("", [("Code", "204"), ("Description", "No Content")])
        case "ListBucket": return try await listBucket()
        case "GetBucketAccessControlPolicy", "GetBucketLoggingStatus", "GetObjectAccessControlPolicy":
            return try await send(
                .get, bucket: try arguments.required("Bucket"), key: try object(), query: [(setting, "")]
            ).document()
        case "SetBucketAccessControlPolicy", "SetObjectAccessControlPolicy":
            try await setAccess()
            return nil
        case "SetBucketLoggingStatus":
            try await setLogging()
            return nil
        case "GetObject", "GetObjectExtended": return try await getObject()
        case "PutObjectInline": return try await putObject()
        case "CopyObject": return try await copyObject()
        case "DeleteObject":
            try await send(.delete, bucket: try arguments.required("Bucket"), key: try arguments.required("Key"))
            return Self.element("", [("Code", "200"), ("Description", "OK")])
        default: throw S3SOAPFault.unknownOperation(operation.name)
        }
    }

    private var setting: String { operation.name.hasSuffix("LoggingStatus") ? "logging" : "acl" }

    /// The key, for operations on objects.
    private func object() throws -> String? {
        operation.request.contains { $0.name == "Key" } ? try arguments.required("Key") : nil
    }

    static func element(_ name: String, _ texts: [(name: String, text: String)]) -> XMLElement {
        XMLElement(
            localName: name,
            content: texts.map { .element(XMLElement(localName: $0.name, content: [.text($0.text)])) })
    }

    @discardableResult
    private func send(
        _ method: HTTPRequest.Method, bucket: String?, key: String? = nil, query: [(name: String, value: String)] = [],
        headers: HTTPFields = HTTPFields(), body: [UInt8] = []
    ) async throws -> Outcome {
        let outcome = try await perform(
            S3InnerRequest(
                logName: "SOAP." + operation.name.uppercased(), method: method, bucket: bucket, key: key, query: query,
                headers: headers, body: body, principal: principal))
        switch outcome.status {
        case 200..<300: return outcome
        case 304: throw S3SOAPFault("Client.NotModified", "The object was not modified.")
        default: throw S3SOAPFault(try outcome.document(), status: outcome.status)
        }
    }

    // MARK: Buckets

    private func listBucket() async throws -> XMLElement {
        var query: [(name: String, value: String)] = []
        for (argument, name) in [("Prefix", "prefix"), ("Marker", "marker"), ("Delimiter", "delimiter")] {
            if let text = arguments.text(argument) { query.append((name, text)) }
        }
        if let most = try arguments.number("MaxKeys") { query.append(("max-keys", String(most))) }
        return try await send(.get, bucket: try arguments.required("Bucket"), query: query).document()
    }

    /// Lists are set as a document, since headers cannot say that there is no grant at all.
    private func setAccess() async throws {
        let (bucket, key) = (try arguments.required("Bucket"), try object())
        var writer = XMLWriter()
        writer.open("AccessControlPolicy", namespace: Schema.namespace)
        if let list = arguments["AccessControlList"] {
            writer.element("AccessControlList") { Self.write(list, &$0) }
        } else {
            // AWS: without a list, the owner alone has access.
            let present = try await send(.get, bucket: bucket, query: [("acl", "")]).document()
            let owner = Self.element("Grantee", [("ID", present.child("Owner")?.child("ID")?.text ?? "")])
            writer.element("AccessControlList") { writer in
                writer.element("Grant") { writer in
                    Self.write(owner, &writer)
                    writer.element("Permission", "FULL_CONTROL")
                }
            }
        }
        writer.close()
        try await send(.put, bucket: bucket, key: key, query: [("acl", "")], body: writer.bytes)
    }

    /// A list of grants, or a grantee, as REST reads it.
    private static func write(_ element: XMLElement, _ writer: inout XMLWriter) {
        if element.localName == "Grantee" {
            writer.element("Grantee") { writer in
                for child in element.children { writer.element(child.localName, child.trimmedText) }
            }
            return
        }
        for grant in element.children("Grant") {
            writer.element("Grant") { writer in
                if let grantee = grant.child("Grantee") { write(grantee, &writer) }
                writer.element("Permission", grant.child("Permission")?.trimmedText ?? "")
            }
        }
    }

    private func setLogging() async throws {
        guard let status = arguments["BucketLoggingStatus"] else {
            throw S3SOAPFault.invalid("BucketLoggingStatus is missing.")
        }
        var writer = XMLWriter()
        writer.open("BucketLoggingStatus", namespace: Schema.namespace)
        if let enabled = status.child("LoggingEnabled") {
            writer.element("LoggingEnabled") { writer in
                for name in ["TargetBucket", "TargetPrefix"] {
                    if let child = enabled.child(name) { writer.element(name, child.text) }
                }
                if let grants = enabled.child("TargetGrants") {
                    writer.element("TargetGrants") { Self.write(grants, &$0) }
                }
            }
        }
        writer.close()
        try await send(.put, bucket: try arguments.required("Bucket"), query: [("logging", "")], body: writer.bytes)
    }

    // MARK: Objects

    private func getObject() async throws -> XMLElement {
        let (bucket, key) = (try arguments.required("Bucket"), try arguments.required("Key"))
        let wantsData = try arguments.flag("GetData")
        if wantsData, try !arguments.flag("InlineData") {
            throw S3SOAPFault(
                "Client.NotImplemented", "Attachments are not implemented. Ask for the data inline, or by REST.")
        }
        var headers = HTTPFields()
        for name in ["IfModifiedSince", "IfUnmodifiedSince"] {
            if let text = arguments[name]?.trimmedText { try set(&headers, Self.header(name), text) }
        }
        for name in ["IfMatch", "IfNoneMatch"] where !arguments.all(name).isEmpty {
            try set(&headers, Self.header(name), arguments.all(name).map(\.trimmedText).joined(separator: ", "))
        }
        let (start, end) = (try arguments.number("ByteRangeStart"), try arguments.number("ByteRangeEnd"))
        if start != nil || end != nil {
            try set(&headers, "range", "bytes=\(start ?? 0)-\(end.map { String($0) } ?? "")")
        }
        var outcome: Outcome
        do {
            outcome = try await fetch(bucket, key, headers, wantsData)
        } catch let fault as S3SOAPFault where fault.code == "Client.PreconditionFailed" && headers[.range] != nil {
            guard try arguments.flag("ReturnCompleteObjectOnConditionFailure") else { throw fault }
            outcome = try await fetch(bucket, key, HTTPFields(), wantsData)
        }
        var content: [XMLContent] = []
        let reason = outcome.status == 206 ? "Partial Content" : "OK"
        content.append(
            .element(Self.element("Status", [("Code", String(outcome.status)), ("Description", reason)])))
        if try arguments.flag("GetMetadata") {
            for field in outcome.headers {
                let name = field.name.canonicalName
                let shown: String? =
                    name.hasPrefix("x-amz-meta-")
                    ? String(name.dropFirst("x-amz-meta-".count)) : Self.described[name]
                if let shown {
                    content.append(.element(Self.element("Metadata", [("Name", shown), ("Value", field.value)])))
                }
            }
        }
        if wantsData {
            content.append(
                .element(XMLElement(localName: "Data", content: [.text(Base64.encode(outcome.body))])))
        }
        let modified = outcome.headers[.lastModified].flatMap(Timestamp.parseHTTP) ?? 0
        for (name, text) in [
            ("LastModified", Timestamp.extended(modified)), ("ETag", outcome.headers[.eTag] ?? ""),
        ] {
            content.append(.element(XMLElement(localName: name, content: [.text(text)])))
        }
        return XMLElement(localName: "", content: content)
    }

    private func fetch(_ bucket: String, _ key: String, _ headers: HTTPFields, _ wantsData: Bool) async throws
        -> Outcome
    {
        let outcome = try await send(wantsData ? .get : .head, bucket: bucket, key: key, headers: headers)
        guard !wantsData || outcome.body.count <= largestData else {
            throw S3SOAPFault(
                "Client.InlineDataTooLarge",
                "Inline data exceeds the maximum allowed size of \(largestData) bytes. Get it by REST, or a range.")
        }
        return outcome
    }

    /// Headers that an object keeps, with their names in metadata.
    private static let described = [
        "content-type": "Content-Type", "content-length": "Content-Length", "content-encoding": "Content-Encoding",
        "content-disposition": "Content-Disposition", "content-language": "Content-Language",
        "cache-control": "Cache-Control", "expires": "Expires",
    ]

    private func putObject() async throws -> XMLElement {
        let (bucket, key) = (try arguments.required("Bucket"), try arguments.required("Key"))
        guard let text = arguments.text("Data") else { throw S3SOAPFault.invalid("Data is missing.") }
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        guard let data = Base64.decode(String(decoding: text.utf8.filter { !blanks.contains($0) }, as: UTF8.self))
        else { throw S3SOAPFault.invalid("Data is not Base64.") }
        guard data.count <= largestData else {
            throw S3SOAPFault(
                "Client.InlineDataTooLarge",
                "Inline data exceeds the maximum allowed size of \(largestData) bytes. Send it by REST.")
        }
        guard let length = try arguments.number("ContentLength") else {
            throw S3SOAPFault("Client.MissingContentLength", "You must provide the ContentLength.")
        }
        guard length == Int64(data.count) else {
            throw S3SOAPFault(
                "Client.IncompleteBody",
                "You did not provide the number of bytes specified by the ContentLength: \(data.count), not \(length).")
        }
        var headers = try metadata()
        headers.append(contentsOf: try grants())
        if let kind = arguments["StorageClass"]?.trimmedText { try set(&headers, "x-amz-storage-class", kind) }
        return Self.written(try await send(.put, bucket: bucket, key: key, headers: headers, body: data))
    }

    private static func written(_ outcome: Outcome) -> XMLElement {
        let modified = outcome.headers[.lastModified].flatMap(Timestamp.parseHTTP) ?? 0
        return element(
            "", [("ETag", outcome.headers[.eTag] ?? ""), ("LastModified", Timestamp.extended(modified))])
    }

    private func copyObject() async throws -> XMLElement {
        let source = (try arguments.required("SourceBucket"), try arguments.required("SourceKey"))
        var headers = try metadata()
        headers.append(contentsOf: try grants())
        let path = PercentEncoding.encode(source.0) + "/" + PercentEncoding.encode(source.1, keepingSlash: true)
        try set(&headers, "x-amz-copy-source", "/" + path)
        if let directive = arguments["MetadataDirective"]?.trimmedText {
            try set(&headers, "x-amz-metadata-directive", directive)
        }
        if let kind = arguments["StorageClass"]?.trimmedText { try set(&headers, "x-amz-storage-class", kind) }
        for name in ["IfModifiedSince", "IfUnmodifiedSince", "IfMatch", "IfNoneMatch"] {
            let texts = arguments.all("CopySource" + name).map(\.trimmedText)
            if !texts.isEmpty {
                try set(&headers, "x-amz-copy-source-" + Self.header(name), texts.joined(separator: ", "))
            }
        }
        return try await send(
            .put, bucket: try arguments.required("DestinationBucket"), key: try arguments.required("DestinationKey"),
            headers: headers
        ).document()
    }

    // MARK: Headers

    /// `if-modified-since` of `IfModifiedSince`.
    private static func header(_ name: String) -> String {
        var text = ""
        for character in name {
            if character.isUppercase, !text.isEmpty { text += "-" }
            text += character.lowercased()
        }
        return text
    }

    private func set(_ headers: inout HTTPFields, _ name: String, _ value: String) throws {
        guard let field = HTTPField.Name(name), HTTPField.isValidValue(value) else {
            throw S3SOAPFault(
                "Client.InvalidArgument",
                "\(S3SOAPFault.shortened(name)) has a name or value that cannot be kept: no line breaks, no control "
                    + "characters, and names of letters, digits and hyphens.")
        }
        headers.append(HTTPField(name: field, value: value))
    }

    /// Metadata: what HTTP has a header for becomes that, the rest is the user's own.
    private func metadata() throws -> HTTPFields {
        var headers = HTTPFields()
        for entry in arguments.all("Metadata") {
            guard let name = entry.child("Name")?.trimmedText, let value = entry.child("Value")?.text else {
                throw S3SOAPFault.invalid("A Metadata entry has a Name and a Value.")
            }
            let lower = name.lowercased()
            // The length is that of the data, whatever is said here.
            if lower == "content-length" { continue }
            let isOwn = Self.described[lower] == nil && lower != "content-md5"
            try set(&headers, isOwn ? "x-amz-meta-" + lower : lower, value)
        }
        return headers
    }

    /// The access control list as the headers with which REST creates something.
    private func grants() throws -> HTTPFields {
        var headers = HTTPFields()
        let names = [
            "READ": "read", "WRITE": "write", "READ_ACP": "read-acp", "WRITE_ACP": "write-acp",
            "FULL_CONTROL": "full-control",
        ]
        for grant in arguments["AccessControlList"]?.children("Grant") ?? [] {
            let kinds = [("ID", "id"), ("URI", "uri"), ("EmailAddress", "emailAddress")]
            guard let permission = grant.child("Permission").flatMap({ names[$0.trimmedText] }),
                let grantee = grant.child("Grantee"),
                let (element, kind) = kinds.first(where: { grantee.child($0.0) != nil }),
                let value = grantee.child(element)?.trimmedText, !value.isEmpty,
                !value.contains(where: { ",\"=".contains($0) })
            else {
                throw S3SOAPFault(
                    "Client.MalformedACLError", "A Grant has a Permission and a Grantee with ID, URI or EmailAddress.")
            }
            let name = "x-amz-grant-" + permission
            let present = HTTPField.Name(name).flatMap { headers[$0] }
            if let field = HTTPField.Name(name), present != nil { headers[field] = nil }
            try set(&headers, name, (present.map { $0 + ", " } ?? "") + "\(kind)=\"\(value)\"")
        }
        return headers
    }
}
