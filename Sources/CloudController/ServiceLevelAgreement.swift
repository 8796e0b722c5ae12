public import CloudModel
import JSON

/// A service level agreement as the administrator writes it, in JSON:
///
///     {
///       "quota": {"instances": 10, "cores": 20, "memoryMiB": 40960},
///       "accounts": {"123456789012": {"instances": 100}},
///       "leases": [{"tag": "production"}, {"seconds": 86400, "longest": 604800, "warnings": [3600]}],
///       "fairshare": {"halfLifeSeconds": 604800, "share": 1, "shares": {"123456789012": 2}, "queue": 1000,
///                     "queuePerAccount": 100, "longestWaitSeconds": 604800, "overtake": false,
///                     "memoryMiBPerCore": 2048},
///       "external": {"program": ["/opt/site/allocate", "--strict"], "timeLimitMilliseconds": 5000,
///                    "onFailure": "refuse", "reviewSeconds": 300}
///     }
///
/// Everything is optional, and what is there counts together; `{}` is no limit at all. An account that is named has
/// only the limits that are named for it. Of the leases the first that matches counts (see `LeaseRule`); `external` has
/// a `program` or a `url`. A member that is not known is an error, since it is mostly a spelling mistake.
public struct ServiceLevelAgreement: Sendable {
    /// The site's own decider.
    public struct External: Sendable, Hashable {
        /// Absolute path and arguments of a program; or
        public var program: [String]?
        /// where to POST the question.
        public var url: String?
        /// See `ExternalAllocation`.
        public var timeLimit: Int64 = 5000
        /// See `ExternalAllocation`.
        public var allowsOnFailure = false
        /// See `ExternalAllocation`.
        public var reviewInterval: Int64?
    }
    /// For accounts that are not named.
    public var quota: AllocationQuota?
    /// By account id.
    public var accounts: [String: AllocationQuota]?
    /// In the order in which they are tried.
    public var leases: [LeaseRule]?
    /// Whether and how requests wait.
    public var fairShare: FairShare?
    /// Whether a site decides itself.
    public var external: External?

    /// Reads the JSON.
    ///
    /// - Throws: `invalidValue` whose reason names the place, for what is no agreement.
    public init(json: [UInt8]) throws(CloudError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(json, maximumDepth: 16, maximumBytes: 1 << 20)
        } catch {
            let before = json.prefix(error.offset)
            let line = before.reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
            let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
            throw Place("line \(line), column \(column)").wrong("\(error.code.rawValue)")
        }
        let root = try Reader(
            value, at: Place(""), members: ["quota", "accounts", "leases", "fairshare", "external"])
        if let quota = root["quota"] { self.quota = try Self.quota(quota) }
        if let members = try root["accounts"]?.members() {
            accounts = [:]
            for (account, value) in members {
                guard account.utf8.count == 12, account.utf8.allSatisfy({ (48...57).contains($0) }) else {
                    throw value.place.wrong("an account id has 12 digits")
                }
                accounts?[account] = try Self.quota(value)
            }
        }
        if let rules = try root["leases"]?.elements() { leases = try rules.map(Self.lease) }
        if let value = root["fairshare"] { fairShare = try Self.fairShare(value) }
        if let value = root["external"] { external = try Self.external(value) }
    }

    private static func quota(_ value: Entry) throws(CloudError) -> AllocationQuota {
        let reader = try Reader(value.value, at: value.place, members: ["instances", "cores", "memoryMiB"])
        return AllocationQuota(
            instances: try reader["instances"]?.integer(), cores: try reader["cores"]?.integer(),
            memoryMiB: try reader["memoryMiB"]?.integer())
    }

    private static func lease(_ value: Entry) throws(CloudError) -> LeaseRule {
        let reader = try Reader(
            value.value, at: value.place, members: ["account", "type", "tag", "seconds", "longest", "warnings"])
        var rule = LeaseRule(
            account: try reader["account"]?.text(), type: try reader["type"]?.text(), tag: try reader["tag"]?.text(),
            seconds: try reader["seconds"]?.integer(1...Int(Int32.max)).map { Int64($0) },
            longest: try reader["longest"]?.integer(1...Int(Int32.max)).map { Int64($0) })
        if let warnings = try reader["warnings"]?.elements() {
            rule.warnings = try warnings.map { (entry) throws(CloudError) in Int64(try entry.required()) }
        }
        return rule
    }

    private static func fairShare(_ value: Entry) throws(CloudError) -> FairShare {
        let reader = try Reader(
            value.value, at: value.place,
            members: [
                "halfLifeSeconds", "share", "shares", "queue", "queuePerAccount", "longestWaitSeconds", "overtake",
                "memoryMiBPerCore",
            ])
        var fairShare = FairShare()
        if let seconds = try reader["halfLifeSeconds"]?.integer(1...Int(Int32.max)) {
            fairShare.halfLife = Int64(seconds)
        }
        if let share = try reader["share"]?.positive() { fairShare.standardShare = share }
        for (account, share) in try reader["shares"]?.members() ?? [] {
            fairShare.shares[account] = try share.positive()
        }
        if let length = try reader["queue"]?.integer(1...100_000) { fairShare.queueLength = length }
        if let length = try reader["queuePerAccount"]?.integer(1...100_000) {
            fairShare.queueLengthPerAccount = length
        }
        if let seconds = try reader["longestWaitSeconds"]?.integer(1...Int(Int32.max)) {
            fairShare.longestWait = Int64(seconds)
        }
        if let overtake = try reader["overtake"]?.boolean() { fairShare.mayOvertake = overtake }
        if let memory = try reader["memoryMiBPerCore"]?.integer(1...Int(Int32.max)) {
            fairShare.memoryMiBPerCore = memory
        }
        return fairShare
    }

    private static func external(_ value: Entry) throws(CloudError) -> External {
        let reader = try Reader(
            value.value, at: value.place,
            members: ["program", "url", "timeLimitMilliseconds", "onFailure", "reviewSeconds"])
        var external = External()
        if let command = try reader["program"]?.elements() {
            external.program = try command.map { (entry) throws(CloudError) in try entry.text() ?? "" }
            guard external.program?.first?.hasPrefix("/") == true else {
                throw value.place.member("program").wrong(
                    "it must be an array of the program's absolute path and its arguments")
            }
        }
        if let url = try reader["url"]?.text() {
            guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
                throw value.place.member("url").wrong("it must begin with http:// or https://")
            }
            external.url = url
        }
        guard (external.program == nil) != (external.url == nil) else {
            throw value.place.wrong("it needs either \"program\" or \"url\"")
        }
        if let limit = try reader["timeLimitMilliseconds"]?.integer(1...600_000) { external.timeLimit = Int64(limit) }
        if let word = try reader["onFailure"]?.text() {
            guard word == "allow" || word == "refuse" else {
                throw value.place.member("onFailure").wrong("it must be \"allow\" or \"refuse\"")
            }
            external.allowsOnFailure = word == "allow"
        }
        if let seconds = try reader["reviewSeconds"]?.integer(1...Int(Int32.max)) {
            external.reviewInterval = Int64(seconds)
        }
        return external
    }

    /// The policy that keeps it.
    ///
    /// - Parameter decider: makes what asks a URL; this module has no HTTP of its own.
    /// - Throws: `unsupported` for a URL without `decider`.
    public func policy(asking decider: ((_ url: String) -> any ExternalDecider)? = nil) throws(CloudError)
        -> any AllocationPolicy
    {
        var parts: [any AllocationPolicy] = []
        if quota != nil || accounts?.isEmpty == false {
            parts.append(QuotaAllocation(standard: quota ?? AllocationQuota(), accounts: accounts ?? [:]))
        }
        if let external {
            let asked: any ExternalDecider
            if let program = external.program {
                asked = ProgramDecider(command: program)
            } else if let decider, let url = external.url {
                asked = decider(url)
            } else {
                throw .unsupported("URLs cannot be asked here; name a program.")
            }
            parts.append(
                ExternalAllocation(
                    decider: asked, timeLimit: external.timeLimit, allowsOnFailure: external.allowsOnFailure,
                    reviewInterval: external.reviewInterval))
        }
        if let leases, !leases.isEmpty { parts.append(LeaseAllocation(rules: leases)) }
        if let fairShare { parts.append(FairShareAllocation(fairShare)) }
        if parts.count == 1 { return parts[0] }
        return parts.isEmpty ? UnrestrictedAllocation() : CombinedAllocation(parts)
    }
}

// MARK: Reading with places

/// Where something is in the document, such as `leases[1].seconds`.
private struct Place: Sendable {
    var text: String
    init(_ text: String) { self.text = text }
    func member(_ name: String) -> Place { Place(text.isEmpty ? name : text + "." + name) }
    func element(_ index: Int) -> Place { Place("\(text)[\(index)]") }
    func wrong(_ what: String) -> CloudError {
        .invalidValue(
            parameter: "SLA", value: "",
            reason: "The service level agreement is not valid\(text.isEmpty ? "" : " at \(text)"): \(what).")
    }
}

/// A value with its place.
private struct Entry {
    var value: JSONValue
    var place: Place

    func integer(_ range: ClosedRange<Int> = 0...Int(Int32.max)) throws(CloudError) -> Int? {
        if value == .null { return nil }
        guard let number = value.int64, let number = Int(exactly: number), range.contains(number) else {
            throw place.wrong("it must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
    func required() throws(CloudError) -> Int {
        guard let number = try integer() else { throw place.wrong("a number is missing") }
        return number
    }
    func positive() throws(CloudError) -> Double {
        guard let number = value.number, number > 0, number.isFinite else {
            throw place.wrong("it must be a number greater than 0")
        }
        return number
    }
    func text() throws(CloudError) -> String? {
        if value == .null { return nil }
        guard let text = value.text else { throw place.wrong("it must be a text") }
        return text
    }
    func boolean() throws(CloudError) -> Bool {
        guard let value = value.boolean else { throw place.wrong("it must be true or false") }
        return value
    }
    func elements() throws(CloudError) -> [Entry] {
        guard let elements = value.elements else { throw place.wrong("it must be an array") }
        return elements.enumerated().map { Entry(value: $0.element, place: place.element($0.offset)) }
    }
    func members() throws(CloudError) -> [(String, Entry)] {
        guard let members = value.objectMembers else { throw place.wrong("it must be an object") }
        return members.map { ($0.name, Entry(value: $0.value, place: place.member($0.name))) }
    }
}

/// An object of which every member is known.
private struct Reader {
    private var entries: [String: Entry] = [:]

    init(_ value: JSONValue, at place: Place, members: [String]) throws(CloudError) {
        for (name, entry) in try Entry(value: value, place: place).members() {
            guard members.contains(name) else {
                throw entry.place.wrong("it is not known; there are \(members.joined(separator: ", "))")
            }
            entries[name] = entry
        }
    }
    subscript(name: String) -> Entry? { entries[name] }
}
