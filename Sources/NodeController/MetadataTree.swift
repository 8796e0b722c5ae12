// What a guest finds under http://169.254.169.254/, as a pure function from its specification.
//
// Here is the tree (paths, listings, texts); `MetadataService` speaks HTTP around it. The names and their
// spelling are EC2's (user guide, "Instance metadata categories"); all versions show the same tree, as the
// older ones are subsets that their clients do not enumerate. What the cloud has nothing to say about
// (product codes, the role of an instance without a profile) is not there and answers 404, as on EC2.

public import Contracts
import JSON
import Posix

/// The metadata of one instance.
public struct MetadataTree: Sendable {
    /// What a path leads to.
    public enum Answer: Sendable, Equatable {
        /// A value or a listing, `text/plain`.
        case text(String)
        /// User data, `application/octet-stream`.
        case bytes([UInt8])
        /// Nothing: 404.
        case notFound
    }

    /// The version prefixes that are understood, as `GET /` lists them.
    public static let versions = [
        "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
        "2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20",
        "2016-04-19", "2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01",
        "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "latest",
    ]

    private let spec: Contract.InstanceSpec
    private let region: String
    private let diskPrefix: String
    /// What the instance is to find of its instance profile; nil if it has none.
    var credentials: Contract.InstanceCredentials?

    /// The metadata of an instance.
    /// - Parameters:
    ///   - region: the region's name; nil derives it from the zone as EC2 names them.
    ///   - diskPrefix: what Linux in the guest calls its disks, without their letters.
    public init(_ spec: Contract.InstanceSpec, region: String? = nil, diskPrefix: String = "vd") {
        self.diskPrefix = diskPrefix
        self.spec = spec
        self.region = region ?? MetadataTree.region(ofZone: spec.zone)
    }

    /// Answers for the path of a request (without query); percent-encoding is undone, empty segments are skipped.
    public func answer(path: String) -> Answer {
        guard var segments = MetadataTree.segments(of: path) else { return .notFound }
        if segments.isEmpty { return .text(MetadataTree.listing(MetadataTree.versions)) }
        guard MetadataTree.versions.contains(segments.removeFirst()) else { return .notFound }
        guard let section = segments.first else {
            return .text(MetadataTree.listing(["dynamic", "meta-data"] + (userData == nil ? [] : ["user-data"])))
        }
        segments.removeFirst()
        switch section {
        case "user-data":
            guard segments.isEmpty, let userData else { return .notFound }
            return .bytes(userData)
        case "meta-data": return MetadataTree.find(metaData, segments)
        case "dynamic": return MetadataTree.find(dynamic, segments)
        default: return .notFound
        }
    }

    /// EC2's name of the region that a zone is in: the zone without its letter.
    public static func region(ofZone zone: String) -> String {
        let bytes = Array(zone.utf8)
        guard bytes.count >= 2, (0x61...0x7A).contains(bytes[bytes.count - 1]),
            (0x30...0x39).contains(bytes[bytes.count - 2])
        else { return zone }
        return String(decoding: bytes.dropLast(), as: UTF8.self)
    }

    // MARK: The tree

    /// A value or a directory; `shown` is how a listing prints an entry if that is not its name.
    private indirect enum Node {
        case value(String)
        case directory([Entry])
    }

    private struct Entry {
        var name: String
        var shown: String?
        var node: Node

        init(_ name: String, _ value: String) {
            self.name = name
            node = .value(value)
        }

        init(_ name: String, shown: String? = nil, _ entries: [Entry]) {
            self.name = name
            self.shown = shown
            node = .directory(entries)
        }
    }

    private var userData: [UInt8]? {
        guard let data = spec.userData, !data.isEmpty else { return nil }
        return data
    }

    private var privateAddress: String { spec.privateAddress ?? spec.publicAddress ?? "" }
    private var publicAddress: String { spec.publicAddress ?? privateAddress }

    private var hostName: String {
        if let name = spec.hostName, !name.isEmpty { return name }
        var name = "ip-"
        for character in privateAddress { name += character == "." ? "-" : String(character) }
        return name
    }

    private var domain: String {
        guard let dot = hostName.firstIndex(of: ".") else { return "internal" }
        let rest = hostName[hostName.index(after: dot)...]
        return rest.isEmpty ? "internal" : String(rest)
    }

    private var groupNames: String {
        var names: [String] = []
        for group in spec.group { names.append(group.groupName) }
        return MetadataTree.listing(names)
    }

    private var groupIds: String {
        var ids: [String] = []
        for group in spec.group { ids.append(group.groupId) }
        return MetadataTree.listing(ids)
    }

    /// In the alphabetical order of EC2's listing.
    private var metaData: [Entry] {
        var entries: [Entry] = [
            Entry("ami-id", spec.image.artifactId),
            Entry("ami-launch-index", String(spec.launchIndex)),
            // The contract carries no manifest; this is EC2's own word for images without one.
            Entry("ami-manifest-path", "(unknown)"),
            Entry("block-device-mapping", blockDevices),
            Entry("hostname", hostName),
        ]
        if let credentials, let profile = credentials.profileArn { entries.append(iam(credentials, profile)) }
        entries.append(Entry("instance-action", "none"))
        entries.append(Entry("instance-id", spec.instanceId))
        entries.append(Entry("instance-type", spec.instanceType.name))
        if let kernel = spec.kernel { entries.append(Entry("kernel-id", kernel.artifactId)) }
        entries.append(Entry("local-hostname", hostName))
        entries.append(Entry("local-ipv4", privateAddress))
        entries.append(Entry("mac", spec.macAddress))
        entries.append(Entry("network", [Entry("interfaces", [Entry("macs", [Entry(spec.macAddress, interface)])])]))
        entries.append(
            Entry("placement", [Entry("availability-zone", spec.zone), Entry("region", region)]))
        entries.append(Entry("public-hostname", hostName))
        entries.append(Entry("public-ipv4", publicAddress))
        if let key = spec.publicKey, !key.isEmpty {
            let name = spec.keyName ?? "key"
            entries.append(
                Entry("public-keys", [Entry("0", shown: "0=" + name, [Entry("openssh-key", key)])]))
        }
        if let ramdisk = spec.ramdisk { entries.append(Entry("ramdisk-id", ramdisk.artifactId)) }
        entries.append(Entry("reservation-id", spec.reservationId))
        entries.append(Entry("security-groups", groupNames))
        entries.append(Entry("services", [Entry("domain", domain), Entry("partition", "aws")]))
        return entries
    }

    /// The documents of the instance profile, with EC2's keys in EC2's order (EC2 User Guide, "Use IAM roles with
    /// Amazon EC2"). A role that the instance may not have is there, with the reason.
    private func iam(_ credentials: Contract.InstanceCredentials, _ profile: String) -> Entry {
        func time(_ time: Milliseconds?) -> JSONValue { .string(time.map { MetadataTree.seconds($0) } ?? "") }
        let info = JSONValue.members(
            ("Code", .string("Success")), ("LastUpdated", time(credentials.lastUpdated)),
            ("InstanceProfileArn", .string(profile)), ("InstanceProfileId", .string(credentials.profileId ?? "")))
        var entries = [Entry("info", info.indented)]
        if let role = credentials.roleName {
            let document: JSONValue
            if let key = credentials.accessKeyId {
                document = .members(
                    ("Code", .string(credentials.code ?? "Success")), ("LastUpdated", time(credentials.lastUpdated)),
                    ("Type", .string("AWS-HMAC")), ("AccessKeyId", .string(key)),
                    ("SecretAccessKey", .string(credentials.secretAccessKey ?? "")),
                    ("Token", .string(credentials.sessionToken ?? "")), ("Expiration", time(credentials.expiration)))
            } else {
                document = .members(
                    ("Code", .string(credentials.code ?? "")), ("Message", .string(credentials.message ?? "")),
                    ("LastUpdated", time(credentials.lastUpdated)))
            }
            entries.append(Entry("security-credentials", [Entry(role, document.indented)]))
        }
        return Entry("iam", entries)
    }

    /// The disks in the order in which the node attaches them: root, ephemeral, swap.
    private var blockDevices: [Entry] {
        var entries = [Entry("ami", diskPrefix + "a")]
        var letter: UInt8 = 0x62
        if (spec.instanceType.ephemeralGiB ?? 0) > 0 {
            entries.append(Entry("ephemeral0", diskPrefix + String(decoding: [letter], as: UTF8.self)))
            letter += 1
        }
        entries.append(Entry("root", "/dev/\(diskPrefix)a"))
        if (spec.instanceType.swapMiB ?? 0) > 0 {
            entries.append(Entry("swap", diskPrefix + String(decoding: [letter], as: UTF8.self)))
        }
        return entries
    }

    private var interface: [Entry] {
        [
            Entry("device-number", "0"),
            Entry("local-hostname", hostName),
            Entry("local-ipv4s", privateAddress),
            Entry("mac", spec.macAddress),
            Entry("owner-id", spec.accountId),
            Entry("public-hostname", hostName),
            Entry("public-ipv4s", publicAddress),
            Entry("security-group-ids", groupIds),
            Entry("security-groups", groupNames),
        ]
    }

    private var dynamic: [Entry] {
        [Entry("instance-identity", [Entry("document", identityDocument)])]
    }

    /// The instance identity document, with EC2's keys in EC2's order (version 2017-09-30).
    private var identityDocument: String {
        func text(_ value: String?) -> JSONValue {
            guard let value else { return .null }
            return .string(value)
        }
        return JSONValue.members(
            ("accountId", .string(spec.accountId)),
            ("architecture", .string(spec.architecture)),
            ("availabilityZone", .string(spec.zone)),
            ("billingProducts", .null),
            ("devpayProductCodes", .null),
            ("imageId", .string(spec.image.artifactId)),
            ("instanceId", .string(spec.instanceId)),
            ("instanceType", .string(spec.instanceType.name)),
            ("kernelId", text(spec.kernel?.artifactId)),
            ("marketplaceProductCodes", .null),
            ("pendingTime", .string(MetadataTree.seconds(spec.launchTime))),
            ("privateIp", .string(privateAddress)),
            ("ramdiskId", text(spec.ramdisk?.artifactId)),
            ("region", .string(region)),
            ("version", .string("2017-09-30"))
        ).indented
    }

    /// EC2 writes this date without a fraction.
    private static func seconds(_ time: Milliseconds) -> String {
        String(Timestamp.format(time).dropLast(5)) + "Z"
    }

    // MARK: Walking

    private static func find(_ entries: [Entry], _ path: [String]) -> Answer {
        var entries = entries
        for (index, segment) in path.enumerated() {
            guard let entry = entries.first(where: { $0.name == segment }) else { return .notFound }
            switch entry.node {
            case .value(let text): return index + 1 == path.count ? .text(text) : .notFound
            case .directory(let inner): entries = inner
            }
        }
        var names: [String] = []
        for entry in entries {
            if let shown = entry.shown {
                names.append(shown)
                continue
            }
            switch entry.node {
            case .value: names.append(entry.name)
            case .directory: names.append(entry.name + "/")
            }
        }
        return .text(listing(names))
    }

    /// One name per line and no line end after the last, as EC2 prints it.
    private static func listing(_ names: [String]) -> String {
        var text = ""
        for (index, name) in names.enumerated() {
            if index > 0 { text += "\n" }
            text += name
        }
        return text
    }

    /// Splits a path and undoes percent-encoding; nil if it is malformed.
    private static func segments(of path: String) -> [String]? {
        var result: [String] = []
        var current: [UInt8] = []
        let bytes = Array(path.utf8)
        guard bytes.first == UInt8(ascii: "/") else { return nil }
        var index = 1
        while index <= bytes.count {
            if index == bytes.count || bytes[index] == UInt8(ascii: "/") {
                if !current.isEmpty {
                    guard let segment = String(validating: current, as: UTF8.self) else { return nil }
                    result.append(segment)
                }
                current = []
            } else if bytes[index] == UInt8(ascii: "%") {
                guard index + 2 < bytes.count, let high = Hex.value(bytes[index + 1]),
                    let low = Hex.value(bytes[index + 2])
                else { return nil }
                current.append(high << 4 | low)
                index += 2
            } else {
                current.append(bytes[index])
            }
            index += 1
        }
        return result
    }
}
