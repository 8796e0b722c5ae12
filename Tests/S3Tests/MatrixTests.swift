import Foundation
import GoldenFiles
import Testing

@testable import S3
@testable import Walrus

/// One operation against a bucket `$` that has an object `k`.
struct S3Row: Sendable {
    var name: String
    var method: String
    var target: String
    var body = ""
    var headers: [(String, String)] = []

    var isReading: Bool { ["GET", "HEAD", "OPTIONS"].contains(method) }
}

/// Every operation of S3 against everybody who may ask, with the answers in `authorization.txt`.
///
/// `make authorization-matrix` writes the file anew; what changes in it changes who may do what, and wants a look.
@Suite struct S3MatrixTests {
    /// nil is nobody; EVE's key is unknown, as a disabled one is; PLAIN, DENIED and USER are of ALICE's account.
    static let callers: [String?] = [nil, "EVE", "BOB", "PLAIN", "DENIED", "USER", "ALICE", "ROOT"]
    static let titles = [
        "anonymous", "disabled", "other", "plain", "denied", "user", "owner", "administrator",
    ]

    static let rows: [S3Row] = bucketRows + bucketDocuments + objectDocuments + objectRows

    private static let bucketRows: [S3Row] = [
        S3Row(name: "ListBuckets", method: "GET", target: "/"),
        S3Row(name: "CreateBucket", method: "PUT", target: "/$-more"),
        S3Row(name: "HeadBucket", method: "HEAD", target: "/$"),
        S3Row(name: "DeleteBucket", method: "DELETE", target: "/$"),
        S3Row(name: "ListObjects", method: "GET", target: "/$"),
        S3Row(name: "ListObjectsV2", method: "GET", target: "/$?list-type=2"),
        S3Row(name: "ListObjectVersions", method: "GET", target: "/$?versions"),
        S3Row(name: "ListMultipartUploads", method: "GET", target: "/$?uploads"),
        S3Row(
            name: "DeleteObjects", method: "POST", target: "/$?delete",
            body: "<Delete><Object><Key>k</Key></Object></Delete>"),
        S3Row(
            name: "PostObject", method: "POST", target: "/$",
            body: "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\np\r\n"
                + "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntext\r\n--x--\r\n",
            headers: [("Content-Type", "multipart/form-data; boundary=x")]),
        S3Row(
            name: "Preflight", method: "OPTIONS", target: "/$/k",
            headers: [("Origin", "http://a.test"), ("Access-Control-Request-Method", "GET")]),
        S3Row(name: "GetPlaces", method: "GET", target: "/?" + S3Call.placesParameter),
        S3Row(name: "PutPlaces", method: "PUT", target: "/?" + S3Call.placesParameter, body: "<Places/>"),
    ]

    private static let objectRows: [S3Row] = [
        S3Row(name: "GetObject", method: "GET", target: "/$/k"),
        S3Row(name: "HeadObject", method: "HEAD", target: "/$/k"),
        S3Row(name: "PutObject", method: "PUT", target: "/$/new", body: "text"),
        S3Row(name: "CopyObject", method: "PUT", target: "/$/new", headers: [("x-amz-copy-source", "/$/k")]),
        S3Row(name: "DeleteObject", method: "DELETE", target: "/$/k"),
        S3Row(name: "CreateMultipartUpload", method: "POST", target: "/$/new?uploads"),
        S3Row(name: "UploadPart", method: "PUT", target: "/$/new?uploadId=x&partNumber=1", body: "text"),
        S3Row(
            name: "UploadPartCopy", method: "PUT", target: "/$/new?uploadId=x&partNumber=1",
            headers: [("x-amz-copy-source", "/$/k")]),
        S3Row(
            name: "CompleteMultipartUpload", method: "POST", target: "/$/new?uploadId=x",
            body:
                "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"
        ),
        S3Row(name: "AbortMultipartUpload", method: "DELETE", target: "/$/new?uploadId=x"),
        S3Row(name: "ListParts", method: "GET", target: "/$/new?uploadId=x"),
    ]

    private static let methods: [(DocumentVerb, String)] = [(.get, "GET"), (.put, "PUT"), (.delete, "DELETE")]

    private static let bucketDocuments: [S3Row] = BucketDocument.allCases.flatMap { document in
        methods.filter { document.allows($0.0) }.map { verb, method in
            S3Row(
                name: verb.rawValue + "Bucket" + document.name, method: method, target: "/$?" + document.rawValue,
                body: verb == .put ? contents[document.rawValue] ?? "" : "",
                headers: verb == .put && document == .acl ? [("x-amz-acl", "private")] : [])
        }
    }

    private static let objectDocuments: [S3Row] = ObjectDocument.allCases.flatMap { document in
        methods.filter { document.allows($0.0) }.map { verb, method in
            var headers: [(String, String)] = []
            if verb == .put, document == .acl { headers = [("x-amz-acl", "private")] }
            if document == .attributes { headers = [("x-amz-object-attributes", "ETag")] }
            return S3Row(
                name: verb.rawValue + "Object" + document.name, method: method, target: "/$/k?" + document.rawValue,
                body: verb == .put ? contents[document.rawValue] ?? "" : "", headers: headers)
        }
    }

    private static let contents: [String: String] = [
        "cors":
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>",
        "encryption":
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        "lifecycle":
            "<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>t/</Prefix></Filter><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>",
        "logging": "<BucketLoggingStatus/>", "notification": "<NotificationConfiguration/>",
        "policy":
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"account-BOB"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::$/*"}]}"#,
        "publicAccessBlock":
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        "requestPayment": "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
        "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
        "versioning": "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        "website":
            "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>",
        "object-lock":
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        "ownershipControls":
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        "retention":
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2040-01-01T00:00:00Z</RetainUntilDate></Retention>",
        "legal-hold": "<LegalHold><Status>ON</Status></LegalHold>",
    ]

    /// Whoever adds an operation is told here by the compiler that it wants a row.
    private static func sample(after operation: S3Operation?) -> S3Operation? {
        switch operation {
        case nil: .listBuckets
        case .listBuckets: .createBucket("b")
        case .createBucket: .headBucket("b")
        case .headBucket: .deleteBucket("b")
        case .deleteBucket: .listObjects("b")
        case .listObjects: .listObjectsV2("b")
        case .listObjectsV2: .listObjectVersions("b")
        case .listObjectVersions: .listUploads("b")
        case .listUploads: .deleteObjects("b")
        case .deleteObjects: .postObject("b")
        case .postObject: .getObject("b", "k")
        case .getObject: .headObject("b", "k")
        case .headObject: .putObject("b", "k")
        case .putObject: .copyObject("b", "k")
        case .copyObject: .deleteObject("b", "k")
        case .deleteObject: .createUpload("b", "k")
        case .createUpload: .uploadPart("b", "k")
        case .uploadPart: .uploadPartCopy("b", "k")
        case .uploadPartCopy: .completeUpload("b", "k")
        case .completeUpload: .abortUpload("b", "k")
        case .abortUpload: .listParts("b", "k")
        case .listParts: .preflight
        case .preflight: .getPlaces
        case .getPlaces: .putPlaces
        case .putPlaces: .bucketDocument(.get, .acl, "b")
        // The documents are counted by their own tables.
        case .bucketDocument: .objectDocument(.get, .acl, "b", "k")
        case .objectDocument: nil
        }
    }

    @Test func `every operation has a row`() {
        var names: Set<String> = []
        var operation = Self.sample(after: nil)
        while let one = operation {
            names.insert(one.name)
            operation = Self.sample(after: one)
        }
        #expect(names.subtracting(Self.rows.map(\.name)) == [])
        #expect(Set(Self.rows.map(\.name)).count == Self.rows.count)
    }

    @Test func `everybody gets the answer that the golden file has for him`() async throws {
        try await Server.with { server in
            var table = [["operation"] + Self.titles]
            for (index, row) in Self.rows.enumerated() {
                table.append([row.name] + (try await Self.answers(to: row, index, server)))
            }
            for difference in try GoldenFile("authorization.txt").differences(from: GoldenFile.table(table)) {
                Issue.record("authorization.txt (make authorization-matrix writes it anew): \(difference)")
            }
        }
    }

    private static func answers(to row: S3Row, _ index: Int, _ server: Server) async throws -> [String] {
        var entries: [String] = []
        var bucket = ""
        for (number, caller) in callers.enumerated() {
            if bucket.isEmpty {
                bucket = "row-\(index)-\(number)"
                for target in ["/\(bucket)", "/\(bucket)/k"] {
                    let made = try await server.send("PUT", target, target.hasSuffix("k") ? [1] : [])
                    #expect(made.status == 200, "\(made.text)")
                }
            }
            let name = bucket
            func filled(_ text: String) -> String { text.replacingOccurrences(of: "$", with: name) }
            let headers = row.headers.map { ($0.0, filled($0.1)) }
            let body = Array(filled(row.body).utf8)
            let reply =
                if let caller {
                    try await server.send(row.method, filled(row.target), body, headers: headers, as: caller)
                } else {
                    try await server.raw(
                        row.method, filled(row.target), body, headers: headers.map { (name: $0.0, value: $0.1) })
                }
            #expect(reply.status != 500, "\(row.name) as \(caller ?? "nobody"): \(reply.text)")
            // Within an answer that is done as a whole, each object can be refused.
            let code = reply.element("Code") ?? (reply.status < 400 ? "done" : String(reply.status))
            let sees = row.name == "ListBuckets" && reply.text.contains(name)
            entries.append(sees ? "sees" : code)
            if reply.status < 400, !row.isReading { bucket = "" }
        }
        return entries
    }
}
