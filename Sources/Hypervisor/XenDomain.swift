/// A domain as the toolstack lists it.
struct XenDomain: Sendable, Equatable {
    /// Why a domain does not run any more (SHUTDOWN_* of xen/include/public/sched.h).
    enum Shutdown: Int, Sendable {
        case powerOff = 0
        case reboot = 1
        case suspend = 2
        case crash = 3
        case watchdog = 4

        /// xend's words; nil for others.
        init?(xend word: String) {
            switch word {
            case "poweroff", "halt": self = .powerOff
            case "reboot": self = .reboot
            case "suspend": self = .suspend
            case "crash": self = .crash
            default: return nil
            }
        }
    }

    /// How far it is.
    enum State: Sendable, Equatable {
        /// It runs, waits, or is paused.
        case alive
        /// Its virtual processors stopped for good; its memory is still there.
        case shutDown(Shutdown)
        /// It is being taken down.
        case dying
    }

    /// Number on this boot of the host; 0 is the host's own system.
    var id: Int
    /// Name; anybody may change it.
    var name: String
    /// What identifies it, in lower case with dashes.
    var uuid: String
    var state: State
    /// Whether its processors are held, by somebody or because it is not made completely.
    var isPaused = false
    /// Whether the toolstack did not say why it ended, though it may be asked otherwise: `state` has a guess.
    var lacksReason = false
    /// Its memory in MiB.
    var memoryMiB: Int64

    /// The one of this UUID. What is left of a domain that died may be listed beside the one that was made in its place.
    static func find(_ uuid: String, in domains: [XenDomain]) -> XenDomain? {
        domains.first { domain in domain.uuid == uuid && domain.state != .dying }
            ?? domains.first { domain in domain.uuid == uuid }
    }

    // MARK: xl

    /// Reads `xl list -v`:
    ///
    ///     Name        ID   Mem VCPUs      State   Time(s)   UUID        Reason-Code    Security Label …
    ///     Domain-0     0  1024     2     r-----      39.6   00000000-…            -    …
    ///
    /// A name may hold blanks, so columns are found from the UUID.
    static func parse(verboseList text: String) throws(HypervisorError) -> [XenDomain] {
        var domains: [XenDomain] = []
        var isFirst = true
        for line in text.split(separator: "\n") {
            if isFirst {
                isFirst = false
                guard line.hasPrefix("Name") else { throw strange("xl list -v", line) }
                continue
            }
            let words = line.split(whereSeparator: { character in character == " " || character == "\t" })
            // The last, since a name may look like one.
            guard let at = words.lastIndex(where: { word in isUUID(word) }), at >= 6, at + 1 < words.count,
                let id = Int(String(words[at - 5])), let memory = Int64(String(words[at - 4]))
            else { throw strange("xl list -v", line) }
            let name = words[..<(at - 5)].joined(separator: " ")
            let flags = Array(words[at - 2].utf8)
            var state = State.alive
            if flags.count >= 6 {
                if flags[5] == UInt8(ascii: "d") {
                    state = .dying
                } else if flags[3] == UInt8(ascii: "s") || flags[4] == UInt8(ascii: "c") {
                    let code = Int(String(words[at + 1]), radix: 16)
                    let reason = code.flatMap { code in Shutdown(rawValue: code) }
                    state = .shutDown(reason ?? (flags[4] == UInt8(ascii: "c") ? .crash : .powerOff))
                }
            }
            domains.append(
                XenDomain(
                    id: id, name: name, uuid: String(words[at]).lowercased(), state: state,
                    isPaused: flags.count > 2 && flags[2] == UInt8(ascii: "p"), memoryMiB: memory))
        }
        return domains
    }

    private static func strange(_ command: String, _ line: Substring) -> HypervisorError {
        HypervisorError(
            .unavailable,
            "\(command) says what is not understood: \(String(decoding: line.utf8.prefix(200), as: UTF8.self))")
    }

    /// Eight, four, four, four and twelve hexadecimal digits.
    static func isUUID(_ word: Substring) -> Bool {
        let parts = word.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 5 else { return false }
        let lengths = [8, 4, 4, 4, 12]
        for index in 0..<5 {
            guard parts[index].utf8.count == lengths[index] else { return false }
            for byte in parts[index].utf8 {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                    UInt8(ascii: "A")...UInt8(ascii: "F"):
                    break
                default: return false
                }
            }
        }
        return true
    }

    // MARK: xm

    /// Reads `xm list --long`: one S-expression for each domain, `(domain (domid 3) (uuid …) (name …) (state -b----)
    /// (shutdown_reason poweroff) …)`; xend has not given the reason since 3.0.4. Only what stands directly in `domain`
    /// counts; devices have words of their own.
    static func parse(longList text: String) throws(HypervisorError) -> [XenDomain] {
        var domains: [XenDomain] = []
        var reader = ExpressionReader(bytes: Array(text.utf8))
        while let expression = try reader.next() {
            guard case .list(let parts) = expression, parts.first?.word == "domain" else { continue }
            var fields: [String: String] = [:]
            for part in parts.dropFirst() {
                guard case .list(let pair) = part, pair.count == 2, let key = pair[0].word, let value = pair[1].word
                else { continue }
                fields[key] = value
            }
            // A managed domain that does not run is listed without a number.
            guard let number = fields["domid"], let id = Int(number), let uuid = fields["uuid"] else { continue }
            var state = State.alive
            var lacksReason = false
            let flags = Array((fields["state"] ?? "").utf8)
            if flags.contains(UInt8(ascii: "d")) {
                state = .dying
            } else if flags.contains(UInt8(ascii: "s")) || flags.contains(UInt8(ascii: "c")) {
                let hasCrashed = flags.contains(UInt8(ascii: "c"))
                let reason = fields["shutdown_reason"].flatMap { word in Shutdown(xend: word) }
                state = .shutDown(reason ?? (hasCrashed ? .crash : .powerOff))
                lacksReason = reason == nil && !hasCrashed
            }
            domains.append(
                XenDomain(
                    id: id, name: fields["name"] ?? "", uuid: uuid.lowercased(), state: state,
                    isPaused: flags.contains(UInt8(ascii: "p")), lacksReason: lacksReason,
                    memoryMiB: fields["memory"].flatMap { text in Int64(text) } ?? 0))
        }
        return domains
    }

    /// xend's S-expressions: words, quoted or not, and lists.
    private indirect enum Expression {
        case word(String)
        case list([Expression])

        var word: String? {
            if case .word(let text) = self { return text }
            return nil
        }
    }

    private struct ExpressionReader {
        let bytes: [UInt8]
        var position = 0
        private static let mostNested = 64

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func next(depth: Int = 0) throws(HypervisorError) -> Expression? {
            skipBlanks()
            guard position < bytes.count else { return nil }
            switch bytes[position] {
            case UInt8(ascii: "("):
                guard depth < Self.mostNested else { throw damaged }
                position += 1
                var parts: [Expression] = []
                while true {
                    skipBlanks()
                    guard position < bytes.count else { throw damaged }
                    if bytes[position] == UInt8(ascii: ")") {
                        position += 1
                        return .list(parts)
                    }
                    if let part = try next(depth: depth + 1) { parts.append(part) }
                }
            case UInt8(ascii: ")"): throw damaged
            case let quote where quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\""):
                position += 1
                var text: [UInt8] = []
                while position < bytes.count, bytes[position] != quote {
                    if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count { position += 1 }
                    text.append(bytes[position])
                    position += 1
                }
                guard position < bytes.count else { throw damaged }
                position += 1
                return .word(String(decoding: text, as: UTF8.self))
            default:
                let start = position
                while position < bytes.count, !Self.ends(bytes[position]) { position += 1 }
                return .word(String(decoding: bytes[start..<position], as: UTF8.self))
            }
        }

        private var damaged: HypervisorError {
            HypervisorError(.unavailable, "xm list --long says what is not understood, at byte \(position)")
        }

        private static func ends(_ byte: UInt8) -> Bool {
            byte <= 0x20 || byte == UInt8(ascii: "(") || byte == UInt8(ascii: ")")
        }

        private mutating func skipBlanks() {
            while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
        }
    }
}
