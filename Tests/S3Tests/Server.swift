import AccessPolicy
import Foundation
import Hummingbird
import Logging
import NIOCore
import ObjectStore
import S3
import Signatures
import Testing
import Walrus

/// A real listener on a port of its own, with two accounts and an administrator.
struct Server: Sendable {
    let port: Int
    let store: FileBackend

    struct Keys: S3CredentialSource {
        func credential(forAccessKey id: String) async throws -> S3Credential? {
            switch id {
            case "ALICE", "BOB", "ROOT":
                S3Credential(
                    secret: "secret-of-\(id)",
                    principal: WalrusPrincipal(
                        accountID: "account-\(id)", displayName: id.lowercased(), isAdministrator: id == "ROOT"))
            case "PLAIN", "DENIED", "USER":
                // Users of Alice's account: without a policy, allowed and denied everything, allowed everything.
                S3Credential(
                    secret: "secret-of-\(id)",
                    principal: WalrusPrincipal(
                        accountID: "account-ALICE", displayName: id.lowercased(), isAdministrator: false,
                        userARN: "arn:aws:iam::account-ALICE:user/\(id)", userName: id,
                        policies: IdentityPolicies(
                            granting: try (id == "PLAIN" ? [] : id == "USER" ? ["Allow"] : ["Allow", "Deny"]).map {
                                try Policy(
                                    Array(#"{"Statement":{"Effect":"\#($0)","Action":"*","Resource":"*"}}"#.utf8),
                                    kind: .identity)
                            })))
            case "BROKEN": throw ObjectStoreError.failed("the cloud controller does not answer")
            default: nil
            }
        }
    }

    /// Runs a server while the body runs.
    static func with(
        reserve: Int64 = 0, smallestPart: Int64 = 5 << 20, baseDomains: [String] = ["s3.test"],
        limits: AccountLimits = AccountLimits(), observer: (any S3ChangeObserver)? = nil,
        metrics: S3Metrics = S3Metrics(),
        _ body: @escaping @Sendable (Server) async throws -> Void
    ) async throws {
        let root = NSTemporaryDirectory() + "s3-" + UUID().uuidString
        // A leftover in the temporary directory is harmless.
        defer { try? FileManager.default.removeItem(atPath: root) }
        let store = try await FileBackend.open(.init(root: root, reserve: reserve))
        let walrus = Walrus(
            backend: store, configuration: .init(smallestPart: smallestPart), quota: UniformQuota(limits))
        let responder = S3Responder<BasicRequestContext>(
            walrus: walrus, credentials: Keys(),
            configuration: .init(baseDomains: baseDomains, websiteDomains: ["web.test"]), observer: observer,
            metrics: metrics)
        var logger = Logger(label: "S3Tests")
        logger.logLevel = .critical
        let (ports, found) = AsyncStream<Int>.makeStream()
        let app = Application(
            responder: responder, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in
                found.yield(channel.localAddress?.port ?? 0)
                found.finish()
            }, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await app.run() }
            let port = try #require(await ports.first { _ in true })
            try await body(Server(port: port, store: store))
            group.cancelAll()
            do { try await group.waitForAll() } catch is CancellationError {}
        }
        try await store.close()
    }

    // MARK: Requests

    static func now() -> Int64 { Int64(Date().timeIntervalSince1970) }

    var host: String { "127.0.0.1:\(port)" }

    /// A signed request with a body in memory.
    func send(
        _ method: String, _ target: String, _ body: [UInt8] = [], headers: [(String, String)] = [],
        as id: String = "ALICE", secret: String? = nil, host: String? = nil, payloadHash: String? = nil,
        at time: Int64 = Server.now()
    ) async throws -> Reply {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let signer = SigV4Signer(
            accessKeyID: id, secret: secret ?? "secret-of-\(id)", region: "anywhere", service: "s3")
        var request = SignedRequest(
            method: method, path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : "",
            headers: [(name: "Host", value: host ?? self.host)] + headers.map { (name: $0.0, value: $0.1) }, body: body)
        request.headers += signer.headers(for: request, payloadHash: payloadHash, now: time)
        return try await raw(method, target, body, headers: request.headers)
    }

    /// A request as it is, on a connection of its own.
    func raw(
        _ method: String, _ target: String, _ body: [UInt8] = [], headers: [(name: String, value: String)] = [],
        hasLength: Bool = true
    ) async throws -> Reply {
        var head = "\(method) \(target) HTTP/1.1\r\n"
        if !headers.contains(where: { $0.name.lowercased() == "host" }) { head += "Host: \(host)\r\n" }
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        let framed = headers.contains { ["content-length", "transfer-encoding"].contains($0.name.lowercased()) }
        if hasLength, !framed, !body.isEmpty || ["POST", "PUT"].contains(method) {
            head += "Content-Length: \(body.count)\r\n"
        }
        head += "Connection: close\r\n\r\n"
        let bytes = Array(head.utf8) + body
        let port = port
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try Reply(Self.exchange(bytes, port), isHead: method == "HEAD") })
            }
        }
    }

    struct SocketError: Error {
        let call: String
        let code: Int32
    }

    private static func exchange(_ bytes: [UInt8], _ port: Int) throws -> [UInt8] {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SocketError(call: "socket", code: errno) }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw SocketError(call: "connect", code: errno) }
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw SocketError(call: "send", code: errno) }
            sent += count
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return answer }
            guard count > 0 else { throw SocketError(call: "recv", code: errno) }
            answer += buffer[..<count]
        }
    }
}

/// A response taken apart.
struct Reply: Sendable {
    let status: Int
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    struct Malformed: Error {}

    init(_ bytes: [UInt8], isHead: Bool) throws {
        guard let end = bytes.indices.dropLast(3).first(where: { bytes[$0..<$0 + 4].elementsEqual([13, 10, 13, 10]) })
        else { throw Malformed() }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        guard let code = lines[0].split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Malformed()
        }
        status = code
        headers = lines.dropFirst().compactMap { line in
            line.firstIndex(of: ":").map {
                (line[..<$0].lowercased(), line[line.index(after: $0)...].trimmingCharacters(in: .whitespaces))
            }
        }
        body = Array(bytes[(end + 4)...])
        if !isHead, let length = self["content-length"].flatMap({ Int($0) }), length != body.count { throw Malformed() }
    }

    subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    var text: String { String(decoding: body, as: UTF8.self) }

    /// The text of the first element of that name.
    func element(_ name: String) -> String? { elements(name).first }

    func elements(_ name: String) -> [String] {
        text.components(separatedBy: "<\(name)>").dropFirst().map { $0.components(separatedBy: "</")[0] }
    }

    /// Status and error code, for comparison.
    var refusal: String { "\(status) \(element("Code") ?? "")" }
}
