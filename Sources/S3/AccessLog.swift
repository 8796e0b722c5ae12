// Server access logging: a line for each request of a bucket that has it on, gathered and stored as objects of the
// target bucket ("Amazon S3 server access log format"). Delivery is best effort, as S3's is: lines that were not
// yet stored are lost if the process is killed.

internal import Logging
internal import NIOCore
internal import ObjectStore
internal import Signatures
public import Walrus

/// Gathers and stores access log lines.
public actor S3AccessLog {
    private struct Target: Hashable {
        var bucket: String
        var prefix: String
    }

    private struct Pending {
        var lines: [String] = []
        var bytes = 0
    }

    /// Lines of one target that are kept in memory at most.
    private static let mostBytes = 1 << 20

    private let walrus: Walrus
    private let logger = Logger(label: "walrus.accesslog")
    private var pending: [Target: Pending] = [:]

    /// Makes the log of a service.
    public init(_ walrus: Walrus) { self.walrus = walrus }

    /// What a line tells.
    struct Entry: Sendable {
        var bucketOwner: String
        var bucket: String
        var time: Int64
        var address: String
        var requester: String
        var requestID: String
        var operation: String
        var key: String
        var line: String
        var status: Int
        var error: String
        var bytesSent: Int64?
        var objectSize: Int64?
        var milliseconds: Int64
        var referer: String
        var agent: String
        var version: String

        var text: String {
            func quoted(_ text: String) -> String { text.isEmpty ? "-" : "\"" + text.filter { $0 != "\"" } + "\"" }
            func plain(_ text: String) -> String { text.isEmpty ? "-" : text }
            return [
                bucketOwner, bucket, "[" + S3AccessLog.clf(time) + "]", plain(address), plain(requester), requestID,
                operation, plain(ListEncoding.encode(key)), quoted(line), String(status), plain(error),
                bytesSent.map { String($0) } ?? "-", objectSize.map { String($0) } ?? "-", String(milliseconds), "-",
                quoted(referer), quoted(agent), plain(version), "-", "-", "-", "-", "-", "-",
            ].joined(separator: " ") + "\n"
        }
    }

    /// `06/Feb/2019:00:00:38 +0000`
    static func clf(_ seconds: Int64) -> String {
        // Fri, 24 May 2013 00:00:00 GMT
        let parts = Timestamp.http(seconds).split(separator: " ")
        guard parts.count == 6 else { return "-" }
        return parts[1...3].joined(separator: "/") + ":" + parts[4] + " +0000"
    }

    func add(_ entry: Entry, to logging: LoggingConfiguration) async {
        let target = Target(bucket: logging.bucket, prefix: logging.prefix)
        let text = entry.text
        pending[target, default: Pending()].lines.append(text)
        pending[target, default: Pending()].bytes += text.utf8.count
        if let full = pending[target], full.bytes >= Self.mostBytes { await store(target) }
    }

    /// Stores what was gathered.
    public func flush() async {
        for target in Array(pending.keys) { await store(target) }
    }

    /// Stores what was gathered at each interval, until its task is cancelled.
    public func run(every interval: Duration = .seconds(60)) async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: interval) } catch { break }
            await flush()
        }
        await flush()
    }

    private func store(_ target: Target) async {
        guard let gathered = pending.removeValue(forKey: target), !gathered.lines.isEmpty else { return }
        let time = Timestamp.basic(walrus.clock() / 1000)
        // 2013-11-01-21-32-16-E568B2907131C0C0
        let digits = Array(time.utf8).map { Character(UnicodeScalar($0)) }
        func part(_ range: Range<Int>) -> String { String(digits[range]) }
        let random = String(UInt64.random(in: 0...UInt64.max), radix: 16, uppercase: true)
        let stamp = [part(0..<4), part(4..<6), part(6..<8), part(9..<11), part(11..<13), part(13..<15)]
        let key = target.prefix + (stamp + [random]).joined(separator: "-")
        do {
            try await walrus.putLog(
                bucket: target.bucket, key: key, ByteBuffer(string: gathered.lines.joined()))
        } catch {
            logger.error(
                "An access log was not stored",
                metadata: ["bucket": "\(target.bucket)", "lines": "\(gathered.lines.count)", "error": "\(error)"])
        }
    }
}
