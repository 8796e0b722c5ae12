import Store
import Testing

/// What every engine must do: values, conditions, atomicity, order, limits.
@Suite("The store's contract: transactions and reads")
struct StoreContractTests {
    @Test("A put is read back with its revisions, and each put counts a version", arguments: Engine.allCases)
    func putAndGet(engine: Engine) async throws {
        try await engine.withStore { store in
            #expect(try await store.currentRevision == 0)
            #expect(try await store.get("instances/i-1") == nil)
            #expect(try await store.apply(.put("instances/i-1", bytes("pending"))) == 1)
            try await store.apply(.put("other", bytes("x")))
            try await store.apply(.put("instances/i-1", bytes("running")))
            #expect(
                try await store.get("instances/i-1")
                    == StoredValue(bytes: bytes("running"), createRevision: 1, modRevision: 3, version: 2))
            #expect(try await store.currentRevision == 3)

            try await store.apply(.delete("instances/i-1"))
            #expect(try await store.get("instances/i-1") == nil)
            try await store.apply(.put("instances/i-1", []))
            #expect(
                try await store.get("instances/i-1")
                    == StoredValue(bytes: [], createRevision: 5, modRevision: 5, version: 1))
        }
    }

    @Test("The first condition that fails is named, with what is there instead", arguments: Engine.allCases)
    func conditions(engine: Engine) async throws {
        try await engine.withStore { store in
            try await store.apply(.put("a", bytes("1")))
            let current = try await store.get("a")
            let put = [StoreOperation.put("b", bytes("new"))]

            let absent = try await store.commit(
                StoreTransaction(conditions: [.exists("a"), .keyAbsent("a"), .exists("zzz")], operations: put))
            #expect(absent == .conditionFailed(.keyAbsent("a"), index: 1, current: current))
            let revision = try await store.commit(
                StoreTransaction(conditions: [.modRevision("a", equals: 7)], operations: put))
            #expect(revision == .conditionFailed(.modRevision("a", equals: 7), index: 0, current: current))
            let exists = try await store.commit(StoreTransaction(conditions: [.exists("b")], operations: put))
            #expect(exists == .conditionFailed(.exists("b"), index: 0, current: nil))
            #expect(exists.revision == nil)
            #expect(try await store.get("b") == nil)
            #expect(try await store.currentRevision == 1)

            let good = try await store.commit(
                StoreTransaction(
                    conditions: [.keyAbsent("b"), .exists("a"), .modRevision("a", equals: 1)], operations: put))
            #expect(good == .succeeded(revision: 2))
        }
    }

    @Test("All operations of a transaction share one revision, or none is applied", arguments: Engine.allCases)
    func atomicity(engine: Engine) async throws {
        try await engine.withStore { store in
            try await store.apply(.put("p/1", bytes("x")), .put("p/2", bytes("y")), .put("q", bytes("z")))
            let all = try await store.range(prefix: "")
            #expect(all.entries.map(\.value.modRevision) == [1, 1, 1])

            let refused = try await store.commit(
                StoreTransaction(
                    conditions: [.exists("nothing")],
                    operations: [.deletePrefix("p/"), .put("q", bytes("changed")), .delete("q2")]))
            #expect(refused.revision == nil)
            #expect(try await store.range(prefix: "").entries == all.entries)

            #expect(try await store.apply(.deletePrefix("p/"), .put("q", bytes("changed"))) == 2)
            #expect(try await store.range(prefix: "").entries.map(\.key) == ["q"])
        }
    }

    @Test("A transaction that changes nothing takes no revision", arguments: Engine.allCases)
    func nothingChanged(engine: Engine) async throws {
        try await engine.withStore { store in
            try await store.apply(.put("a", []))
            #expect(try await store.apply(.delete("absent"), .deletePrefix("none/")) == 1)
            #expect(try await store.apply() == 1)
            #expect(try await store.currentRevision == 1)
        }
    }

    @Test("Keys are ordered and matched by their bytes, not by Unicode", arguments: Engine.allCases)
    func order(engine: Engine) async throws {
        try await engine.withStore { store in
            // "é" in one scalar and in two: equal as Strings, two keys as bytes.
            let keys = ["a", "a/", "a/1", "a/10", "a/2", "b", "e\u{301}", "z", "\u{E9}", "日本", "\u{10FFFF}"]
            for key in keys.shuffled() { try await store.apply(.put(key, bytes(key))) }
            let all = try await store.range(prefix: "").entries.map { Array($0.key.utf8) }
            #expect(all == keys.map { Array($0.utf8) })
            #expect(try await store.range(prefix: "a/").entries.map(\.key) == ["a/", "a/1", "a/10", "a/2"])
            #expect(try await store.range(prefix: "e").entries.count == 1)
            #expect(try await store.range(prefix: "\u{10FFFF}").entries.count == 1)
            #expect(try await text(store.get("\u{E9}")).map { Array($0.utf8) } == [0xC3, 0xA9])
            #expect(try await store.range(prefix: "nothing").entries.isEmpty)
        }
    }

    @Test("Pages follow one another without gap or overlap", arguments: Engine.allCases)
    func pagination(engine: Engine) async throws {
        try await engine.withStore { store in
            try await store.commit(
                StoreTransaction(operations: (0..<100).map { .put("k/\($0 + 1000)", bytes("\($0)")) })
            ).expectApplied()
            try await store.apply(.put("j", []), .put("l", []))
            for limit in [1, 7, 50, 99, 100, 101] {
                var keys: [String] = []
                var after: String?
                var pages = 0
                while true {
                    let page = try await store.range(prefix: "k/", after: after, limit: limit)
                    #expect(page.entries.count <= limit)
                    #expect(page.revision == 2)
                    keys += page.entries.map(\.key)
                    pages += 1
                    after = page.entries.last?.key
                    if !page.more { break }
                }
                #expect(keys == (1000..<1100).map { "k/\($0)" })
                #expect(pages == (100 + limit - 1) / limit)
            }
            #expect(
                try await store.range(prefix: "k/", after: "a", limit: 2).entries.map(\.key) == ["k/1000", "k/1001"])
            #expect(try await store.range(prefix: "k/", after: "k/1099", limit: 2).entries.isEmpty)
            #expect(try await store.range(prefix: "k/", after: "z", limit: nil).entries.isEmpty)
        }
    }

    @Test("Limits are kept to the byte, and what is beyond them is refused with the number", arguments: Engine.allCases)
    func limits(engine: Engine) async throws {
        try await engine.withStore { store in
            let longest = String(repeating: "k", count: 512)
            let largest = [UInt8](repeating: 7, count: 1 << 20)
            try await store.apply(.put(longest, largest))
            #expect(try await store.get(longest)?.bytes == largest)

            let wrong: [(StoreOperation, String)] = [
                (.put(longest + "k", []), "513 bytes"),
                (.put("v", largest + [0]), "1048577"),
                (.put("", []), "empty"),
                (.delete("a\0b"), "NUL"),
                (.deletePrefix(""), "empty"),
            ]
            for (operation, hint) in wrong {
                await expectInvalid(hint) { try await store.apply(operation) }
            }
            await expectInvalid("limit") { _ = try await store.range(prefix: "", after: nil, limit: 0) }
            await expectInvalid("10001") {
                _ = try await store.commit(
                    StoreTransaction(conditions: Array(repeating: .exists("a"), count: 10_001)))
            }
            #expect(try await store.currentRevision == 1)
        }
    }

    @Test("A key changed twice in one transaction is refused", arguments: Engine.allCases)
    func distinctKeys(engine: Engine) async throws {
        try await engine.withStore { store in
            await expectInvalid("twice") { try await store.apply(.put("a", []), .delete("a")) }
            await expectInvalid("begins with p/") { try await store.apply(.deletePrefix("p/"), .put("p/1", [])) }
            await expectInvalid("overlap") { try await store.apply(.deletePrefix("p"), .deletePrefix("p/1")) }
            try await store.apply(.put("e\u{301}", []), .put("\u{E9}", []), .deletePrefix("p/"), .put("p", []))
            #expect(try await store.range(prefix: "").entries.count == 3)
        }
    }

    @Test("200 writers that count by compare-and-set lose no count", arguments: Engine.allCases)
    func compareAndSet(engine: Engine) async throws {
        try await engine.withStore { store in
            try await store.apply(.put("counter", bytes("0")))
            try await withThrowingTaskGroup { group in
                for _ in 0..<200 {
                    group.addTask {
                        while true {
                            let current = try #require(try await store.get("counter"))
                            let count = try #require(Int(text(current) ?? ""))
                            let outcome = try await store.commit(
                                StoreTransaction(
                                    conditions: [.modRevision("counter", equals: current.modRevision)],
                                    operations: [.put("counter", bytes("\(count + 1)"))]))
                            if case .succeeded = outcome { return }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let counter = try #require(try await store.get("counter"))
            #expect(text(counter) == "200")
            #expect(counter.version == 201)
            #expect(counter.modRevision == 201)
        }
    }

    @Test("Of many that create the same key exactly one succeeds", arguments: Engine.allCases)
    func createOnce(engine: Engine) async throws {
        try await engine.withStore { store in
            let winners = try await withThrowingTaskGroup(of: Int.self) { group in
                for writer in 0..<64 {
                    group.addTask {
                        let outcome = try await store.commit(
                            StoreTransaction(
                                conditions: [.keyAbsent("token")],
                                operations: [.put("token", bytes("\(writer)")), .put("by/\(writer)", [])]))
                        return outcome.revision == nil ? 0 : 1
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(winners == 1)
            #expect(try await store.range(prefix: "by/").entries.count == 1)
        }
    }

    @Test("A long random history leaves what a dictionary would hold", arguments: Engine.allCases)
    func model(engine: Engine) async throws {
        try await engine.withStore(history: 100) { store in
            var random = SeededGenerator(state: 42)
            var model: [String: [UInt8]] = [:]
            for step in 0..<600 {
                let key = "\(Int.random(in: 0..<4, using: &random))/\(Int.random(in: 0..<12, using: &random))"
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<6:
                    try await store.apply(.put(key, bytes("\(step)")))
                    model[key] = bytes("\(step)")
                case 6..<9:
                    try await store.apply(.delete(key))
                    model[key] = nil
                default:
                    let prefix = String(key.prefix(2))
                    try await store.apply(.deletePrefix(prefix))
                    model = model.filter { !$0.key.hasPrefix(prefix) }
                }
            }
            let found = try await store.range(prefix: "").entries
            #expect(Dictionary(uniqueKeysWithValues: found.map { ($0.key, $0.value.bytes) }) == model)
            #expect(found.map(\.key) == model.keys.sorted())
        }
    }

    @Test("A closed store refuses everything and says so", arguments: Engine.allCases)
    func closed(engine: Engine) async throws {
        try await engine.withStore { store in
            try await store.apply(.put("a", []))
            await store.close()
            await store.close()
            await #expect(throws: StoreError.closed) { try await store.get("a") }
            await #expect(throws: StoreError.closed) { try await store.apply(.put("a", [])) }
            await #expect(throws: StoreError.closed) { try await store.currentRevision }
            await #expect(throws: StoreError.closed) { try await store.events(prefix: "", from: 1, count: 1) }
        }
    }

    private func expectInvalid(
        _ hint: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
    ) async {
        let error = await #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try await body() }
        guard case .invalid(let problem)? = error else {
            Issue.record("not refused as invalid: \(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
        #expect(problem.contains(hint), sourceLocation: sourceLocation)
    }
}

extension StoreCommit {
    func expectApplied(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(revision != nil, sourceLocation: sourceLocation)
    }
}
