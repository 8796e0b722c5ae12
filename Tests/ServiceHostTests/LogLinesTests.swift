import Foundation
import Logging
import ServiceHost
import Testing

@Suite("Log lines")
struct LogLinesTests {
    private func logger(_ sink: any LogSink, _ format: LineLogHandler.Format = .text) -> Logger {
        Logger(label: "cloud") { LineLogHandler(label: $0, format: format, sink: sink) }
    }

    @Test("A record is one line with time, level, label, message and sorted metadata")
    func text() throws {
        let sink = MemorySink()
        var log = logger(sink)
        log[metadataKey: "hb.request.id"] = "r-1"
        log.info("Instance started", metadata: ["instance": "i-1", "detail": "two words"])
        log.debug("not written")
        let line = try #require(sink.lines.first)
        #expect(sink.lines.count == 1)
        let shape = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info cloud: (.*)\n/
        let rest = try #require(line.wholeMatch(of: shape)?.1)
        #expect(
            rest == "Instance started detail=\"two words\" instance=i-1 request=r-1"
                || rest == "Instance started detail=\"two words\" request=r-1 instance=i-1")
    }

    @Test("Line breaks, control characters and quotation marks cannot forge a record")
    func forging() throws {
        let sink = MemorySink()
        logger(sink).warning(
            "a\n2026-01-01T00:00:00.000Z info cloud: forged\u{1B}[31m", metadata: ["k": "v\r\n\" x=1\u{2028}"])
        let line = try #require(sink.lines.first)
        #expect(sink.lines.count == 1)
        #expect(line.unicodeScalars.filter { $0.value < 0x20 || $0.value == 0x2028 }.count == 1)
        #expect(line.hasSuffix("k=\"v\\r\\n\\\" x=1\\u2028\"\n"))
    }

    @Test("JSON lines are JSON, whatever is logged")
    func json() throws {
        let sink = MemorySink()
        let nasty = String(String.UnicodeScalarView((0..<0x300).compactMap(Unicode.Scalar.init)))
        logger(sink, .json).error("\(nasty)", metadata: ["k\"\n": "\(nasty)"])
        let line = try #require(sink.lines.first)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        #expect(object["message"] == nasty)
        #expect(object["k\"\n"] == nasty)
        #expect(object["level"] == "error")
        #expect(object["label"] == "cloud")
    }

    @Test("Values of keys that name a secret are hidden")
    func secrets() throws {
        let sink = MemorySink()
        logger(sink).info(
            "m", metadata: ["secretKey": "s1", "Password": "s2", "X-Amz-Signature": "s3", "Authorization": "s4"])
        let line = try #require(sink.lines.first)
        for secret in ["s1", "s2", "s3", "s4"] { #expect(!line.contains(secret)) }
        #expect(line.contains("Password=[hidden]"))
    }

    @Test("A log file is rotated at its limit, keeps the number asked for, and loses no line that fits")
    func rotation() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.log"
            let sink = try RotatingFileSink(path: path, maximumBytes: 4096, keep: 2)
            let padding = String(repeating: "x", count: 90)
            for number in 0..<100 { sink.write("\(number + 1000) \(padding)\n") }
            let files = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
            #expect(files == ["cloud.log", "cloud.log.1", "cloud.log.2"])
            var numbers: [Int] = []
            for file in files.reversed() {
                let text = try String(contentsOfFile: directory + "/" + file, encoding: .utf8)
                #expect(text.utf8.count <= 4096)
                numbers += text.split(separator: "\n").compactMap { Int($0.prefix(4)) }
            }
            #expect(numbers == Array(1000..<1100).suffix(numbers.count))
            #expect(numbers.count > 60)

            // A restart goes on in the same file.
            let again = try RotatingFileSink(path: path, maximumBytes: 4096, keep: 2)
            again.write("end\n")
            #expect(try String(contentsOfFile: path, encoding: .utf8).hasSuffix("x\nend\n"))
            #expect(throws: ServiceHostError.self) { try RotatingFileSink(path: directory + "/none/cloud.log") }
        }
    }

    @Test("After another program moved a log file away, lines go into a new one once it is opened anew")
    func reopening() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/cloud.log"
            let sink = try RotatingFileSink(path: path)
            sink.write("one\n")
            try FileManager.default.moveItem(atPath: path, toPath: directory + "/moved")
            sink.write("two\n")
            sink.reopen()
            sink.write("three\n")
            #expect(try String(contentsOfFile: directory + "/moved", encoding: .utf8) == "one\ntwo\n")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "three\n")
        }
    }
}
