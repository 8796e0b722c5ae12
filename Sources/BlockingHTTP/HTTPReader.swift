import Posix

/// Why a message cannot be read on.
enum HTTPReadFailure: Error {
    /// The peer broke the protocol or a limit; the status is what a server answers.
    case refused(status: Int, String)
    /// The connection failed or took too long.
    case stream(PosixError)
    /// The peer closed the connection: between messages (`clean`) or within one.
    case closed(clean: Bool)
}

/// How long a body is.
enum HTTPFraming: Equatable {
    case none
    case length(Int64)
    case chunked
    /// Until the connection ends (responses only).
    case untilClose
}

/// Reads the parts of HTTP messages from a stream, with a buffer for what came beyond.
final class HTTPReader {
    private let stream: any ByteStream
    private var buffer: [UInt8]
    private var start = 0
    private var end = 0
    /// Until when the part that is being read must be there.
    var deadline = Deadline(after: nil)
    /// Limits each read as well, where a whole part may take long.
    var idleTime: Milliseconds?

    init(_ stream: any ByteStream) {
        self.stream = stream
        buffer = [UInt8](repeating: 0, count: 16 << 10)
    }

    /// Whether bytes are there that were not asked for yet.
    var hasBuffered: Bool { start < end || stream.hasBufferedInput }

    private func receive(into target: UnsafeMutableRawBufferPointer) throws(HTTPReadFailure) -> Int {
        var limit = deadline.remaining
        if let idleTime { limit = min(limit ?? idleTime, idleTime) }
        do throws(PosixError) {
            return try stream.read(into: target, timeout: limit)
        } catch {
            throw .stream(error)
        }
    }

    /// Gets more bytes; false at the end of the stream.
    private func fill() throws(HTTPReadFailure) -> Bool {
        if start == end {
            start = 0
            end = 0
        } else if end == buffer.count {
            if start > 0 {
                buffer.removeSubrange(..<start)
                buffer += [UInt8](repeating: 0, count: start)
                end -= start
                start = 0
            } else {
                buffer += [UInt8](repeating: 0, count: buffer.count)
            }
        }
        var failure: HTTPReadFailure?
        let from = end
        let count = buffer.withUnsafeMutableBytes { bytes -> Int in
            do throws(HTTPReadFailure) {
                return try receive(into: UnsafeMutableRawBufferPointer(rebasing: bytes[from...]))
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        end += count
        return count > 0
    }

    /// Waits for the first byte of a message; false when the peer closed instead.
    func waitForMessage() throws(HTTPReadFailure) -> Bool {
        if start < end { return true }
        return try fill()
    }

    /// A line without its CR LF, of at most `limit` bytes, which are taken from it.
    func line(_ limit: inout Int, first: Bool = false) throws(HTTPReadFailure) -> [UInt8] {
        var scanned = start
        while true {
            while scanned < end {
                let byte = buffer[scanned]
                if byte == 0x0a {
                    guard scanned > start, buffer[scanned - 1] == 0x0d else {
                        throw .refused(status: 400, "a line does not end with CR LF")
                    }
                    let line = Array(buffer[start..<(scanned - 1)])
                    limit -= scanned + 1 - start
                    if limit < 0 { throw .refused(status: 431, "the header is too long") }
                    start = scanned + 1
                    if line.contains(0x0d) || line.contains(0) {
                        throw .refused(status: 400, "a line has a bare CR or a NUL in it")
                    }
                    return line
                }
                scanned += 1
            }
            if scanned - start > limit { throw .refused(status: first ? 414 : 431, "the header is too long") }
            let offset = scanned - start
            if try !fill() { throw .closed(clean: first && offset == 0) }
            scanned = start + offset
        }
    }

    /// Header fields up to and with the empty line.
    func headers(_ limit: inout Int, _ maximum: Int) throws(HTTPReadFailure) -> HTTPHeaders {
        var headers = HTTPHeaders()
        while true {
            let line = try line(&limit)
            if line.isEmpty { return headers }
            guard let colon = line.firstIndex(of: 0x3a), colon > 0 else {
                throw .refused(status: 400, "a header field has no name")
            }
            for byte in line[..<colon] where !Self.isToken(byte) {
                throw .refused(status: 400, "a header field's name has a character that it must not have")
            }
            var value = line[(colon + 1)...]
            while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
            while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
            for byte in value where byte < 0x20 && byte != 0x09 || byte == 0x7f {
                throw .refused(status: 400, "a header field has a control character")
            }
            if headers.fields.count == maximum { throw .refused(status: 431, "too many header fields") }
            headers.add(String(decoding: line[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self))
        }
    }

    /// Characters of methods and header names (RFC 9110, 5.6.2).
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e...0x60, 0x7c, 0x7e:
            true
        default: false
        }
    }

    /// What the header says about the body; nil when nothing. Refuses what could be read in two ways.
    static func framing(_ headers: HTTPHeaders, version11: Bool) throws(HTTPReadFailure) -> HTTPFraming? {
        let lengths = headers.values("Content-Length")
        let codings = headers.values("Transfer-Encoding")
        if !codings.isEmpty {
            if !lengths.isEmpty { throw .refused(status: 400, "both Content-Length and Transfer-Encoding") }
            if !version11 { throw .refused(status: 400, "Transfer-Encoding with HTTP/1.0") }
            guard codings.count == 1 else { throw .refused(status: 400, "more than one Transfer-Encoding") }
            guard HTTPHeaders.sameName(codings[0], "chunked") else {
                throw .refused(status: 501, "the only Transfer-Encoding understood is chunked")
            }
            return .chunked
        }
        guard let length = lengths.first else { return nil }
        if lengths.count > 1 { throw .refused(status: 400, "more than one Content-Length") }
        var value: Int64 = 0
        let digits = length.utf8
        guard !digits.isEmpty, digits.count <= 18 else { throw .refused(status: 400, "Content-Length is no number") }
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { throw .refused(status: 400, "Content-Length is no number") }
            value = value * 10 + Int64(digit - 0x30)
        }
        return .length(value)
    }

    /// Hands the body on in pieces as they come. More than `limit` bytes are refused, before they are read if they
    /// were announced.
    func body(
        _ framing: HTTPFraming, limit: Int64, _ take: (UnsafeRawBufferPointer) throws(HTTPReadFailure) -> Void
    ) throws(HTTPReadFailure) {
        switch framing {
        case .none: return
        case .length(let length):
            if length > limit { throw .refused(status: 413, "the body is longer than \(limit) bytes") }
            try exactly(length, take)
        case .untilClose:
            var left = limit
            while true {
                if start == end, try !fill() { return }
                left -= Int64(end - start)
                if left < 0 { throw .refused(status: 413, "the body is longer than \(limit) bytes") }
                try hand(end - start, take)
            }
        case .chunked:
            var left = limit
            while true {
                var lineLimit = 1024
                let size = try Self.chunkSize(try line(&lineLimit))
                if size == 0 { break }
                left -= size
                if left < 0 { throw .refused(status: 413, "the body is longer than \(limit) bytes") }
                try exactly(size, take)
                var none = 1024
                guard try line(&none).isEmpty else { throw .refused(status: 400, "a chunk is longer than it says") }
            }
            // Trailers are read, checked and dropped: nothing here may depend on them.
            var trailerLimit = 16 << 10
            _ = try headers(&trailerLimit, 32)
        }
    }

    /// The number at the head of a chunk: 1 to 15 hex digits, then nothing or an extension after ";".
    static func chunkSize(_ line: [UInt8]) throws(HTTPReadFailure) -> Int64 {
        var size: Int64 = 0
        var digits = 0
        for byte in line {
            guard let value = Hex.value(byte) else { break }
            size = size << 4 | Int64(value)
            digits += 1
            if digits > 15 { throw .refused(status: 400, "a chunk's size is too large") }
        }
        if digits == 0 { throw .refused(status: 400, "a chunk has no size") }
        if digits < line.count {
            guard line[digits] == 0x3b else { throw .refused(status: 400, "a chunk's size is no number") }
            for byte in line[digits...] where byte < 0x20 && byte != 0x09 || byte == 0x7f {
                throw .refused(status: 400, "a chunk extension has a control character")
            }
        }
        return size
    }

    private func exactly(
        _ count: Int64, _ take: (UnsafeRawBufferPointer) throws(HTTPReadFailure) -> Void
    ) throws(HTTPReadFailure) {
        var left = count
        while left > 0 {
            if start == end, try !fill() { throw .closed(clean: false) }
            let piece = Int(min(left, Int64(end - start)))
            try hand(piece, take)
            left -= Int64(piece)
        }
    }

    private func hand(
        _ count: Int, _ take: (UnsafeRawBufferPointer) throws(HTTPReadFailure) -> Void
    ) throws(HTTPReadFailure) {
        let from = start
        var failure: HTTPReadFailure?
        buffer.withUnsafeBytes { bytes in
            do throws(HTTPReadFailure) {
                try take(UnsafeRawBufferPointer(rebasing: bytes[from..<(from + count)]))
            } catch {
                failure = error
            }
        }
        start += count
        // Large bodies go faster in large pieces.
        if start == end, buffer.count < 128 << 10, count == buffer.count {
            buffer = [UInt8](repeating: 0, count: 128 << 10)
            start = 0
            end = 0
        }
        if let failure { throw failure }
    }
}

/// Reads on for a moment after the last answer: closing with unread bytes would make the kernel reset the connection,
/// and the peer might lose the answer (RFC 9112, 9.6).
func linger(_ socket: Socket, timeout: Milliseconds) {
    socket.shutdownWriting()
    let reader = HTTPReader(socket)
    reader.deadline = Deadline(after: timeout)
    do throws(HTTPReadFailure) {
        try reader.body(.untilClose, limit: 256 << 10) { _ throws(HTTPReadFailure) in }
    } catch {}  // enough was waited for
}

/// Sends all bytes over a stream.
func send(_ bytes: [UInt8], over stream: any ByteStream, timeout: Milliseconds?) throws(PosixError) {
    let failure: PosixError? = bytes.withUnsafeBytes { buffer in
        do throws(PosixError) {
            try stream.write(buffer, timeout: timeout)
            return nil
        } catch {
            return error
        }
    }
    if let failure { throw failure }
}
