import EC2Query
import GoldenFiles
import IAMQuery
import Testing

@testable import NativeAPI

/// Every action of the interfaces against everybody who may ask, with the answers in `authorization.txt`.
///
/// `make authorization-matrix` writes the file anew; what changes in it changes who may do what, and wants a look.
@Suite struct MatrixTests {
    @Test func `every action of every table has a row`() {
        let wanted =
            EC2Action.all.map { "ec2 " + $0.name } + EmptyList.all.map { "ec2 " + $0.action }
            + IAMAction.all.map { "\($0.service.rawValue) \($0.name)" }
            + NativeAPI.Operation.all.filter { $0.authorization != .anyone }.map { "native " + $0.id }
        let present = Set(MatrixRow.all.map { "\($0.interface.rawValue) \($0.action)" })
        #expect(Set(wanted).subtracting(present) == [])
        #expect(present.subtracting(wanted) == [], "rows of actions that there are not")
        #expect(Set(MatrixRow.all.map(\.title)).count == MatrixRow.all.count)
    }

    @Test func `everybody gets the answer that the golden file has for him`() async throws {
        // Two worlds at a time: each answer takes little, and making worlds takes most.
        let rows = MatrixRow.all
        let half = rows.count / 2
        async let second = Self.answers(to: Array(rows[half...]))
        let lines = try await Self.answers(to: Array(rows[..<half])) + second
        let header = ["action"] + MatrixCaller.allCases.map(\.rawValue)
        let text = GoldenFile.table([header] + lines.map { [$0.title] + $0.entries })
        for difference in try GoldenFile("authorization.txt").differences(from: text) {
            Issue.record("authorization.txt (make authorization-matrix writes it anew): \(difference)")
        }
    }

    /// The answers to each row, by caller.
    private static func answers(to rows: [MatrixRow]) async throws -> [(title: String, entries: [String])] {
        var world = try await MatrixWorld.open()
        var isFresh = true
        var lines: [(title: String, entries: [String])] = []
        for row in rows {
            var entries: [String] = []
            for caller in MatrixCaller.allCases {
                if !isFresh {
                    await world.close()
                    world = try await MatrixWorld.open()
                }
                isFresh = true
                if caller == .anonymous || !row.before.isEmpty {
                    for step in row.before { try await world.setUp(step.action, step.parameters) }
                    isFresh = row.before.isEmpty
                }
                let answer = await world.send(row, as: caller)
                entries.append(world.entry(answer, row))
                #expect(answer.status < 500, "\(row.title) as \(caller): \(answer.content)")
                // What was refused has changed nothing.
                if answer.status < 400, !row.isReading { isFresh = false }
            }
            lines.append((row.title, entries))
        }
        await world.close()
        return lines
    }
}
