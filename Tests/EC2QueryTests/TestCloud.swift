import CloudModel
import EC2Query
import QueryProtocol
import Signatures
import Synchronization
import Testing
import XML

/// The id of every request in these tests.
let requestID = "11111111-2222-4333-8444-555555555555"

/// An interface over a fake cloud, with a client that signs.
struct TestCloud: Sendable {
    /// 2026-11-21T04:00:00Z, when `ClientRequests` were signed.
    static let now: Int64 = 1_795_233_600
    static let accessKeyID = "AKIAMALLEEEXAMPLE001"
    static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

    let backend: FakeCloud
    let interface: EC2Interface
    let observations: Observations

    /// What the interface reported.
    final class Observations: Sendable {
        private let list = Mutex<[EC2Observation]>([])
        var all: [EC2Observation] { list.withLock { $0 } }
        func add(_ observation: EC2Observation) { list.withLock { $0.append(observation) } }
    }

    init(
        isAdministrator: Bool = false, isActive: Bool = true, now: Int64 = TestCloud.now,
        reservations: [Reservation] = [FakeCloud.reservation]
    ) {
        let key = AccessKey(
            id: Self.accessKeyID, secret: Self.secret, accountID: FakeCloud.accountID, userName: "admin",
            isActive: isActive, createdAt: FakeCloud.time)
        let orphan = AccessKey(
            id: "AKIAMALLEEEXAMPLE002", secret: Self.secret, accountID: "999999999999", userName: "nobody",
            isActive: true, createdAt: FakeCloud.time)
        let account = Account(
            id: FakeCloud.accountID, name: "test", isAdministrator: isAdministrator, createdAt: FakeCloud.time)
        backend = FakeCloud(keys: [key, orphan], accounts: [account], reservations: reservations)
        let observations = Observations()
        self.observations = observations
        interface = EC2Interface(
            backend: backend,
            configuration: EC2Configuration(
                now: { CloudModel.Timestamp(milliseconds: now * 1000) },
                observer: { observations.add($0) }))
    }

    /// Sends a signed form.
    func send(
        _ action: String?, _ parameters: [(String, String)] = [], version: String? = "2016-11-15", path: String = "/",
        accessKeyID: String = TestCloud.accessKeyID, secret: String = TestCloud.secret
    ) async -> Answer {
        var all = parameters
        if let version { all.insert(("Version", version), at: 0) }
        if let action { all.insert(("Action", action), at: 0) }
        let body = all.map { PercentEncoding.encode($0.0) + "=" + PercentEncoding.encode($0.1) }.joined(separator: "&")
        return await send(
            Self.signed(Array(body.utf8), path: path, accessKeyID: accessKeyID, secret: secret))
    }

    func send(_ request: EC2Request) async -> Answer { Answer(await interface.respond(to: request)) }

    /// A signed POST of these bytes.
    static func signed(
        _ body: [UInt8], method: String = "POST", path: String = "/", query: String = "",
        contentType: String = "application/x-www-form-urlencoded", accessKeyID: String = accessKeyID,
        secret: String = secret
    ) -> EC2Request {
        let signer = SigV4Signer(accessKeyID: accessKeyID, secret: secret, region: "us-east-1", service: "ec2")
        var headers = [(name: "Host", value: "127.0.0.1:8773"), (name: "Content-Type", value: contentType)]
        let request = SignedRequest(method: method, path: path, query: query, headers: headers, body: body)
        headers += signer.headers(for: request, now: now)
        return EC2Request(
            id: requestID, method: method, path: path, query: query, headers: headers, body: body,
            sourceAddress: "192.0.2.7")
    }
}

/// An answer, parsed.
struct Answer {
    let response: EC2Response
    /// nil if it was no well-formed document, which no test expects.
    let root: XMLElement?

    init(_ response: EC2Response) {
        self.response = response
        do throws(XMLError) {
            root = try XMLElement.parse(response.body)
        } catch {
            root = nil
            Issue.record("no XML: \(error) in \(String(decoding: response.body, as: UTF8.self))")
        }
    }

    var status: Int { response.status }
    var text: String { String(decoding: response.body, as: UTF8.self) }
    func header(_ name: String) -> String? { response.headers.first { $0.name.lowercased() == name }?.value }

    /// All elements at a path below the root, such as "reservationSet/item/instancesSet".
    func elements(_ path: String) -> [XMLElement] {
        var current = root.map { [$0] } ?? []
        for name in path.split(separator: "/") { current = current.flatMap { $0.children(String(name)) } }
        return current
    }

    /// The text of the first element at a path.
    subscript(_ path: String) -> String? { elements(path).first?.text }

    /// Code of an error document; nil for other answers.
    var code: String? { root?.localName == "Response" ? self["Errors/Error/Code"] : nil }
    var message: String? { self["Errors/Error/Message"] }
}
