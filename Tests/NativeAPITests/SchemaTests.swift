import JSON
import Testing

@testable import NativeAPI

@Suite struct SchemaTests {
    private static let schema = Schema.object([
        .required("name", .text(1...3), ""), .optional("count", .integer(1...5), ""),
        .optional("when", .moment, ""), .optional("kind", .choice(["a", "b"]), ""),
        .optional("data", .string(.init(format: .byte)), ""), .optional("list", .array(.boolean, 0...2), ""),
        .optional("tags", .map(.text(0...2), 0...1), ""), .optional("maybe", .nullable(.number), ""),
    ])

    @Test(arguments: [
        (#"{"name": "abc", "count": 5.0, "when": "2026-11-21T10:00:00+01:00", "kind": "a", "data": "YQ=="}"#, ""),
        (#"{"name": "a", "list": [true], "tags": {"k": "v"}, "maybe": null}"#, ""), (#"{"name": "äöü"}"#, ""),
        (#"{}"#, "/name"), (#"[]"#, ""), (#"{"name": "abcd"}"#, "/name"), (#"{"name": ""}"#, "/name"),
        (#"{"name": null}"#, "/name"), (#"{"name": "a", "count": 0}"#, "/count"),
        (#"{"name": "a", "count": 1.5}"#, "/count"), (#"{"name": "a", "count": 1e30}"#, "/count"),
        (#"{"name": "a", "when": "2026-02-29T10:00:00Z"}"#, "/when"), (#"{"name": "a", "kind": "c"}"#, "/kind"),
        (#"{"name": "a", "data": "YQ="}"#, "/data"), (#"{"name": "a", "list": [true, 1]}"#, "/list/1"),
        (#"{"name": "a", "list": [true, true, true]}"#, "/list"), (#"{"name": "a", "x/~y": 1}"#, "/x~1~0y"),
        (#"{"name": "a", "tags": {"a": "b", "c": "d"}}"#, "/tags"), (#"{"name": "a", "tags": {"a": 1}}"#, "/tags/a"),
        (#"{"name": "a", "maybe": "1"}"#, "/maybe"),
    ])
    func `what is wrong is found, with its place`(json: String, pointer: String) throws {
        let violations = Self.schema.violations(in: try JSONValue.parse(json), components: [:])
        if pointer.isEmpty, json != "[]" {
            #expect(violations.isEmpty, "\(violations)")
        } else {
            #expect(violations.map(\.pointer) == [pointer])
        }
    }

    @Test func `queries are read as they are written`() {
        #expect(
            Query.parameters("a=1&b=%C3%A4+x&c")?.map { [$0.name, $0.value] } == [
                ["a", "1"], ["b", "ä x"], ["c", ""],
            ])
        for bad in ["%", "a=%2", "a=%zz", "a=%FF"] { #expect(Query.parameters(bad) == nil, "\(bad)") }
    }
}
