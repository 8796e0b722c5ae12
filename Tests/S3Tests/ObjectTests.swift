import ObjectStore
import Signatures
import Testing

@testable import S3

@Suite struct ObjectTests {
    static let odd = "dir/%C3%A9%20%2B%26%25%3F%23/../%2e%2e/x"

    @Test func `an object goes round, below each prefix and by host name`() async throws {
        try await Server.with { server in
            #expect(try await server.send("PUT", "/bucket").status == 200)
            #expect(try await server.send("PUT", "/bucket").status == 200)
            let put = try await server.send(
                "PUT", "/bucket/" + Self.odd, Array("hello world".utf8),
                headers: [
                    ("Content-Type", "text/x"), ("x-amz-meta-Colour", "blue"), ("Content-Encoding", "gzip,aws-chunked"),
                ])
            #expect(put.status == 200)
            #expect(put["etag"] == "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"")
            #expect(put["x-amz-request-id"]?.utf8.count == 16)
            for (target, host) in [
                ("/bucket/", nil), ("/services/Walrus/bucket/", nil), ("/services/objectstorage/bucket/", nil),
                ("/", "bucket.s3.test:1"), ("/", "BUCKET.s3.test"),
            ] as [(String, String?)] {
                let get = try await server.send("GET", target + Self.odd, host: host)
                #expect(get.text == "hello world", "\(target) \(host ?? "")")
                #expect(get["content-type"] == "text/x")
                #expect(get["x-amz-meta-colour"] == "blue")
                #expect(get["content-encoding"] == "gzip")
            }
            let head = try await server.send("HEAD", "/bucket/" + Self.odd)
            #expect(head.status == 200 && head["content-length"] == "11" && head.body.isEmpty)
            // Dots in a key are a key, not a path.
            #expect(try await server.send("GET", "/bucket/x").refusal == "404 NoSuchKey")
            #expect(try await server.send("GET", "/bucket?list-type=2").elements("Key") == ["dir/é +&amp;%?#/../../x"])
            #expect(try await server.send("DELETE", "/bucket/" + Self.odd).status == 204)
            #expect(try await server.send("DELETE", "/bucket/" + Self.odd).status == 204)
            #expect(try await server.send("DELETE", "/bucket").status == 204)
            #expect(try await server.send("GET", "/bucket/x").refusal == "404 NoSuchBucket")
        }
    }

    @Test(
        arguments: [
            ("bytes=0-0", 206, "0", "bytes 0-0/10"), ("bytes=3-", 206, "3456789", "bytes 3-9/10"),
            ("bytes=-3", 206, "789", "bytes 7-9/10"), ("bytes=-30", 206, "0123456789", "bytes 0-9/10"),
            ("bytes=8-99", 206, "89", "bytes 8-9/10"), ("bytes=5-2", 200, "0123456789", nil),
            ("bytes=0-1,4-5", 200, "0123456789", nil), ("lines=1-2", 200, "0123456789", nil),
            ("bytes=-", 200, "0123456789", nil), ("bytes=+1-2", 200, "0123456789", nil),
            ("bytes=10-", 416, nil, nil), ("bytes=-0", 416, nil, nil),
            ("bytes=99999999999999999999-", 416, nil, nil),
            ("bytes=0-99999999999999999999", 206, "0123456789", "bytes 0-9/10"),
        ] as [(String, Int, String?, String?)])
    func `ranges`(range: String, status: Int, text: String?, contentRange: String?) {
        switch ByteRange(range, size: 10) {
        case .whole: #expect(status == 200 && text == "0123456789")
        case .unsatisfiable: #expect(status == 416)
        case .part(let part):
            #expect(status == 206)
            #expect("bytes \(part.lowerBound)-\(part.upperBound - 1)/10" == contentRange)
            #expect(String("0123456789".dropFirst(Int(part.lowerBound)).prefix(part.count)) == text)
        }
    }

    @Test func `conditions and ranges over HTTP`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let large = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
            let etag = try #require(try await server.send("PUT", "/bucket/k", large)["etag"])
            #expect(try await server.send("GET", "/bucket/k").body == large)
            let part = try await server.send("GET", "/bucket/k", headers: [("Range", "bytes=262143-600000")])
            #expect(part.status == 206 && part.body == Array(large[262_143...600_000]))
            #expect(part["content-range"] == "bytes 262143-600000/700000")
            #expect(
                try await server.send("GET", "/bucket/k", headers: [("Range", "bytes=700000-")]).refusal
                    == "416 InvalidRange")
            let past = "Sat, 01 Jan 2000 00:00:00 GMT"
            for (name, value, status) in [
                ("If-Match", etag, 200), ("If-Match", "\"no\"", 412), ("If-None-Match", etag, 304),
                ("If-None-Match", "\"a\", W/\(etag)", 304), ("If-None-Match", "\"no\"", 200),
                ("If-None-Match", "*", 304),
                ("If-Modified-Since", past, 200), ("If-Unmodified-Since", past, 412),
                ("If-Modified-Since", Timestamp.http(Server.now() + 60), 304), ("If-Modified-Since", "never", 200),
            ] {
                let reply = try await server.send("GET", "/bucket/k", headers: [(name, value)])
                #expect(reply.status == status, "\(name): \(value)")
                if status == 304 { #expect(reply.body.isEmpty && reply["etag"] == etag) }
                #expect(try await server.send("HEAD", "/bucket/k", headers: [(name, value)]).status == status)
            }
            #expect(
                try await server.send("PUT", "/bucket/k", [1], headers: [("If-None-Match", "*")]).refusal
                    == "412 PreconditionFailed")
            #expect(try await server.send("PUT", "/bucket/k", [1], headers: [("If-Match", etag)]).status == 200)
            #expect(
                try await server.send("PUT", "/bucket/k", [2], headers: [("If-Match", etag)]).refusal
                    == "412 PreconditionFailed")
            #expect(try await server.send("GET", "/bucket/k").body == [1])
        }
    }

    @Test func `bytes that do not match what was announced are refused and leave nothing`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let body = Array("123456789".utf8)
            for (name, value, refusal) in [
                ("Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw==", "200 "),
                ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==", "400 BadDigest"),
                ("Content-MD5", "nonsense", "400 InvalidDigest"),
                ("x-amz-checksum-crc32", "y/Q5Jg==", "200 "), ("x-amz-checksum-crc32", "y/Q5Jw==", "400 BadDigest"),
                ("x-amz-checksum-crc32c", "4waSgw==", "200 "), ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=", "200 "),
                ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=", "200 "),
                ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=", "200 "),
                ("x-amz-checksum-sha256", "y/Q5Jg==", "400 InvalidRequest"),
                ("x-amz-checksum-crc64nvme", "rosUhgp5mIk=", "400 BadDigest"),
            ] {
                let key = refusal == "200 " ? "good" : "bad"
                let reply = try await server.send("PUT", "/bucket/" + key, body, headers: [(name, value)])
                #expect(reply.refusal == refusal, "\(name) \(value)")
                if refusal == "200 ", name != "Content-MD5" {
                    let get = try await server.send(
                        "GET", "/bucket/good", headers: [("x-amz-checksum-mode", "ENABLED")])
                    #expect(get[name] == value)
                }
            }
            let wrong = String(repeating: "0", count: 64)
            #expect(
                try await server.send("PUT", "/bucket/bad", body, payloadHash: wrong).refusal
                    == "400 XAmzContentSHA256Mismatch")
            #expect(
                try await server.send(
                    "PUT", "/bucket/bad", body,
                    headers: [("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-crc32c", "4waSgw==")]
                ).refusal == "400 InvalidRequest")
            #expect(try await server.send("GET", "/bucket/bad").refusal == "404 NoSuchKey")
        }
    }

    /// Both sides of aws-chunked: ours signs, the server checks.
    @Test func `aws-chunked bodies, signed and with trailers`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let data = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
            let crc = Base64.encode(ChecksumAlgorithm.crc32.checksum(of: data))
            func put(_ key: String, trailer: String?, spoil: Int? = nil) async throws -> Reply {
                let signer = SigV4Signer(accessKeyID: "ALICE", secret: "secret-of-ALICE", region: "r", service: "s3")
                var request = SignedRequest(
                    method: "PUT", path: "/bucket/" + key,
                    headers: [
                        (name: "Host", value: server.host), (name: "Content-Encoding", value: "aws-chunked"),
                        (name: "x-amz-decoded-content-length", value: String(data.count)),
                    ])
                if trailer != nil { request.headers.append((name: "x-amz-trailer", value: "x-amz-checksum-crc32")) }
                var (headers, chunks) = signer.streamingHeaders(
                    for: request, hasTrailer: trailer != nil, now: Server.now())
                request.headers += headers
                var body: [UInt8] = []
                for start in stride(from: 0, to: data.count, by: 65_536) {
                    body += chunks.chunk(Array(data[start..<min(start + 65_536, data.count)]))
                }
                let last = chunks.chunk([])
                if let trailer {
                    let line = "x-amz-checksum-crc32:\(trailer)"
                    let signature = chunks.trailerSignature(line + "\n")
                    body += last.dropLast(2)
                    body += Array("\(line)\r\nx-amz-trailer-signature:\(signature)\r\n\r\n".utf8)
                } else {
                    body += last
                }
                if let spoil { body[spoil] ^= 1 }
                return try await server.raw("PUT", "/bucket/" + key, body, headers: request.headers)
            }
            #expect(try await put("signed", trailer: nil).status == 200)
            #expect(try await server.send("GET", "/bucket/signed").body == data)
            #expect(try await put("trailer", trailer: crc).status == 200)
            #expect(try await server.send("HEAD", "/bucket/trailer")["content-encoding"] == nil)
            #expect(try await put("bad", trailer: "AAAAAA==").refusal == "400 BadDigest")
            #expect(try await put("bad", trailer: nil, spoil: 70_000).refusal == "403 SignatureDoesNotMatch")
            #expect(try await put("bad", trailer: nil, spoil: 50).refusal == "403 SignatureDoesNotMatch")

            // As boto3 and the aws CLI send by default.
            let text = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
            func unsigned(_ text: String, length: String = "11") async throws -> Reply {
                try await server.send(
                    "PUT", "/bucket/unsigned", Array(text.utf8),
                    headers: [
                        ("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", length),
                        ("x-amz-trailer", "x-amz-checksum-crc32"),
                    ], payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            }
            for (bad, length, refusal) in [
                (text, "12", "400 IncompleteBody"), (text, "10", "400 IncompleteBody"),
                (text, "x", "411 MissingContentLength"),
                ("5\r\nhello\r\n", "5", "400 IncompleteBody"), ("5\r\nhello!\r\n0\r\n\r\n", "5", "400 IncompleteBody"),
                ("-5\r\nhello\r\n0\r\n\r\n", "5", "400 IncompleteBody"),
                ("5\r\nhello\r\n0\r\n\r\n", "5", "400 MalformedTrailerError"),
                ("5\r\nhello\r\n0\r\nno header\r\n\r\n", "5", "400 MalformedTrailerError"),
                ("ffffffffffffffff\r\nhello", "5", "400 IncompleteBody"),
                ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", "5", "400 BadDigest"),
            ] {
                #expect(try await unsigned(bad, length: length).refusal == refusal, "\(bad) \(length)")
            }
            #expect(try await server.send("GET", "/bucket/unsigned").refusal == "404 NoSuchKey")
            #expect(try await unsigned(text).status == 200)
            #expect(try await server.send("GET", "/bucket/unsigned").text == "hello world")
        }
    }

    @Test func `copies keep or replace metadata and check their conditions`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            _ = try await server.send("PUT", "/bucket/a%20b", [1, 2, 3], headers: [("x-amz-meta-a", "1")])
            func copy(_ key: String, _ headers: [(String, String)], source: String = "bucket/a%20b") async throws
                -> Reply
            {
                try await server.send("PUT", "/bucket/" + key, headers: headers + [("x-amz-copy-source", source)])
            }
            let reply = try await copy("c", [])
            #expect(reply.element("ETag") == "\"5289df737df57326fcdd22597afb1fac\"")
            #expect(try await server.send("HEAD", "/bucket/c")["x-amz-meta-a"] == "1")
            _ = try await copy("c", [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-b", "2")])
            let head = try await server.send("HEAD", "/bucket/c")
            #expect(head["x-amz-meta-a"] == nil && head["x-amz-meta-b"] == "2")
            #expect(try await copy("a%20b", []).refusal == "400 InvalidRequest")
            #expect(try await copy("d", [("x-amz-copy-source-if-match", "\"no\"")]).refusal == "412 PreconditionFailed")
            #expect(try await copy("d", [], source: "/bucket/none").refusal == "404 NoSuchKey")
            #expect(try await copy("d", [], source: "bucket").refusal == "400 InvalidArgument")
            #expect(try await copy("d", [], source: "bucket/x?versionId=7").refusal == "404 NoSuchVersion")
            _ = try await server.send("PUT", "/bobs", as: "BOB")
            _ = try await server.send("PUT", "/bobs/k", [1], as: "BOB")
            #expect(try await copy("d", [], source: "bobs/k").refusal == "403 AccessDenied")
        }
    }
}
