import CloudModel
import QueryProtocol

/// A cloud of one instance, one image, one key pair and one group, which remembers what it was asked last and can be
/// told to fail.
actor FakeCloud: CloudBackend {
    static let accountID = "123456789012"
    static let time = Timestamp(milliseconds: 1_795_233_600_123)

    let keys: [AccessKey]
    let accounts: [Account]
    private var failure: CloudError?
    private var refusal: CloudError?
    private(set) var checks: [AccessCheck] = []
    private(set) var asked: [String] = []
    private(set) var caller: Caller?
    private(set) var describeRequest: DescribeRequest?
    private(set) var runRequest: RunInstancesRequest?
    private(set) var registerRequest: RegisterImageRequest?
    private(set) var permissions: [Permission] = []
    private(set) var tags: [Tag] = []
    private(set) var deletedTags: [(key: String, value: String?)] = []
    private(set) var bytes: [UInt8] = []
    private(set) var type: InstanceType?
    private let reservations: [Reservation]
    private var groups = [FakeCloud.group]

    init(keys: [AccessKey], accounts: [Account], reservations: [Reservation] = [FakeCloud.reservation]) {
        self.keys = keys
        self.accounts = accounts
        self.reservations = reservations
    }

    func fail(with error: CloudError?) { failure = error }

    func have(groups: [SecurityGroup]) { self.groups = groups }

    func permissionsAsked(_ permissions: [Permission]) { self.permissions = permissions }

    func ask(_ what: String, _ caller: Caller) throws(CloudError) {
        asked.append(what)
        self.caller = caller
        if let failure { throw failure }
    }

    func ask(_ what: String, _ request: DescribeRequest, _ caller: Caller) throws(CloudError) {
        describeRequest = request
        try ask(what, caller)
    }

    func check(_ dryRun: Bool) throws(CloudError) { if dryRun { throw .dryRunSucceeded } }

    func accessKey(id: String) async throws(CloudError) -> AccessKey? {
        if let failure, case .unavailable = failure { throw failure }
        return keys.first { $0.id == id }
    }

    func account(id: String) async throws(CloudError) -> Account? { accounts.first { $0.id == id } }

    func credential(accessKeyID: String, sessionToken: String?) async throws(CloudError) -> CredentialLookup {
        if sessionToken != nil { return sessionToken == "expired" ? .expiredToken : .invalidToken }
        guard let key = try await accessKey(id: accessKeyID), key.isActive,
            let account = try await account(id: key.accountID)
        else { return .unknownKey }
        return .found(
            Credential(
                accessKeyID: key.id, secret: key.secret, principal: Principal(account, userName: key.userName)))
    }

    func signingCertificate(fingerprint: [UInt8]) async throws(CloudError) -> (SigningCertificate, Principal)? { nil }

    func authorize(_ caller: Caller, _ check: AccessCheck) async throws(CloudError) {
        checks.append(check)
        if let refusal { throw refusal }
    }

    func refuse(_ error: CloudError?) { refusal = error }

    func runInstances(_ request: RunInstancesRequest, as caller: Caller) async throws(CloudError) -> Reservation {
        runRequest = request
        try ask("run", caller)
        try check(request.dryRun)
        return Self.reservation
    }

    func describeInstances(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> Page<Reservation>
    {
        try ask("instances", request, caller)
        return Page(items: reservations, nextToken: request.maxResults == nil ? nil : "more")
    }

    func describeInstanceStatus(_ request: DescribeRequest, includeAll: Bool, as caller: Caller)
        async throws(CloudError) -> Page<Instance>
    {
        try ask(includeAll ? "status of all" : "status", request, caller)
        return Page(items: [Self.instance])
    }

    func terminateInstances(ids: [String], dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> [StateTransition]
    {
        try ask("terminate " + ids.joined(separator: " "), caller)
        try check(dryRun)
        return [StateTransition(id: Self.instance.id, previous: .running, current: .shuttingDown)]
    }

    func rebootInstances(ids: [String], dryRun: Bool, as caller: Caller) async throws(CloudError) {
        try ask("reboot " + ids.joined(separator: " "), caller)
        try check(dryRun)
    }

    func consoleOutput(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> ConsoleOutput {
        try ask("console " + id, caller)
        return ConsoleOutput(id: Self.instance.id, timestamp: Self.time, output: [0, 27, 255] + Array("login:".utf8))
    }

    func registerImage(_ request: RegisterImageRequest, as caller: Caller) async throws(CloudError) -> Image {
        registerRequest = request
        try ask("register", caller)
        return Self.image
    }

    func deregisterImage(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError) {
        try ask("deregister " + id, caller)
    }

    func describeImages(_ request: DescribeRequest, owners: [String], executableBy: [String], as caller: Caller)
        async throws(CloudError) -> Page<Image>
    {
        try ask("images \(owners) \(executableBy)", request, caller)
        return Page(items: [Self.image])
    }

    func createKeyPair(name: String, type: String?, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> CreatedKeyPair
    {
        self.tags = tags
        try ask("create key \(name) \(type ?? "-")", caller)
        return CreatedKeyPair(keyPair: Self.keyPair, privateKey: "-----BEGIN PRIVATE KEY-----\nAA==\n")
    }

    func importKeyPair(name: String, material: [UInt8], tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> KeyPair
    {
        bytes = material
        try ask("import key " + name, caller)
        return Self.keyPair
    }

    func describeKeyPairs(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> Page<KeyPair> {
        try ask("keys", request, caller)
        return Page(items: [Self.keyPair])
    }

    func deleteKeyPair(name: String?, id: String?, dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> KeyPair?
    {
        try ask("delete key \(name ?? "-") \(id ?? "-")", caller)
        return name == "absent" ? nil : Self.keyPair
    }

    func createSecurityGroup(name: String, description: String, tags: [Tag], dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> SecurityGroup
    {
        self.tags = tags
        try ask("create group \(name): \(description)", caller)
        return Self.group
    }

    func describeSecurityGroups(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<SecurityGroup>
    {
        try ask("groups", request, caller)
        return Page(items: groups)
    }

    func deleteSecurityGroup(_ group: GroupSelector, dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> SecurityGroup
    {
        try ask("delete group \(group.id ?? "-") \(group.name ?? "-")", caller)
        return Self.group
    }

    func authorize(
        _ permissions: [Permission], egress: Bool, group: GroupSelector, tags: [Tag], dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> [SecurityGroupRule] {
        self.permissions = permissions
        try ask("authorize \(egress ? "egress" : "ingress") \(group.id ?? "-") \(group.name ?? "-")", caller)
        try check(dryRun)
        return Self.group.rules
    }

    func revoke(
        _ permissions: [Permission], ruleIDs: [String], egress: Bool, group: GroupSelector, dryRun: Bool,
        as caller: Caller
    ) async throws(CloudError) -> [SecurityGroupRule] {
        self.permissions = permissions
        try ask("revoke \(egress ? "egress" : "ingress") \(ruleIDs)", caller)
        return Array(Self.group.rules.prefix(1))
    }

    func describeAvailabilityZones(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> [AvailabilityZone]
    {
        try ask("zones", request, caller)
        return [Self.zone(nodes: caller.isAdministrator)]
    }

    func describeRegions(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> [Region] {
        try ask("regions", request, caller)
        return [Region(name: "us-east-1", endpoint: "127.0.0.1:8773")]
    }

    func describeInstanceTypes(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<InstanceType>
    {
        try ask("types", request, caller)
        if request.names == ["new.type"] { throw .notFound(.instanceType, request.names) }
        return Page(items: [Self.smallType, InstanceType(name: "m1.xlarge", cores: 2, memoryMiB: 1024, diskGiB: 20)])
    }

    func modifyInstanceType(_ type: InstanceType, as caller: Caller) async throws(CloudError) -> InstanceType {
        self.type = type
        try ask("modify type", caller)
        return type
    }

    func createTags(resourceIDs: [String], tags: [Tag], dryRun: Bool, as caller: Caller) async throws(CloudError) {
        self.tags = tags
        try ask("tag " + resourceIDs.joined(separator: " "), caller)
    }

    func deleteTags(resourceIDs: [String], tags: [(key: String, value: String?)], dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        deletedTags = tags
        try ask("untag " + resourceIDs.joined(separator: " "), caller)
    }

    func describeTags(_ request: DescribeRequest, as caller: Caller) async throws(CloudError) -> Page<TagDescription> {
        try ask("tags", request, caller)
        return Page(items: [
            TagDescription(resourceID: "i-0123456789abcdef0", resource: .instance, tag: Tag(key: "a<b", value: "c&d"))
        ])
    }
}
