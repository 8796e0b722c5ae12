import Foundation

/// A daemon's configuration: `KEY="value"` lines, as in the original's eucalyptus.conf. `#` begins a comment line.
struct ConfigurationFile: Sendable {
    let path: String
    private let values: [String: String]

    /// Reads a file.
    ///
    /// - Throws: `CommandFailure` with the line that is none of that form, or a key that is given twice.
    init(path: String) throws {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw CommandFailure("The configuration file \(path) cannot be read.")
        }
        try self.init(path: path, text: text)
    }

    init(path: String, text: String) throws {
        self.path = path
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let equals = line.firstIndex(of: "="), equals > line.startIndex else {
                throw CommandFailure("\(path), line \(index + 1): expected KEY=\"value\".")
            }
            let key = String(line[..<equals])
            var value = String(line[line.index(after: equals)...])
            if value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
                value = String(value.dropFirst().dropLast())
            }
            guard values.updateValue(value, forKey: key) == nil else {
                throw CommandFailure("\(path), line \(index + 1): \(key) is given twice.")
            }
        }
        self.values = values
    }

    /// A value, or the default.
    func string(_ key: String, default fallback: String) -> String { values[key] ?? fallback }

    /// A value that must be there.
    func required(_ key: String) throws -> String {
        guard let value = values[key], !value.isEmpty else { throw CommandFailure("\(path) does not set \(key).") }
        return value
    }

    /// A value that may be absent.
    func optional(_ key: String) -> String? { values[key].flatMap { $0.isEmpty ? nil : $0 } }

    /// A whole number within a range.
    func integer(_ key: String, default fallback: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = values[key] else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw CommandFailure(
                "\(path): \(key) is \"\(text)\"; it must be a whole number from \(range.lowerBound) to \(range.upperBound)."
            )
        }
        return value
    }

    /// A list of words.
    func words(_ key: String) -> [String] { (values[key] ?? "").split(separator: " ").map(String.init) }

    /// Keys that nobody asked for: spelling mistakes, mostly.
    func unknown(besides known: Set<String>) -> [String] { values.keys.filter { !known.contains($0) }.sorted() }
}
