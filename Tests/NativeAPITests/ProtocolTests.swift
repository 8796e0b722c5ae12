import CloudController
import CloudModel
import JSON
import QueryProtocol
import Signatures
import Testing

@testable import NativeAPI

/// Routes, authentication, and requests of every wrong form.
@Suite struct ProtocolTests {
    @Test func `what does not exist is not found, and other methods are refused`() async throws {
        let test = try await TestInterface.open()
        for path in ["/", "/none", "/instances/", "/instances/x/y/z", "/%FF", "/instances/%zz"] {
            #expect(try await test.call("GET", path).status == 404, "\(path)")
        }
        let answer = try await test.call("PATCH", "/instances")
        #expect(answer.status == 405)
        #expect(answer.headers["allow"] == "GET, POST")
        #expect(
            try await test.call("GET", "/status", query: String(repeating: "a", count: 20_000)).status == 414)
    }

    @Test func `nobody gets in without a signature that is right`() async throws {
        let test = try await TestInterface.open()
        for operation in Operation.all where operation.authorization != .anyone {
            let path = operation.path.split(separator: "/").map { $0.hasPrefix("{") ? "x" : String($0) }
            let answer = try await test.send(
                QueryRequest(
                    id: requestID, method: operation.method, path: "/api/v1/" + path.joined(separator: "/"),
                    headers: [(name: "host", value: "x")], sourceAddress: "127.0.0.1"))
            #expect(answer.code == "not-authenticated", "\(operation.id)")
            #expect(answer.headers["www-authenticate"] != nil)
        }
        var wrong = test.key
        wrong.secret = String(repeating: "x", count: 40)
        #expect(try await test.call("GET", "/status", as: wrong).status == 401)
        wrong = test.key
        wrong.id = "AKIANOSUCHKEY"
        let unknown = try await test.call("GET", "/status", as: wrong)
        try await test.controller.setAccessKey(id: test.key.id, isActive: false)
        #expect(try await test.call("GET", "/status").body["detail"] == unknown.body["detail"])
    }

    @Test func `a signature of version 2 does not cover a body and is refused`() async throws {
        let test = try await TestInterface.open()
        let answer = try await test.send(
            QueryRequest(
                id: requestID, method: "GET", path: "/api/v1/status",
                query: "AWSAccessKeyId=\(test.key.id)&SignatureVersion=2&SignatureMethod=HmacSHA256&Signature=x"
                    + "&Timestamp=2026-01-01T00:00:00Z",
                headers: [(name: "host", value: "x")], sourceAddress: "127.0.0.1"))
        #expect(answer.status == 401)
    }

    struct Sessions: NativeSessionSource {
        func caller(session token: String, requestID: String, sourceAddress: String) async throws(CloudError) -> Caller?
        {
            guard token == "good" else { return nil }
            return Caller(
                accountID: "123456789012", userName: "console", isAdministrator: true, accessKeyID: "",
                requestID: requestID, sourceAddress: sourceAddress)
        }
    }

    @Test func `a session stands for its user`() async throws {
        let test = try await TestInterface.open(sessions: Sessions())
        func status(_ token: String) async throws -> TestInterface.Answer {
            try await test.send(
                QueryRequest(
                    id: requestID, method: "GET", path: "/api/v1/status",
                    headers: [(name: "host", value: "x"), (name: "authorization", value: "Bearer " + token)],
                    sourceAddress: "127.0.0.1"))
        }
        #expect(try await status("good").body["userName"]?.text == "console")
        #expect(try await status("bad").status == 401)
        let none = try await TestInterface.open()
        let answer = try await none.send(
            QueryRequest(
                id: requestID, method: "GET", path: "/api/v1/status",
                headers: [(name: "host", value: "x"), (name: "authorization", value: "Bearer good")],
                sourceAddress: "127.0.0.1"))
        #expect(answer.status == 401)
    }

    @Test func `bodies and parameters of a wrong form are refused with their places`() async throws {
        let test = try await TestInterface.open()
        for (query, pointer) in [
            ("limit=4", "query/limit"), ("limit=x", "query/limit"), ("limit=5&limit=6", "query/limit"),
            ("none=1", "query/none"), ("state=dead", "query/state"), ("a=%zz", "query"),
        ] {
            let answer = try await test.call("GET", "/instances", query: query)
            #expect(answer.code == "invalid-request", "\(query)")
            #expect(answer.body["errors"]?.elements?.first?["pointer"]?.text == pointer)
        }
        for body in ["", "{", "[]", "{\"imageId\": 1}", "{\"imageId\": \"a\", \"imageId\": \"b\"}", "nul"] {
            #expect(
                try await test.call("POST", "/instances", bytes: Array(body.utf8)).code == "invalid-request", "\(body)")
        }
        let large = try await test.call("POST", "/instances", bytes: [UInt8](repeating: 32, count: 300_000))
        #expect(large.status == 413)
        let text = try await test.send(
            QueryRequest(
                id: requestID, method: "POST", path: "/api/v1/instances", headers: [(name: "host", value: "x")],
                sourceAddress: "x"))
        #expect(text.status == 401)
    }

    @Test func `bodies at random get an answer that is documented, and never a fault`() async throws {
        let test = try await TestInterface.open()
        var generator = SeededGenerator(seed: 11)
        let samples: [(path: String, method: String, body: String)] = [
            (
                "/instances", "POST",
                #"{"imageId": "ami-0123456789abcdef0", "count": 2, "minimum": 1, "tags": {"k": "v"}, "userData": "YQ=="}"#
            ),
            ("/key-pairs", "POST", #"{"name": "k", "publicKey": "ssh-rsa AAAA", "tags": {"a": "b"}}"#),
            ("/security-groups", "POST", #"{"name": "g", "description": "d", "tags": {}}"#),
            ("/images", "POST", #"{"location": "b/k", "name": "n", "kind": "machine", "isPublic": false}"#),
            ("/instances/i-0123456789abcdef0/lease", "PUT", #"{"endsAt": "2026-11-21T10:00:00.123Z"}"#),
            ("/instance-types/t", "PUT", #"{"cores": 1, "memoryMiB": 128, "diskGiB": 2, "swapMiB": 0}"#),
        ]
        let pieces = [
            "\"", "{", "}", "[", "]", ",", ":", "null", "1e999", "-0", "\\ud800", "\u{0}", "é", "true",
            "9999999999999999999",
        ]
        for round in 0..<3000 {
            let sample = samples[round % samples.count]
            var bytes = Array(sample.body.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                case 2: bytes.removeSubrange(place...)
                default:
                    bytes.insert(contentsOf: Array(pieces.randomElement(using: &generator)?.utf8 ?? "".utf8), at: place)
                }
                if bytes.isEmpty { bytes = [UInt8(ascii: " ")] }
            }
            let answer = try await test.call(sample.method, sample.path, bytes: bytes)
            #expect(answer.status != 500, "\(String(decoding: bytes, as: UTF8.self))")
        }
    }
}
