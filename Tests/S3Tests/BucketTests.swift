import Signatures
import Testing

@testable import S3

@Suite struct BucketTests {
    @Test func `location, head and the list of buckets`() async throws {
        try await Server.with { server in
            let document = Array(
                """
                <CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\
                <LocationConstraint>eu-mallee-1</LocationConstraint></CreateBucketConfiguration>
                """.utf8)
            #expect(try await server.send("PUT", "/there", document).status == 200)
            #expect(try await server.send("PUT", "/there").refusal == "409 BucketAlreadyOwnedByYou")
            #expect(try await server.send("PUT", "/bad", Array("<a>".utf8)).refusal == "400 MalformedXML")
            _ = try await server.send("PUT", "/here")
            #expect(try await server.send("GET", "/there?location").text.hasSuffix(">eu-mallee-1</LocationConstraint>"))
            #expect(try await server.send("HEAD", "/there")["x-amz-bucket-region"] == "eu-mallee-1")
            #expect(try await server.send("HEAD", "/here")["x-amz-bucket-region"] == "us-east-1")
            let list = try await server.send("GET", "/services/Walrus")
            #expect(list.elements("Name") == ["here", "there"])
            #expect(list.element("ID") == "account-ALICE" && list.element("DisplayName") == "alice")
            _ = try await server.send("PUT", "/here/k", [1])
            #expect(try await server.send("DELETE", "/here").refusal == "409 BucketNotEmpty")
        }
    }

    @Test func `listings page in both versions and encode keys`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            for key in ["a", "b%2F1", "b%2F2", "c%20%2B%26", "d%0A"] {
                _ = try await server.send("PUT", "/bucket/" + key)
            }
            let one = try await server.send("GET", "/bucket?delimiter=%2F&max-keys=2")
            #expect(one.elements("Key") == ["a"] && one.element("NextMarker") == "b/")
            #expect(one.element("IsTruncated") == "true")
            let two = try await server.send("GET", "/bucket?delimiter=%2F&marker=b%2F&encoding-type=url")
            #expect(two.elements("Key") == ["c%20%2B%26", "d%0A"] && two.element("IsTruncated") == "false")

            var keys: [String] = []
            var token = ""
            for _ in 0..<10 {
                let query = "list-type=2&max-keys=2&encoding-type=url" + token
                let page = try await server.send("GET", "/bucket?" + query)
                keys += page.elements("Key")
                #expect(page.element("KeyCount") == String(page.elements("Key").count))
                guard let next = page.element("NextContinuationToken") else { break }
                token = "&continuation-token=" + PercentEncoding.encode(next)
            }
            #expect(keys == ["a", "b/1", "b/2", "c%20%2B%26", "d%0A"])
            #expect(
                try await server.send("GET", "/bucket?list-type=2&start-after=b%2F1&fetch-owner=true").elements("ID")
                    .count == 3)
            let versions = try await server.send("GET", "/bucket?versions&max-keys=2&encoding-type=url")
            #expect(versions.elements("Key") == ["a", "b/1"] && versions.elements("VersionId") == ["null", "null"])
            #expect(versions.element("NextKeyMarker") == "b/1")
            #expect(try await server.send("GET", "/bucket?versioning").element("Status") == nil)
            for query in ["max-keys=x", "max-keys=-1", "list-type=2&continuation-token=!", "encoding-type=gzip"] {
                #expect(try await server.send("GET", "/bucket?" + query).refusal == "400 InvalidArgument", "\(query)")
            }
        }
    }

    @Test func `many objects are deleted by one document`() async throws {
        try await Server.with { server in
            _ = try await server.send("PUT", "/bucket")
            for key in ["a", "b&c", "d"] { _ = try await server.send("PUT", "/bucket/" + key) }
            func delete(_ document: String) async throws -> Reply {
                try await server.send("POST", "/bucket?delete", Array(document.utf8))
            }
            let reply = try await delete(
                "<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object><Object><Key>x</Key></Object></Delete>"
            )
            #expect(reply.elements("Key") == ["a", "b&amp;c", "x"])
            #expect(try await server.send("GET", "/bucket").elements("Key") == ["d"])
            #expect(
                try await delete("<Delete><Quiet>true</Quiet><Object><Key>d</Key></Object></Delete>").elements("Key")
                    .isEmpty)
            for bad in [
                "", "<Delete/>", "<Other/>", "<Delete><Object/></Delete>", "<!DOCTYPE a><Delete/>",
                "<Delete>" + String(repeating: "<Object><Key>k</Key></Object>", count: 1001) + "</Delete>",
            ] {
                #expect(try await delete(bad).refusal == "400 MalformedXML", "\(bad.prefix(30))")
            }
        }
    }

    @Test func `a multipart upload over HTTP`() async throws {
        try await Server.with(smallestPart: 1000) { server in
            _ = try await server.send("PUT", "/bucket")
            let begun = try await server.send("POST", "/bucket/k%20y?uploads", headers: [("x-amz-meta-a", "1")])
            let id = try #require(begun.element("UploadId"))
            let one = [UInt8](repeating: 1, count: 1000)
            var tags: [String] = []
            for (number, bytes) in [(1, one), (2, [2, 2])] {
                let reply = try await server.send("PUT", "/bucket/k%20y?partNumber=\(number)&uploadId=\(id)", bytes)
                tags.append(try #require(reply["etag"]))
            }
            _ = try await server.send("PUT", "/bucket/source", one)
            let copied = try await server.send(
                "PUT", "/bucket/k%20y?partNumber=3&uploadId=\(id)",
                headers: [("x-amz-copy-source", "/bucket/source"), ("x-amz-copy-source-range", "bytes=0-4")])
            tags.append(try #require(copied.element("ETag")))
            #expect(
                try await server.send(
                    "PUT", "/bucket/k%20y?partNumber=3&uploadId=\(id)",
                    headers: [("x-amz-copy-source", "/bucket/source"), ("x-amz-copy-source-range", "bytes=0-1000")]
                ).refusal == "416 InvalidRange")
            let listed = try await server.send("GET", "/bucket/k%20y?uploadId=\(id)&max-parts=2")
            #expect(listed.elements("PartNumber") == ["1", "2"] && listed.element("NextPartNumberMarker") == "2")
            #expect(listed.element("IsTruncated") == "true")
            #expect(try await server.send("GET", "/bucket?uploads").elements("UploadId") == [id])
            for number in ["0", "10001", "x"] {
                #expect(
                    try await server.send("PUT", "/bucket/k%20y?partNumber=\(number)&uploadId=\(id)", [1]).refusal
                        == "400 InvalidArgument")
            }
            func complete(_ parts: [(Int, String)]) async throws -> Reply {
                let list = parts.map { "<Part><PartNumber>\($0.0)</PartNumber><ETag>\($0.1)</ETag></Part>" }.joined()
                return try await server.send(
                    "POST", "/bucket/k%20y?uploadId=\(id)",
                    Array("<CompleteMultipartUpload>\(list)</CompleteMultipartUpload>".utf8))
            }
            #expect(try await complete([]).refusal == "400 MalformedXML")
            #expect(try await complete([(2, tags[1]), (1, tags[0])]).refusal == "400 InvalidPartOrder")
            #expect(try await complete([(1, tags[0]), (7, tags[1])]).refusal == "400 InvalidPart")
            #expect(try await complete([(2, tags[1]), (3, tags[2])]).refusal == "400 EntityTooSmall")
            let done = try await complete([(1, tags[0]), (3, tags[2])])
            #expect(done.status == 200 && done.element("ETag")?.hasSuffix("-2\"") == true)
            let get = try await server.send("GET", "/bucket/k%20y")
            #expect(get.body == one + one[..<5] && get["x-amz-meta-a"] == "1")
            #expect(try await complete([(1, tags[0]), (3, tags[2])]).element("ETag") == done.element("ETag"))
            #expect(try await complete([(1, tags[0])]).refusal == "404 NoSuchUpload")
            let second = try #require(try await server.send("POST", "/bucket/z?uploads").element("UploadId"))
            #expect(try await server.send("DELETE", "/bucket/z?uploadId=\(second)").status == 204)
            #expect(try await server.send("DELETE", "/bucket/z?uploadId=\(second)").refusal == "404 NoSuchUpload")
        }
    }
}
