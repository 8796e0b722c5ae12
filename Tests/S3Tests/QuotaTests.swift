import Foundation
import ObjectStore
import S3
import Synchronization
import Testing
import Walrus

/// Keeps what it is told.
private final class Changes: S3ChangeObserver {
    private let seen = Mutex<[S3Change]>([])

    func observed(_ change: S3Change) async { seen.withLock { $0.append(change) } }

    var all: [S3Change] { seen.withLock { $0 } }
}

@Suite struct QuotaTests {
    @Test func `an account has the bytes it may have, and an overwrite or a deletion makes room`() async throws {
        try await Server.with(limits: AccountLimits(bytes: 1000)) { server in
            #expect(try await server.send("PUT", "/first").status == 200)
            #expect(try await server.send("PUT", "/second").status == 200)
            let most = [UInt8](repeating: 1, count: 600)
            #expect(try await server.send("PUT", "/first/a", most).status == 200)
            #expect(try await server.send("PUT", "/second/b", most).refusal == "403 QuotaExceeded")
            #expect(try await server.send("GET", "/second/b").refusal == "404 NoSuchKey")
            #expect(try await server.send("PUT", "/first/a", most).status == 200)
            #expect(try await server.send("PUT", "/second/b", Array(most[..<400])).status == 200)
            #expect(try await server.send("PUT", "/second/c", [1]).refusal == "403 QuotaExceeded")
            #expect(try await server.send("PUT", "/second/empty").status == 200)
            #expect(
                try await server.send(
                    "PUT", "/first/copy", headers: [("x-amz-copy-source", "/first/a")]
                ).refusal == "403 QuotaExceeded")
            // Another account's room is its own.
            #expect(try await server.send("PUT", "/bobs", as: "BOB").status == 200)
            #expect(try await server.send("PUT", "/bobs/a", most, as: "BOB").status == 200)
            #expect(try await server.send("DELETE", "/first/a").status == 204)
            #expect(try await server.send("PUT", "/second/c", [1]).status == 200)
            let usage = try await server.store.usage(owner: "account-ALICE")
            #expect(usage.objects == 3 && usage.bytes == 401)
        }
    }

    @Test func `parts of uploads count, and are free again when the upload ends`() async throws {
        try await Server.with(smallestPart: 1, limits: AccountLimits(bytes: 1000)) { server in
            #expect(try await server.send("PUT", "/bucket").status == 200)
            let begun = try await server.send("POST", "/bucket/k?uploads")
            let id = try #require(begun.element("UploadId"))
            let part = [UInt8](repeating: 1, count: 700)
            #expect(try await server.send("PUT", "/bucket/k?partNumber=1&uploadId=\(id)", part).status == 200)
            #expect(
                try await server.send("PUT", "/bucket/k?partNumber=2&uploadId=\(id)", part).refusal
                    == "403 QuotaExceeded")
            #expect(try await server.store.usage(bucket: "bucket").partBytes == 700)
            #expect(try await server.send("DELETE", "/bucket/k?uploadId=\(id)").status == 204)
            #expect(try await server.store.usage(bucket: "bucket").partBytes == 0)
            #expect(try await server.send("PUT", "/bucket/k", part).status == 200)
        }
    }

    @Test func `many puts at once do not go beyond the number of objects together`() async throws {
        try await Server.with(limits: AccountLimits(buckets: 1, objects: 5)) { server in
            #expect(try await server.send("PUT", "/bucket").status == 200)
            #expect(try await server.send("PUT", "/another").refusal == "400 TooManyBuckets")
            let stored = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<20 {
                    group.addTask { try await server.send("PUT", "/bucket/k\(number)", [1]).status }
                }
                return try await group.reduce(0) { $0 + ($1 == 200 ? 1 : 0) }
            }
            #expect(stored == 5)
            #expect(try await server.store.usage(bucket: "bucket").objects == 5)
        }
    }

    @Test func `the observer is told who changed what, and what became of it`() async throws {
        let changes = Changes()
        let metrics = S3Metrics()
        try await Server.with(observer: changes, metrics: metrics) { server in
            _ = try await server.send("PUT", "/bucket")
            _ = try await server.send("PUT", "/bucket/a%20key", [1, 2, 3])
            _ = try await server.send("GET", "/bucket/a%20key")
            _ = try await server.send("DELETE", "/bucket/a%20key", as: "BOB")
            _ = try await server.raw("PUT", "/bucket/other", [1])
            _ = try await server.send("DELETE", "/bucket/a%20key")
        }
        let all = changes.all
        #expect(all.map(\.operation) == ["CreateBucket", "PutObject", "DeleteObject", "PutObject", "DeleteObject"])
        #expect(all.map(\.status) == [200, 200, 403, 403, 204])
        #expect(all.map(\.account) == ["account-ALICE", "account-ALICE", "account-BOB", nil, "account-ALICE"])
        #expect(all[1].bucket == "bucket" && all[1].key == "a key" && all[1].succeeded && all[0].key == nil)
        #expect(all[2].error == "AccessDenied" && !all[2].succeeded && !all[2].requestID.isEmpty)
        let text = metrics.text([.init("mallee_x", "X.", [([("bucket", "a\"b")], 1.5)])])
        #expect(text.contains("mallee_s3_requests_total{operation=\"PutObject\",status=\"2xx\"} 1\n"))
        #expect(text.contains("mallee_s3_requests_total{operation=\"PutObject\",status=\"4xx\"} 1\n"))
        #expect(text.contains("mallee_s3_request_seconds_count{operation=\"GetObject\"} 1\n"))
        #expect(text.contains("mallee_s3_received_bytes_total 4\n"))
        #expect(text.contains("mallee_s3_requests_in_flight 0\n"))
        #expect(text.contains("mallee_x{bucket=\"a\\\"b\"} 1.5\n"))
    }
}
