/// From the bytes of a document to valid UTF-8 of legal characters with line feeds only, so that the parser
/// need not look at any of that again.
enum XMLDecoding {
    /// Returns the document in UTF-8 without byte order mark and with line ends as XML 1.0 section 2.11 says.
    static func normalised(_ input: [UInt8], limits: XMLLimits) throws(XMLError) -> [UInt8] {
        if input.count > limits.bytes {
            throw XMLError(
                code: .limit, message: "the document has \(input.count) bytes; at most \(limits.bytes) are read",
                line: 1, column: 1)
        }
        if input.starts(with: [0xFE, 0xFF]) || input.starts(with: [0xFF, 0xFE]) || input.starts(with: [0, 0x3C])
            || input.starts(with: [0x3C, 0])
        {
            throw unsupported("UTF-16")
        }
        var bytes = input
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        switch try declaredEncoding(bytes) {
        case .utf8: break
        case .ascii:
            for (offset, byte) in bytes.enumerated() where byte >= 0x80 {
                throw error(.encoding, "a byte that is not US-ASCII, which the document declares to be", bytes, offset)
            }
        case .latin1: bytes = fromLatin1(bytes)
        }
        if try !isValid(bytes) { bytes = withLineFeeds(bytes) }
        return bytes
    }

    /// An error at a byte offset of a document.
    static func error(_ code: XMLError.Code, _ message: String, _ bytes: [UInt8], _ offset: Int) -> XMLError {
        var line = 1
        var column = 1
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return XMLError(code: code, message: message, line: line, column: column)
    }

    private enum Encoding { case utf8, ascii, latin1 }

    private static func unsupported(_ name: String) -> XMLError {
        XMLError(
            code: .encoding, message: "the encoding \(name) is not supported; send the document in UTF-8",
            line: 1, column: 1)
    }

    /// The encoding that the XML declaration names. Its syntax is checked by the parser; here only the name matters.
    private static func declaredEncoding(_ bytes: [UInt8]) throws(XMLError) -> Encoding {
        guard bytes.starts(with: "<?xml".utf8), bytes.count > 5, XMLCharacter.isSpace(bytes[5]) else { return .utf8 }
        // A declaration is far shorter than this; the bound keeps a document without "?>" cheap.
        let window = Array(bytes.prefix(300))
        let word = Array("encoding".utf8)
        var index = 5
        while index + word.count < window.count, window[index] != UInt8(ascii: "?") {
            guard window[index...].starts(with: word) else {
                index += 1
                continue
            }
            index += word.count
            while index < window.count, XMLCharacter.isSpace(window[index]) || window[index] == UInt8(ascii: "=") {
                index += 1
            }
            guard index < window.count else { return .utf8 }
            let quote = window[index]
            var name: [UInt8] = []
            index += 1
            while index < window.count, window[index] != quote, window[index] < 0x80, window[index] > 0x20 {
                let byte = window[index]
                name.append(byte >= 0x61 && byte <= 0x7A ? byte - 0x20 : byte)
                index += 1
            }
            switch String(decoding: name, as: UTF8.self) {
            case "UTF-8", "UTF8": return .utf8
            case "US-ASCII", "ASCII": return .ascii
            case "ISO-8859-1", "LATIN1": return .latin1
            case let other: throw unsupported(other)
            }
        }
        return .utf8
    }

    private static func fromLatin1(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for byte in bytes {
            if byte < 0x80 {
                result.append(byte)
            } else {
                result.append(0xC0 | byte >> 6)
                result.append(0x80 | byte & 0x3F)
            }
        }
        return result
    }

    /// Checks that the bytes are UTF-8 of characters legal in XML 1.0. Returns false if there is a carriage
    /// return, so that line ends must be normalised.
    private static func isValid(_ bytes: [UInt8]) throws(XMLError) -> Bool {
        var index = 0
        var plainLineEnds = true
        let count = bytes.count
        while index < count {
            let byte = bytes[index]
            if byte < 0x80 {
                if byte < 0x20 {
                    if byte == 0x0D {
                        plainLineEnds = false
                    } else if byte != 0x0A && byte != 0x09 {
                        throw error(.malformed, "the control character \(byte) is not allowed in XML", bytes, index)
                    }
                }
                index += 1
                continue
            }
            guard let (scalar, length) = XMLCharacter.decode(bytes, at: index) else {
                throw error(.encoding, "the document is not valid UTF-8", bytes, index)
            }
            if scalar == 0xFFFE || scalar == 0xFFFF {
                throw error(.malformed, "the characters U+FFFE and U+FFFF are not allowed in XML", bytes, index)
            }
            index += length
        }
        return plainLineEnds
    }

    private static func withLineFeeds(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == 0x0D {
                result.append(0x0A)
                if index + 1 < bytes.count, bytes[index + 1] == 0x0A { index += 1 }
            } else {
                result.append(bytes[index])
            }
            index += 1
        }
        return result
    }
}

/// The character classes of XML 1.0.
enum XMLCharacter {
    @inline(__always)
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x09 || byte == 0x0D }

    /// Decodes one scalar of UTF-8 strictly (no overlong forms, no surrogates); nil if there is none.
    static func decode(_ bytes: [UInt8], at index: Int) -> (scalar: UInt32, length: Int)? {
        func continuation(_ offset: Int) -> UInt32? {
            guard index + offset < bytes.count, bytes[index + offset] & 0xC0 == 0x80 else { return nil }
            return UInt32(bytes[index + offset] & 0x3F)
        }
        let first = UInt32(bytes[index])
        if first < 0x80 { return (first, 1) }
        guard let second = continuation(1) else { return nil }
        if first >= 0xC2 && first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
        guard let third = continuation(2) else { return nil }
        if first >= 0xE0 && first < 0xF0 {
            let scalar = (first & 0x0F) << 12 | second << 6 | third
            return scalar >= 0x800 && !(0xD800...0xDFFF).contains(scalar) ? (scalar, 3) : nil
        }
        guard let fourth = continuation(3) else { return nil }
        guard first >= 0xF0 && first < 0xF5 else { return nil }
        let scalar = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
        return (0x10000...0x10FFFF).contains(scalar) ? (scalar, 4) : nil
    }

    /// The `Char` production.
    static func isLegal(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
        default: false
        }
    }

    /// The `NameStartChar` production without the colon, which separates a prefix.
    static func isNameStart(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x41...0x5A, 0x61...0x7A, 0x5F: true
        case 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x2FF, 0x370...0x37D, 0x37F...0x1FFF, 0x200C...0x200D, 0x2070...0x218F,
            0x2C00...0x2FEF, 0x3001...0xD7FF, 0xF900...0xFDCF, 0xFDF0...0xFFFD, 0x10000...0xEFFFF:
            true
        default: false
        }
    }

    /// The `NameChar` production without the colon.
    static func isNameContinuation(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x2D, 0x2E, 0x30...0x39, 0xB7, 0x300...0x36F, 0x203F...0x2040: true
        default: isNameStart(scalar)
        }
    }
}
