internal import Crypto
internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOPosix
internal import Signatures

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
        var etag: String
        var sha256: String?
        var isEncrypted: Bool
        var isInline: Bool
    }

    /// Reads every content and compares it with its record: that it is there, its size, and its digest where one is
    /// known of the bytes as they lie on the disk: the SHA-256 of objects that have one, else the MD5. It changes nothing.
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
        for (table, digest) in [("piece", "md5"), ("part", "etag")] {
            var last: Int64 = 0
            while true {
                let from = last
                let batch = try await index.read { database in
                    try Row.fetchAll(
                        database,
                        sql: "SELECT file, size, \(digest) FROM \(table) WHERE file > ? ORDER BY file LIMIT 100",
                        arguments: [from]
                    ).map { (file: $0[0] as Int64, size: $0[1] as Int64, md5: $0[2] as String?) }
                }
                for piece in batch {
                    try Task.checkCancellation()
                    outcome.contents += 1
                    // Whether a piece is encrypted stands with its object; either size is right.
                    let examined = try await threads.blocking { [directory] in
                        directory.examine(
                            piece.file, size: piece.size, sealed: ContentKey.sealedSize(piece.size),
                            digest: piece.md5.map { .md5($0) })
                    }
                    outcome.bytes += examined.bytes
                    if let problem = examined.problem, try await isStillNamed(piece.file) {
                        outcome.damaged.append(problem)
                    }
                    try await Task.sleep(for: pause)
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
                SELECT bucket, key, sequence, content, size, etag, sha256,
                    json_extract(attributes, '$.encryption.kind') IS NOT NULL, layout = 0
                FROM \(table) WHERE layout IN (0, 1) AND content > 0 \(place) ORDER BY bucket, key, sequence LIMIT 100
                """,
            arguments: last.map { [$0.bucket, $0.key, $0.sequence] } ?? []
        ).map {
            Suspect(
                bucket: $0[0], key: $0[1], sequence: $0[2], file: $0[3], size: $0[4], etag: $0[5],
                sha256: $0[6], isEncrypted: $0[7], isInline: $0[8])
        }
    }

    private func check(_ suspect: Suspect, _ outcome: inout ScrubOutcome) async throws {
        if suspect.isInline { return try await checkInline(suspect, &outcome) }
        let size = suspect.isEncrypted ? ContentKey.sealedSize(suspect.size) : suspect.size
        // The entity tag of what came in one piece is its MD5.
        let digest: ExpectedDigest? =
            suspect.isEncrypted ? nil : suspect.sha256.map { .sha256($0) } ?? .md5(suspect.etag)
        let examined = try await threads.blocking { [directory] in
            directory.examine(suspect.file, size: size, digest: digest)
        }
        outcome.contents += 1
        outcome.bytes += examined.bytes
        // Overwritten or deleted since it was listed is no damage.
        if let problem = examined.problem, try await isStillNamed(suspect.file) { outcome.damaged.append(problem) }
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

/// What the bytes of a file must have, as hexadecimal digits.
enum ExpectedDigest: Sendable {
    case sha256(String)
    case md5(String)
}

extension DataDirectory {
    /// Compares a file with what its record says.
    ///
    /// - Parameters:
    ///   - size: bytes of the file.
    ///   - sealed: bytes if it is encrypted, which the digest is not about; nil if that is known not to be so.
    ///   - digest: of a file that is not encrypted; nil if none is known.
    /// - Returns: what is wrong with it, nil if nothing is; and how many bytes were read.
    func examine(
        _ id: Int64, size: Int64, sealed: Int64? = nil, digest: ExpectedDigest?
    ) -> (problem: String?, bytes: Int64) {
        let path = path(id)
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            return (errno == ENOENT ? "\(path) is missing" : "\(path): \(String(cString: strerror(errno)))", 0)
        }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return ("\(path): \(String(cString: strerror(errno)))", 0) }
        let found = Int64(status.st_size)
        guard found == size || found == sealed else {
            return ("\(path) has \(found) bytes; its record says \(size)", 0)
        }
        guard let digest, found == size else { return (nil, 0) }
        do throws(PosixFailure) {
            switch digest {
            case .sha256(let expected):
                let found = hexadecimal(try Self.digest(of: descriptor, SHA256()))
                return (found == expected ? nil : "\(path) does not have the SHA-256 of its record", size)
            case .md5(let expected):
                let found = hexadecimal(try Self.digest(of: descriptor, Insecure.MD5()))
                return (found == expected ? nil : "\(path) does not have the MD5 of its record", size)
            }
        } catch {
            return ("\(path): \(String(cString: strerror(error.code)))", 0)
        }
    }

    private struct PosixFailure: Error {
        var code: Int32
    }

    private static func digest<H: HashFunction>(
        of descriptor: Int32, _ hash: H
    ) throws(PosixFailure) -> H.Digest {
        var hash = hash
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw PosixFailure(code: errno)
            }
            if count == 0 { return hash.finalize() }
            buffer.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }
}
