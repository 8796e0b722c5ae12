import NIOCore
import Testing

@testable import S3

/// Random bytes at everything that reads the network: answers or refusals, never a crash.
@Suite struct FuzzTests {
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    @Test func `aws-chunked framing decodes alike however it is cut, and mutations never crash`() throws {
        var random = Generator(state: 11)
        for round in 0..<2_000 {
            var data: [UInt8] = []
            var body: [UInt8] = []
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let chunk = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                data += chunk
                body += Array((String(chunk.count, radix: 16) + ";x=y\r\n").utf8) + chunk + [13, 10]
            }
            body += Array("0\r\nA:b\r\nc: d\r\n\r\n".utf8)
            let mutated = round % 2 == 1
            if mutated {
                for _ in 0..<3 {
                    body[Int.random(in: 0..<body.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            var decoder = AWSChunkedDecoder(verifier: nil, signedTrailer: false)
            var out: [UInt8] = []
            do throws(S3Error) {
                var offset = 0
                while offset < body.count {
                    let end = min(offset + Int.random(in: 1...30, using: &random), body.count)
                    out += Array(try decoder.decode(ByteBuffer(bytes: body[offset..<end])).readableBytesView)
                    offset = end
                }
                try decoder.finish()
                if !mutated {
                    #expect(out == data)
                    #expect(decoder.trailers.map(\.name) == ["a", "c"] && decoder.trailers.map(\.value) == ["b", "d"])
                }
            } catch {
                #expect(mutated, "\(error)")
            }
            #expect(out.count <= body.count)
        }
    }

    @Test func `forms decode alike however they are cut, and mutations never crash`() {
        var random = Generator(state: 21)
        let sample = Array(
            ("--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--B\r\nContent-Disposition: form-data; "
                + "name=\"file\"; filename=\"a\\\"b\"\r\nContent-Type: x/y\r\n\r\n12\r\n-\r\n--C\r\n--B--\r\n").utf8)
        for round in 0..<2_000 {
            var body = sample
            if round % 2 == 1 {
                for _ in 0..<3 {
                    body[Int.random(in: 0..<body.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            guard var decoder = FormDecoder(contentType: "multipart/form-data; boundary=B") else { return }
            var file: [UInt8] = []
            var fields: [String] = []
            do throws(S3Error) {
                var offset = 0
                while offset < body.count {
                    let end = min(offset + Int.random(in: 1...30, using: &random), body.count)
                    for event in try decoder.decode(ByteBuffer(bytes: body[offset..<end])) {
                        switch event {
                        case .field(let name, let value): fields.append(name + "=" + value)
                        case .data(let data): file += Array(data.readableBytesView)
                        case .file, .end: break
                        }
                    }
                    offset = end
                }
                try decoder.finish()
                if round % 2 == 0 {
                    #expect(fields == ["key=k"])
                    #expect(String(decoding: file, as: UTF8.self) == "12\r\n-\r\n--C")
                }
            } catch {
                #expect(round % 2 == 1, "\(error)")
            }
        }
    }

    @Test func `form policies of any bytes are read or refused`() {
        var random = Generator(state: 31)
        let sample = Array(
            "{\"expiration\":\"2030-01-01T00:00:00Z\",\"conditions\":[{\"a\":\"b\"},[\"eq\",\"$c\",\"d\"],[\"content-length-range\",1,2]]}"
                .utf8)
        var refused = 0
        for _ in 0..<2_000 {
            var bytes = sample
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            do throws(S3Error) {
                try PostPolicy(bytes).check(["a": "b", "c": "d"], now: 0)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 0)
        #expect(throws: Never.self) { try PostPolicy(sample).check(["a": "b", "c": "d"], now: 0) }
    }

    @Test func `random requests get an answer of S3`() async throws {
        try await Server.with { server in
            var random = Generator(state: 12)
            _ = try await server.send("PUT", "/bucket")
            let pieces = [
                "/", "bucket", "%2e%2e", "..", "%00", "%", "%zz", "?", "&", "=", "uploads", "uploadId=",
                "partNumber=-1",
                "list-type=2", "max-keys=99999999999999999999", "prefix=%FF", "delimiter=", "marker=%C3", "delete",
                "acl",
                "services/Walrus", "+", "é", "X-Amz-Algorithm=AWS4-HMAC-SHA256", "AWSAccessKeyId=x",
                "continuation-token=AA==",
            ].map { $0 == "é" ? "%C3%A9" : $0 }
            for round in 0..<250 {
                let target =
                    "/"
                    + (0..<Int.random(in: 0...6, using: &random)).map { _ in pieces.randomElement(using: &random) ?? ""
                    }
                    .joined()
                let method = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"].randomElement(using: &random) ?? "GET"
                let range = ["bytes=0-", "bytes=-", "x", "bytes=9-1"].randomElement(using: &random) ?? ""
                let reply =
                    round % 3 == 0
                    ? try await server.raw(method, target, [1, 2, 3], headers: [(name: "Range", value: range)])
                    : try await server.send(method, target, [1, 2, 3], headers: [("Range", range)])
                #expect(reply.status != 500, "\(method) \(target)")
                #expect(reply["x-amz-request-id"] != nil, "\(method) \(target)")
            }
        }
    }
}
