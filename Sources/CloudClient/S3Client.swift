public import AsyncHTTPClient
import Crypto
import Foundation
public import NIOCore
import NIOHTTP1
import Signatures
import XML

/// S3 calls that images need.
public struct S3Client: Sendable {
    /// What HEAD tells of an object.
    public struct ObjectFacts: Sendable, Equatable {
        /// Size in bytes.
        public var size: Int64
        /// SHA-256 of the whole object in lower-case hexadecimal, if Walrus keeps one.
        public var sha256: String?
    }

    private let http: HTTPClient
    private let address: ServiceAddress
    private let signer: SigV4Signer
    private let sessionToken: String?

    /// A client of the service at `url`; temporary credentials bring their session token.
    public init(
        http: HTTPClient, url: String, accessKeyID: String, secret: String, sessionToken: String? = nil, region: String
    ) throws(CloudClientError) {
        self.sessionToken = sessionToken
        self.http = http
        address = try ServiceAddress(url)
        signer = SigV4Signer(accessKeyID: accessKeyID, secret: secret, region: region, service: "s3")
    }

    /// "bucket/key" as a percent-encoded path below the service.
    private func path(_ location: String) -> String {
        address.path + "/"
            + location.split(separator: "/", omittingEmptySubsequences: false)
            .map { PercentEncoding.encode(String($0)) }.joined(separator: "/")
    }

    private var now: Int64 { Int64(Date().timeIntervalSince1970) }

    /// - Parameter query: parameters in the order of their names.
    func request(
        _ method: HTTPMethod, _ location: String, query: [(String, String)] = [],
        headers: [(name: String, value: String)] = []
    ) -> HTTPClientRequest {
        let path = path(location)
        let text = query.map { PercentEncoding.encode($0.0) + "=" + PercentEncoding.encode($0.1) }
            .joined(separator: "&")
        let headers = headers + (sessionToken.map { [(name: "x-amz-security-token", value: $0)] } ?? [])
        let signed = SignedRequest(
            method: method.rawValue, path: path, query: text,
            headers: [(name: "host", value: address.host)] + headers)
        // The body is not hashed: it is checked by its SHA-256 when the image is registered.
        let added = signer.headers(for: signed, payloadHash: "UNSIGNED-PAYLOAD", now: now)
        var request = HTTPClientRequest(url: address.origin + path + (text.isEmpty ? "" : "?" + text))
        request.method = method
        for (name, value) in headers + added { request.headers.add(name: name, value: value) }
        return request
    }

    func send(_ request: HTTPClientRequest, timeout: TimeAmount = .seconds(60)) async throws
        -> HTTPClientResponse
    {
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request, timeout: timeout)
        } catch {
            throw CloudClientError(status: 0, code: "", message: "\(address.origin) does not answer: \(error)")
        }
        guard (200..<300).contains(response.status.code) else { throw await failure(response) }
        return response
    }

    private func failure(_ response: HTTPClientResponse) async -> CloudClientError {
        let status = Int(response.status.code)
        let body = (try? await response.body.collect(upTo: 1 << 16)) ?? ByteBuffer()  // the status alone says enough
        guard let root = try? XMLElement.parse(Array(body.readableBytesView)) else {
            return CloudClientError(
                status: status, code: status == 404 ? "NotFound" : "HTTP \(status)",
                message: "Walrus answered \(response.status.description)")
        }
        return CloudClientError(
            status: status, code: root.child("Code")?.text ?? "HTTP \(status)",
            message: root.child("Message")?.text ?? "")
    }

    /// Creates a bucket; one that the caller owns already is fine.
    public func createBucket(_ name: String) async throws {
        do {
            _ = try await send(request(.PUT, name))
        } catch let error as CloudClientError where error.code == "BucketAlreadyOwnedByYou" {
            return
        }
    }

    /// Uploads an object of known size from a stream.
    ///
    /// - Parameter timeout: for the whole upload.
    public func put<Body: AsyncSequence & Sendable>(
        _ location: String, size: Int64, body: Body, timeout: TimeAmount = .hours(12)
    ) async throws where Body.Element == ByteBuffer {
        // Walrus keeps the digest of what it need not verify only where it is asked to.
        var request = request(.PUT, location, headers: [(name: "x-mallee-sha256", value: "keep")])
        request.body = .stream(body, length: .known(size))
        _ = try await send(request, timeout: timeout)
    }

    /// Size and digest of an object.
    public func head(_ location: String) async throws -> ObjectFacts {
        let response = try await send(request(.HEAD, location))
        guard let size = response.headers.first(name: "content-length").flatMap(Int64.init) else {
            throw CloudClientError(status: 200, code: "", message: "Walrus named no size for \(location).")
        }
        return ObjectFacts(size: size, sha256: response.headers.first(name: "x-mallee-sha256"))
    }

    /// The first bytes of an object.
    public func prefix(_ location: String, bytes: Int) async throws -> [UInt8] {
        let response = try await send(
            request(.GET, location, headers: [(name: "range", value: "bytes=0-\(bytes - 1)")]))
        return try await Array(response.body.collect(upTo: bytes + 1).readableBytesView)
    }

    /// A whole object that is small.
    public func bytes(_ location: String, atMost limit: Int) async throws -> [UInt8] {
        let response = try await send(request(.GET, location))
        if let size = response.headers.first(name: "content-length").flatMap(Int.init), size > limit {
            throw CloudClientError(
                status: 413, code: "EntityTooLarge",
                message: "\(location) has \(size) bytes; at most \(limit) are read.")
        }
        return try await Array(response.body.collect(upTo: limit).readableBytesView)
    }

    /// An object's bytes as they arrive.
    public func stream(_ location: String) async throws -> HTTPClientResponse.Body {
        try await send(request(.GET, location), timeout: .hours(12)).body
    }

    /// SHA-256 of an object in lower-case hexadecimal, by reading it: for objects that came in parts.
    public func digest(_ location: String) async throws -> String {
        let response = try await send(request(.GET, location), timeout: .hours(12))
        var hash = SHA256()
        for try await part in response.body { part.withUnsafeReadableBytes { hash.update(bufferPointer: $0) } }
        return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Removes an object; an absent one is fine.
    public func delete(_ location: String) async throws { _ = try await send(request(.DELETE, location)) }

    // MARK: Places (Walrus' own calls for administrators)

    /// A bucket, where its contents belong, and what is not there yet.
    public struct BucketPlace: Sendable, Equatable {
        /// The bucket.
        public var bucket: String
        /// The account that owns it.
        public var owner: String
        /// `s3` or `files`.
        public var place: String
        /// Contents that are yet to be moved.
        public var contents: Int64
        /// Their bytes.
        public var bytes: Int64
        /// Why the move does not get on.
        public var problem: String?
    }

    /// All buckets.
    public func places() async throws -> [BucketPlace] {
        let response = try await send(request(.GET, "", query: [("mallee-places", "")]))
        let body = try await Array(response.body.collect(upTo: 256 << 20).readableBytesView)
        return try XMLElement.parse(body).children("Bucket").map { bucket in
            BucketPlace(
                bucket: bucket.child("Name")?.text ?? "", owner: bucket.child("Owner")?.text ?? "",
                place: bucket.child("Place")?.text ?? "",
                contents: bucket.child("Contents").flatMap { Int64($0.text) } ?? 0,
                bytes: bucket.child("Bytes").flatMap { Int64($0.text) } ?? 0, problem: bucket.child("Problem")?.text)
        }
    }

    /// Says where buckets' contents belong; none: those of all.
    public func move(buckets: [String], to place: String) async throws {
        var writer = XMLWriter()
        writer.open("Move")
        writer.element("To", place)
        for bucket in buckets { writer.element("Bucket", bucket) }
        writer.close()
        var request = request(.PUT, "", query: [("mallee-places", "")])
        request.body = .bytes(ByteBuffer(bytes: writer.bytes))
        _ = try await send(request)
    }

    /// Uploads an object by a form with a signed policy, as browsers do ("Browser-Based Uploads Using POST"): the service
    /// decides by the policy alone, whoever this client belongs to.
    ///
    /// - Parameters:
    ///   - fields: of the form, without the file.
    ///   - bytes: the object.
    public func post(_ bucket: String, fields: [(name: String, value: String)], bytes: [UInt8]) async throws {
        let boundary = "mallee" + (0..<4).map { _ in String(UInt32.random(in: 1 << 28 ... .max), radix: 16) }.joined()
        var body = ByteBuffer()
        body.reserveCapacity(bytes.count + 8192)
        for field in fields {
            body.writeString(
                "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(field.name)\"\r\n\r\n\(field.value)\r\n")
        }
        body.writeString(
            "--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"part\"\r\n\r\n")
        body.writeBytes(bytes)
        body.writeString("\r\n--\(boundary)--\r\n")
        var request = HTTPClientRequest(url: address.origin + path(bucket))
        request.method = .POST
        request.headers.add(name: "content-type", value: "multipart/form-data; boundary=\(boundary)")
        request.body = .bytes(body)
        _ = try await send(request, timeout: .minutes(15))
    }

    /// A URL by which anybody can GET, or do what `method` says with, the object for a time.
    public func temporaryURL(_ location: String, validForSeconds seconds: Int64, method: String = "GET") -> String {
        let path = path(location)
        let query = signer.presignedQuery(
            method: method, host: address.host, path: path, expires: min(seconds, 604_800), now: now)
        return address.origin + path + "?" + query
    }
}
