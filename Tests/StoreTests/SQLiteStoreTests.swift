import Foundation
import Store
import Testing

/// What is particular to the SQLite engine: its file, its lock, its durability.
@Suite("The SQLite store and its file")
struct SQLiteStoreTests {
    @Test("Reopening keeps values, revisions and history")
    func reopen() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.db"
            var store = try SQLiteStore(path: path)
            for step in 1...20 { try await store.apply(.put("k/\(step % 5)", bytes("\(step)"))) }
            try await store.apply(.delete("k/0"))
            try await store.compact(before: 4)
            let before = try await store.range(prefix: "")
            await store.close()

            store = try SQLiteStore(path: path)
            #expect(try await store.range(prefix: "") == before)
            #expect(try await store.currentRevision == 21)
            #expect(try await store.events(prefix: "", from: 4, count: 18).map(\.revision) == Array(4...21))
            await #expect(throws: StoreError.compacted(oldest: 4)) {
                try await store.events(prefix: "", from: 3, count: 1)
            }
            #expect(try await store.apply(.put("new", [])) == 22)
            await store.close()
        }
    }

    @Test("The revision is kept even if everything was deleted and compacted")
    func reopenEmpty() async throws {
        try await withTemporaryDirectory { directory in
            var store = try SQLiteStore(path: directory + "/cloud.db")
            try await store.apply(.put("a", []))
            try await store.apply(.delete("a"))
            try await store.compact(before: 3)
            await store.close()
            store = try SQLiteStore(path: directory + "/cloud.db")
            #expect(try await store.apply(.put("a", [])) == 3)
            await store.close()
        }
    }

    @Test("A watch across a reopening and the memory of recent events reads the history on disk")
    func longHistory() async throws {
        try await withTemporaryDirectory { directory in
            var store = try SQLiteStore(path: directory + "/cloud.db")
            func write(_ range: ClosedRange<Int>) async throws {
                let store = store
                try await withThrowingTaskGroup { group in
                    for step in range { group.addTask { try await store.apply(.put("k", bytes("\(step)"))) } }
                    try await group.waitForAll()
                }
            }
            try await write(1...1000)
            await store.close()
            store = try SQLiteStore(path: directory + "/cloud.db")
            try await write(1001...8000)
            #expect(try await store.events(prefix: "k", from: 1, count: 8000).map(\.revision) == Array(1...8000))
            await store.close()
        }
    }

    @Test("The files are for the owner only")
    func modes() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/state/cloud.db")
            try await store.apply(.put("secret", bytes("x")))
            func mode(_ name: String) throws -> Int? {
                let attributes = try FileManager.default.attributesOfItem(atPath: directory + name)
                return (attributes[.posixPermissions] as? NSNumber)?.intValue
            }
            #expect(try mode("/state") == 0o700)
            for suffix in ["", "-wal", "-shm", ".lock"] {
                #expect(try mode("/state/cloud.db" + suffix) == 0o600, "cloud.db\(suffix)")
            }
            await store.close()
        }
    }

    @Test("A second opener is refused and told the pid, until the first one closes")
    func lock() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.db"
            let store = try SQLiteStore(path: path)
            let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path) }
            #expect(error == .locked(path: path, pid: getpid()))
            #expect(error?.description.contains("process \(getpid())") == true)
            await store.close()
            try await SQLiteStore(path: path).close()
        }
    }

    @Test("A file that is no database, or another program's, is refused and left as it is")
    func foreign() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.db"
            let garbage = Data(repeating: 0x55, count: 8192)
            try garbage.write(to: URL(fileURLWithPath: path))
            let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path) }
            guard case .corrupted(path, _)? = error else {
                Issue.record("not corrupted: \(String(describing: error))")
                return
            }
            #expect(error?.description.contains("Restore it from a backup") == true)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == garbage)

            let other = directory + "/other.db"
            try await SQLiteStore(path: other).close()
            // application_id lies at byte 68 of SQLite's header (fileformat.html, 1.3).
            let file = try #require(FileHandle(forUpdatingAtPath: other))
            try file.seek(toOffset: 68)
            try file.write(contentsOf: Data([1, 2, 3, 4]))
            try file.close()
            #expect(throws: StoreError.corrupted(path: other, detail: "it is a database of another program")) {
                try SQLiteStore(path: other)
            }
        }
    }

    @Test("A damaged page is found when the store is opened")
    func damaged() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.db"
            let store = try SQLiteStore(path: path)
            for step in 0..<50 { try await store.apply(.put("k/\(step)", [UInt8](repeating: 1, count: 1000))) }
            await store.close()
            var file = try Data(contentsOf: URL(fileURLWithPath: path))
            // Every page but the first, whose header is intact: page headers become nonsense.
            for page in 1..<(file.count / 4096) {
                file.replaceSubrange(page * 4096..<page * 4096 + 64, with: Data(repeating: 0xEE, count: 64))
            }
            try file.write(to: URL(fileURLWithPath: path))
            let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path) }
            guard case .corrupted? = error else {
                Issue.record("not corrupted: \(String(describing: error))")
                return
            }
        }
    }

    @Test("A file of a later release is refused by its schema number")
    func newerSchema() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.db"
            try await SQLiteStore(path: path).close()
            // user_version lies at byte 60 of SQLite's header, big-endian (fileformat.html, 1.3).
            let file = try #require(FileHandle(forUpdatingAtPath: path))
            try file.seek(toOffset: 60)
            try file.write(contentsOf: Data([0, 0, 0, 99]))
            try file.close()
            let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path) }
            #expect(error == .newerSchema(path: path, found: 99, known: 1))
        }
    }

    @Test("What was acknowledged survives kill -9 of the process, and what is there is whole")
    func killed() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.db"
            // The child writes pairs from 16 tasks and reports each acknowledged commit, until it kills itself.
            let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
                [path = path as String] in
                let store = try SQLiteStore(path: path)
                try await withThrowingTaskGroup { group in
                    for writer in 0..<16 {
                        group.addTask {
                            for step in 0..<100_000 {
                                let value = bytes("\(writer)-\(step)")
                                try await store.apply(
                                    .put("a/\(writer)/\(step)", value), .put("b/\(writer)/\(step)", value))
                                let line = Array("ack \(writer)/\(step)\n".utf8)
                                _ = write(STDOUT_FILENO, line, line.count)
                                if writer == 7, step == 60 { kill(getpid(), SIGKILL) }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
            // The last line may have been cut by the kill.
            let acknowledged = output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .compactMap { $0.hasPrefix("ack ") ? String($0.dropFirst(4)) : nil }
            #expect(acknowledged.count > 60)

            let store = try SQLiteStore(path: path)
            for name in acknowledged {
                let expected = name.replacingOccurrences(of: "/", with: "-")
                #expect(try await text(store.get("a/" + name)) == expected)
                #expect(try await text(store.get("b/" + name)) == expected)
            }
            let first = try await store.range(prefix: "a/").entries
            let second = try await store.range(prefix: "b/").entries
            #expect(first.map { $0.key.dropFirst() } == second.map { $0.key.dropFirst() })
            #expect(first.map(\.value.modRevision) == second.map(\.value.modRevision))
            let revision = try await store.currentRevision
            #expect(revision == Int64(first.count))
            #expect(
                try await store.events(prefix: "", from: 1, count: 2 * first.count).map(\.revision)
                    == (1...revision).flatMap { [$0, $0] })
            await store.close()
        }
    }

    @Test("32 callers share syncs to disk: their commits take far less than one sync each")
    func groupCommit() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/cloud.db")
            let clock = ContinuousClock()
            let value = [UInt8](repeating: 0x61, count: 300)
            let alone = try await clock.measure {
                for step in 0..<200 { try await store.apply(.put("alone/\(step)", value)) }
            }
            let together = try await clock.measure {
                try await withThrowingTaskGroup { group in
                    for caller in 0..<32 {
                        group.addTask {
                            for step in 0..<50 { try await store.apply(.put("t/\(caller)/\(step)", value)) }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let rate = 1600 / (together / .seconds(1))
            print("commits: one caller \(Int(200 / (alone / .seconds(1))))/s, 32 callers \(Int(rate))/s")
            // Only where a sync costs something: on a file system in memory there is nothing to share.
            if alone / 200 > .milliseconds(1) { #expect(rate > 4 * 200 / (alone / .seconds(1))) }
            #expect(try await store.currentRevision == 1800)
            await store.close()
        }
    }
}
