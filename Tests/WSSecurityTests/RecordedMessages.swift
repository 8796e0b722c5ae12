import Foundation
import Testing

@testable import WSSecurity

/// Messages that xmlsec 1.3 signed as WSS4J does, created at 2026-11-21T04:00:00Z and good for five minutes.
enum Recorded {
    /// A minute after they were made.
    static let now: Int64 = 1_795_233_660

    static func bytes(_ name: String) throws -> [UInt8] {
        let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return Array(try Data(contentsOf: directory.appendingPathComponent("Messages/\(name).xml")))
    }

    static func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    /// Reads and checks a message.
    static func check(_ message: String, now: Int64 = now) throws(WSSecurityError) -> VerifiedMessage {
        let policy = WSSecurityPolicy()
        return try SignedMessage.parse(Array(message.utf8), policy: policy).verify(now: now, policy: policy)
    }
}

extension String {
    /// The string with the first occurrence of a text replaced, which must be there.
    func replacing(first old: String, by new: String) throws -> String {
        let range = try #require(self.range(of: old))
        return replacingCharacters(in: range, with: new)
    }

    /// From the start of one text to the end of another.
    func piece(from start: String, to end: String) throws -> String {
        let first = try #require(self.range(of: start))
        let last = try #require(self.range(of: end, range: first.lowerBound..<endIndex))
        return String(self[first.lowerBound..<last.upperBound])
    }
}
