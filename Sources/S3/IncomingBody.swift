// The body of a request as data: framing taken off, and the list of what it has to match.

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Synchronization
internal import Walrus

/// What arrives with a put, and how it is to be checked.
struct IncomingBody: Sendable {
    let stream: BodyStream
    /// Bytes of data; nil if the client does not say.
    let expectedSize: Int64?
    /// The checksum that was announced, to be computed on the way.
    let checksum: ChecksumAlgorithm?
    private let checksumValue: [UInt8]?
    private let md5: [UInt8]?
    private let sha256: String?
    /// Whether the client announced the SHA-256 of the body.
    var hasSHA256: Bool { sha256 != nil }

    /// - Parameters:
    ///   - hasChecksum: whether the checksum headers are about the body.
    ///   - needsLength: whether a request without a body has to say so.
    init(_ call: S3Call, hasChecksum: Bool = true, needsLength: Bool = false) throws {
        let request = call.request
        if needsLength, !request.isInner, request.header("content-length") == nil,
            request.header("transfer-encoding") == nil
        {
            throw S3Error(.missingContentLength, "You must provide the Content-Length HTTP header.")
        }
        let trailers = Trailers()
        var decoder: AWSChunkedDecoder?
        var hash: String?
        switch call.payload {
        case .signedChunks(let verifier, let hasTrailer):
            decoder = AWSChunkedDecoder(verifier: verifier, signedTrailer: hasTrailer)
        case .unsignedChunksWithTrailer:
            decoder = AWSChunkedDecoder(verifier: nil, signedTrailer: false)
        case .sha256(let value): hash = value
        case .unsigned, .checked:
            // V2 and presigned requests may be framed as well.
            if request.header("x-amz-decoded-content-length") != nil,
                request.header("content-encoding")?.contains("aws-chunked") == true
            {
                decoder = AWSChunkedDecoder(verifier: nil, signedTrailer: false)
            }
        }
        sha256 = hash
        stream = BodyStream(
            base: call.body, decoder: decoder, trailers: trailers, most: call.walrus.configuration.largestPut)
        expectedSize = try Self.size(request, isChunked: decoder != nil)
        md5 = try request.header("content-md5").map { text in
            guard let bytes = Base64.decode(text), bytes.count == 16 else {
                throw S3Error(.invalidDigest, "The Content-MD5 you specified was invalid")
            }
            return bytes
        }
        (checksum, checksumValue) = hasChecksum ? try Self.checksum(request) : (nil, nil)
    }

    private static func size(_ request: S3Request, isChunked: Bool) throws -> Int64? {
        let name = isChunked ? "x-amz-decoded-content-length" : "content-length"
        guard let text = request.header(name) else {
            if isChunked {
                throw S3Error(.missingContentLength, "You must provide the x-amz-decoded-content-length header.")
            }
            // Without a length and without chunks HTTP/1.1 knows no body.
            return request.header("transfer-encoding") == nil ? 0 : nil
        }
        guard let size = Int64(text), size >= 0 else {
            if isChunked {
                throw S3Error(.missingContentLength, "x-amz-decoded-content-length is not a number.")
            }
            throw S3Error(.invalidArgument, "\(name) is not a number.", fields: [("ArgumentValue", text)])
        }
        return size
    }

    static func checksum(_ request: S3Request) throws -> (ChecksumAlgorithm?, [UInt8]?) {
        var found: (ChecksumAlgorithm, [UInt8]?)?
        for algorithm in ChecksumAlgorithm.allCases {
            guard let text = request.header(algorithm.headerName) else { continue }
            guard found == nil else {
                throw S3Error(
                    .invalidRequest,
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
            }
            found = (algorithm, try decode(text, algorithm))
        }
        if let names = request.header("x-amz-trailer") {
            for name in names.lowercased().split(separator: ",") {
                let name = name.drop { $0 == " " }
                guard let algorithm = ChecksumAlgorithm.allCases.first(where: { $0.headerName == name }) else {
                    throw S3Error(.invalidRequest, "The value specified in the x-amz-trailer header is not supported")
                }
                guard found == nil else {
                    throw S3Error(
                        .invalidRequest,
                        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
                }
                found = (algorithm, nil)
            }
        }
        try checkAnnounced(request, found?.0)
        return (found?.0, found?.1)
    }

    /// Clients that choose an algorithm for the checksum name it in a header of its own.
    private static func checkAnnounced(_ request: S3Request, _ found: ChecksumAlgorithm?) throws {
        let header = "x-amz-sdk-checksum-algorithm"
        guard let name = request.header(header) else { return }
        guard let algorithm = ChecksumAlgorithm(rawValue: name.uppercased()) else {
            throw S3Error(.invalidRequest, ChecksumAlgorithm.unsupported)
        }
        guard let found else {
            throw S3Error(
                .invalidRequest,
                "\(header) specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
        }
        guard found == algorithm else { throw S3Error(.invalidRequest, "Value for \(header) header is invalid.") }
    }

    private static func decode(_ text: String, _ algorithm: ChecksumAlgorithm) throws -> [UInt8] {
        let bytes = Base64.decode(text)
        if let bytes, bytes.count == algorithm.length { return bytes }
        // What was cut off is taken for a checksum, which nothing can have.
        guard bytes == nil, !text.isEmpty, text.utf8.allSatisfy(Base64.isDigit) else {
            throw S3Error(.invalidRequest, "Value for \(algorithm.headerName) header is invalid.")
        }
        throw mismatch(algorithm)
    }

    private static func mismatch(_ algorithm: ChecksumAlgorithm) -> S3Error {
        S3Error(.badDigest, "The \(algorithm.rawValue) you specified did not match the calculated checksum.")
    }

    /// Compares what was announced with what came.
    ///
    /// - Returns: the checksum to keep, if one was sent.
    func validate(_ digests: ContentDigests) throws -> ObjectChecksum? {
        if let md5, md5 != digests.md5 {
            throw S3Error(
                .badDigest, "The Content-MD5 you specified did not match what we received.",
                fields: [
                    ("ExpectedDigest", Base64.encode(md5)), ("CalculatedDigest", Base64.encode(digests.md5)),
                ])
        }
        if let sha256, sha256 != hexadecimal(digests.sha256) {
            throw S3Error(
                .contentSHA256Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.",
                fields: [
                    ("ClientComputedContentSHA256", sha256),
                    ("S3ComputedContentSHA256", hexadecimal(digests.sha256)),
                ])
        }
        guard let checksum, let computed = digests.checksum else { return nil }
        let expected: [UInt8]
        if let checksumValue {
            expected = checksumValue
        } else {
            guard let text = stream.trailers[checksum.headerName] else {
                throw S3Error.malformedTrailer("\(checksum.headerName) was announced and did not come.")
            }
            expected = try Self.decode(text, checksum)
        }
        guard expected == computed else { throw Self.mismatch(checksum) }
        return ObjectChecksum(algorithm: checksum, value: Base64.encode(computed))
    }

    /// The same for a document in memory.
    func check(_ bytes: [UInt8]) throws {
        if let expectedSize, expectedSize != Int64(bytes.count) {
            throw ObjectStoreError.incompleteBody(expected: expectedSize, received: Int64(bytes.count))
        }
        _ = try validate(
            ContentDigests(of: bytes, checksum: checksum))
    }

    /// The options of a put of this body.
    func options(_ attributes: ObjectAttributes, condition: PutCondition = .none) -> PutOptions {
        PutOptions(
            attributes: attributes, expectedSize: expectedSize, checksum: checksum, condition: condition,
            validate: { try validate($0) })
    }
}

/// Trailers, filled when the stream has ended.
final class Trailers: Sendable {
    private let values = Mutex<[(name: String, value: String)]>([])

    func set(_ trailers: [(name: String, value: String)]) { values.withLock { $0 = trailers } }

    subscript(_ name: String) -> String? { values.withLock { $0.first { $0.name == name }?.value } }
}

/// The data of a request's body. It can be read once.
struct BodyStream: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    fileprivate let base: RequestBody
    /// Nil if the body is not aws-chunked. The iterator takes a copy.
    fileprivate let decoder: AWSChunkedDecoder?
    let trailers: Trailers
    /// Bytes that a body may have whose length nobody has said (HTTP's chunks).
    fileprivate let most: Int64

    struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var base: RequestBody.AsyncIterator
        fileprivate var decoder: AWSChunkedDecoder?
        fileprivate let trailers: Trailers
        fileprivate let most: Int64
        private var size: Int64 = 0

        fileprivate init(_ stream: BodyStream) {
            base = stream.base.makeAsyncIterator()
            decoder = stream.decoder
            trailers = stream.trailers
            most = stream.most
        }

        mutating func next() async throws -> ByteBuffer? {
            while let buffer = try await base.next() {
                guard let data = decoder == nil ? buffer : try decoder?.decode(buffer) else { continue }
                size += Int64(data.readableBytes)
                guard size <= most else { throw WalrusError.tooLarge(size: size, maximum: most) }
                if data.readableBytes > 0 { return data }
            }
            if let decoder {
                try decoder.finish()
                trailers.set(decoder.trailers)
            }
            return nil
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}

extension ChecksumAlgorithm {
    /// What S3 says of any other.
    static let unsupported =
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
        + "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
}
