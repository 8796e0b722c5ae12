import Foundation
import Testing

@testable import ObjectStore

@Suite struct ListTests {
    /// The rules of a listing said in the simplest way.
    static func model(_ keys: [String], _ query: ListQuery) -> (items: [String], prefixes: [String], more: Bool) {
        var items: [String] = []
        var prefixes: [String] = []
        let after = Data(query.after.utf8)
        let afterPrefix = FileBackend.rolledUp(
            after, prefix: Data(query.prefix.utf8), delimiter: Data(query.delimiter.utf8))
        for key in keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            let bytes = Data(key.utf8)
            guard bytes.starts(with: Data(query.prefix.utf8)) else { continue }
            guard query.after.isEmpty || after.lexicographicallyPrecedes(bytes) else { continue }
            let common = FileBackend.rolledUp(
                bytes, prefix: Data(query.prefix.utf8), delimiter: Data(query.delimiter.utf8))
            if let common {
                let text = String(decoding: common, as: UTF8.self)
                if common == afterPrefix || prefixes.contains(where: { $0.utf8.elementsEqual(text.utf8) }) { continue }
                if items.count + prefixes.count == query.limit { return (items, prefixes, true) }
                prefixes.append(text)
            } else {
                if items.count + prefixes.count == query.limit { return (items, prefixes, true) }
                items.append(key)
            }
        }
        return (items, prefixes, false)
    }

    @Test func `random listings agree with the model, page by page`() async throws {
        try await Fixture.with { fixture in
            var random = Random(state: 20_260_302)
            let alphabet = ["a", "b", "/", "é", "e\u{301}", "~", " ", "\u{10FFFF}", "/"]
            var keys: [String] = []
            for _ in 0..<150 {
                let key = (0..<Int.random(in: 1...5, using: &random))
                    .map { _ in alphabet.randomElement(using: &random) ?? "a" }.joined()
                if !keys.contains(where: { $0.utf8.elementsEqual(key.utf8) }) { keys.append(key) }
            }
            let all = keys
            try await withThrowingTaskGroup(of: Void.self) { group in
                for key in all { group.addTask { try await fixture.put(key, []) } }
                try await group.waitForAll()
            }
            for _ in 0..<300 {
                var query = ListQuery(
                    prefix: ["", "", "a", "a/", "é", "/", "\u{10FFFF}"].randomElement(using: &random) ?? "",
                    delimiter: ["", "/", "a", "//", "é"].randomElement(using: &random) ?? "",
                    after: Bool.random(using: &random) ? all.randomElement(using: &random) ?? "" : "",
                    limit: Int.random(in: 1...40, using: &random))
                for _ in 0..<200 {
                    let page = try await fixture.store.list(bucket: "bucket", query)
                    let expected = Self.model(all, query)
                    #expect(page.items.map { Array($0.key.utf8) } == expected.items.map { Array($0.utf8) }, "\(query)")
                    #expect(page.commonPrefixes.map { Array($0.utf8) } == expected.prefixes.map { Array($0.utf8) })
                    #expect((page.next != nil) == expected.more, "\(query)")
                    guard let next = page.next else { break }
                    query.after = next
                }
            }
        }
    }

    @Test func `a limit of nothing is an empty last page`() async throws {
        try await Fixture.with { fixture in
            try await fixture.put("a", [])
            let page = try await fixture.store.list(bucket: "bucket", ListQuery(limit: 0))
            #expect(page.items.isEmpty && page.next == nil)
        }
    }
}
