import Foundation
import HTTPTypes
import Testing
import XML

@testable import S3SOAP

@Suite struct S3SOAPTests {
    private static let flags = "<GetMetadata>true</GetMetadata><GetData>true</GetData><InlineData>true</InlineData>"

    private func put(_ store: SOAPStore, _ key: String, _ text: String, _ more: String = "") async throws -> Answer {
        try await store.call(
            "PutObjectInline",
            "<Bucket>b-ucket</Bucket><Key>\(key)</Key>\(more)<Data>\(Data(text.utf8).base64EncodedString())</Data>"
                + "<ContentLength>\(text.utf8.count)</ContentLength>")
    }

    @Test func `a bucket and its objects live and die by SOAP`() async throws {
        try await SOAPStore.with { store in
            let made = try await store.call("CreateBucket", "<Bucket>b-ucket</Bucket>")
            #expect(made["CreateBucketReturn", "BucketName"] == "b-ucket", "\(made.content.children)")
            let metadata =
                "<Metadata><Name>Content-Type</Name><Value>text/plain</Value></Metadata>"
                + "<Metadata><Name>family</Name><Value>Muntz</Value></Metadata>"
            let written = try await put(store, "a b/ä&amp;c", "ha-ha", metadata)
            #expect(written["PutObjectInlineResponse", "ETag"] == "\"cc331bfc054be0c6e6ad1f0551e1a5a3\"")
            #expect(written["PutObjectInlineResponse", "LastModified"]?.utf8.count == 24)

            let read = try await store.call(
                "GetObject", "<Bucket>b-ucket</Bucket><Key>a b/ä&amp;c</Key>" + Self.flags)
            #expect(read["GetObjectResponse", "Status", "Code"] == "200")
            #expect(read["GetObjectResponse", "Data"] == "aGEtaGE=")
            let kept = read.content.child("GetObjectResponse")?.children("Metadata").map {
                ($0.child("Name")?.text ?? "") + "=" + ($0.child("Value")?.text ?? "")
            }
            #expect(kept?.contains("Content-Type=text/plain") == true)
            #expect(kept?.contains("family=Muntz") == true)

            let range = try await store.call(
                "GetObjectExtended",
                "<Bucket>b-ucket</Bucket><Key>a b/ä&amp;c</Key>" + Self.flags
                    + "<ByteRangeStart>1</ByteRangeStart><ByteRangeEnd>2</ByteRangeEnd>")
            #expect(range["GetObjectResponse", "Status", "Code"] == "206")
            #expect(range["GetObjectResponse", "Data"] == Data("a-".utf8).base64EncodedString())
            let whole = try await store.call(
                "GetObjectExtended",
                "<Bucket>b-ucket</Bucket><Key>a b/ä&amp;c</Key>" + Self.flags
                    + "<ByteRangeStart>1</ByteRangeStart><IfMatch>\"other\"</IfMatch>"
                    + "<ReturnCompleteObjectOnConditionFailure>true</ReturnCompleteObjectOnConditionFailure>")
            #expect(whole["GetObjectResponse", "Data"] == "aGEtaGE=")
            let about = try await store.call(
                "GetObject",
                "<Bucket>b-ucket</Bucket><Key>a b/ä&amp;c</Key><GetMetadata>0</GetMetadata><GetData>0</GetData>"
                    + "<InlineData>0</InlineData>")
            let data = about.content.child("GetObjectResponse")?.child("Data")
            #expect(data?.attribute("nil", namespace: "http://www.w3.org/2001/XMLSchema-instance") == "true")

            let copied = try await store.call(
                "CopyObject",
                "<SourceBucket>b-ucket</SourceBucket><SourceKey>a b/ä&amp;c</SourceKey>"
                    + "<DestinationBucket>b-ucket</DestinationBucket><DestinationKey>copy</DestinationKey>")
            #expect(copied["CopyObjectResult", "ETag"] == "\"cc331bfc054be0c6e6ad1f0551e1a5a3\"")
            let listed = try await store.call(
                "ListBucket", "<Bucket>b-ucket</Bucket><MaxKeys>10</MaxKeys><Delimiter>/</Delimiter>")
            let list = try #require(listed.content.child("ListBucketResponse"))
            #expect(list.children("Contents").map { $0.child("Key")?.text } == ["copy"])
            #expect(list.children("CommonPrefixes").map { $0.child("Prefix")?.text } == ["a b/"])
            #expect(
                list.children.map(\.localName) == [
                    "Name", "Prefix", "Marker", "MaxKeys", "Delimiter", "IsTruncated", "Contents", "CommonPrefixes",
                ])
            let mine = try await store.call("ListAllMyBuckets", "")
            #expect(mine["ListAllMyBucketsResponse", "Buckets", "Bucket", "Name"] == "b-ucket")
            #expect(mine["ListAllMyBucketsResponse", "Owner", "ID"] == "account-ALICE")

            #expect(try await store.call("DeleteBucket", "<Bucket>b-ucket</Bucket>").fault == "Client.BucketNotEmpty")
            for key in ["a b/ä&amp;c", "copy"] {
                let gone = try await store.call("DeleteObject", "<Bucket>b-ucket</Bucket><Key>\(key)</Key>")
                #expect(gone["DeleteObjectResponse", "Code"] == "200")
            }
            let removed = try await store.call("DeleteBucket", "<Bucket>b-ucket</Bucket>")
            #expect(removed["DeleteBucketResponse", "Code"] == "204")
        }
    }

    private static let schema = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""

    private static func grant(_ kind: String, _ grantee: String, _ permission: String) -> String {
        "<Grant><Grantee \(schema) xsi:type=\"\(kind)\">\(grantee)</Grantee><Permission>\(permission)</Permission></Grant>"
    }

    @Test func `access control lists are set and read, and hold`() async throws {
        try await SOAPStore.with { store in
            let everybody = Self.grant("Group", "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "READ")
            let bob = Self.grant("CanonicalUser", "<ID>account-BOB</ID>", "READ")
            _ = try await store.call(
                "CreateBucket", "<Bucket>b-ucket</Bucket><AccessControlList>\(everybody)</AccessControlList>")
            _ = try await put(store, "k", "x", "")
            #expect(try await store.call("ListBucket", "<Bucket>b-ucket</Bucket>", as: nil).fault == nil)
            let key = "<Bucket>b-ucket</Bucket><Key>k</Key>"
            #expect(try await store.call("GetObject", key + Self.flags, as: "BOB").fault == "Client.AccessDenied")
            let set = try await store.call(
                "SetObjectAccessControlPolicy", key + "<AccessControlList>\(bob)</AccessControlList>")
            #expect(set.content.localName == "SetObjectAccessControlPolicyResponse" && set.content.children.isEmpty)
            #expect(try await store.call("GetObject", key + Self.flags, as: "BOB").fault == nil)
            #expect(try await store.call("GetObject", key + Self.flags, as: nil).fault == "Client.AccessDenied")
            let list = try await store.call("GetObjectAccessControlPolicy", key)
            let grantee = try #require(
                list.content.child("GetObjectAccessControlPolicyResponse")?.child("AccessControlList")?.child("Grant")?
                    .child("Grantee"))
            #expect(grantee.child("ID")?.text == "account-BOB")
            #expect(
                grantee.attribute("type", namespace: "http://www.w3.org/2001/XMLSchema-instance") == "CanonicalUser")
            // Without a list, the owner alone.
            #expect(try await store.call("SetBucketAccessControlPolicy", "<Bucket>b-ucket</Bucket>").fault == nil)
            #expect(
                try await store.call("ListBucket", "<Bucket>b-ucket</Bucket>", as: nil).fault == "Client.AccessDenied")
            let own = try await store.call("GetBucketAccessControlPolicy", "<Bucket>b-ucket</Bucket>")
            let grants = own.content.child("GetBucketAccessControlPolicyResponse")?.child("AccessControlList")
            #expect(grants?.children.count == 1)
        }
    }

    @Test func `logging is set and read`() async throws {
        try await SOAPStore.with { store in
            for bucket in ["b-ucket", "logs"] {
                _ = try await store.call("CreateBucket", "<Bucket>\(bucket)</Bucket>")
            }
            let log = Self.grant("Group", "<URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI>", "WRITE")
            let read = Self.grant("Group", "<URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI>", "READ_ACP")
            _ = try await store.call(
                "SetBucketAccessControlPolicy",
                "<Bucket>logs</Bucket><AccessControlList>\(log)\(read)</AccessControlList>")
            let set = try await store.call(
                "SetBucketLoggingStatus",
                "<Bucket>b-ucket</Bucket><BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket>"
                    + "<TargetPrefix>p-</TargetPrefix></LoggingEnabled></BucketLoggingStatus>")
            #expect(set.fault == nil, "\(set["faultstring"] ?? "")")
            let status = try await store.call("GetBucketLoggingStatus", "<Bucket>b-ucket</Bucket>")
            #expect(status["GetBucketLoggingStatusResponse", "LoggingEnabled", "TargetBucket"] == "logs")
        }
    }

    @Test(arguments: [
        ("GetObject", "<Bucket>b</Bucket><Key>k</Key>" + flags, "Client.NoSuchBucket"),
        ("GetObject", "<Bucket>b-ucket</Bucket><Key>none</Key>" + flags, "Client.NoSuchKey"),
        ("GetObject", "<Bucket>b-ucket</Bucket><Key></Key>" + flags, "Client.InvalidSOAPRequest"),
        ("GetObject", "<Bucket></Bucket><Key>k</Key>" + flags, "Client.InvalidBucketName"),
        ("GetObject", "<Bucket>b-ucket</Bucket><Key>k</Key><GetData>1</GetData>", "Client.NotImplemented"),
        ("GetObject", "<Bucket>b-ucket</Bucket><Key>k</Key><GetData>perhaps</GetData>", "Client.InvalidSOAPRequest"),
        (
            "GetObjectExtended", "<Bucket>b-ucket</Bucket><Key>k</Key>\(flags)<IfMatch>\"a\"</IfMatch>",
            "Client.PreconditionFailed"
        ),
        (
            "GetObjectExtended", "<Bucket>b-ucket</Bucket><Key>k</Key>\(flags)<IfNoneMatch>*</IfNoneMatch>",
            "Client.NotModified"
        ),
        (
            "GetObjectExtended", "<Bucket>b-ucket</Bucket><Key>k</Key>\(flags)<ByteRangeStart>9</ByteRangeStart>",
            "Client.InvalidRange"
        ),
        ("CreateBucket", "<Bucket>B/x</Bucket>", "Client.InvalidBucketName"),
        ("DeleteBucket", "<Bucket>none</Bucket>", "Client.NoSuchBucket"),
        ("ListBucket", "<Bucket>none</Bucket>", "Client.NoSuchBucket"),
        ("ListBucket", "<Bucket>b-ucket</Bucket><MaxKeys>many</MaxKeys>", "Client.InvalidSOAPRequest"),
        ("ListBucket", "<Bucket>b-ucket</Bucket><Bucket>b-ucket</Bucket>", "Client.InvalidSOAPRequest"),
        ("ListBucket", "<Bucket>b-ucket</Bucket><Owner/>", "Client.InvalidSOAPRequest"),
        ("ListAllMyBuckets", "<Bucket/>", "Client.InvalidSOAPRequest"),
        ("GetBucketAccessControlPolicy", "<Bucket>none</Bucket>", "Client.NoSuchBucket"),
        ("SetBucketAccessControlPolicy", "<Bucket>none</Bucket>", "Client.NoSuchBucket"),
        ("GetBucketLoggingStatus", "<Bucket>none</Bucket>", "Client.NoSuchBucket"),
        ("SetBucketLoggingStatus", "<Bucket>b-ucket</Bucket>", "Client.InvalidSOAPRequest"),
        ("DeleteObject", "<Bucket>none</Bucket><Key>k</Key>", "Client.NoSuchBucket"),
        (
            "CopyObject",
            "<SourceBucket>b-ucket</SourceBucket><SourceKey>none</SourceKey><DestinationBucket>b-ucket"
                + "</DestinationBucket><DestinationKey>c</DestinationKey>", "Client.NoSuchKey"
        ),
        ("GetObjectAccessControlPolicy", "<Bucket>b-ucket</Bucket><Key>none</Key>", "Client.NoSuchKey"),
        (
            "SetObjectAccessControlPolicy",
            "<Bucket>b-ucket</Bucket><Key>k</Key><AccessControlList><Grant/></AccessControlList>",
            "Client.MalformedACLError"
        ),
        (
            "PutObjectInline",
            "<Bucket>b-ucket</Bucket><Key>k</Key><Data>aGEt</Data><ContentLength>4</ContentLength>",
            "Client.IncompleteBody"
        ),
        (
            "PutObjectInline", "<Bucket>b-ucket</Bucket><Key>k</Key><Data>aGEt</Data>", "Client.MissingContentLength"
        ),
        (
            "PutObjectInline", "<Bucket>b-ucket</Bucket><Key>k</Key><Data>!</Data><ContentLength>1</ContentLength>",
            "Client.InvalidSOAPRequest"
        ),
        (
            "PutObjectInline",
            "<Bucket>b-ucket</Bucket><Key>k</Key><Metadata><Name>a b:</Name><Value>x</Value></Metadata>"
                + "<Data>aGEt</Data><ContentLength>3</ContentLength>", "Client.InvalidArgument"
        ),
        ("PutObject", "<Bucket>b-ucket</Bucket><Key>k</Key>", "Client.NotImplemented"),
        ("Nothing", "", "Client.InvalidSOAPRequest"),
    ])
    func `what is wrong has S3's code`(operation: String, content: String, code: String) async throws {
        try await SOAPStore.with { store in
            _ = try await store.call("CreateBucket", "<Bucket>b-ucket</Bucket>")
            _ = try await put(store, "k", "ha-ha")
            let answer = try await store.call(operation, content)
            #expect(answer.fault == code, "\(answer["faultstring"] ?? "")")
            #expect(answer.status == 500)
            #expect(answer["detail", "RequestId"]?.utf8.count == 16)
        }
    }

    @Test func `larger data is refused on both ways`() async throws {
        try await SOAPStore.with { store in
            _ = try await store.call("CreateBucket", "<Bucket>b-ucket</Bucket>")
            let most = String(repeating: "x", count: 1 << 20)
            #expect(try await put(store, "k", most).fault == nil)
            #expect(try await put(store, "k", most + "x").fault == "Client.InlineDataTooLarge")
            let answer = try await store.call("GetObject", "<Bucket>b-ucket</Bucket><Key>k</Key>" + Self.flags)
            let data = try #require(answer["GetObjectResponse", "Data"])
            #expect(Data(base64Encoded: data)?.count == most.utf8.count)
            let message = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 21)
            #expect(try await Answer(store.send(message)).fault == "Client.InlineDataTooLarge")
        }
    }

    @Test func `only what its owner has signed counts, once, in its time, and unseen`() async throws {
        try await SOAPStore.with { store in
            func check(_ content: String, _ code: String?, isProtected: Bool = true) async throws {
                let message = SOAPStore.envelope(
                    SOAPStore.element("CreateBucket", "<Bucket>b-ucket</Bucket>" + content))
                let fault = try await Answer(store.send(message, isProtected: isProtected)).fault
                #expect(fault == code, "\(content)")
            }
            try await check("", "Client.AccessDenied")
            try await check(store.signature("DeleteBucket", as: "ALICE"), "Client.SignatureDoesNotMatch")
            let alice = store.signature("CreateBucket", as: "ALICE")
            try await check(alice.replacing("ALICE", with: "BOB"), "Client.SignatureDoesNotMatch")
            try await check(store.signature("CreateBucket", as: "EVE"), "Client.InvalidAccessKeyId")
            for time in [-901, 901] as [Int64] {
                let signature = store.signature("CreateBucket", as: "ALICE", at: SOAPStore.now + time)
                try await check(signature, "Client.RequestTimeTooSkewed")
            }
            let signature = store.signature("CreateBucket", as: "ALICE")
            try await check(signature.replacing("<Timestamp>", with: "<Timestamp>x"), "Client.InvalidSecurity")
            try await check("<AWSAccessKeyId>ALICE</AWSAccessKeyId>", "Client.MissingSecurityElement")
            try await check(signature, "Client.InvalidSecurity", isProtected: false)
            try await check(signature, nil)
            try await check(signature, "Client.InvalidSecurity")
            // The same moment, written by a toolkit.
            let other = store.signature("CreateBucket", as: "ALICE")
            try await check(other.replacing("Z</Timestamp>", with: "000+00:00</Timestamp>"), nil)
        }
    }

    @Test func `envelopes that are none are refused`() async throws {
        try await SOAPStore.with { store in
            func check(_ message: [UInt8], _ code: String) async throws {
                let fault = try await Answer(store.send(message)).fault
                #expect(fault == code, "\(String(decoding: message, as: UTF8.self))")
            }
            try await check(Array("x".utf8), "Client.InvalidSOAPRequest")
            try await check(Array("<a/>".utf8), "Client.InvalidSOAPRequest")
            try await check(Array("<Envelope/>".utf8), "VersionMismatch")
            let call = SOAPStore.element("ListAllMyBuckets", "")
            try await check(SOAPStore.envelope(call + call), "Client.InvalidSOAPRequest")
            try await check(SOAPStore.envelope("<ListAllMyBuckets xmlns=\"x\"/>"), "Client.InvalidSOAPRequest")
            try await check(SOAPStore.envelope(call, header: "<x e:mustUnderstand=\"1\"/>"), "MustUnderstand")
            let oasis = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
            let security = "<Security xmlns=\"\(oasis)\"/>"
            try await check(SOAPStore.envelope(call, header: security), "Client.MissingSecurityHeader")
            let keyed = SOAPStore.element("ListAllMyBuckets", store.signature("ListAllMyBuckets", as: "ALICE"))
            try await check(SOAPStore.envelope(keyed, header: security), "Client.InvalidSecurity")
        }
    }

    @Test(arguments: ["/services/Walrus", "/services/objectstorage/", "/", "/soap", "/services/Walrus/soap"])
    func `the WSDL names the address by which it was asked`(path: String) async throws {
        try await SOAPStore.with { store in
            let answer = try await store.send([], method: .get, path: path + "?wsdl")
            let root = try XMLElement.parse(answer.body)
            #expect(
                root.child("service")?.child("port")?.child("address")?.attribute("location") == "http://h:1" + path)
            let schema = try #require(root.child("types")?.child("schema"))
            let types = Set(
                (schema.children("complexType") + schema.children("simpleType")).compactMap { $0.attribute("name") })
            func used(_ element: XMLElement) -> [String] {
                element.children.flatMap { used($0) }
                    + [element.attribute("type"), element.attribute("base")].compactMap(\.self)
            }
            for name in used(schema) where name.hasPrefix("tns:") { #expect(types.contains(String(name.dropFirst(4)))) }
            #expect(root.child("portType")?.children("operation").count == 15)
        }
    }

    @Test func `what is not SOAP is REST's`() async throws {
        try await SOAPStore.with { store in
            for (method, path) in [("GET", "/services/Walrus/b?wsdl"), ("POST", "/b?delete"), ("POST", "/b")] {
                let answer = try await store.send(
                    Array("<Delete/>".utf8), method: method == "GET" ? .get : .post, path: path)
                #expect(try XMLElement.parse(answer.body).localName == "Error", "\(path)")
            }
        }
    }

    /// 3,000 mutations of good messages: each is answered, by a fault of the client's or by a result.
    @Test func `mutated messages are answered`() async throws {
        try await SOAPStore.with { store in
            _ = try await store.call("CreateBucket", "<Bucket>b-ucket</Bucket>")
            var generator = Random(state: 5)
            let grant = Self.grant("CanonicalUser", "<ID>account-BOB</ID>", "READ")
            let originals = [
                SOAPStore.element("ListBucket", "<Bucket>b-ucket</Bucket><Prefix>p</Prefix><MaxKeys>7</MaxKeys>"),
                SOAPStore.element(
                    "PutObjectInline",
                    "<Bucket>b-ucket</Bucket><Key>k</Key><Metadata><Name>a</Name><Value>b</Value></Metadata><Data>aGEt"
                        + "</Data><ContentLength>3</ContentLength><AccessControlList>\(grant)</AccessControlList>"),
                SOAPStore.element("GetObjectExtended", "<Bucket>b-ucket</Bucket><Key>k</Key>\(Self.flags)"),
            ].map { SOAPStore.envelope($0) }
            let pieces = [
                "<a>", "</a>", "<!--", "-->", "<![CDATA[", "]]>", "&amp;", "&#0;", "\0", "\u{1F333}", "<?p?>", "\r\n",
            ]
            for _ in 0..<3000 {
                var message = originals[Int.random(in: 0..<originals.count, using: &generator)]
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let start = Int.random(in: 0..<message.count, using: &generator)
                    let end = min(message.count, start + Int.random(in: 1...60, using: &generator))
                    switch Int.random(in: 0..<4, using: &generator) {
                    case 0: message[start] = UInt8.random(in: 0...255, using: &generator)
                    case 1: message.removeSubrange(start..<end)
                    case 2: message.insert(contentsOf: message[start..<end], at: start)
                    default:
                        message.insert(
                            contentsOf: Array(pieces[Int.random(in: 0..<pieces.count, using: &generator)].utf8),
                            at: start)
                    }
                    if message.isEmpty { message = [0] }
                }
                let answer = try await Answer(store.send(message))
                #expect(answer.fault?.hasPrefix("Server.") != true, "\(String(decoding: message, as: UTF8.self))")
            }
        }
    }
}

/// SplitMix64, so that a failure comes again.
private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
