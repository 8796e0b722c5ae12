// Server access logging: a line for each request of a bucket that has it on, gathered and stored as objects of the
// target bucket ("Amazon S3 server access log format"). Delivery is best effort, as S3's is: lines that were not
// yet stored are lost if the process is killed.

internal import Logging
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Synchronization
public import Walrus

/// Gathers and stores access log lines.
///
/// Lines of a target are gathered for a moment at first, so that whoever tries it soon sees something, and then for twice
/// as long each time while requests go on, so that a busy bucket does not fill its target with small objects.
public actor S3AccessLog {
    private struct Target: Hashable {
        var bucket: String
        var prefix: String
        /// The day of the requests (seconds since 1970) where keys have it.
        var day: Int64?
    }

    private struct Pending {
        var lines: [String] = []
        var bytes = 0
        var grants: [Grant]
        var due: ContinuousClock.Instant
    }

    private struct Pace {
        var interval: Duration
        /// When something was stored last.
        var stored: ContinuousClock.Instant
    }

    /// Lines of one target that are kept in memory at most.
    private static let mostBytes = 1 << 20
    private static let shortest: Duration = .seconds(3)
    private static let longest: Duration = .seconds(60)

    private let walrus: Walrus
    private let logger = Logger(label: "walrus.accesslog")
    private var pending: [Target: Pending] = [:]
    private var paces: [Target: Pace] = [:]

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
        var region: String
        /// `SigV4` or `SigV2`; empty for an unsigned request.
        var signature: String
        /// `AuthHeader` or `QueryString`; empty for an unsigned request.
        var authentication: String
        /// The `Host` header.
        var host: String
        /// Whether an access control list was what allowed it.
        var neededACL: Bool

        var text: String {
            func quoted(_ text: String) -> String { text.isEmpty ? "-" : "\"" + text.filter { $0 != "\"" } + "\"" }
            func plain(_ text: String) -> String { text.isEmpty ? "-" : text }
            return [
                bucketOwner, bucket, "[" + S3AccessLog.clf(time) + "]", plain(address), plain(requester), requestID,
                operation, plain(ListEncoding.encode(key)), quoted(line), String(status), plain(error),
                bytesSent.map { String($0) } ?? "-", objectSize.map { String($0) } ?? "-", String(milliseconds), "-",
                quoted(referer), quoted(agent), plain(version), requestID, plain(signature), "-",
                plain(authentication), plain(host), "-", "-", neededACL ? "Yes" : "-",
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

    /// Takes a request's line, and one for each key that it deleted, or should have, in a batch.
    func add(_ entry: Entry, batch: [BatchDeletions.Outcome], to logging: LoggingConfiguration) async {
        await add(entry, to: logging)
        for outcome in batch {
            var line = entry
            line.operation = "BATCH.DELETE.OBJECT"
            (line.key, line.version) = (outcome.key, outcome.version)
            (line.status, line.error) = (outcome.status, outcome.error)
            (line.bytesSent, line.objectSize) = (nil, nil)
            await add(line, to: logging)
        }
    }

    func add(_ entry: Entry, to logging: LoggingConfiguration) async {
        let day = entry.time / 86_400 * 86_400
        var target = Target(bucket: logging.bucket, prefix: logging.prefix)
        if let partition = logging.partition {
            target.prefix += entry.bucketOwner + "/" + entry.region + "/" + entry.bucket + "/"
            target.day = partition == .event ? day : 0
        }
        let now = ContinuousClock.now
        let text = entry.text
        var gathered = pending[target] ?? Pending(grants: [], due: now + interval(target, now))
        gathered.lines.append(text)
        gathered.bytes += text.utf8.count
        gathered.grants = logging.grants ?? []
        pending[target] = gathered
        if gathered.bytes >= Self.mostBytes { await store(target) }
    }

    private func interval(_ target: Target, _ now: ContinuousClock.Instant) -> Duration {
        var interval = Self.shortest
        if let pace = paces[target], now - pace.stored < Self.longest {
            interval = min(pace.interval * 2, Self.longest)
        }
        paces[target] = Pace(interval: interval, stored: now)
        return interval
    }

    /// Stores what was gathered.
    public func flush() async {
        for target in Array(pending.keys) { await store(target) }
    }

    /// Stores what was gathered when it is time, until its task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: .seconds(1)) } catch { break }
            let now = ContinuousClock.now
            for target in pending.filter({ $0.value.due <= now }).keys { await store(target) }
            paces = paces.filter { now - $0.value.stored < Self.longest * 2 }
        }
        await flush()
    }

    private func store(_ target: Target) async {
        guard let gathered = pending.removeValue(forKey: target), !gathered.lines.isEmpty else { return }
        paces[target]?.stored = .now
        let random = String(UInt64.random(in: 0...UInt64.max), radix: 16, uppercase: true)
        let now = walrus.clock() / 1000
        let key: String
        switch target.day {
        case nil: key = Self.stamp(now)
        case 0: key = Self.stamp(now, partitioned: true)
        case let day?: key = Self.stamp(day, partitioned: true)
        }
        do {
            try await walrus.putLog(
                bucket: target.bucket, key: target.prefix + key + "-" + random,
                ByteBuffer(string: gathered.lines.joined()), grants: gathered.grants)
        } catch {
            logger.error(
                "An access log was not stored",
                metadata: ["bucket": "\(target.bucket)", "lines": "\(gathered.lines.count)", "error": "\(error)"])
        }
    }

    /// `2013-11-01-21-32-16`, with `2013/11/01/` before it if it is partitioned.
    static func stamp(_ seconds: Int64, partitioned: Bool = false) -> String {
        let digits = Array(Timestamp.basic(seconds).utf8)
        let parts = [0..<4, 4..<6, 6..<8, 9..<11, 11..<13, 13..<15].map {
            String(decoding: digits[$0], as: UTF8.self)
        }
        return (partitioned ? parts[..<3].joined(separator: "/") + "/" : "") + parts.joined(separator: "-")
    }
}

/// What became of the keys of one DeleteObjects, for the log.
final class BatchDeletions: Sendable {
    struct Outcome: Sendable, Equatable {
        var key: String
        /// The version that was asked for; empty for none.
        var version: String
        var status: Int
        /// S3's code; empty if it was deleted.
        var error: String
    }

    private let noted = Mutex<[Outcome]>([])

    var outcomes: [Outcome] { noted.withLock { $0 } }

    func note(_ deletion: Deletion, _ failure: S3Error?) {
        let outcome = Outcome(
            key: deletion.key, version: deletion.version ?? "", status: failure?.status ?? 204,
            error: failure?.code.rawValue ?? "")
        noted.withLock { $0.append(outcome) }
    }
}
