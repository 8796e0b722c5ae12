import Posix

/// A guest's console in files of bounded size: the first 16 KiB, and at least the last 48 KiB.
///
///     head (until full) ─▶ tail (until full) ─▶ tail becomes older, the older one goes
///
/// Appending is all that ever happens to a file, so a crash leaves them readable.
struct GuestConsole: Sendable {
    /// The guest's directory.
    let directory: String

    /// The first of the console.
    var head: String { directory + "/console.head" }
    /// The latest of the console.
    var tail: String { directory + "/console.tail" }
    /// The console before `tail`.
    var older: String { directory + "/console.older" }
    /// All of them.
    var paths: [String] { [head, tail, older] }

    static let headBytes: Int64 = 16 << 10
    static let tailBytes: Int64 = 48 << 10

    /// Adds what was read from the guest.
    func append(_ bytes: [UInt8]) throws(PosixError) {
        var rest = bytes[...]
        let headSize = try FileSystem.statusIfPresent(self.head)?.size ?? 0
        if headSize < Self.headBytes {
            let part = rest.prefix(Int(Self.headBytes - headSize))
            try FileSystem.append(self.head, Array(part), permissions: 0o600)
            rest = rest.dropFirst(part.count)
        }
        while !rest.isEmpty {
            let size = try FileSystem.statusIfPresent(self.tail)?.size ?? 0
            if size >= Self.tailBytes {
                try FileSystem.rename(self.tail, to: self.older)
                continue
            }
            let part = rest.prefix(Int(Self.tailBytes - size))
            try FileSystem.append(self.tail, Array(part), permissions: 0o600)
            rest = rest.dropFirst(part.count)
        }
    }

    /// What is kept, at most `limit` bytes.
    func read(limit: Int) throws(PosixError) -> ConsoleOutput {
        let first = try part(self.head)
        let middle = try part(self.older)
        let last = try part(self.tail)
        var latest = try FileSystem.statusIfPresent(self.tail)
        if latest == nil { latest = try FileSystem.statusIfPresent(self.head) }
        // Between head and older something is missing only once an older file was dropped, which nobody counted.
        let gap = middle.count == Int(Self.tailBytes)
        return ConsoleOutput(
            bytes: Self.join(head: first, tail: middle + last, mayHaveGap: gap, limit: limit),
            timestampMilliseconds: latest?.modified ?? Clock.now)
    }

    private func part(_ path: String) throws(PosixError) -> [UInt8] {
        guard FileSystem.exists(path) else { return [] }
        return try FileSystem.read(path, limit: 1 << 20)
    }

    /// The beginning, a line that says that something is left out, and the end, in at most `limit` bytes; everything if
    /// that fits.
    static func join(head: [UInt8], tail: [UInt8], mayHaveGap: Bool, limit: Int) -> [UInt8] {
        if !mayHaveGap, head.count + tail.count <= limit { return head + tail }
        let notice = Array("\r\n[... output left out here ...]\r\n".utf8)
        guard limit > notice.count * 4 else { return Array((head + tail).suffix(max(0, limit))) }
        let begin = head.prefix((limit - notice.count) / 4)
        let rest = (head.dropFirst(begin.count) + tail).suffix(limit - notice.count - begin.count)
        return Array(begin) + notice + Array(rest)
    }
}
