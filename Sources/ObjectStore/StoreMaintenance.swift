internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOCore

/// What an administrator does with a store that no process has open.
public enum StoreMaintenance {
    /// Reads index and journal completely and says what is wrong with them; changes nothing. Contents are the
    /// scrubber's (`FileBackend.scrub`).
    public static func check(root: String) throws -> [String] {
        guard access(root, F_OK) == 0 else { throw ObjectStoreError.failed("\(root) is not there") }
        let lock = try DataDirectory(root: root, isSynced: true)
        defer { lock.unlock() }
        var problems: [String] = []
        let path = root + "/index.sqlite"
        if access(path, F_OK) == 0 {
            do {
                let queue = try DatabaseQueue(path: path)
                defer { try? queue.close() }  // read only; nothing can be lost
                if let problem = try queue.read({ try IndexRecovery.problem($0) }) {
                    problems.append("\(path) is damaged: \(problem)")
                }
            } catch let error as DatabaseError {
                problems.append("\(path) is damaged: \(error.message ?? "\(error.resultCode)")")
            }
        } else {
            problems.append("\(path) is missing")
        }
        let journal = try JournalDirectory(root: root)
        for file in try journal.snapshots() + journal.segments() {
            let reader = try JournalReader(path: file.path)
            var last: UInt64?
            let isSnapshot = file.path.hasSuffix(".snapshot")
            var isWhole = false
            while let frame = try reader.next() {
                isWhole = frame.payload.readableBytes == 0
                if !isSnapshot, let former = last, frame.sequence != former + 1 {
                    problems.append("\(file.path): groups \(former + 1) to \(frame.sequence - 1) are missing")
                }
                last = frame.sequence
            }
            if isSnapshot, !isWhole { problems.append("\(file.path) is not whole") }
            for range in reader.damage {
                problems.append("\(file.path): bytes \(range.lowerBound) to \(range.upperBound) are damaged")
            }
        }
        return problems
    }

    /// Makes the index anew from the journal, whatever the present one is like.
    public static func rebuild(root: String) async throws -> RecoveryReport {
        guard access(root + "/journal", F_OK) == 0 else {
            throw ObjectStoreError.failed("\(root) holds no journal to make the index from")
        }
        try IndexRecovery.mark(root: root)
        let store = try await FileBackend.open(FileBackendConfiguration(root: root))
        let report = store.recovery
        try await store.close()
        return report
    }
}
