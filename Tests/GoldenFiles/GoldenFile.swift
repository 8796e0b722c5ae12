// Files in the project that are made from its tables, and the tests that fail when they are stale.
//
// Here: reading, writing anew (`MALLEE_WRITE_DOCS=1`, as the Makefile's targets set it) and comparing. Not here: what is
// in them. It fails with what Foundation throws for a file.

public import Foundation

/// A file whose content a test can make.
public struct GoldenFile: Sendable {
    /// Where it lies.
    public let url: URL

    /// A file by its path from the directory of the source file that asks.
    public init(_ path: String, from source: String = #filePath) {
        url =
            URL(fileURLWithPath: source).resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent(path).standardizedFileURL
    }

    /// What is in the file; the new text after writing it, if that is asked for.
    ///
    /// - Parameter text: what ought to be in it.
    public func content(ifNew text: String) throws -> String {
        if ProcessInfo.processInfo.environment["MALLEE_WRITE_DOCS"] == "1" { try Data(text.utf8).write(to: url) }
        return try String(decoding: Data(contentsOf: url), as: UTF8.self)
    }

    /// Lines that ought to be in the file and are not; one that says so if only lines too many or their order differ;
    /// none if it is as it ought to be.
    public func differences(from text: String) throws -> [String] {
        let found = try content(ifNew: text)
        guard found != text else { return [] }
        let known = Set(found.split(separator: "\n"))
        let missing = text.split(separator: "\n").filter { !known.contains($0) }.map { "not in it: \($0)" }
        return missing.isEmpty ? ["it has lines that nothing answers to any more, or another order"] : missing
    }

    /// A table in columns of spaces.
    public static func table(_ rows: [[String]]) -> String {
        let columns = rows.first?.indices ?? 0..<0
        let widths = columns.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var text = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                .joined(separator: "  ")
            while text.hasSuffix(" ") { text.removeLast() }
            return text + "\n"
        }.joined()
    }
}
