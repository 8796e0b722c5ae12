import Store
import Testing

/// What every engine must do: the watch and its history.
@Suite("The store's contract: watches")
struct StoreWatchTests {
    @Test("A watch tells the past from its revision on, then what happens live", arguments: Engine.allCases)
    func pastAndLive(engine: Engine) async throws {
        try await engine.withStore { store in
            try await store.apply(.put("i/1", bytes("a")))
            try await store.apply(.put("i/2", bytes("b")), .put("other", []))
            try await store.apply(.delete("i/1"))
            async let live = store.events(prefix: "i/", from: 2, count: 4)
            try await store.apply(.put("i/1", bytes("c")))
            try await store.apply(.deletePrefix("i/"))
            let events = try await live
            #expect(events.map(\.revision) == [2, 3, 4, 5, 5])
            #expect(events.map(\.key) == ["i/2", "i/1", "i/1", "i/1", "i/2"])
            #expect(events[1].change == .delete)
            #expect(
                events[2].change
                    == .put(StoredValue(bytes: bytes("c"), createRevision: 4, modRevision: 4, version: 1)))
        }
    }

    @Test("A watch of the future waits for it", arguments: Engine.allCases)
    func future(engine: Engine) async throws {
        try await engine.withStore { store in
            async let third = store.events(prefix: "", from: 3, count: 1)
            for step in 1...3 { try await store.apply(.put("k", bytes("\(step)"))) }
            #expect(try await third.map(\.revision) == [3])
        }
    }

    @Test(
        "Under concurrent writers each watch sees every revision once, in order, whenever it began",
        arguments: Engine.allCases)
    func nothingMissedOrRepeated(engine: Engine) async throws {
        try await engine.withStore { store in
            let writers = 16
            let commits = 40
            let total = writers * commits
            try await withThrowingTaskGroup { group in
                for writer in 0..<writers {
                    group.addTask {
                        for step in 0..<commits {
                            try await store.apply(
                                .put("w/\(writer)/\(step)", bytes("\(step)")), .put("last/\(writer)", bytes("\(step)")))
                        }
                    }
                }
                for watcher in 0..<8 {
                    group.addTask {
                        // Some begin at once, some in the middle of the writing, always from the first revision.
                        _ = try await store.events(prefix: "", from: Int64(1 + watcher * 60), count: 1)
                        let events = try await store.events(prefix: "w/", from: 1, count: total)
                        #expect(events.map(\.revision) == (1...Int64(total)).map { $0 })
                        #expect(Set(events.map(\.key)).count == total)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("An element never splits a revision", arguments: Engine.allCases)
    func wholeRevisions(engine: Engine) async throws {
        try await engine.withStore { store in
            for round in 0..<30 {
                try await store.commit(
                    StoreTransaction(operations: (0..<50).map { .put("\($0)", bytes("\(round)")) })
                ).expectApplied()
            }
            var revisions: [Int64] = []
            for try await batch in store.watch(prefix: "", from: 1) {
                for (revision, events) in Dictionary(grouping: batch, by: \.revision).sorted(by: { $0.key < $1.key }) {
                    #expect(events.count == 50)
                    revisions.append(revision)
                }
                if revisions.last == 30 { break }
            }
            #expect(revisions == Array(1...30))
        }
    }

    @Test("A view made by a range and a watch from the next revision equals the store", arguments: Engine.allCases)
    func followedView(engine: Engine) async throws {
        try await engine.withStore { store in
            for step in 0..<50 { try await store.apply(.put("v/\(step % 20)", bytes("\(step)"))) }
            async let writing: Void = {
                for step in 50..<300 {
                    if step % 7 == 0 {
                        try await store.apply(.delete("v/\(step % 20)"))
                    } else {
                        try await store.apply(.put("v/\(step % 20)", bytes("\(step)")))
                    }
                }
                try await store.apply(.put("v/end", []))
            }()
            let start = try await store.range(prefix: "v/")
            var view = Dictionary(uniqueKeysWithValues: start.entries.map { ($0.key, $0.value) })
            following: for try await batch in store.watch(prefix: "v/", from: start.revision + 1) {
                for event in batch {
                    switch event.change {
                    case .put(let value): view[event.key] = value
                    case .delete: view[event.key] = nil
                    }
                    if event.key == "v/end" { break following }
                }
            }
            try await writing
            let end = try await store.range(prefix: "v/")
            #expect(view == Dictionary(uniqueKeysWithValues: end.entries.map { ($0.key, $0.value) }))
        }
    }

    @Test("Compaction forgets the history before a revision, and keeps the values", arguments: Engine.allCases)
    func compaction(engine: Engine) async throws {
        try await engine.withStore { store in
            for step in 1...10 { try await store.apply(.put("k/\(step)", bytes("\(step)"))) }
            try await store.compact(before: 6)
            await #expect(throws: StoreError.compacted(oldest: 6)) {
                try await store.events(prefix: "", from: 5, count: 1)
            }
            #expect(try await store.events(prefix: "", from: 6, count: 5).map(\.revision) == [6, 7, 8, 9, 10])
            #expect(try await store.range(prefix: "k/").entries.count == 10)
            // Not back, and not beyond the present.
            try await store.compact(before: 2)
            try await store.compact(before: 1000)
            async let next = store.events(prefix: "", from: 11, count: 1)
            try await store.apply(.put("k/11", []))
            #expect(try await next.map(\.revision) == [11])
        }
    }

    @Test("The history is bounded: an old watch is refused, a recent one is not", arguments: Engine.allCases)
    func boundedHistory(engine: Engine) async throws {
        try await engine.withStore(history: 100) { store in
            for step in 1...400 { try await store.apply(.put("k", bytes("\(step)"))) }
            let error = await #expect(throws: StoreError.self) {
                try await store.events(prefix: "", from: 1, count: 1)
            }
            guard case .compacted(let oldest)? = error else {
                Issue.record("not compacted: \(String(describing: error))")
                return
            }
            #expect(oldest > 200 && oldest <= 301)
            #expect(try await store.events(prefix: "", from: 301, count: 100).count == 100)
        }
    }

    @Test("Cancelling a waiting watch ends it", arguments: Engine.allCases)
    func cancellation(engine: Engine) async throws {
        try await engine.withStore { store in
            let watching = Task { try await store.events(prefix: "", from: 1, count: 10) }
            try await store.apply(.put("a", []))
            watching.cancel()
            #expect(try await watching.value.count <= 1)
        }
    }

    @Test("Closing the store ends a waiting watch with an error", arguments: Engine.allCases)
    func closing(engine: Engine) async throws {
        try await engine.withStore { store in
            let watching = Task { try await store.events(prefix: "never", from: 1, count: 1) }
            try await store.apply(.put("a", []))
            await store.close()
            await #expect(throws: StoreError.closed) { try await watching.value }
        }
    }
}
