import Foundation
public import Logging

/// A swift-log handler that writes one line per record: time (UTC), level, label, message, metadata.
///
///     2026-11-21T03:59:46.120Z info cloud: Listening address=127.0.0.1:8773 request=6f1c…
///
/// Line breaks and control characters in what is logged are escaped, so that a record is always one line and a
/// client cannot forge others. Values of metadata whose key names a secret are not written.
public struct LineLogHandler: LogHandler {
    /// How a record looks.
    public enum Format: String, Sendable, CaseIterable {
        /// For people.
        case text
        /// One JSON object: `time`, `level`, `label`, `message`, then the metadata.
        case json
    }

    /// Records below it are dropped.
    public var logLevel: Logger.Level
    /// Goes with every record.
    public var metadata: Logger.Metadata = [:]
    private let label: String
    private let format: Format
    private let sink: any LogSink

    /// A handler for `label` that writes to `sink`.
    public init(label: String, level: Logger.Level = .info, format: Format = .text, sink: any LogSink) {
        self.label = label
        logLevel = level
        self.format = format
        self.sink = sink
    }

    /// One item of metadata.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes the record.
    public func log(event: LogEvent) {
        var all = metadata
        if let more = event.metadata { all.merge(more) { _, new in new } }
        if let error = event.error { all["error"] = "\(error)" }
        let fields = all.sorted { $0.key < $1.key }.map { key, value in
            (Self.name(key), Self.isSecret(key) ? "[hidden]" : value.description)
        }
        let time = Self.timestamp(Date())
        var line = ""
        switch format {
        case .text:
            line = "\(time) \(event.level.rawValue) \(label): \(Self.escaped(event.message.description, quote: false))"
            for (key, value) in fields { line += " \(key)=\(Self.quotedIfNeeded(value))" }
        case .json:
            line = "{\"time\":\"\(time)\",\"level\":\"\(event.level.rawValue)\",\"label\":\(Self.quoted(label))"
            line += ",\"message\":\(Self.quoted(event.message.description))"
            for (key, value) in fields { line += ",\(Self.quoted(key)):\(Self.quoted(value))" }
            line += "}"
        }
        sink.write(line + "\n")
    }

    /// Hummingbird's name of the request id is ours.
    private static func name(_ key: String) -> String { key == "hb.request.id" ? "request" : key }

    private static func isSecret(_ key: String) -> Bool {
        // Byte by byte, since every line of every request passes here and Foundation's search takes longer than the rest.
        let key = key.utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        return secretWords.contains { word in
            key.count >= word.count
                && (0...(key.count - word.count)).contains { key[$0...].starts(with: word) }
        }
    }

    private static let secretWords = [
        "secret", "password", "passphrase", "signature", "authorization", "token", "privatekey", "private_key",
    ].map { Array($0.utf8) }

    private static func quotedIfNeeded(_ value: String) -> String {
        let plain = value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F && $0 != 0x5C }
        return plain && !value.isEmpty ? escaped(value, quote: false) : quoted(value)
    }

    static func quoted(_ value: String) -> String { "\"" + escaped(value, quote: true) + "\"" }

    /// JSON's escapes; with `quote` also of the quotation mark and the backslash.
    private static func escaped(_ value: String, quote: Bool) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\"" where quote: result += "\\\""
            case "\\" where quote: result += "\\\\"
            // C0, DEL, C1, and the separators that some viewers take for line ends
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || scalar.value == 0x2028 || scalar.value == 0x2029:
                let hexadecimal = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// RFC 3339 in UTC with milliseconds.
    static func timestamp(_ date: Date) -> String {
        let milliseconds = Int((date.timeIntervalSince1970 * 1000).rounded(.down))
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ value: Int, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-"
            + "\(digits(Int(parts.tm_mday), 2))T\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):"
            + "\(digits(Int(parts.tm_sec), 2)).\(digits(milliseconds % 1000, 3))Z"
    }
}
