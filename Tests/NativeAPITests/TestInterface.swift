import CloudController
import CloudModel
import JSON
import QueryProtocol
import Signatures
import Store
import Testing

@testable import NativeAPI

/// The id of every request in these tests.
let requestID = "11111111-2222-4333-8444-555555555555"

/// The interface on a real cloud controller without zones, whose store is in memory.
struct TestInterface: Sendable {
    let controller: CloudController
    let interface: NativeInterface
    let key: AccessKey

    static func open(sessions: (any NativeSessionSource)? = nil) async throws -> TestInterface {
        var configuration = CloudConfiguration()
        configuration.accountID = "123456789012"
        let controller = try await CloudController.open(
            store: try SQLiteStore.inMemory(), configuration: configuration, zones: [], images: Objects())
        let account = try await controller.administratorAccount()
        let key = try await controller.createAccessKey(accountID: account.id, userName: "admin")
        var settings = NativeConfiguration(sessions: sessions)
        settings.now = { CloudModel.Timestamp(milliseconds: 1_767_225_600_000) }
        return TestInterface(
            controller: controller, interface: NativeInterface(backend: controller, configuration: settings), key: key)
    }

    /// A user of another account.
    func user() async throws -> AccessKey {
        let account = try await controller.createAccount(name: "user")
        return try await controller.createAccessKey(accountID: account.id, userName: "admin")
    }

    struct Answer {
        var status: Int
        var headers: [String: String]
        var body: JSONValue
        var code: String? { body["code"]?.text }
    }

    /// A signed request; the answer is checked against the document's form for it.
    @discardableResult
    func call(
        _ method: String, _ path: String, query: String = "", body: JSONValue? = nil, bytes: [UInt8]? = nil,
        headers more: [(name: String, value: String)] = [], as key: AccessKey? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        let key = key ?? self.key
        var headers = [(name: "host", value: "cloud")] + more
        if body != nil || bytes != nil { headers.append((name: "content-type", value: "application/json")) }
        let target = NativeInterface.basePath + path
        let payload = bytes ?? body?.serializedBytes ?? []
        let signed = SignedRequest(method: method, path: target, query: query, headers: headers, body: payload)
        let signer = SigV4Signer(accessKeyID: key.id, secret: key.secret, region: "eu", service: "mallee")
        headers += signer.headers(for: signed, now: 1_767_225_600)
        return try await send(
            QueryRequest(
                id: requestID, method: method, path: target, query: query, headers: headers, body: payload,
                sourceAddress: "127.0.0.1"),
            sourceLocation: sourceLocation)
    }

    func send(_ request: QueryRequest, sourceLocation: SourceLocation = #_sourceLocation) async throws -> Answer {
        let response = await interface.respond(to: request)
        let headers = Dictionary(
            response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
        let body = response.body.isEmpty ? JSONValue.null : try JSONValue.parse(response.body)
        #expect(headers["x-request-id"] != nil, sourceLocation: sourceLocation)
        let operation = try? Router.route(request.method, request.path, Operation.all).0
        if response.status >= 400 {
            #expect(headers["content-type"] == "application/problem+json", sourceLocation: sourceLocation)
            #expect(
                Schema.named("Problem").violations(in: body, components: Shapes.components).isEmpty,
                sourceLocation: sourceLocation)
            #expect(body["status"]?.int64 == Int64(response.status), sourceLocation: sourceLocation)
        } else if let operation, operation.authorization != .anyone {
            #expect(response.status == operation.success.status, sourceLocation: sourceLocation)
            if let schema = operation.success.schema {
                #expect(
                    schema.violations(in: body, components: Shapes.components).isEmpty, sourceLocation: sourceLocation)
            } else {
                #expect(response.body.isEmpty, sourceLocation: sourceLocation)
            }
        }
        if let operation {
            #expect(
                operation.statuses.contains(response.status), "\(operation.id) answered \(response.status)",
                sourceLocation: sourceLocation)
        }
        return Answer(status: response.status, headers: headers, body: body)
    }
}

/// Every object is a raw disk of 1 MiB.
struct Objects: ImageSource {
    func inspect(location: String, as caller: Caller) async throws(CloudError) -> ImageObject {
        ImageObject(
            sizeBytes: 1 << 20, sha256: String(repeating: "0", count: 64), leading: [UInt8](repeating: 0, count: 65_536)
        )
    }
    func temporaryURL(location: String, validFor seconds: Int) async throws(CloudError) -> String { "http://x/" }
}

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
