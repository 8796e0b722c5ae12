import EC2Query
import Foundation
import GoldenFiles
import QueryProtocol
import Testing

/// `docs/ec2-coverage.md` is made from the tables: `MALLEE_WRITE_DOCS=1 swift test --filter CoverageDocument` writes it,
/// and otherwise this fails when it is stale.
@Suite struct CoverageDocumentTests {
    @Test func `the document of the actions says what the tables say`() throws {
        let text = Self.document()
        let found = try GoldenFile("../../docs/ec2-coverage.md").content(ifNew: text)
        #expect(found == text, "docs/ec2-coverage.md is stale; make ec2-coverage")
    }

    static func document() -> String {
        let offered = EC2Action.all
        let total = offered.count + EmptyList.all.count + EC2Action.unoffered.count
        var lines = [
            "# Coverage of the EC2 API", "",
            "Made from the tables of the interface by `make ec2-coverage`; a test fails when it is stale.", "",
            "Of \(total) actions (EC2's of version 2016-11-15, those that earlier versions had, and the original's",
            "extensions) \(offered.count) are implemented, \(EmptyList.all.count) list resources that cannot exist here and truthfully "
                + "answer with an",
            "empty list, and \(EC2Action.unoffered.count) are answered with the error `UnsupportedOperation`. None is answered with "
                + "success without being done.",
            "", "## Implemented", "", "| action | since | for | what it does, and what of EC2's it does not |",
            "|---|---|---|---|",
        ]
        lines += offered.sorted { $0.name < $1.name }.map {
            "| \($0.name) | \($0.since) | \($0.authorization.rawValue) | \($0.summary) |"
        }
        lines += ["", "## Truthfully empty", "", "| action | since |", "|---|---|"]
        lines += EmptyList.all.sorted { $0.action < $1.action }.map { "| \($0.action) | \($0.since) |" }
        lines += ["", "## Unsupported", ""]
        lines += EC2Action.unoffered.map { "- \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }
}
