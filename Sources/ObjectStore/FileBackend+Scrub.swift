internal import Crypto
internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOPosix

/// What a pass of the scrubber found.
public struct ScrubOutcome: Sendable, Equatable {
    /// Contents that were looked at.
    public var contents = 0
    /// Bytes that were read.
    public var bytes: Int64 = 0
    /// What is damaged, for the log: where it lies and what is wrong.
    public var damaged: [String] = []

    /// Nothing seen.
    public init() {}
}

extension FileBackend {
    /// A content as the scrubber meets it.
    private struct Suspect: Sendable {
        var bucket: Int64
        var key: Data
        var sequence: Int64
        var file: Int64
        var size: Int64
        var sha256: String?
        var isEncrypted: Bool
        var isInline: Bool
    }

    /// Reads every content and compares it with its record: that it is there, its size, and its SHA-256 where one
    /// is known of the bytes as they lie on the disk. It changes nothing.
    ///
    /// - Parameter pause: rest after each file, so that the disk stays free for others.
    public func scrub(pause: Duration = .milliseconds(10)) async throws -> ScrubOutcome {
        var outcome = ScrubOutcome()
        for table in ["object", "version"] {
            var last: Suspect?
            while true {
                let from = last
                let batch = try await index.read { try Self.suspects(in: table, after: from, $0) }
                for suspect in batch {
                    try Task.checkCancellation()
                    try await check(suspect, &outcome)
                    if !suspect.isInline { try await Task.sleep(for: pause) }
                }
                guard let end = batch.last else { break }
                last = end
            }
        }
        // The pieces of objects that were put together, and parts of uploads under way.
        for table in ["piece", "part"] {
            var last: Int64 = 0
            while true {
                let from = last
                let batch = try await index.read { database in
                    try Row.fetchAll(
                        database, sql: "SELECT file, size FROM \(table) WHERE file > ? ORDER BY file LIMIT 100",
                        arguments: [from]
                    ).map { (file: $0[0] as Int64, size: $0[1] as Int64) }
                }
                for piece in batch {
                    try Task.checkCancellation()
                    // Whether a piece is encrypted stands with its object; either size is right.
                    let sizes = [piece.size, ContentKey.sealedSize(piece.size)]
                    let file = piece.file
                    outcome.contents += 1
                    if let problem = try await threads.blocking({ [directory] in directory.problem(file, sizes: sizes) }
                    ),
                        try await isStillNamed(file)
                    {
                        outcome.damaged.append(problem)
                    }
                }
                guard let end = batch.last else { break }
                last = end.file
            }
        }
        return outcome
    }

    private static func suspects(in table: String, after last: Suspect?, _ database: Database) throws -> [Suspect] {
        let place = last.map { _ in "AND (bucket, key, sequence) > (?, ?, ?)" } ?? ""
        return try Row.fetchAll(
            database,
            sql: """
                SELECT bucket, key, sequence, content, size, sha256,
                    json_extract(attributes, '$.encryption.kind') IS NOT NULL, layout = 0
                FROM \(table) WHERE layout IN (0, 1) AND content > 0 \(place) ORDER BY bucket, key, sequence LIMIT 100
                """,
            arguments: last.map { [$0.bucket, $0.key, $0.sequence] } ?? []
        ).map {
            Suspect(
                bucket: $0[0], key: $0[1], sequence: $0[2], file: $0[3], size: $0[4], sha256: $0[5],
                isEncrypted: $0[6], isInline: $0[7])
        }
    }

    private func check(_ suspect: Suspect, _ outcome: inout ScrubOutcome) async throws {
        if suspect.isInline { return try await checkInline(suspect, &outcome) }
        let size = suspect.isEncrypted ? ContentKey.sealedSize(suspect.size) : suspect.size
        let sha256 = suspect.isEncrypted ? nil : suspect.sha256
        let problem = try await threads.blocking { [directory] in
            directory.problem(suspect.file, sizes: [size], sha256: sha256)
        }
        outcome.contents += 1
        outcome.bytes += sha256 == nil ? 0 : size
        // Overwritten or deleted since it was listed is no damage.
        if let problem, try await isStillNamed(suspect.file) { outcome.damaged.append(problem) }
    }

    private func checkInline(_ suspect: Suspect, _ outcome: inout ScrubOutcome) async throws {
        let content = suspect.file
        let data = try await index.read { database in
            try Data.fetchOne(database, sql: "SELECT data FROM inline WHERE content = ?", arguments: [content])
        }
        outcome.contents += 1
        let size = suspect.isEncrypted ? ContentKey.sealedSize(suspect.size) : suspect.size
        let key = String(decoding: suspect.key, as: UTF8.self)
        guard let data else {
            let isNamed = try await index.read { database in
                try Bool.fetchOne(
                    database,
                    sql: """
                        SELECT EXISTS (SELECT 1 FROM object WHERE content = :c)
                            OR EXISTS (SELECT 1 FROM version WHERE content = :c)
                        """, arguments: ["c": content]) ?? false
            }
            if isNamed { outcome.damaged.append("the bytes of \(key) are missing in the index") }
            return
        }
        outcome.bytes += Int64(data.count)
        let isRight =
            Int64(data.count) == size
            && (suspect.isEncrypted || suspect.sha256.map { $0 == hexadecimal(SHA256.hash(data: data)) } ?? true)
        if !isRight { outcome.damaged.append("the index holds wrong bytes of \(key)") }
    }

    private func isStillNamed(_ file: Int64) async throws -> Bool {
        try await index.read { try ObjectIndex.isNamed(file, $0) }
    }
}

extension DataDirectory {
    /// What is wrong with a file; nil if it is as it should be.
    func problem(_ id: Int64, sizes: [Int64], sha256: String? = nil) -> String? {
        let descriptor = Glibc.open(path(id), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            return errno == ENOENT ? "\(path(id)) is missing" : "\(path(id)): \(String(cString: strerror(errno)))"
        }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return "\(path(id)): \(String(cString: strerror(errno)))" }
        guard sizes.contains(Int64(status.st_size)) else {
            return "\(path(id)) has \(status.st_size) bytes; its record says \(sizes[0])"
        }
        guard let sha256 else { return nil }
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                return "\(path(id)): \(String(cString: strerror(errno)))"
            }
            if count == 0 { break }
            buffer.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
        return hexadecimal(hash.finalize()) == sha256 ? nil : "\(path(id)) does not have the SHA-256 of its record"
    }
}
