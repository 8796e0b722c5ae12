// multipart/form-data (RFC 7578) as browsers send it, without keeping the file in memory:
//
//   preamble ──delimiter──> part head ──> field body ──delimiter──> part head …
//                               └──────> file body ──delimiter──> done
//
// What follows the file is ignored, as S3 does.

internal import NIOCore

/// Takes a form apart.
struct FormDecoder {
    enum Event: Equatable {
        case field(name: String, value: String)
        case file(name: String, contentType: String?)
        case data(ByteBuffer)
        case end
    }

    private enum State {
        case preamble
        case head
        case field(String)
        case file
        case done
    }

    /// S3's limit for the form without the file.
    private static let mostBeforeFile = 20 << 10
    private static let mostFields = 100

    private let delimiter: [UInt8]
    private var state = State.preamble
    private var pending = ByteBuffer()
    private var taken = 0
    private var fields = 0

    /// - Parameter contentType: the request's; nil if it is no form.
    init?(contentType: String?) {
        guard let contentType, contentType.lowercased().hasPrefix("multipart/form-data") else { return nil }
        let piece = contentType.split(separator: ";").first { part in
            part.drop { $0 == " " }.lowercased().hasPrefix("boundary=")
        }
        guard let piece, let equals = piece.firstIndex(of: "=") else { return nil }
        let boundary = piece[piece.index(after: equals)...].filter { $0 != "\"" }
        guard (1...200).contains(boundary.utf8.count) else { return nil }
        delimiter = Array("\r\n--".utf8) + Array(boundary.utf8)
        // The first delimiter may stand at the very beginning.
        pending.writeString("\r\n")
    }

    private static func malformed(_ what: String) -> S3Error {
        S3Error(
            .malformedPOSTRequest, "The body of your POST request is not well-formed multipart/form-data: " + what)
    }

    /// Takes in bytes and gives what is complete.
    mutating func decode(_ incoming: ByteBuffer) throws(S3Error) -> [Event] {
        var incoming = incoming
        if case .done = state { return [] }
        if case .file = state {
        } else {
            taken += incoming.readableBytes
        }
        pending.discardReadBytes()
        pending.writeBuffer(&incoming)
        var events: [Event] = []
        while try step(&events) {}
        if case .done = state {
            pending.clear()
        } else if case .file = state {
        } else if pending.readableBytes > Self.mostBeforeFile {
            throw Self.malformed("the fields before the file are larger than 20 KiB.")
        }
        return events
    }

    /// Says that no more bytes come.
    func finish() throws(S3Error) {
        guard case .done = state else { throw Self.malformed("it ends too early.") }
    }

    private mutating func step(_ events: inout [Event]) throws(S3Error) -> Bool {
        switch state {
        case .preamble:
            guard let at = find(delimiter) else { return false }
            pending.moveReaderIndex(forwardBy: at + delimiter.count)
            state = .head
            return true
        case .head:
            let view = pending.readableBytesView
            guard view.count >= 2 else { return false }
            if view.starts(with: [0x2D, 0x2D]) {
                events.append(.end)
                state = .done
                return false
            }
            guard let at = find([13, 10, 13, 10]) else { return false }
            guard let head = pending.readString(length: at + 4) else { return false }
            try begin(head, &events)
            return true
        case .field(let name):
            guard let at = find(delimiter) else { return false }
            guard let value = pending.readString(length: at) else { return false }
            pending.moveReaderIndex(forwardBy: delimiter.count)
            events.append(.field(name: name, value: value))
            state = .head
            return true
        case .file:
            if let at = find(delimiter) {
                if at > 0, let data = pending.readSlice(length: at) { events.append(.data(data)) }
                events.append(.end)
                state = .done
                return false
            }
            let safe = pending.readableBytes - delimiter.count + 1
            if safe > 0, let data = pending.readSlice(length: safe) { events.append(.data(data)) }
            return false
        case .done: return false
        }
    }

    private mutating func begin(_ head: String, _ events: inout [Event]) throws(S3Error) {
        fields += 1
        guard fields <= Self.mostFields else { throw Self.malformed("it has too many fields.") }
        var name: String?
        var fileName: String?
        var contentType: String?
        for line in head.split(whereSeparator: { $0 == "\r\n" || $0 == "\n" || $0 == "\r" }) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            switch line[..<colon].lowercased() {
            case "content-type": contentType = String(value)
            case "content-disposition":
                for part in Self.parameters(value) {
                    if part.name == "name" { name = part.value }
                    if part.name == "filename" { fileName = part.value }
                }
            default: break
            }
        }
        guard let name else { throw Self.malformed("a part has no name.") }
        if name.lowercased() == "file" {
            events.append(.file(name: fileName ?? "", contentType: contentType))
            state = .file
        } else {
            state = .field(name)
        }
    }

    /// `form-data; name="a"; filename="b;c"`
    private static func parameters(_ text: Substring) -> [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        var current = ""
        var quoted = false
        var escaped = false
        func take(_ piece: String) {
            guard let equals = piece.firstIndex(of: "=") else { return }
            let name = piece[..<equals].filter { $0 != " " }.lowercased()
            var value = piece[piece.index(after: equals)...].drop { $0 == " " }
            if value.hasPrefix("\""), value.hasSuffix("\""), value.count >= 2 { value = value.dropFirst().dropLast() }
            result.append((name, String(value)))
        }
        for character in text {
            if escaped {
                current.append(character)
                escaped = false
            } else if character == "\\", quoted {
                escaped = true
            } else if character == ";", !quoted {
                take(current)
                current = ""
            } else {
                if character == "\"" { quoted.toggle() }
                current.append(character)
            }
        }
        take(current)
        return result
    }

    /// Where a pattern begins, counted from the reader index.
    private func find(_ pattern: [UInt8]) -> Int? {
        pending.withUnsafeReadableBytes { bytes in
            guard bytes.count >= pattern.count else { return nil }
            let first = pattern[0]
            var index = 0
            let last = bytes.count - pattern.count
            while index <= last {
                if bytes[index] == first, pattern.indices.allSatisfy({ bytes[index + $0] == pattern[$0] }) {
                    return index
                }
                index += 1
            }
            return nil
        }
    }
}
