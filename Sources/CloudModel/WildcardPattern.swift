/// A filter value: text with `*` (any characters), `?` (one character) and `\` before a character that stands for
/// itself (EC2 User Guide, "Filter your resources"). Matching takes at most time × length of the two texts.
public struct WildcardPattern: Hashable, Sendable {
    private enum Token: Hashable { case byte(UInt8), one, any }
    private let tokens: [Token]
    /// The text it stands for when it has no wildcard: the common case, compared at once.
    private let literal: String?

    /// Reads a pattern; every text is one.
    public init(_ text: String) {
        var tokens: [Token] = []
        var plain: [UInt8] = []
        var isPlain = true
        var escaped = false
        for byte in text.utf8 {
            if escaped {
                tokens.append(.byte(byte))
                plain.append(byte)
                escaped = false
                continue
            }
            switch byte {
            case UInt8(ascii: "\\"):
                escaped = true
            case UInt8(ascii: "*"):
                isPlain = false
                if tokens.last != .any { tokens.append(.any) }
            case UInt8(ascii: "?"):
                isPlain = false
                tokens.append(.one)
            default:
                tokens.append(.byte(byte))
                plain.append(byte)
            }
        }
        if escaped {
            tokens.append(.byte(UInt8(ascii: "\\")))
            plain.append(UInt8(ascii: "\\"))
        }
        self.tokens = tokens
        literal = isPlain ? String(decoding: plain, as: UTF8.self) : nil
    }

    /// The text itself if there is no wildcard: the caller can then look it up in an index.
    public var exactText: String? { literal }

    /// Whether the whole of `text` matches; upper and lower case differ.
    public func matches(_ text: String) -> Bool {
        if let literal { return literal == text }
        let bytes = Array(text.utf8)
        var position = 0
        var token = 0
        // Where to go on when the tokens after the last `*` fail: the star takes one byte more.
        var starToken: Int?
        var starPosition = 0
        while position < bytes.count {
            if token < tokens.count {
                switch tokens[token] {
                case .any:
                    starToken = token
                    starPosition = position
                    token += 1
                    continue
                case .one:
                    position = Self.afterCharacter(bytes, position)
                    token += 1
                    continue
                case .byte(let byte) where byte == bytes[position]:
                    position += 1
                    token += 1
                    continue
                case .byte:
                    break
                }
            }
            guard let resume = starToken else { return false }
            starPosition = Self.afterCharacter(bytes, starPosition)
            position = starPosition
            token = resume + 1
        }
        while token < tokens.count, tokens[token] == .any { token += 1 }
        return token == tokens.count
    }

    /// The position after the (possibly multi-byte) character at `position`.
    private static func afterCharacter(_ bytes: [UInt8], _ position: Int) -> Int {
        var next = position + 1
        while next < bytes.count, bytes[next] & 0xC0 == 0x80 { next += 1 }
        return next
    }
}
