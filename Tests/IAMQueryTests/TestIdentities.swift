import CloudController
import CloudModel
import IAMQuery
import QueryProtocol
import Signatures
import Store
import Synchronization
import XML

/// The id of every request in these tests.
let requestID = "11111111-2222-4333-8444-555555555555"

/// No images: identities need none.
struct NoImages: ImageSource {
    func inspect(location: String, as caller: Caller) async throws(CloudError) -> ImageObject {
        throw .unsupported("no images here")
    }
    func temporaryURL(location: String, validFor seconds: Int) async throws(CloudError) -> String {
        throw .unsupported("no images here")
    }
}

/// A cloud controller over a store in memory with the interface of IAM and STS, and clients that sign.
struct TestIdentities: Sendable {
    /// 2026-11-21T04:00:00Z
    static let start: Int64 = 1_795_233_600
    let controller: CloudController
    let interface: IAMInterface
    let clock: Clock
    /// The administrator's account.
    let admin: Client

    /// Seconds since 1970, moved by the test.
    final class Clock: Sendable {
        private let time = Mutex(TestIdentities.start)
        var now: Int64 { time.withLock { $0 } }
        func advance(_ seconds: Int64) { time.withLock { $0 += seconds } }
    }

    /// Who signs.
    struct Client: Sendable {
        var key: String
        var secret: String
        var token: String?
    }

    init() async throws {
        let clock = Clock()
        self.clock = clock
        var configuration = CloudConfiguration()
        configuration.accountID = "123456789012"
        configuration.now = { CloudModel.Timestamp(milliseconds: clock.now * 1000) }
        controller = try await CloudController.open(
            store: try SQLiteStore.inMemory(), configuration: configuration, zones: [], images: NoImages())
        interface = IAMInterface(
            backend: controller,
            configuration: IAMConfiguration(
                region: "us-east-1", now: { CloudModel.Timestamp(milliseconds: clock.now * 1000) }))
        let keys = await controller.accessKeys(accountID: "123456789012")
        admin = Client(key: keys[0].id, secret: keys[0].secret)
    }

    /// The account itself of another account.
    func account(_ name: String) async throws -> (id: String, client: Client) {
        let account = try await controller.createAccount(name: name)
        let key = try await controller.createAccessKey(accountID: account.id)
        return (account.id, Client(key: key.id, secret: key.secret))
    }

    /// A new user with a key.
    func user(_ name: String, policy: String? = nil, as owner: Client? = nil) async throws -> Client {
        let made = await send("CreateUser", [("UserName", name)], as: owner)
        guard made.code == nil else { throw Failure(what: made.text) }
        if let policy {
            let put = await send(
                "PutUserPolicy", [("UserName", name), ("PolicyName", "own"), ("PolicyDocument", policy)], as: owner)
            guard put.code == nil else { throw Failure(what: put.text) }
        }
        let key = await send("CreateAccessKey", [("UserName", name)], as: owner)
        return Client(key: key["AccessKeyId"] ?? "", secret: key["SecretAccessKey"] ?? "")
    }

    struct Failure: Error { var what: String }

    func send(
        _ action: String, _ parameters: [(String, String)] = [], as client: Client? = nil,
        service: IdentityService = .iam
    ) async -> Answer {
        let all = [("Action", action), ("Version", service.version)] + parameters
        let body = all.map { PercentEncoding.encode($0.0) + "=" + PercentEncoding.encode($0.1) }.joined(separator: "&")
        return await send(Array(body.utf8), as: client ?? admin, service)
    }

    func send(_ body: [UInt8], as client: Client, _ service: IdentityService) async -> Answer {
        let signer = SigV4Signer(
            accessKeyID: client.key, secret: client.secret, region: "us-east-1", service: service.rawValue)
        var headers = [
            (name: "Host", value: "127.0.0.1:8773"),
            (name: "Content-Type", value: "application/x-www-form-urlencoded"),
        ]
        if let token = client.token { headers.append((name: "X-Amz-Security-Token", value: token)) }
        let signed = SignedRequest(method: "POST", path: "/", headers: headers, body: body)
        headers += signer.headers(for: signed, now: clock.now)
        return Answer(
            await interface.respond(
                to: QueryRequest(
                    id: requestID, method: "POST", path: "/", headers: headers, body: body, sourceAddress: "192.0.2.7"),
                service: service))
    }
}

/// An answer, read.
struct Answer: Sendable {
    let status: Int
    let text: String
    let root: XMLElement?

    init(_ response: QueryResponse) {
        status = response.status
        text = String(decoding: response.body, as: UTF8.self)
        root = try? XMLElement.parse(response.body)
    }

    /// The text of the first element of that name, anywhere.
    subscript(_ name: String) -> String? { all(name).first }

    /// The texts of all elements of that name, in order.
    func all(_ name: String) -> [String] {
        var found: [String] = []
        func look(_ element: XMLElement) {
            if element.localName == name { found.append(element.text) }
            for child in element.children { look(child) }
        }
        if let root { look(root) }
        return found
    }

    var code: String? { root?.localName == "ErrorResponse" ? self["Code"] : nil }
}
