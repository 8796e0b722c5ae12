import Foundation
import NIOCore
import ObjectStore
import Signatures
import Testing
import Walrus

@testable import S3

@Suite struct AccessLogTests {
    private static let entry = S3AccessLog.Entry(
        bucketOwner: "111122223333", bucket: "source", time: 1_557_000_000, address: "192.0.2.1", requester: "",
        requestID: "R1", operation: "REST.GET.OBJECT", key: "a b", line: "GET /source/a%20b HTTP/1.1", status: 200,
        error: "", bytesSent: 5, objectSize: 9, milliseconds: 3, referer: "", agent: "curl \"x\"", version: "",
        region: "us-east-1", signature: "SigV4", authentication: "AuthHeader", host: "s3.test",
        neededACL: false)

    /// Stores an entry as the configuration says, and gives the log's key, text and permissions.
    private static func stored(
        _ logging: LoggingConfiguration, _ entry: S3AccessLog.Entry = entry, batch: [BatchDeletions.Outcome] = []
    ) async throws -> (key: String, text: String, acl: String?) {
        let root = NSTemporaryDirectory() + "log-" + UUID().uuidString
        // A leftover in the temporary directory is harmless.
        defer { try? FileManager.default.removeItem(atPath: root) }
        let store = try await FileBackend.open(.init(root: root, reserve: 0))
        let walrus = Walrus(backend: store, clock: { 1_600_000_000_000 })
        try await store.createBucket(BucketRecord(name: "logs", owner: "111122223333", region: "", created: 0))
        let log = S3AccessLog(walrus)
        await log.add(entry, batch: batch, to: logging)
        await log.flush()
        let page = try await store.list(bucket: "logs", ListQuery())
        let key = try #require(page.items.first?.key)
        let content = try await store.open(bucket: "logs", key: key)
        let bytes = try await content.read(at: 0, count: 4096)
        content.close()
        let acl = try await store.head(bucket: "logs", key: key).attributes.acl
        try await store.close()
        return (key, String(decoding: bytes.readableBytesView, as: UTF8.self), acl)
    }

    @Test func `a line has the 26 fields of S3's format`() async throws {
        let (key, text, acl) = try await Self.stored(LoggingConfiguration(bucket: "logs", prefix: "l/"))
        #expect(key.hasPrefix("l/2020-09-13-12-26-40-"))
        #expect(acl == nil)
        let expected = """
            111122223333 source [04/May/2019:20:00:00 +0000] 192.0.2.1 - R1 REST.GET.OBJECT a%20b \
            "GET /source/a%20b HTTP/1.1" 200 - 5 9 3 - - "curl x" - R1 SigV4 - AuthHeader s3.test - - -

            """
        #expect(text == expected)
    }

    @Test func `each key of a batch of deletions has a line, and what an ACL allowed says so`() async throws {
        var entry = Self.entry
        (entry.operation, entry.key, entry.neededACL) = ("REST.POST.MULTI_OBJECT_DELETE", "", true)
        let (_, text, _) = try await Self.stored(
            LoggingConfiguration(bucket: "logs", prefix: "l/"), entry,
            batch: [
                .init(key: "one", version: "", status: 204, error: ""),
                .init(key: "two", version: "v2", status: 403, error: "AccessDenied"),
            ])
        let lines = text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.map { $0[7] } == ["REST.POST.MULTI_OBJECT_DELETE", "BATCH.DELETE.OBJECT", "BATCH.DELETE.OBJECT"])
        #expect(lines.map { $0[8] } == ["-", "one", "two"])
        // The request line is three words.
        #expect(lines.map { $0[12...13].joined(separator: " ") } == ["200 -", "204 -", "403 AccessDenied"])
        #expect(lines.allSatisfy { $0.last == "Yes" })
    }

    @Test func `a request notes that a list allowed it, and which keys it deleted`() async throws {
        try await Server.with { server in
            #expect(try await server.send("PUT", "/source").status == 200)
            #expect(
                try await server.send("PUT", "/source/open", [1], headers: [("x-amz-acl", "public-read")]).status == 200
            )
            let walrus = Walrus(backend: server.store)
            let state = try await walrus.state("source")
            let owner = WalrusCaller.principal(
                WalrusPrincipal(accountID: state.record.owner, displayName: "", isAdministrator: false))
            for (caller, needed) in [(owner, false), (.anonymous, true)] {
                let (content, _) = try await walrus.getObject(caller, bucket: "source", key: "open")
                content.close()
                #expect(caller.bucket.neededACL == needed)
            }
        }
        let batch = BatchDeletions()
        batch.note(Deletion(key: "one"), nil)
        batch.note(Deletion(key: "two", version: "v"), S3Error(.accessDenied, "no"))
        #expect(
            batch.outcomes == [
                .init(key: "one", version: "", status: 204, error: ""),
                .init(key: "two", version: "v", status: 403, error: "AccessDenied"),
            ])
    }

    @Test(
        arguments: [
            (LoggingConfiguration.Partition.delivery, "2020/09/13/2020-09-13-12-26-40-"),
            (.event, "2019/05/04/2019-05-04-00-00-00-"),
        ])
    func `keys have account, region, bucket and day where that is asked for`(
        partition: LoggingConfiguration.Partition, expected: String
    ) async throws {
        let (key, _, acl) = try await Self.stored(
            LoggingConfiguration(
                bucket: "logs", prefix: "l/", grants: [Grant(.account("444455556666"), .read)], partition: partition))
        #expect(key.hasPrefix("l/111122223333/us-east-1/source/" + expected))
        #expect(acl?.contains("READ =444455556666") == true)
    }

    @Test func `where logs go is shown as it was set`() async throws {
        try await Server.with { server in
            for bucket in ["source", "logs"] { _ = try await server.send("PUT", "/" + bucket) }
            func set(_ more: String) async throws -> Reply {
                try await server.send(
                    "PUT", "/source?logging",
                    Array(
                        """
                        <BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>l/</TargetPrefix>\
                        \(more)</LoggingEnabled></BucketLoggingStatus>
                        """.utf8))
            }
            func grant(_ id: String, _ permission: String) -> String {
                """
                <TargetGrants><Grant><Grantee><ID>\(id)</ID></Grantee><Permission>\(permission)</Permission></Grant>\
                </TargetGrants>
                """
            }
            #expect(try await set("").status == 200)
            #expect(try await server.send("GET", "/source?logging").text.contains("<SimplePrefix"))
            let partitioned = """
                <TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource>\
                </PartitionedPrefix></TargetObjectKeyFormat>
                """
            #expect(try await set(grant("account-BOB", "READ") + partitioned).status == 200)
            let shown = try await server.send("GET", "/source?logging")
            #expect(shown.element("PartitionDateSource") == "EventTime" && shown.element("Permission") == "READ")
            // What the owner has anyhow is no grant.
            #expect(try await set(grant("account-ALICE", "FULL_CONTROL")).status == 200)
            #expect(try await server.send("GET", "/source?logging").element("Permission") == nil)
            for bad in [grant("account-BOB", "READ_ACP"), "<TargetObjectKeyFormat/>"] {
                #expect(try await set(bad).refusal == "400 MalformedXML", "\(bad)")
            }
            let off = Array("<BucketLoggingStatus/>".utf8)
            #expect(try await server.send("PUT", "/source?logging", off).status == 200)
            #expect(try await server.send("GET", "/source?logging").element("TargetBucket") == nil)
        }
    }
}
