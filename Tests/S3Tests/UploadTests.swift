import Crypto
import ObjectStore
import Signatures
import Testing

@testable import S3

/// Uploads as clients vary them: in HTTP's chunks, with parts sent twice, with customers' keys, in storage classes.
@Suite struct UploadTests {
    private static let customer = "x-amz-server-side-encryption-customer-"

    private static func key(_ byte: UInt8, prefix: String = customer) -> [(String, String)] {
        let key = [UInt8](repeating: byte, count: 32)
        return [
            (prefix + "algorithm", "AES256"), (prefix + "key", Base64.encode(key)),
            (prefix + "key-MD5", Base64.encode(Array(Insecure.MD5.hash(data: key)))),
        ]
    }

    private static func completion(_ parts: [(Int, String)]) -> [UInt8] {
        let list = parts.map { "<Part><PartNumber>\($0.0)</PartNumber><ETag>\($0.1)</ETag></Part>" }.joined()
        return Array("<CompleteMultipartUpload>\(list)</CompleteMultipartUpload>".utf8)
    }

    @Test func `a body whose length nobody has said comes in chunks of HTTP`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            let open = [("x-amz-acl", "public-read-write")]
            #expect(try await server.send("PUT", "/bucket?acl", headers: open).status == 200)
            let body = Array("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n".utf8)
            let put = try await server.raw(
                "PUT", "/bucket/k", body, headers: [(name: "Transfer-Encoding", value: "chunked")])
            #expect(put.status == 200 && put["etag"] == "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"")
            #expect(try await server.send("GET", "/bucket?list-type=2").element("Size") == "11")
        }
    }

    @Test func `of a part that is named twice the last holds`() async throws {
        try await Server.with(smallestPart: 1) { server in
            _ = try await server.send("PUT", "/bucket")
            let id = try #require(try await server.send("POST", "/bucket/k?uploads").element("UploadId"))
            let first = try #require(try await server.send("PUT", "/bucket/k?partNumber=1&uploadId=\(id)", [1])["etag"])
            let second = try #require(
                try await server.send("PUT", "/bucket/k?partNumber=1&uploadId=\(id)", [2])["etag"])
            let done = try await server.send(
                "POST", "/bucket/k?uploadId=\(id)", Self.completion([(1, first), (1, second)]))
            #expect(done.status == 200)
            #expect(try await server.send("GET", "/bucket/k").body == [2])
        }
    }

    @Test func `completion with a checksum needs the customer's key, and no other`() async throws {
        try await Server.with(smallestPart: 1) { server in
            _ = try await server.send("PUT", "/bucket")
            for algorithm in ["CRC32", nil] as [String?] {
                let wish = algorithm.map { [("x-amz-checksum-algorithm", $0)] } ?? []
                let begun = try await server.send("POST", "/bucket/k?uploads", headers: Self.key(1) + wish)
                let id = try #require(begun.element("UploadId"))
                let target = "/bucket/k?partNumber=1&uploadId=\(id)"
                #expect(try await server.send("PUT", target, [7]).refusal == "400 InvalidRequest")
                let etag = try #require(try await server.send("PUT", target, [7], headers: Self.key(1))["etag"])
                let listed = try await server.send("GET", "/bucket?uploads")
                #expect(listed.element("ChecksumAlgorithm") == algorithm)
                if algorithm != nil {
                    let other = Self.key(1) + [("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=")]
                    #expect(try await server.send("PUT", target, [7], headers: other).refusal == "400 InvalidRequest")
                }
                let document = Self.completion([(1, etag)])
                let complete = "/bucket/k?uploadId=\(id)"
                #expect(
                    try await server.send("POST", complete, document, headers: Self.key(2)).refusal
                        == "400 InvalidArgument")
                if algorithm != nil {
                    #expect(try await server.send("POST", complete, document).refusal == "400 InvalidRequest")
                }
                let done = try await server.send(
                    "POST", complete, document, headers: algorithm == nil ? [] : Self.key(1))
                #expect(done.status == 200 && done[Self.customer + "algorithm"] == "AES256")
                #expect(try await server.send("GET", "/bucket/k", headers: Self.key(1)).body == [7])
                // Which part there is, is said to those without a key as well.
                #expect(try await server.send("GET", "/bucket/k?partNumber=2").refusal == "400 InvalidPart")
                #expect(try await server.send("GET", "/bucket/k?partNumber=1").refusal == "400 InvalidRequest")
            }
        }
    }

    @Test func `a key for a source that has none is refused`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            _ = try await server.send("PUT", "/bucket/plain", [1, 2])
            _ = try await server.send("PUT", "/bucket/s3", [1], headers: [("x-amz-server-side-encryption", "AES256")])
            let id = try #require(try await server.send("POST", "/bucket/k?uploads").element("UploadId"))
            let key = Self.key(1, prefix: "x-amz-copy-source-server-side-encryption-customer-")
            for source in ["plain", "s3"] {
                let headers = [("x-amz-copy-source", "/bucket/" + source)] + key
                #expect(
                    try await server.send("PUT", "/bucket/k?partNumber=1&uploadId=\(id)", headers: headers).refusal
                        == "400 InvalidRequest", "\(source)")
                #expect(
                    try await server.send("PUT", "/bucket/copy", headers: headers).refusal == "400 InvalidRequest",
                    "\(source)")
            }
        }
    }

    @Test(
        arguments: [
            ([("x-amz-server-side-encryption", "aws:kms")], "501 NotImplemented"),
            ([("x-amz-server-side-encryption-aws-kms-key-id", "k")], "400 InvalidArgument"),
            (
                [("x-amz-server-side-encryption", "AES256"), ("x-amz-server-side-encryption-aws-kms-key-id", "k")],
                "400 InvalidArgument"
            ),
            ([("x-amz-server-side-encryption", "aws:kms")] + key(1), "400 InvalidArgument"),
            ([("x-amz-server-side-encryption", "rot13")], "400 InvalidArgument"),
            ([("x-amz-checksum-sha256", "bad")], "400 BadDigest"),
            ([("x-amz-checksum-sha256", "no digest")], "400 InvalidRequest"),
            ([("x-amz-storage-class", "GLACIER")], "501 NotImplemented"),
            ([("x-amz-storage-class", "COLD")], "400 InvalidStorageClass"),
        ] as [([(String, String)], String)])
    func `what a put cannot be`(headers: [(String, String)], refusal: String) async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            #expect(try await server.send("PUT", "/bucket/k", [1], headers: headers).refusal == refusal)
        }
    }

    @Test func `storage classes whose objects can be read at once are kept and shown`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            for name in ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"] {
                let headers = [("x-amz-storage-class", name)]
                #expect(try await server.send("PUT", "/bucket/k", [1], headers: headers).status == 200)
                #expect(try await server.send("GET", "/bucket/k")["x-amz-storage-class"] == name)
                #expect(try await server.send("GET", "/bucket").element("StorageClass") == name)
                _ = try await server.send("POST", "/bucket/u?uploads", headers: headers)
                #expect(try await server.send("GET", "/bucket?uploads").elements("StorageClass").contains(name))
            }
            _ = try await server.send("PUT", "/bucket/k", [1])
            #expect(try await server.send("GET", "/bucket/k")["x-amz-storage-class"] == nil)
            let missing = try await server.send("HEAD", "/bucket/none")
            #expect(missing.status == 404 && missing["x-amz-delete-marker"] == "false")
        }
    }
}
