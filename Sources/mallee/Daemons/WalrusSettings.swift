import Foundation
import Hummingbird
import HummingbirdCore
import NIOCore
import ObjectStore
import S3
import ServiceHost
import Walrus

/// What an administrator may set of Walrus, wherever it runs.
struct WalrusSettings: Sendable {
    /// Of its configuration file.
    static let keys = GatewaySettings.keys.union([
        "S3_DOMAINS", "WEBSITE_DOMAINS", "DURABILITY", "RESERVED_BYTES", "QUOTA_FILE", "METRICS_ADDRESS",
        "METRICS_PORT", "LIFECYCLE_DAY",
    ])

    static let help = """
        S3_DOMAINS and WEBSITE_DOMAINS (domains below which a bucket is a host name, and answers as a website), \
        DURABILITY (power, or process: nothing is synced), RESERVED_BYTES (of the file system, which stay free), \
        QUOTA_FILE (JSON: {"default": {"buckets": 1000, "objects": …, "bytes": …}, "accounts": {"ID": {…}}}; read \
        again when it changes), LIFECYCLE_DAY (seconds that lifecycle rules take for a day; 86400, less only for trials), \
        METRICS_PORT and METRICS_ADDRESS (127.0.0.1; Prometheus' text format at /metrics). \(GatewaySettings.help)
        """

    var region = "us-east-1"
    var domains: [String] = []
    var websiteDomains: [String] = []
    var durability = Durability.power
    var reserve: Int64?
    var quotaFile: String?
    /// What lifecycle rules take for a day, in milliseconds.
    var lifecycleDay: Int64 = 86_400_000
    /// The S3 store that takes contents beside the files, if there is one.
    var gateway: GatewaySettings?

    init(region: String) { self.region = region }

    init(_ file: ConfigurationFile) throws {
        region = file.string("REGION", default: "us-east-1")
        domains = try Self.domains(file.words("S3_DOMAINS"))
        websiteDomains = try Self.domains(file.words("WEBSITE_DOMAINS"))
        let word = file.string("DURABILITY", default: Durability.power.rawValue)
        guard let durability = Durability(rawValue: word) else {
            throw CommandFailure("\(file.path): DURABILITY is \"\(word)\"; it must be power or process.")
        }
        self.durability = durability
        if let text = file.optional("RESERVED_BYTES") {
            guard let bytes = Int64(text), bytes >= 0 else {
                throw CommandFailure("\(file.path): RESERVED_BYTES must be a number of bytes.")
            }
            reserve = bytes
        }
        quotaFile = file.optional("QUOTA_FILE")
        lifecycleDay = try Self.lifecycleDay(file)
        gateway = try GatewaySettings(file)
    }

    /// What lifecycle rules take for a day, in milliseconds.
    static func lifecycleDay(_ file: ConfigurationFile) throws -> Int64 {
        guard let text = file.optional("LIFECYCLE_DAY") else { return 86_400_000 }
        guard let seconds = Int64(text), (1...86_400).contains(seconds) else {
            throw CommandFailure("\(file.path): LIFECYCLE_DAY must be 1 to 86400 seconds.")
        }
        return seconds * 1000
    }

    /// Domains as S3 compares them: lower case, no dot at either end.
    static func domains(_ words: [String]) throws -> [String] {
        try words.map { word in
            let domain = word.lowercased().trimmingCharacters(in: CharacterSet(charactersIn: "."))
            let isDomain =
                !domain.isEmpty && domain.utf8.count <= 253
                && domain.utf8.allSatisfy {
                    (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2E
                }
            guard isDomain else { throw CommandFailure("\"\(word)\" is no domain, such as s3.example.org.") }
            return domain
        }
    }
}

/// Limits of accounts from a file, read again when it changes.
actor QuotaFile: WalrusQuota {
    private struct Contents: Decodable {
        var `default`: AccountLimits?
        var accounts: [String: AccountLimits]?
    }

    private let path: String
    private var contents: Contents
    private var modified: Date
    private var asked = ContinuousClock.now

    /// Reads the file; what is wrong with it now is said now.
    init(_ path: String) throws {
        self.path = path
        (contents, modified) = try Self.read(path)
    }

    private static func read(_ path: String) throws -> (Contents, Date) {
        let modified = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
        do {
            let contents = try JSONDecoder().decode(Contents.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
            return (contents, modified ?? .distantPast)
        } catch {
            throw CommandFailure(
                "\(path) cannot be read as quotas, such as {\"default\": {\"bytes\": 1000000000}}: \(error)")
        }
    }

    func limits(of account: String) async throws -> AccountLimits {
        if asked.duration(to: .now) > .seconds(1) {
            asked = .now
            let present = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
            if present != modified { (contents, modified) = try Self.read(path) }
        }
        var limits = contents.default ?? AccountLimits()
        limits.buckets = limits.buckets ?? AccountLimits().buckets
        if let own = contents.accounts?[account] {
            limits.buckets = own.buckets ?? limits.buckets
            limits.objects = own.objects ?? limits.objects
            limits.bytes = own.bytes ?? limits.bytes
        }
        return limits
    }
}

/// Answers with figures in Prometheus' text format.
struct MetricsResponder: HTTPResponder {
    let text: @Sendable () async -> String

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: await text())))
    }
}
