import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import ObjectStore
import S3
import S3SOAP
import Signatures
import Synchronization
import Walrus
import XML

/// S3 with its SOAP interface over a store of its own, and two accounts.
final class SOAPStore: Sendable {
    static let now: Int64 = 1_800_000_000

    struct Keys: S3CredentialSource {
        func credential(forAccessKey id: String) async throws -> S3Credential? {
            guard ["ALICE", "BOB"].contains(id) else { return nil }
            return S3Credential(
                secret: "secret-of-" + id,
                principal: WalrusPrincipal(
                    accountID: "account-" + id, displayName: id.lowercased(), isAdministrator: false))
        }
    }

    struct Context: RequestContext {
        var coreContext: CoreRequestContextStorage
        let isProtected: Bool

        init(source: ApplicationRequestContextSource) {
            coreContext = .init(source: source)
            isProtected = true
        }

        init(isProtected: Bool) {
            coreContext = .init(
                source: ApplicationRequestContextSource(
                    channel: NIOAsyncTestingChannel(),
                    logger: Logger(label: "S3SOAPTests") { _ in SwiftLogNoOpLogHandler() }))
            self.isProtected = isProtected
        }
    }

    let responder: S3SOAPResponder<Context>
    private let store: FileBackend
    private let root: String
    private let count = Mutex(0)

    init() async throws {
        root = NSTemporaryDirectory() + "s3soap-" + UUID().uuidString
        store = try await FileBackend.open(.init(root: root, reserve: 0))
        let walrus = Walrus(backend: store, clock: { Self.now * 1000 })
        responder = S3SOAPResponder(
            s3: S3Responder(walrus: walrus, credentials: Keys(), configuration: .init(clock: { Self.now })),
            credentials: Keys(), configuration: .init(clock: { Self.now }), startedAt: Self.now - 3600,
            isProtected: { $0.isProtected }, isSecure: { _ in false })
    }

    /// Runs with a store, which is removed afterwards.
    static func with(_ body: (SOAPStore) async throws -> Void) async throws {
        let store = try await SOAPStore()
        try await body(store)
        try await store.store.close()
        try FileManager.default.removeItem(atPath: store.root)
    }

    /// A request as it is.
    func send(
        _ body: [UInt8], method: HTTPRequest.Method = .post, path: String = "/services/Walrus",
        type: String = "text/xml", isProtected: Bool = true
    ) async throws -> (status: Int, body: [UInt8]) {
        let request = Request(
            head: HTTPRequest(
                method: method, scheme: nil, authority: "h:1", path: path, headerFields: [.contentType: type]),
            body: RequestBody(buffer: ByteBuffer(bytes: body)))
        let response = try await responder.respond(to: request, context: Context(isProtected: isProtected))
        let collector = Collector()
        try await response.body.write(collector)
        return (Int(response.status.code), collector.bytes.withLock { $0 })
    }

    private final class Collector: ResponseBodyWriter, Sendable {
        let bytes = Mutex<[UInt8]>([])
        func write(_ buffer: ByteBuffer) async throws { bytes.withLock { $0 += Array(buffer.readableBytesView) } }
        func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }

    /// The elements of a signature by access key, of a moment of its own.
    func signature(_ operation: String, as id: String, at time: Int64 = now) -> String {
        let number = count.withLock { count in
            count += 1
            return Int64(count)
        }
        let stamp = Timestamp.extended(time, milliseconds: number % 1000)
        let code = HMAC<Insecure.SHA1>.authenticationCode(
            for: Data("AmazonS3\(operation)\(stamp)".utf8), using: SymmetricKey(data: Data("secret-of-\(id)".utf8)))
        return "<AWSAccessKeyId>\(id)</AWSAccessKeyId><Timestamp>\(stamp)</Timestamp>"
            + "<Signature>\(Data(code).base64EncodedString())</Signature>"
    }

    static func envelope(_ body: String, header: String = "") -> [UInt8] {
        Array(
            ("<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Header>\(header)</e:Header>"
                + "<e:Body>\(body)</e:Body></e:Envelope>").utf8)
    }

    static func element(_ operation: String, _ content: String) -> String {
        "<\(operation) xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(content)</\(operation)>"
    }

    /// A call; nil signs nothing.
    func call(_ operation: String, _ content: String, as id: String? = "ALICE") async throws -> Answer {
        let signed = content + (id.map { signature(operation, as: $0) } ?? "")
        return try await Answer(send(Self.envelope(Self.element(operation, signed))))
    }
}

/// An answer taken apart.
struct Answer {
    let status: Int
    /// The element in the body.
    let content: XMLElement

    struct Malformed: Error {}

    init(_ answer: (status: Int, body: [UInt8])) throws {
        status = answer.status
        guard let content = try XMLElement.parse(answer.body).child("Body")?.children.first else { throw Malformed() }
        self.content = content
    }

    /// The fault's code without prefix; nil for none.
    var fault: String? {
        guard content.localName == "Fault" else { return nil }
        return content.child("faultcode")?.text.split(separator: ":").last.map(String.init)
    }

    /// The text of the element at a path below the answer.
    subscript(_ path: String...) -> String? {
        var element: XMLElement? = content
        for name in path { element = element?.child(name) }
        return element?.text
    }
}
