import BlockingHTTP
import Posix
import TLS
import Testing

@Suite struct TLSTests {
    @Test func `both sides know each other's name, and large bodies pass both ways`() throws {
        let certificates = try Certificates()
        try certificates.issue("node-1")
        try certificates.issue("cluster-a")
        var options = HTTPServer.Options()
        options.tls = try certificates.server("node-1")
        let server = try TestServer(options, echo)
        var clientOptions = HTTPClient.Options()
        clientOptions.tls = try certificates.client("cluster-a")
        let client = HTTPClient(options: clientOptions)
        let body = [UInt8](repeating: 9, count: 3 << 20)
        for _ in 0..<2 {
            let response = try client.call("POST", "https://127.0.0.1:\(server.server.port)/", body: body)
            #expect(response.body == body)
            #expect(response.headers["X-Peer"] == "cluster-a")
        }
        let stream = try certificates.client("cluster-a").connect(
            Socket.connect(host: "127.0.0.1", port: server.server.port), expectedName: "localhost")
        #expect(stream.peerCommonName == "node-1")
        #expect(stream.version == "TLSv1.3")
        #expect(try stream.waitReadable(timeout: 0) == false)
        let silence = #expect(throws: PosixError.self) { try stream.read(1, timeout: 20) }
        #expect(silence?.isTimeout == true)
    }

    @Test func `strangers are refused on either side, with a reason that helps`() throws {
        let certificates = try Certificates()
        try certificates.issue("node")
        try certificates.issue("friend")
        try certificates.makeAuthority("other-ca")
        try certificates.issue("stranger", by: "other-ca")
        let failures = Shared<[String]>([])
        var options = HTTPServer.Options()
        options.tls = try certificates.server("node")
        options.onError = { text in failures.update { $0.append(text) } }
        let server = try TestServer(options, echo)
        func call(_ tls: TLSContext, at address: String? = nil) -> HTTPClientError? {
            var options = HTTPClient.Options()
            options.tls = tls
            return #expect(throws: HTTPClientError.self) {
                try HTTPClient(options: options).call("GET", "https://\(address ?? "127.0.0.1:\(server.server.port)")/")
            }
        }
        func has(_ text: String?, _ part: String) -> Bool { text?.firstRange(of: part) != nil }
        // A server the client does not know.
        #expect(has(call(try certificates.client("friend", authority: "other-ca"))?.reason, "unknown CA"))
        // A client the server does not know: in TLS 1.3 it learns so with its first read.
        #expect(has(call(try certificates.client("stranger"))?.reason, "does not know the CA"))
        #expect(failures.wait { $0.contains { has($0, "certificate signed by unknown CA") } })
        #expect(has(call(try certificates.client(nil))?.reason, "requires a certificate"))
        #expect(failures.wait { $0.contains { has($0, "sent no certificate") } })
        // The right CA, another host.
        let elsewhere = try TestServer(options, listener: Listener.tcp(address: "127.0.0.2", port: 0), echo)
        let address = "127.0.0.2:\(elsewhere.server.port)"
        #expect(has(call(try certificates.client("friend"), at: address)?.reason, "another host name"))
        let plain = try? HTTPClient().call("GET", server.url)
        #expect(plain == nil)
        #expect(failures.wait { $0.contains { has($0, "plain HTTP") } })
    }

    @Test func `a server of the right authority and address, but of another kind, is not talked to`() throws {
        let certificates = try Certificates()
        for name in ["node:a", "cluster:z"] { try certificates.issue(name) }
        func call(_ name: String) throws -> String {
            let served = Shared(0)
            var options = HTTPServer.Options()
            options.tls = try certificates.server(name)
            let server = try TestServer(options) { request in
                served.update { $0 += 1 }
                return echo(request)
            }
            var clientOptions = HTTPClient.Options()
            clientOptions.tls = try certificates.client("node:a")
            clientOptions.serverNamePrefix = "cluster:"
            let client = HTTPClient(options: clientOptions)
            do throws(HTTPClientError) {
                return "\(try client.call("POST", "https://127.0.0.1:\(server.server.port)/").status)"
            } catch {
                #expect(served.get() == 0, "it was talked to")
                return error.reason
            }
        }
        #expect(try call("cluster:z") == "200")
        let refused = try call("node:a")
        #expect(refused.firstRange(of: "that of node:a, and one of cluster:") != nil, "\(refused)")
    }

    @Test func `a server may take clients without a certificate, which have no name then`() throws {
        let certificates = try Certificates()
        try certificates.issue("node")
        var options = HTTPServer.Options()
        options.tls = try certificates.server("node", verify: false)
        let server = try TestServer(options, echo)
        var clientOptions = HTTPClient.Options()
        clientOptions.tls = try certificates.client(nil)
        let response = try HTTPClient(options: clientOptions).call(
            "GET", "https://127.0.0.1:\(server.server.port)/")
        #expect(response.status == 200 && response.headers["X-Peer"] == nil)
    }

    @Test func `a handshake gives up in time`() throws {
        let certificates = try Certificates()
        let silent = try Listener.tcp(address: "127.0.0.1", port: 0)
        let error = #expect(throws: TLSError.self) {
            try certificates.client(nil).connect(
                Socket.connect(host: "127.0.0.1", port: silent.port), timeout: 30)
        }
        #expect(error?.isTimeout == true)
    }

    @Test func `unusable files are named`() throws {
        let certificates = try Certificates()
        try certificates.issue("a")
        try certificates.issue("b")
        let missing = #expect(throws: TLSError.self) { try certificates.server("none") }
        #expect(missing?.message.firstRange(of: "none.pem") != nil)
        let mismatch = #expect(throws: TLSError.self) {
            try TLSContext.server(
                certificate: certificates.scratch("a.pem"), key: certificates.scratch("b.key"),
                authority: certificates.authority)
        }
        #expect(mismatch?.message.firstRange(of: "b.key") != nil)
        try FileSystem.write(certificates.scratch("empty"), text: "")
        #expect(throws: TLSError.self) {
            try TLSContext.client(certificate: nil, key: nil, authority: certificates.scratch("empty"))
        }
    }

    @Test func `digests agree with the standards`() {
        #expect(
            Hex.encode(SHA256.digest(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let parts = SHA256()
        parts.update(Array("a".utf8))
        #expect(parts.digestSoFar() == SHA256.digest(Array("a".utf8)))
        parts.update(Array("bc".utf8)[...])
        #expect(parts.digestSoFar() == SHA256.digest(Array("abc".utf8)))
        // RFC 4231, test case 2.
        #expect(
            Hex.encode(HMACSHA256.authenticate(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(HMACSHA256.authenticate([], key: []).count == 32)
        #expect(constantTimeEqual([1, 2], [1, 2]))
        #expect(!constantTimeEqual([1, 2], [1, 3]))
        #expect(!constantTimeEqual([1, 2], [1, 2, 3]))
        #expect(constantTimeEqual([], []))
    }
}
