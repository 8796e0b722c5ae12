import Foundation

/// Columns for people, as wide as their widest entry.
struct TextTable {
    private var lines: [[String]]

    init(_ titles: String...) { lines = [titles] }

    mutating func add(_ columns: String...) { lines.append(columns.map { $0.isEmpty ? "-" : $0 }) }

    var text: String {
        let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            var text = zip(line, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                .joined(separator: "  ")
            while text.hasSuffix(" ") { text.removeLast() }
            return text + "\n"
        }.joined()
    }
}
