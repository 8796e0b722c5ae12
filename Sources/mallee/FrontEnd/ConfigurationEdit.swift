import Foundation

/// Fills unset keys of a configuration file and leaves every other byte as it is.
struct ConfigurationEdit {
    let path: String
    private(set) var text: String
    private(set) var file: ConfigurationFile

    /// - Throws: `CommandFailure` if the text is no configuration.
    init(path: String, text: String) throws {
        self.path = path
        self.text = text
        file = try ConfigurationFile(path: path, text: text)
    }

    /// The value that is set; nil if the key is absent, commented or empty.
    func value(_ key: String) -> String? { file.optional(key) }

    /// Sets a key that has no value: in its own line if that is empty (`KEY=""`), else in place of its first comment
    /// line (`#KEY="…"`), else at the end.
    mutating func fill(_ key: String, _ value: String) throws {
        precondition(self.value(key) == nil, "a value that is set is not replaced")
        let assignment = "\(key)=\"\(value)\""
        var lines = text.components(separatedBy: "\n")
        func name(of line: String, comment: Bool) -> String? {
            var line = line.trimmingCharacters(in: .whitespaces)[...]
            if comment {
                guard line.hasPrefix("#") else { return nil }
                line = line.dropFirst()
            }
            return line.firstIndex(of: "=").map { String(line[..<$0]) }
        }
        if let index = lines.firstIndex(where: { name(of: $0, comment: false) == key })
            ?? lines.firstIndex(where: { name(of: $0, comment: true) == key })
        {
            lines[index] = assignment
        } else {
            if lines.last == "" { lines.removeLast() }
            lines += [assignment, ""]
        }
        text = lines.joined(separator: "\n")
        file = try ConfigurationFile(path: path, text: text)
    }
}
