// One authenticated call: what all families share.

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

/// A request with its caller, ready to be carried out. The families extend it, one file each.
struct S3Call: Sendable {
    let request: S3Request
    let caller: WalrusCaller
    let payload: VerifiedSignature.Payload
    let body: RequestBody
    let walrus: Walrus
    let credentials: any S3CredentialSource
    let events: (any S3EventSink)?
    let names: AccountNames
    /// Seconds since 1970.
    let now: Int64
    /// Of the connection.
    let eventLoop: (any EventLoop)?
    /// Nil where bytes have to pass through this process.
    let fileSender: S3FileSender?
    /// What a deletion of many keys tells the log.
    let batch = BatchDeletions()

    /// Waits until the event loop has seen what was written. A write from another thread is only queued to the loop and
    /// returns at once as long as the loop has not said that the connection is full, which it cannot say before it has
    /// seen the write: without this wait a fast disk fills the memory in front of a slow reader.
    func drained() async throws { try await eventLoop?.submit {}.get() }

    /// The version that the request names.
    var version: String? { request["versionId"].flatMap { $0.isEmpty ? nil : $0 } }

    /// Milliseconds since 1970.
    var nowMilliseconds: Int64 { walrus.clock() }

    /// The namespace of S3's documents.
    static let namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

    /// Throws if the version that the request names cannot be one.
    private func checkVersion() throws {
        guard let version, version != "null" else { return }
        guard version.utf8.count == 32,
            version.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { throw S3Error.argument("versionId", version, "Invalid version id specified") }
    }

    func dispatch(_ operation: S3Operation) async throws -> Response {
        try checkVersion()
        return switch operation {
        case .listBuckets: try await listBuckets()
        case .createBucket(let bucket): try await createBucket(bucket)
        case .headBucket(let bucket): try await headBucket(bucket)
        case .deleteBucket(let bucket): try await deleteBucket(bucket)
        case .bucketDocument(let verb, let document, let bucket):
            try await bucketDocument(verb, document, bucket)
        case .listObjects(let bucket): try await listObjects(bucket)
        case .listObjectsV2(let bucket): try await listObjectsV2(bucket)
        case .listObjectVersions(let bucket): try await listObjectVersions(bucket)
        case .objectDocument(let verb, let document, let bucket, let key):
            try await objectDocument(verb, document, bucket, key)
        case .postObject(let bucket): try await postObject(bucket)
        case .preflight: try await preflight()
        case .getPlaces: try await getPlaces()
        case .putPlaces: try await putPlaces()
        case .listUploads(let bucket): try await listUploads(bucket)
        case .deleteObjects(let bucket): try await deleteObjects(bucket)
        case .getObject(let bucket, let key): try await getObject(bucket, key)
        case .headObject(let bucket, let key): try await headObject(bucket, key)
        case .putObject(let bucket, let key): try await putObject(bucket, key)
        case .copyObject(let bucket, let key): try await copyObject(bucket, key)
        case .deleteObject(let bucket, let key): try await deleteObject(bucket, key)
        case .createUpload(let bucket, let key): try await createUpload(bucket, key)
        case .uploadPart(let bucket, let key): try await uploadPart(bucket, key)
        case .uploadPartCopy(let bucket, let key): try await uploadPartCopy(bucket, key)
        case .completeUpload(let bucket, let key): try await completeUpload(bucket, key)
        case .abortUpload(let bucket, let key): try await abortUpload(bucket, key)
        case .listParts(let bucket, let key): try await listParts(bucket, key)
        }
    }

    /// A document as the answer.
    func xml(
        _ root: String, namespace: String? = Self.namespace, _ body: (inout XMLWriter) -> Void
    ) -> Response {
        var writer = XMLWriter()
        if let namespace { writer.open(root, namespace: namespace) } else { writer.open(root) }
        body(&writer)
        writer.close()
        var headers = HTTPFields()
        headers[.contentType] = "application/xml"
        return Response(
            status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }

    /// A number of a query parameter within bounds.
    func number(_ name: String, default value: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = request[name], !text.isEmpty else { return value }
        guard let number = Int(text), number >= range.lowerBound else {
            throw S3Error(
                .invalidArgument, "Provided \(name) not an integer or within integer range",
                fields: [("ArgumentName", name), ("ArgumentValue", text)])
        }
        return min(number, range.upperBound)
    }

    /// The body of a call whose checksum headers speak of something else than the document.
    func plainDocument(limit: Int) async throws -> [UInt8] {
        try await document(limit: limit, hasChecksum: false)
    }

    /// The whole body of a call that takes a document, checked against its hashes.
    func document(limit: Int = 1 << 20, hasChecksum: Bool = true) async throws -> [UInt8] {
        let incoming = try IncomingBody(self, hasChecksum: hasChecksum)
        if let size = incoming.expectedSize, size > Int64(limit) {
            throw S3Error(.malformedXML, "The XML you provided is larger than \(limit) bytes.")
        }
        var bytes: [UInt8] = []
        for try await buffer in incoming.stream {
            guard bytes.count + buffer.readableBytes <= limit else {
                throw S3Error(.malformedXML, "The XML you provided is larger than \(limit) bytes.")
            }
            bytes += Array(buffer.readableBytesView)
        }
        try incoming.check(bytes)
        return bytes
    }

    /// Completion may name 10,000 parts with a checksum each, deletion 1,000 keys of 1,024 bytes.
    private static let documentLimits = XMLLimits(bytes: 8 << 20, depth: 16, elements: 100_000)

    /// The root of a document of that name.
    func parse(_ bytes: [UInt8], root: String) throws -> XMLElement {
        let malformed = S3Error(
            .malformedXML, "The XML you provided was not well-formed or did not validate against our published schema")
        let element: XMLElement
        do throws(XMLError) {
            element = try XMLElement.parse(bytes, limits: Self.documentLimits)
        } catch {
            throw malformed
        }
        guard element.isNamed(root) else { throw malformed }
        return element
    }
}
