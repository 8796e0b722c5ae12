// Signatures inside an aws-chunked body ("Signature Calculations for the Authorization Header: Transferring Payload
// in Multiple Chunks" of the S3 API Reference). Each chunk's signature covers the one before, the first the request's.

internal import Crypto

/// Checks the chunk signatures of one body, in order, without keeping a chunk in memory.
///
///     begin ──> update* ──> finish(signature) ──> begin …      and at the end, maybe, finishTrailer
public struct ChunkSignatureVerifier: Sendable {
    private let key: [UInt8]
    private let timestamp: String
    private let scope: String
    private var previous: String
    private var hash = SHA256()

    init(key: [UInt8], timestamp: String, scope: String, seed: String) {
        self.key = key
        self.timestamp = timestamp
        self.scope = scope
        self.previous = seed
    }

    /// Adds bytes of the current chunk.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// Ends the current chunk and begins the next; the last chunk is empty.
    ///
    /// - Returns: whether `signature` (lower-case hexadecimal) is right. After false the body must be refused.
    public mutating func finish(signature: String) -> Bool {
        let expected = nextSignature()
        return equalInConstantTime(expected, signature)
    }

    /// Ends the current chunk and gives its signature: the signing side.
    mutating func nextSignature() -> String {
        let text = [
            "AWS4-HMAC-SHA256-PAYLOAD", timestamp, scope, previous, emptyPayloadHash, hexadecimal(hash.finalize()),
        ].joined(separator: "\n")
        hash = SHA256()
        previous = hexadecimal(Digests.hmacSHA256(text, key: key))
        return previous
    }

    /// Checks the trailer's signature.
    ///
    /// - Parameter trailer: the lines `name:value\n`, names in lower case, without `x-amz-trailer-signature`.
    public mutating func finishTrailer(_ trailer: String, signature: String) -> Bool {
        equalInConstantTime(trailerSignature(trailer), signature)
    }

    /// The signature of a trailer: the signing side.
    mutating func trailerSignature(_ trailer: String) -> String {
        let text = ["AWS4-HMAC-SHA256-TRAILER", timestamp, scope, previous, Digests.sha256(trailer)]
            .joined(separator: "\n")
        previous = hexadecimal(Digests.hmacSHA256(text, key: key))
        return previous
    }
}

/// Produces the chunk signatures of a body that is sent aws-chunked.
public struct ChunkSigner: Sendable {
    private var verifier: ChunkSignatureVerifier

    init(_ verifier: ChunkSignatureVerifier) { self.verifier = verifier }

    /// One framed chunk: size, signature, data.
    public mutating func chunk(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { verifier.update($0) }
        let head = String(bytes.count, radix: 16) + ";chunk-signature=" + verifier.nextSignature() + "\r\n"
        return Array(head.utf8) + bytes + [0x0D, 0x0A]
    }

    /// The signature over trailer lines `name:value\n`, after the empty chunk.
    public mutating func trailerSignature(_ trailer: String) -> String { verifier.trailerSignature(trailer) }
}
