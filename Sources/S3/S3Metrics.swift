// Figures of the S3 interface in Prometheus' text format ("Exposition formats", version 0.0.4).

internal import Foundation
internal import Synchronization

/// Counts requests. One for all listeners of a Walrus.
public final class S3Metrics: Sendable {
    private struct Operation {
        /// By the hundreds of the status.
        var classes = [Int64](repeating: 0, count: 6)
        /// Not cumulative; the last is what took longer than every limit.
        var times = [Int64](repeating: 0, count: limits.count + 1)
        var milliseconds: Int64 = 0

        mutating func count(status: Int, slot: Int, milliseconds: Int64) {
            classes[status] += 1
            times[slot] += 1
            self.milliseconds += milliseconds
        }
    }

    private struct State {
        var operations: [String: Operation] = [:]
        var received: Int64 = 0
        var sent: Int64 = 0
        var inFlight: Int64 = 0
    }

    /// Limits of the histogram in milliseconds.
    private static let limits: [Int64] = [1, 5, 10, 50, 100, 500, 1000, 5000, 30_000]

    private let state = Mutex(State())

    /// Makes counters at nought.
    public init() {}

    func begin() { state.withLock { $0.inFlight += 1 } }

    /// Counts an answered request; the time is that until its head was ready.
    func end(_ operation: String, status: Int, milliseconds: Int64, received: Int64, sent: Int64) {
        let slot = Self.limits.firstIndex { milliseconds <= $0 } ?? Self.limits.count
        state.withLock { state in
            state.inFlight -= 1
            state.received += received
            state.sent += sent
            state.operations[operation, default: Operation()].count(
                status: min(max(status / 100, 0), 5), slot: slot, milliseconds: milliseconds)
        }
    }

    /// A figure that somebody else knows.
    public struct Gauge: Sendable {
        /// `mallee_walrus_…`
        public var name: String
        /// What it says.
        public var help: String
        /// `gauge` or `counter`.
        public var kind: String
        /// Labels and values.
        public var values: [(labels: [(name: String, value: String)], value: Double)]

        /// Makes one.
        public init(
            _ name: String, _ help: String, kind: String = "gauge",
            _ values: [(labels: [(name: String, value: String)], value: Double)]
        ) {
            self.name = name
            self.help = help
            self.kind = kind
            self.values = values
        }
    }

    /// Everything as text.
    public func text(_ gauges: [Gauge] = []) -> String {
        let state = state.withLock { $0 }
        var text = ""
        let names = state.operations.keys.sorted()
        text += Self.head("mallee_s3_requests_total", "Requests, by operation and class of status.", "counter")
        for name in names {
            for (index, count) in (state.operations[name]?.classes ?? []).enumerated() where count > 0 {
                text += Self.line(
                    "mallee_s3_requests_total", [("operation", name), ("status", "\(index)xx")], Double(count))
            }
        }
        let seconds = "mallee_s3_request_seconds"
        text += Self.head(seconds, "Seconds until the head of the answer was ready.", "histogram")
        for name in names {
            guard let operation = state.operations[name] else { continue }
            var sum: Int64 = 0
            for (index, count) in operation.times.enumerated() {
                sum += count
                let limit = index < Self.limits.count ? String(Double(Self.limits[index]) / 1000) : "+Inf"
                text += Self.line(seconds + "_bucket", [("operation", name), ("le", limit)], Double(sum))
            }
            text += Self.line(seconds + "_sum", [("operation", name)], Double(operation.milliseconds) / 1000)
            text += Self.line(seconds + "_count", [("operation", name)], Double(sum))
        }
        let own = [
            Gauge(
                "mallee_s3_received_bytes_total", "Bytes of bodies of requests.", kind: "counter",
                [([], Double(state.received))]),
            Gauge(
                "mallee_s3_sent_bytes_total", "Bytes of bodies of answers.", kind: "counter",
                [([], Double(state.sent))]),
            Gauge("mallee_s3_requests_in_flight", "Requests without an answer yet.", [([], Double(state.inFlight))]),
        ]
        for gauge in own + gauges {
            text += Self.head(gauge.name, gauge.help, gauge.kind)
            for value in gauge.values { text += Self.line(gauge.name, value.labels, value.value) }
        }
        return text
    }

    private static func head(_ name: String, _ help: String, _ kind: String) -> String {
        "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
    }

    private static func line(_ name: String, _ labels: [(name: String, value: String)], _ value: Double) -> String {
        let pairs = labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",")
        let isWhole = value.rounded() == value && abs(value) < 9e15
        let number = isWhole ? String(Int64(value)) : String(value)
        return name + (pairs.isEmpty ? "" : "{" + pairs + "}") + " " + number + "\n"
    }

    /// A label's value: backslash, quote and line end are written with a backslash.
    private static func escaped(_ text: String) -> String {
        var out = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": out += "\\\\"
            case "\"": out += "\\\""
            case "\n": out += "\\n"
            default: out.unicodeScalars.append(character)
            }
        }
        return out
    }
}
