// S3Gateway: contents in an existing store that speaks S3, such as Ceph RGW.
//
// Each content is an immutable object `<prefix>contents/<16 hexadecimal digits>` of one bucket. Large ones are uploaded
// in parts, so that nothing is visible before it is whole and an attempt repeats little. Every part is signed with the
// SHA-256 of its bytes, and what the store says it stored is compared.
//
// Here: the requests, their signatures and their repetition. Not here: what the contents belong to (ObjectStore's
// index). It fails with `ObjectStoreError`: `unavailable` if the store cannot be reached or is overloaded, `failed` if it
// refuses, with its own words.

public import AsyncHTTPClient
internal import Crypto
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
public import ObjectStore
internal import Signatures
internal import Synchronization
internal import XML

/// Settings of the gateway.
public struct S3GatewayConfiguration: Sendable {
    /// The store's address, such as "http://rgw.example:7480".
    public var endpoint: String
    /// A bucket of the store that is this cloud's alone; created if it is missing.
    public var bucket: String
    /// What the names of all objects begin with; empty for nothing.
    public var prefix: String
    /// The store's region.
    public var region: String
    /// Access key.
    public var accessKeyID: String
    /// Its secret.
    public var secret: String
    /// Attempts for each request.
    public var attempts: Int
    /// Contents up to this size are stored by one request; larger ones in parts of it. In bytes, at least 5 MiB.
    public var partSize: Int64
    /// Seconds without a byte after which an attempt has failed.
    public var idleTimeout: Int64
    /// Seconds after which no further attempt is begun: whoever waits gets his answer while he still listens.
    public var patience: Int64

    /// Makes settings.
    public init(
        endpoint: String, bucket: String, prefix: String = "", region: String = "us-east-1", accessKeyID: String,
        secret: String, attempts: Int = 4, partSize: Int64 = 32 << 20, idleTimeout: Int64 = 20,
        patience: Int64 = 15
    ) {
        self.endpoint = endpoint
        self.bucket = bucket
        self.prefix = prefix
        self.region = region
        self.accessKeyID = accessKeyID
        self.secret = secret
        self.attempts = max(attempts, 1)
        self.partSize = max(partSize, 5 << 20)
        self.idleTimeout = idleTimeout
        self.patience = patience
    }
}

/// Contents in a bucket of another store.
public final class S3Gateway: RemoteContents {
    /// The settings.
    public var settings: S3GatewayConfiguration { configuration }
    let configuration: S3GatewayConfiguration
    let http: HTTPClient
    private let origin: String
    private let host: String
    private let basePath: String
    private let signer: SigV4Signer
    private let owner: String
    private let isClaimed = Mutex(false)

    /// A gateway. Nothing is sent yet.
    ///
    /// - Parameters:
    ///   - owner: names the index whose contents these are; another one's bucket is refused.
    ///   - http: stays the caller's.
    public init(
        _ configuration: S3GatewayConfiguration, owner: String, http: HTTPClient
    ) throws(ObjectStoreError) {
        let endpoint = configuration.endpoint
        guard let schemeEnd = endpoint.firstRange(of: "://"),
            ["http", "https"].contains(endpoint[..<schemeEnd.lowerBound])
        else { throw .failed("\(endpoint) is no address of an S3 store; it must begin with http:// or https://.") }
        let rest = endpoint[schemeEnd.upperBound...]
        let hostEnd = rest.firstIndex(of: "/") ?? rest.endIndex
        guard hostEnd > rest.startIndex else { throw .failed("\(endpoint) names no host.") }
        host = String(rest[..<hostEnd])
        origin = String(endpoint[..<schemeEnd.upperBound]) + host
        var path = String(rest[hostEnd...])
        while path.hasSuffix("/") { path.removeLast() }
        basePath = path
        self.configuration = configuration
        self.http = http
        self.owner = owner
        signer = SigV4Signer(
            accessKeyID: configuration.accessKeyID, secret: configuration.secret, region: configuration.region,
            service: "s3")
    }

    /// Reaches the store: the bucket is created if need be, and marked as this index's own. Two indexes over one bucket
    /// would each take the other's contents for garbage. Whatever writes or removes does this first, unless it is done.
    public func claim() async throws {
        if isClaimed.withLock({ $0 }) { return }
        let created = try await send(.PUT, path(nil), accept: [409])
        guard
            created.status == 200 || created.code == "BucketAlreadyOwnedByYou" || created.code == "BucketAlreadyExists"
        else { throw refusal(created, "create the bucket \(configuration.bucket)") }
        let marker = configuration.prefix + "owner"
        let found = try await send(.GET, path(marker), accept: [404])
        if found.status == 404 {
            let bytes = Array(owner.utf8)
            _ = try await send(.PUT, path(marker), body: .bytes(bytes, digests: Self.digests(bytes)))
            let again = try await send(.GET, path(marker))
            guard again.text == owner else { throw Self.claimed(configuration) }
        } else if found.text != owner {
            throw Self.claimed(configuration)
        }
        isClaimed.withLock { $0 = true }
    }

    private static func claimed(_ configuration: S3GatewayConfiguration) -> ObjectStoreError {
        .failed(
            "The bucket \(configuration.bucket) at \(configuration.endpoint) holds the contents of another Walrus. Give "
                + "this one a bucket or a prefix of its own, or, after a restore from a backup, restore `store-id` as well."
        )
    }

    static func digests(_ bytes: [UInt8]) -> RemoteDigests {
        RemoteDigests(md5: Array(Insecure.MD5.hash(data: bytes)), sha256: Array(SHA256.hash(data: bytes)))
    }

    /// The path of an object (nil: of the bucket), percent-encoded.
    func path(_ key: String?) -> String {
        let parts = [configuration.bucket] + (key.map { [$0] } ?? [])
        return basePath + "/"
            + parts.joined(separator: "/").split(separator: "/", omittingEmptySubsequences: false)
            .map { PercentEncoding.encode(String($0)) }.joined(separator: "/")
    }

    func key(_ name: String) -> String { configuration.prefix + "contents/" + name }

    // MARK: Requests

    /// What is sent.
    enum Payload: Sendable {
        case bytes([UInt8], digests: RemoteDigests)
        case stream(RemoteSource, Range<Int64>, digests: RemoteDigests)
    }

    /// What came back, if it is small.
    struct Answer: Sendable {
        var status: Int
        var etag: String?
        var body: [UInt8]
        /// S3's error code.
        var code: String
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    func refusal(_ answer: Answer, _ deed: String) -> ObjectStoreError {
        let said = answer.code.isEmpty ? "status \(answer.status)" : "\(answer.code) (status \(answer.status))"
        return .failed("The S3 store \(configuration.endpoint) refused to \(deed): \(said)")
    }

    /// Sends a request, again if that may help, and collects the answer.
    ///
    /// - Parameter accept: statuses beside 2xx that are an answer and no failure.
    func send(
        _ method: HTTPMethod, _ path: String, query: String = "", headers: [(name: String, value: String)] = [],
        body: Payload? = nil, accept: [Int] = []
    ) async throws -> Answer {
        try await repeated("\(method.rawValue) \(path)") {
            let response = try await self.execute(method, path, query: query, headers: headers, body: body)
            let bytes = try await Array(response.body.collect(upTo: 8 << 20).readableBytesView)
            let status = Int(response.status.code)
            let isGood = (200..<300).contains(status)
            // Some calls answer 200 and an error in the body. What is no XML (a proxy's page) has no code.
            let root = bytes.isEmpty || method == .GET && isGood && query.isEmpty ? nil : try? XMLElement.parse(bytes)
            var code = ""
            if let root, root.localName == "Error" { code = root.child("Code")?.trimmedText ?? "Error" }
            let answer = Answer(
                status: status, etag: response.headers.first(name: "etag")?.trimmingCharacters(in: ["\""]), body: bytes,
                code: code)
            if accept.contains(status) || isGood && code.isEmpty { return answer }
            throw self.failure(answer, method)
        }
    }

    /// A failure that is worth another attempt, or not.
    func failure(_ answer: Answer, _ method: HTTPMethod) -> any Error {
        let isPassing =
            answer.status >= 500 || answer.status == 429 || answer.status == 408
            || ["SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"].contains(
                answer.code)
        let refusal = refusal(answer, "serve \(method.rawValue)")
        return isPassing ? Passing(cause: "\(answer.code) (status \(answer.status))") : refusal
    }

    /// Worth another attempt.
    struct Passing: Error { var cause: String }

    /// Tries until it succeeds, fails for good, or has been tried often or long enough.
    func repeated<T: Sendable>(_ what: String, _ attempt: @Sendable () async throws -> T) async throws -> T {
        var last = ""
        var tried = 0
        let began = ContinuousClock.now
        for number in 0..<configuration.attempts {
            if number > 0 {
                guard began.duration(to: .now) < .seconds(configuration.patience) else { break }
                // 0.1, 0.4, 1.6 s, … and a random share, so that many do not come back together.
                let wait = Double(100 << (2 * min(number - 1, 4))) * Double.random(in: 1...1.5)
                try await Task.sleep(for: .milliseconds(Int(wait)))
            }
            tried += 1
            do {
                return try await attempt()
            } catch let error as ObjectStoreError {
                throw error
            } catch let error as CancellationError {
                throw error
            } catch let error as Passing {
                last = error.cause
            } catch {
                last = "\(error)"
            }
        }
        throw ObjectStoreError.unavailable(
            "the S3 store \(configuration.endpoint) does not serve \(what) after \(tried) attempt\(tried == 1 ? "" : "s"): \(last)"
        )
    }

    func execute(
        _ method: HTTPMethod, _ path: String, query: String = "", headers: [(name: String, value: String)] = [],
        body: Payload? = nil
    ) async throws -> HTTPClientResponse {
        var headers = headers
        var hash = hexadecimal(SHA256.hash(data: [UInt8]()))
        switch body {
        case .bytes(_, let digests), .stream(_, _, let digests):
            hash = hexadecimal(digests.sha256)
            headers.append((name: "content-md5", value: Data(digests.md5).base64EncodedString()))
        case nil: break
        }
        let signed = SignedRequest(
            method: method.rawValue, path: path, query: query, headers: [(name: "host", value: host)] + headers)
        let added = signer.headers(for: signed, payloadHash: hash, now: Int64(Date().timeIntervalSince1970))
        var request = HTTPClientRequest(url: origin + path + (query.isEmpty ? "" : "?" + query))
        request.method = method
        for (name, value) in headers + added { request.headers.add(name: name, value: value) }
        switch body {
        case .bytes(let bytes, _): request.body = .bytes(ByteBuffer(bytes: bytes))
        case .stream(let source, let range, _):
            request.body = .stream(
                SourceStream(source: source, range: range), length: .known(range.upperBound - range.lowerBound))
        case nil: break
        }
        // The deadline is for the head of the answer to a request whose body may be large.
        let size: Int64 = if case .stream(_, let range, _) = body { range.upperBound - range.lowerBound } else { 0 }
        let seconds = configuration.idleTimeout + size / (1 << 20)
        return try await http.execute(request, timeout: .seconds(seconds))
    }
}

/// A stretch of a content on its way out.
struct SourceStream: AsyncSequence, Sendable {
    let source: RemoteSource
    let range: Range<Int64>

    struct AsyncIterator: AsyncIteratorProtocol {
        let source: RemoteSource
        var offset: Int64
        let end: Int64

        mutating func next() async throws -> ByteBuffer? {
            guard offset < end else { return nil }
            let buffer = try await source(offset, Int(Swift.min(end - offset, 256 << 10)))
            guard buffer.readableBytes > 0 else {
                throw ObjectStoreError.failed("a content that is to be stored is shorter than its size")
            }
            offset += Int64(buffer.readableBytes)
            return buffer
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(source: source, offset: range.lowerBound, end: range.upperBound)
    }
}
