import Contracts
import JSON
import Posix
import Testing

@testable import NodeController

struct MetadataTests {
    private func spec() -> Contract.InstanceSpec {
        var spec = Fixture.spec(
            type: Contract.InstanceTypeSpec(
                name: "m1.large", cores: 1, memoryMiB: 64, diskGiB: 1, ephemeralGiB: 1, swapMiB: 64),
            groups: ["sg-1", "sg-2"])
        spec.kernel = Fixture.artifact("aki-1", [1], "http://x/k")
        spec.ramdisk = Fixture.artifact("ari-1", [2], "http://x/r")
        spec.userData = [0, 255, 10, 0]
        return spec
    }

    /// Everything under a path, as "path: value" lines in the order of the listings.
    private func walk(_ tree: MetadataTree, _ path: String) -> [String] {
        guard case .text(let listing) = tree.answer(path: path) else { return ["\(path): NOT FOUND"] }
        var lines: [String] = []
        for entry in listing.split(separator: "\n") {
            let name = entry.split(separator: "=")[0]
            if entry.hasSuffix("/") || entry.contains("=") {
                lines += walk(tree, path + name + (entry.hasSuffix("/") ? "" : "/"))
            } else if case .text(let value) = tree.answer(path: path + name) {
                lines.append(path + name + ": " + value.split(separator: "\n").joined(separator: "|"))
            } else {
                lines.append("\(path)\(name): NOT FOUND")
            }
        }
        return lines
    }

    @Test func `the tree of meta-data is EC2's`() {
        let mac = "/latest/meta-data/network/interfaces/macs/d0:0d:00:00:00:05/"
        let golden = """
            /latest/meta-data/ami-id: ami-1
            /latest/meta-data/ami-launch-index: 2
            /latest/meta-data/ami-manifest-path: (unknown)
            /latest/meta-data/block-device-mapping/ami: vda
            /latest/meta-data/block-device-mapping/ephemeral0: vdb
            /latest/meta-data/block-device-mapping/root: /dev/vda
            /latest/meta-data/block-device-mapping/swap: vdc
            /latest/meta-data/hostname: ip-127-1-0-5.internal
            /latest/meta-data/instance-action: none
            /latest/meta-data/instance-id: i-0123456789abcdef0
            /latest/meta-data/instance-type: m1.large
            /latest/meta-data/kernel-id: aki-1
            /latest/meta-data/local-hostname: ip-127-1-0-5.internal
            /latest/meta-data/local-ipv4: 127.1.0.5
            /latest/meta-data/mac: d0:0d:00:00:00:05
            \(mac)device-number: 0
            \(mac)local-hostname: ip-127-1-0-5.internal
            \(mac)local-ipv4s: 127.1.0.5
            \(mac)mac: d0:0d:00:00:00:05
            \(mac)owner-id: 000000000001
            \(mac)public-hostname: ip-127-1-0-5.internal
            \(mac)public-ipv4s: 127.1.0.5
            \(mac)security-group-ids: sg-1|sg-2
            \(mac)security-groups: name-of-sg-1|name-of-sg-2
            /latest/meta-data/placement/availability-zone: local-1a
            /latest/meta-data/placement/region: local-1
            /latest/meta-data/public-hostname: ip-127-1-0-5.internal
            /latest/meta-data/public-ipv4: 127.1.0.5
            /latest/meta-data/public-keys/0/openssh-key: ssh-ed25519 AAAA me
            /latest/meta-data/ramdisk-id: ari-1
            /latest/meta-data/reservation-id: r-0123456789abcdef0
            /latest/meta-data/security-groups: name-of-sg-1|name-of-sg-2
            /latest/meta-data/services/domain: internal
            /latest/meta-data/services/partition: aws
            """
        #expect(walk(MetadataTree(spec()), "/latest/meta-data/").joined(separator: "\n") == golden)
    }

    @Test func `listings have slashes where EC2 prints them and no last line end`() {
        let tree = MetadataTree(spec())
        #expect(tree.answer(path: "/latest/") == .text("dynamic\nmeta-data\nuser-data"))
        #expect(tree.answer(path: "/latest/dynamic/") == .text("instance-identity/"))
        #expect(tree.answer(path: "/latest/meta-data/public-keys/") == .text("0=my-key"))
        #expect(tree.answer(path: "/latest/meta-data/public-keys/0") == .text("openssh-key"))
        #expect(tree.answer(path: "/latest/meta-data/network/interfaces/macs/") == .text("d0:0d:00:00:00:05/"))
        guard case .text(let versions) = tree.answer(path: "/") else {
            Issue.record("no list of versions")
            return
        }
        #expect(versions.hasPrefix("1.0\n2007-01-19\n"))
        #expect(versions.hasSuffix("2021-07-15\nlatest"))
    }

    @Test func `every version shows the same`() {
        let tree = MetadataTree(spec())
        for version in MetadataTree.versions {
            #expect(tree.answer(path: "/\(version)/meta-data/instance-id") == .text("i-0123456789abcdef0"))
        }
        #expect(tree.answer(path: "/2000-01-01/meta-data/instance-id") == .notFound)
    }

    @Test func `paths are understood as clients write them`() {
        let tree = MetadataTree(spec())
        let mac = MetadataTree.Answer.text("d0:0d:00:00:00:05")
        #expect(tree.answer(path: "/latest/meta-data/network/interfaces/macs/d0%3a0d%3A00:00:00:05/mac") == mac)
        #expect(tree.answer(path: "/latest//meta-data/mac/") == mac)
        for path in [
            "", "latest", "/latest/meta-data/mac/x", "/latest/meta-data/%", "/latest/meta-data/%zz", "/..", "/%ff",
        ] {
            #expect(tree.answer(path: path) == .notFound, "\(path)")
        }
    }

    @Test func `disks have the names that the guest gives them`() {
        let tree = MetadataTree(spec(), diskPrefix: "xvd")
        for (name, device) in [("ami", "xvda"), ("root", "/dev/xvda"), ("ephemeral0", "xvdb"), ("swap", "xvdc")] {
            #expect(tree.answer(path: "/latest/meta-data/block-device-mapping/" + name) == .text(device))
        }
    }

    @Test func `what is not there is not listed`() {
        var bare = spec()
        bare.kernel = nil
        bare.ramdisk = nil
        bare.publicKey = nil
        bare.userData = nil
        bare.instanceType.ephemeralGiB = nil
        let tree = MetadataTree(bare)
        #expect(tree.answer(path: "/latest") == .text("dynamic\nmeta-data"))
        for name in [
            "kernel-id", "ramdisk-id", "public-keys/", "block-device-mapping/ephemeral0", "iam/", "product-codes",
        ] {
            #expect(tree.answer(path: "/latest/meta-data/" + name) == .notFound, "\(name)")
        }
        #expect(tree.answer(path: "/latest/meta-data/block-device-mapping/swap") == .text("vdb"))
        #expect(tree.answer(path: "/latest/user-data") == .notFound)
    }

    @Test func `user data comes byte for byte`() {
        #expect(MetadataTree(spec()).answer(path: "/latest/user-data") == .bytes([0, 255, 10, 0]))
    }

    @Test func `the identity document has EC2's keys`() {
        guard
            case .text(let text) = MetadataTree(spec(), region: "here").answer(
                path: "/latest/dynamic/instance-identity/document")
        else {
            Issue.record("no document")
            return
        }
        for line in [
            "\"accountId\"", "000000000001", "\"availabilityZone\"", "local-1a", "\"instanceId\"",
            "i-0123456789abcdef0",
            "\"kernelId\"", "aki-1", "\"pendingTime\"", "2026-03-01T09:05:07Z", "\"privateIp\"", "127.1.0.5",
            "\"region\"",
            "here", "\"version\"", "2017-09-30", "null",
        ] {
            #expect(text.contains(line), "\(line)")
        }
    }

    @Test func `regions are zones without their letter`() {
        for (zone, region) in [
            ("us-east-1a", "us-east-1"), ("zone", "zone"), ("a", "a"), ("", ""), ("rack-12", "rack-12"),
        ] {
            #expect(MetadataTree.region(ofZone: zone) == region)
        }
    }

    @Test func `no path whatever breaks the tree`() {
        let tree = MetadataTree(spec())
        var generator = SeededGenerator(seed: 3)
        let pieces = [
            "/", "latest", "meta-data", "%", "%2f", "..", "\u{0}", "é", "public-keys", "0", "=", "macs", "1.0", " ",
        ]
        for _ in 0..<20_000 {
            var path = "/"
            for _ in 0..<Int.random(in: 0...10, using: &generator) {
                path += pieces.randomElement(using: &generator) ?? ""
            }
            if case .text(let text) = tree.answer(path: path) { #expect(!text.isEmpty) }
        }
    }
}

struct GuestCredentialsTests {
    private static func credentials(_ time: Int64, key: String? = "ASIA") -> Contract.InstanceCredentials {
        var credentials = Contract.InstanceCredentials(
            instanceId: Fixture.id(1), lastUpdated: time,
            profileArn: "arn:aws:iam::000000000001:instance-profile/p/web",
            profileId: "AIPA1", roleName: "reader", code: "Success", accessKeyId: key, secretAccessKey: "s/+\"",
            sessionToken: "t==", expiration: time + 21_600_000)
        if key == nil {
            credentials.code = "AssumeRoleUnauthorizedAccess"
            credentials.message = "EC2 cannot assume the role reader."
        }
        return credentials
    }

    private func get(_ service: MetadataService, _ path: String) -> String? {
        let answer = service.respond(.init(method: "GET", target: "/latest/meta-data/" + path), now: 0)
        return answer.status == 200 ? String(decoding: answer.body, as: UTF8.self) : nil
    }

    @Test func `a guest reads the credentials of its profile's role, and none without a profile`() throws {
        let credentials = GuestCredentials()
        let service = MetadataService(Fixture.spec(), credentials: credentials)
        #expect(get(service, "iam/info") == nil)
        #expect(get(service, "")?.contains("iam/") == false)
        credentials.take(Self.credentials(1_772_355_907_250))
        #expect(get(service, "")?.contains("hostname\niam/\ninstance-action") == true)
        #expect(get(service, "iam/") == "info\nsecurity-credentials/")
        #expect(get(service, "iam/security-credentials/") == "reader")
        let info = try #require(get(service, "iam/info").flatMap { try? JSONValue.parse($0) })
        #expect(info["Code"]?.text == "Success")
        #expect(info["LastUpdated"]?.text == "2026-03-01T09:05:07Z")
        #expect(info["InstanceProfileArn"]?.text == "arn:aws:iam::000000000001:instance-profile/p/web")
        #expect(info["InstanceProfileId"]?.text == "AIPA1")
        let document = try #require(
            get(service, "iam/security-credentials/reader").flatMap { try? JSONValue.parse($0) })
        #expect(
            document.objectMembers?.map(\.name) == [
                "Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey", "Token", "Expiration",
            ])
        #expect(document["SecretAccessKey"]?.text == "s/+\"" && document["Token"]?.text == "t==")
        #expect(document["Expiration"]?.text == "2026-03-01T15:05:07Z" && document["Type"]?.text == "AWS-HMAC")
        // A role that may not be taken on is there, with the reason.
        credentials.take(Self.credentials(2, key: nil))
        let refused = try #require(get(service, "iam/security-credentials/reader").flatMap { try? JSONValue.parse($0) })
        #expect(refused["Code"]?.text == "AssumeRoleUnauthorizedAccess" && refused["SecretAccessKey"] == nil)
        credentials.take(Contract.InstanceCredentials(instanceId: Fixture.id(1), lastUpdated: 3))
        #expect(get(service, "iam/") == nil)
    }

    @Test func `an instance's options want tokens, or nothing at all, and can change`() {
        var spec = Fixture.spec()
        spec.metadata = Contract.MetadataOptions(tokensRequired: true, disabled: false)
        let options = GuestMetadataOptions(spec.metadata)
        let service = MetadataService(spec, options: options)
        func status(_ token: String?) -> Int {
            service.respond(.init(method: "GET", target: "/latest/meta-data/instance-id", token: token), now: 0).status
        }
        func newToken() -> MetadataService.Response {
            service.respond(.init(method: "PUT", target: "/latest/api/token", tokenSeconds: "60"), now: 0)
        }
        let token = String(decoding: newToken().body, as: UTF8.self)
        #expect(status(nil) == 401)
        #expect(status("wrong") == 401)
        #expect(status(token) == 200)
        options.take(Contract.MetadataOptions(tokensRequired: true, disabled: true))
        #expect(status(token) == 403)
        #expect(newToken().status == 403)
        options.take(Contract.MetadataOptions(tokensRequired: false, disabled: false))
        #expect(status(nil) == 200)
        #expect(status("wrong") == 401)
    }

    @Test func `a message that comes late takes nothing back, but a clock may be set`() {
        let credentials = GuestCredentials(Self.credentials(10_000_000))
        #expect(!credentials.isNews(Self.credentials(9_999_999)))
        #expect(credentials.isNews(Self.credentials(10_000_000)))
        #expect(credentials.isNews(Self.credentials(10_000_000 - 3_600_000)))
    }

    @Test func `a node keeps them over a restart, for its owner's eyes only, until the instance ends`() throws {
        let host = try TestHost()
        var node = try host.boot()
        let id = Fixture.id(1)
        _ = try node.client.run(Fixture.spec(id))
        node.waitFor(.running, id)
        let credentials = Self.credentials(1_772_355_907_250)
        #expect(try node.client.setInstanceCredentials(.init(credentials: credentials)).instanceId == id)
        let path = FileSystem.join(try #require(node.records.directory(of: id)), "credentials")
        #expect(try FileSystem.status(path).permissions == 0o600)
        node.stop()
        node = try host.boot()
        defer { node.stop() }
        node.waitFor(.running, id)
        #expect(try node.records.load().credentials == [id: credentials])
        let error = #expect(throws: ServiceFault.self) {
            try node.client.setInstanceCredentials(
                .init(credentials: .init(instanceId: Fixture.id(2), lastUpdated: 0)))
        }
        #expect(error?.code == .notFound)
        _ = try node.client.terminate(id)
        node.waitFor(.terminated, id)
        #expect(!FileSystem.exists(path))
        _ = try node.client.setInstanceCredentials(.init(credentials: credentials))
        #expect(!FileSystem.exists(path))
    }

    @Test func `a damaged file is reported, and the instance lives`() throws {
        let host = try TestHost()
        var node = try host.boot()
        let id = Fixture.id(1)
        _ = try node.client.run(Fixture.spec(id))
        node.waitFor(.running, id)
        _ = try node.client.setInstanceCredentials(.init(credentials: Self.credentials(1)))
        let path = FileSystem.join(try #require(node.records.directory(of: id)), "credentials")
        node.stop()
        for damage in ["", "<credentials-record version=\"1\"/>", "<x/>", "\0\0"] {
            try FileSystem.write(path, text: damage)
            node = try host.boot()
            node.waitFor(.running, id)
            #expect(try node.records.load().problems.count == 1, "\(damage)")
            node.stop()
        }
    }
}

struct MetadataServiceTests {
    private let service = MetadataService(Fixture.spec())
    private let path = "/latest/meta-data/instance-id"

    private func get(_ token: String? = nil, now: Int64 = 0) -> Int {
        service.respond(.init(method: "GET", target: path, token: token), now: now).status
    }

    private func put(_ seconds: String?, forwarded: Bool = false, now: Int64 = 0) -> MetadataService.Response {
        service.respond(
            .init(method: "PUT", target: "/latest/api/token", tokenSeconds: seconds, isForwarded: forwarded), now: now)
    }

    @Test func `version 1 needs no token`() { #expect(get() == 200) }

    @Test func `a token is good for its time and no longer`() {
        let answer = put("60")
        #expect(answer.status == 200)
        #expect(answer.headers == [.init(name: "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", value: "60")])
        let token = String(decoding: answer.body, as: UTF8.self)
        #expect(get(token, now: 59_999) == 200)
        #expect(get(token, now: 60_000) == 401)
    }

    @Test func `a token that was never given is refused`() {
        #expect(get("AQAEAA==") == 401)
        #expect(get("") == 401)
    }

    @Test func `the life of a token is checked`() {
        for bad in [nil, "", "0", "-1", "21601", "x", "1.5", "99999999999999999999"] {
            #expect(put(bad).status == 400, "\(bad ?? "nil")")
        }
        #expect(put("1").status == 200)
        #expect(put("21600").status == 200)
    }

    @Test func `forwarded requests get no token`() { #expect(put("60", forwarded: true).status == 403) }

    @Test func `other methods are refused`() {
        for method in ["POST", "DELETE", "PUT"] {
            #expect(service.respond(.init(method: method, target: path), now: 0).status == 405)
        }
        #expect(service.respond(.init(method: "GET", target: "/latest/api/token"), now: 0).status == 405)
    }

    @Test func `what is not there is EC2's page`() {
        let answer = service.respond(.init(method: "GET", target: "/latest/user-data?x=1"), now: 0)
        #expect(answer.status == 404)
        #expect(answer.contentType == "text/html")
        #expect(String(decoding: answer.body, as: UTF8.self).contains("<title>404 - Not Found</title>"))
    }

    @Test func `a query does not matter and HEAD has no body`() {
        let answer = service.respond(.init(method: "HEAD", target: path + "?a=b"), now: 0)
        #expect(answer.status == 200)
        #expect(answer.body.isEmpty)
    }

    @Test func `tokens do not fill the memory`() {
        let first = String(decoding: put("60").body, as: UTF8.self)
        for _ in 0..<MetadataService.mostTokens { _ = put("60") }
        #expect(get(first) == 401)
    }
}
