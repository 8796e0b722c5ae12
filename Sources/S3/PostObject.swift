// Uploads by a browser's form ("POST Object" of the S3 API Reference).

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

/// The rest of a form's body, once its fields are read. One task reads it at a time, from beginning to end, which is
/// why it may be handed to another.
private final class FormBody: AsyncSequence, @unchecked Sendable {
    private var base: RequestBody.AsyncIterator
    private var decoder: FormDecoder
    private var waiting: [FormDecoder.Event] = []
    private var size: Int64 = 0
    /// Bytes that the file may have.
    var most = Int64.max

    init(_ body: RequestBody, _ decoder: FormDecoder) {
        base = body.makeAsyncIterator()
        self.decoder = decoder
    }

    private func event() async throws -> FormDecoder.Event? {
        while waiting.isEmpty {
            var iterator = base
            let buffer = try await iterator.next()
            base = iterator
            guard let buffer else {
                try decoder.finish()
                return nil
            }
            waiting = try decoder.decode(buffer)
        }
        return waiting.removeFirst()
    }

    /// Reads up to the file.
    func fields() async throws -> (fields: [(name: String, value: String)], fileName: String, contentType: String?) {
        var fields: [(name: String, value: String)] = []
        while let event = try await event() {
            switch event {
            case .field(let name, let value): fields.append((name, value))
            case .file(let name, let contentType): return (fields, name, contentType)
            case .data, .end: break
            }
        }
        throw S3Error(
            .invalidArgument, "POST requires exactly one file upload per request.", fields: [("ArgumentName", "file")])
    }

    func next() async throws -> ByteBuffer? {
        while let event = try await event() {
            guard case .data(let buffer) = event else { continue }
            size += Int64(buffer.readableBytes)
            guard size <= most else {
                throw S3Error(
                    .entityTooLarge, "Your proposed upload exceeds the maximum allowed size",
                    fields: [("MaxSizeAllowed", String(most))])
            }
            return buffer
        }
        return nil
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        let body: FormBody

        mutating func next() async throws -> ByteBuffer? { try await body.next() }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }
}

extension S3Call {
    /// Fields that become headers of the same name.
    private static let asHeaders: Set<String> = [
        "cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "expires",
    ]

    func postObject(_ bucket: String) async throws -> Response {
        guard let decoder = FormDecoder(contentType: request.header("content-type")) else {
            throw S3Error(
                .preconditionFailed, "Bucket POST must be of the enclosure-type multipart/form-data")
        }
        let body = FormBody(self.body, decoder)
        let form = try await body.fields()
        var fields: [String: String] = [:]
        for field in form.fields { fields[field.name.lowercased()] = field.value }
        guard var key = fields["key"] else {
            throw S3Error.argument(
                "key", "",
                "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
            )
        }
        let fileName = form.fileName.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map { String($0) } ?? ""
        if let range = key.firstRange(of: "${filename}") { key.replaceSubrange(range, with: fileName) }
        fields["bucket"] = bucket
        let principal = try await formPrincipal(fields)
        var sizes: ClosedRange<Int64>?
        if let policy = fields["policy"] {
            sizes = try judge(policy, fields.merging(["key": key]) { $1 })
        }
        let call = formCall(fields, principal, fileType: form.contentType)
        return try await call.storeForm(bucket, key, fields, body, sizes: sizes)
    }

    /// Who signed the form; nil for nobody.
    private func formPrincipal(_ fields: [String: String]) async throws -> WalrusPrincipal? {
        guard let policy = fields["policy"] else {
            // Without a policy nothing is signed.
            return nil
        }
        let id: String
        let isV4 = fields["x-amz-credential"] != nil
        if let credential = fields["x-amz-credential"] {
            guard let key = PostPolicySignature.accessKeyID(ofCredential: credential) else {
                throw S3Error.argument("X-Amz-Credential", credential, "The credential is malformed.")
            }
            id = key
        } else {
            guard let key = fields["awsaccesskeyid"] else {
                throw S3Error.argument(
                    "AWSAccessKeyId", "",
                    "Bucket POST must contain a field named 'AWSAccessKeyId'.  If it is specified, please check the order of the fields."
                )
            }
            id = key
        }
        guard let signature = fields[isV4 ? "x-amz-signature" : "signature"] else {
            throw S3Error.argument(
                "Signature", "",
                "Bucket POST must contain a field named 'Signature'.  If it is specified, please check the order of the fields."
            )
        }
        let credential = try await credentials.good(id, sessionToken: fields["x-amz-security-token"])
        let isValid =
            isV4
            ? PostPolicySignature.isValid(
                policy: policy, signature: signature, credential: fields["x-amz-credential"] ?? "",
                secret: credential.secret)
            : PostPolicySignature.isValid(policy: policy, signature: signature, secret: credential.secret)
        guard isValid else {
            throw S3Error(
                .signatureDoesNotMatch,
                "The request signature we calculated does not match the signature you provided. Check your key and signing method."
            )
        }
        return credential.principal
    }

    private func judge(_ text: String, _ fields: [String: String]) throws -> ClosedRange<Int64>? {
        guard let bytes = Base64.decode(text) else {
            throw S3Error(.invalidPolicyDocument, "The policy is not Base64.")
        }
        let policy = try PostPolicy(bytes)
        try policy.check(fields, now: now)
        return policy.sizes
    }

    /// This call as if the fields were headers of a put.
    private func formCall(_ fields: [String: String], _ principal: WalrusPrincipal?, fileType: String?) -> S3Call {
        var headers = request.headers
        headers[.contentType] = nil
        for (name, value) in fields {
            guard HTTPField.isValidValue(value) else { continue }
            if Self.asHeaders.contains(name) || name.hasPrefix("x-amz-"), name != "x-amz-signature" {
                headers[text: name] = value
            }
        }
        headers[text: "x-amz-acl"] = fields["acl"] ?? headers[text: "x-amz-acl"]
        var made = request
        made.headers = headers
        let facts = S3Facts.of(
            made, principal: principal, source: caller.facts("aws:sourceip")?.first,
            isSecure: caller.facts("aws:securetransport") == ["true"], now: now)
        return S3Call(
            request: made, caller: WalrusCaller(principal: principal, facts: facts), payload: .unsigned, body: body,
            walrus: walrus, credentials: credentials, events: events, names: names, now: now, eventLoop: eventLoop,
            fileSender: nil)
    }

    private func storeForm(
        _ bucket: String, _ key: String, _ fields: [String: String], _ body: FormBody, sizes: ClosedRange<Int64>?
    ) async throws -> Response {
        var attributes = try attributes()
        var write = try await writeOptions(&attributes)
        if let tagging = fields["tagging"] { write.tags = try readTags(Array(tagging.utf8), most: 10) }
        body.most = min(sizes?.upperBound ?? .max, walrus.configuration.largestPut)
        let (algorithm, announced) = try IncomingBody.checksum(request)
        let options = PutOptions(attributes: attributes, checksum: algorithm) { digests in
            if let least = sizes?.lowerBound, digests.size < least {
                throw S3Error(
                    .entityTooSmall, "Your proposed upload is smaller than the minimum allowed size",
                    fields: [("ProposedSize", String(digests.size)), ("MinSizeAllowed", String(least))])
            }
            guard let algorithm, let computed = digests.checksum else { return nil }
            guard announced == nil || announced == computed else {
                throw S3Error(
                    .badDigest, "The \(algorithm.rawValue) you specified did not match the calculated checksum.")
            }
            return ObjectChecksum(algorithm: algorithm, rawValue: computed)
        }
        let record = try await walrus.putObject(
            caller, bucket: bucket, key: key, options: options, write: write, body: body)
        await emit("ObjectCreated:Post", bucket, key, record)
        return try await formAnswer(bucket, key, fields, record)
    }

    private func formAnswer(
        _ bucket: String, _ key: String, _ fields: [String: String], _ record: ObjectRecord
    ) async throws -> Response {
        var headers = try await writtenHeaders(record, bucket)
        let location = "http://" + request.authority + "/" + bucket + "/" + ListEncoding.encode(key)
        if let target = fields["success_action_redirect"] ?? fields["redirect"],
            target.hasPrefix("http://") || target.hasPrefix("https://"), HTTPField.isValidValue(target)
        {
            let joint = target.contains("?") ? "&" : "?"
            headers[.location] =
                target + joint + "bucket=" + PercentEncoding.encode(bucket) + "&key=" + ListEncoding.encode(key)
                + "&etag=%22" + record.etag + "%22"
            return Response(status: .seeOther, headers: headers)
        }
        headers[.location] = location
        switch fields["success_action_status"] {
        case "200": return Response(status: .ok, headers: headers)
        case "201":
            var response = xml("PostResponse", namespace: nil) { writer in
                writer.element("Location", location)
                writer.element("Bucket", bucket)
                writer.element("Key", key)
                writer.element("ETag", "\"" + record.etag + "\"")
            }
            response.status = .created
            for field in headers { response.headers[field.name] = field.value }
            return response
        default:
            var response = noContent()
            for field in headers { response.headers[field.name] = field.value }
            return response
        }
    }
}
