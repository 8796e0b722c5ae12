import Foundation
import Logging
import ServiceHost
import Testing

@Suite("Audit log")
struct AuditLogTests {
    private func scratch() throws -> URL {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("mallee-audit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url
    }

    private func event(_ resource: String = "i-1", status: Int = 200, code: String? = nil) -> AuditEvent {
        AuditEvent(
            interface: .ec2, action: "RunInstances", requestID: "r-1", principal: "arn:aws:iam::1:root", account: "1",
            credential: "AKIA", source: "192.0.2.1", resources: [resource], result: .init(status: status, code: code),
            status: status, code: code)
    }

    private func objects(_ url: URL) throws -> [[String: Any]] {
        try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test("An event is one line of JSON in a file that its group may read")
    func line() throws {
        let directory = try scratch()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("audit.log")
        let audit = try AuditLog(path: file.path, logger: Logger(label: "t"))
        audit.record(event("i-1\n\"x\u{2028}"))
        audit.record(event(status: 403, code: "UnauthorizedOperation"))
        audit.record(event(status: 400, code: "InvalidAMIID.NotFound"))
        let lines = try objects(file)
        #expect(lines.map { $0["result"] as? String } == ["done", "refused", "failed"])
        #expect(lines[0]["resources"] as? [String] == ["i-1\n\"x\u{2028}"])
        #expect(lines[0]["who"] as? String == "arn:aws:iam::1:root")
        #expect(lines[0]["request"] as? String == "r-1")
        #expect(lines[0]["from"] as? String == "192.0.2.1")
        #expect(lines[1]["code"] as? String == "UnauthorizedOperation")
        let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
        #expect((mode ?? 0o777) & ~0o640 == 0)
    }

    @Test("Files are bounded in size and number, and no line is lost by rotating")
    func rotation() throws {
        let directory = try scratch()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("audit.log")
        let audit = try AuditLog(path: file.path, maximumBytes: 4096, keep: 3, logger: Logger(label: "t"))
        for number in 0..<45 { audit.record(event("i-\(number)")) }
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
        #expect(names == ["audit.log", "audit.log.1", "audit.log.2"])
        let all = try names.reversed().flatMap { try objects(directory.appendingPathComponent($0)) }
        #expect(all.compactMap { ($0["resources"] as? [String])?.first } == (0..<45).map { "i-\($0)" })
        for number in 45..<300 { audit.record(event("i-\(number)")) }
        let later = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(later.count == 4)
        for name in later {
            let size = try FileManager.default.attributesOfItem(atPath: directory.appendingPathComponent(name).path)[
                .size]
            #expect((size as? Int ?? .max) <= 4096)
        }
    }

    @Test("Long values and many resources are cut")
    func bounds() throws {
        let directory = try scratch()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("audit.log")
        let audit = try AuditLog(path: file.path, logger: Logger(label: "t"))
        var long = event()
        long.action = String(repeating: "ä", count: 100_000)
        long.resources = (0..<1000).map { "\($0)" + String(repeating: "x", count: 100_000) }
        audit.record(long)
        let line = try #require(try objects(file).first)
        #expect(line["moreResources"] as? Int == 900)
        #expect(try Data(contentsOf: file).count < 120_000)
    }

    @Test("A file that was removed is made again")
    func removed() throws {
        let directory = try scratch()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("audit.log")
        let audit = try AuditLog(path: file.path, logger: Logger(label: "t"))
        audit.record(event("i-1"))
        try FileManager.default.removeItem(at: file)
        audit.record(event("i-2"))
        #expect(try objects(file).count == 1)
    }

    @Test("A disk that fails is told in the service's log, and how much was lost in the audit afterwards")
    func failure() throws {
        let directory = try scratch()
        let away = directory.appendingPathExtension("away")
        defer { for url in [directory, away] { try? FileManager.default.removeItem(at: url) } }
        let file = directory.appendingPathComponent("audit.log")
        let messages = MemorySink()
        let audit = try AuditLog(
            path: file.path, logger: Logger(label: "cloud") { LineLogHandler(label: $0, sink: messages) })
        // The file is gone and cannot be made again, since its directory is gone.
        try FileManager.default.removeItem(at: file)
        try FileManager.default.moveItem(at: directory, to: away)
        for number in 0..<5 { audit.record(event("i-\(number)")) }
        #expect(messages.lines.filter { $0.contains("audit log cannot be written") }.count == 1)
        try FileManager.default.moveItem(at: away, to: directory)
        audit.record(event("i-5"))
        let lines = try objects(file)
        #expect(lines.count == 2)
        #expect(lines.first?["lost"] as? Int == 5)
        #expect(lines.last?["resources"] as? [String] == ["i-5"])
        #expect(throws: ServiceHostError.self) {
            try AuditLog(path: away.path + "/none/audit.log", logger: Logger(label: "t"))
        }
    }
}
