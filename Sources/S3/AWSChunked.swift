// The aws-chunked body ("Transferring Payload in Multiple Chunks" of the S3 API Reference):
//
//   ┌─────────────────────────── more ──────────────────────────┐
//   v                                                           │
//  head ──size > 0──> data ──all bytes──> end of data ──CRLF────┘
//   │
//   └──size 0──> trailer ──line──┐
//                   ^────────────┘ ──empty line──> done

internal import NIOCore
internal import Signatures

/// Takes the framing off, checks signatures on the way, and keeps the trailer.
struct AWSChunkedDecoder {
    private enum State {
        case head
        case data(remaining: Int, signature: String?)
        case endOfData(signature: String?)
        case trailer
        case done
    }

    /// No line of the framing comes near this.
    private static let longestLine = 8192
    private static let mostTrailers = 16

    private var state = State.head
    private var pending = ByteBuffer()
    private var verifier: ChunkSignatureVerifier?
    private let signedTrailer: Bool
    /// What came after the last chunk, names in lower case.
    private(set) var trailers: [(name: String, value: String)] = []

    /// - Parameter verifier: nil if the chunks are not signed.
    init(verifier: ChunkSignatureVerifier?, signedTrailer: Bool) {
        self.verifier = verifier
        self.signedTrailer = signedTrailer
    }

    private static func malformed(_ what: String) -> S3Error {
        S3Error(.incompleteBody, "The request body terminated unexpectedly: " + what)
    }

    private static let badSignature = S3Error(
        .signatureDoesNotMatch,
        "The chunk signature we calculated does not match the signature you provided. Check your key and signing method."
    )

    /// Takes in bytes and gives the data among them.
    mutating func decode(_ incoming: ByteBuffer) throws(S3Error) -> ByteBuffer {
        if pending.readableBytes == 0 {
            pending = incoming
        } else {
            var incoming = incoming
            pending.writeBuffer(&incoming)
        }
        var output = ByteBuffer()
        while true {
            switch state {
            case .head:
                guard let line = try nextLine() else { return output }
                try beginChunk(line)
            case .data(let remaining, let signature):
                guard pending.readableBytes > 0 else { return output }
                let count = min(remaining, pending.readableBytes)
                guard var slice = pending.readSlice(length: count) else { return output }
                slice.withUnsafeReadableBytes { verifier?.update($0) }
                if output.readableBytes == 0 {
                    output = slice
                } else {
                    output.writeBuffer(&slice)
                }
                state =
                    count == remaining
                    ? .endOfData(signature: signature) : .data(remaining: remaining - count, signature: signature)
            case .endOfData(let signature):
                guard let line = try nextLine() else { return output }
                guard line.isEmpty else { throw Self.malformed("a chunk is longer than its size says.") }
                try check(signature)
                state = .head
            case .trailer:
                guard let line = try nextLine() else { return output }
                if line.isEmpty {
                    try endTrailer()
                    state = .done
                } else {
                    try addTrailer(line)
                }
            case .done:
                // Some clients end with one more empty line.
                guard pending.readableBytesView.allSatisfy({ $0 == 0x0D || $0 == 0x0A }) else {
                    throw Self.malformed("there are bytes behind its end.")
                }
                pending.clear()
                return output
            }
        }
    }

    /// Says that no more bytes come.
    func finish() throws(S3Error) {
        switch state {
        case .done: return
        case .trailer where pending.readableBytes == 0 && trailers.isEmpty && !signedTrailer: return
        default: throw S3Error(.incompleteBody, "The aws-chunked body ended before its last chunk.")
        }
    }

    private mutating func nextLine() throws(S3Error) -> String? {
        let view = pending.readableBytesView
        guard let end = view.prefix(Self.longestLine).firstIndex(of: 0x0A) else {
            guard view.count < Self.longestLine else { throw Self.malformed("a line is too long.") }
            return nil
        }
        var line = view[view.startIndex..<end]
        if line.last == 0x0D { line = line.dropLast() }
        let text = String(decoding: line, as: UTF8.self)
        pending.moveReaderIndex(forwardBy: end - view.startIndex + 1)
        return text
    }

    private mutating func beginChunk(_ line: String) throws(S3Error) {
        let parts = line.split(separator: ";", omittingEmptySubsequences: false)
        let digits = parts[0]
        guard (1...15).contains(digits.utf8.count), let size = Int(digits, radix: 16), size >= 0 else {
            throw Self.malformed("a chunk does not begin with its size.")
        }
        var signature: String?
        for part in parts.dropFirst() where part.hasPrefix("chunk-signature=") {
            signature = String(part.dropFirst("chunk-signature=".count))
        }
        if verifier != nil, signature == nil { throw Self.malformed("a chunk has no signature.") }
        if size == 0 {
            try check(signature)
            state = .trailer
        } else {
            state = .data(remaining: size, signature: signature)
        }
    }

    private mutating func check(_ signature: String?) throws(S3Error) {
        guard verifier != nil else { return }
        guard let signature, verifier?.finish(signature: signature) == true else { throw Self.badSignature }
    }

    private mutating func addTrailer(_ line: String) throws(S3Error) {
        guard let colon = line.firstIndex(of: ":"), trailers.count < Self.mostTrailers else {
            throw S3Error.malformedTrailer("It is no list of headers.")
        }
        let value = line[line.index(after: colon)...].drop { $0 == " " }
        trailers.append((line[..<colon].lowercased(), String(value)))
    }

    private mutating func endTrailer() throws(S3Error) {
        guard signedTrailer else { return }
        let signature = trailers.first { $0.name == "x-amz-trailer-signature" }?.value
        trailers.removeAll { $0.name == "x-amz-trailer-signature" }
        let text = trailers.map { $0.name + ":" + $0.value + "\n" }.joined()
        guard let signature, verifier?.finishTrailer(text, signature: signature) == true else {
            throw Self.badSignature
        }
    }
}

extension S3Error {
    static func malformedTrailer(_ what: String) -> S3Error {
        S3Error(
            .malformedTrailerError,
            "The request contained trailing data that was not well-formed or did not conform to our published schema. "
                + what)
    }
}
