import CloudModel
import QueryProtocol

/// Reads an identifier that a test wrote down.
func id<Kind>(_ text: String, as kind: Kind.Type = Kind.self) -> Identifier<Kind> {
    guard let id = Identifier<Kind>(text) else { preconditionFailure("\(text) is no \(Kind.prefix) identifier") }
    return id
}

func imageID(_ text: String) -> ImageID {
    guard let id = ImageID(text) else { preconditionFailure("\(text) is no image identifier") }
    return id
}

extension FakeCloud {
    static let smallType = InstanceType(name: "m1.small", cores: 1, memoryMiB: 128, diskGiB: 10, ephemeralGiB: 3)

    static let instance: Instance = {
        var instance = Instance(
            id: id("i-0123456789abcdef0"), reservationID: id("r-0123456789abcdef0"), accountID: accountID,
            launchIndex: 0, imageID: imageID("ami-0123456789abcdef0"), kernelID: imageID("aki-0123456789abcdef0"),
            ramdiskID: imageID("ari-0123456789abcdef0"), architecture: "x86_64", rootDeviceName: "/dev/sda1",
            type: smallType, zone: "us-east-1a", keyName: "my key", publicKey: nil, userData: nil,
            groups: [GroupMembership(id: id("sg-0123456789abcdef0"), name: "default")],
            macAddress: "d0:0d:01:23:45:67", launchTime: time, clientToken: "token-1", isMonitored: true,
            tags: [Tag(key: "Name", value: "<web> & \"db\"")])
        instance.state = .running
        instance.privateAddress = "10.1.2.3"
        instance.publicAddress = "127.1.2.3"
        return instance
    }()

    static let reservation = Reservation(id: instance.reservationID, accountID: accountID, instances: [instance])

    static let image = Image(
        id: imageID("ami-0123456789abcdef0"), accountID: accountID, name: "demo", description: "A small Linux",
        architecture: "x86_64", location: "images/demo.img", format: .qcow2, sizeBytes: 10, virtualSizeBytes: 20,
        sha256: "00", kernelID: imageID("aki-0123456789abcdef0"), isPublic: true, createdAt: time,
        tags: [Tag(key: "os", value: "linux")])

    static let keyPair = KeyPair(
        id: id("key-0123456789abcdef0"), accountID: accountID, name: "my key", type: "rsa",
        fingerprint: "1f:51:ae", publicKey: "ssh-rsa AAAA", createdAt: time, tags: [Tag(key: "k", value: "v")])

    static let group: SecurityGroup = {
        func rule(
            _ number: Int, _ ipProtocol: String, _ from: Int, _ to: Int, _ peer: SecurityGroupRule.Peer,
            egress: Bool = false
        )
            -> SecurityGroupRule
        {
            SecurityGroupRule(
                id: id("sgr-0123456789abcdef\(number)"), isEgress: egress, ipProtocol: ipProtocol, fromPort: from,
                toPort: to, peer: peer, description: number == 0 ? "ssh" : nil)
        }
        return SecurityGroup(
            id: id("sg-0123456789abcdef0"), accountID: accountID, name: "default", description: "default group",
            rules: [
                rule(0, "tcp", 22, 22, .cidr("0.0.0.0/0")), rule(1, "tcp", 22, 22, .cidrV6("::/0")),
                rule(
                    2, "-1", -1, -1,
                    .group(id: id("sg-0123456789abcdef0"), accountID: accountID, name: "default")),
                rule(3, "-1", -1, -1, .cidr("0.0.0.0/0"), egress: true),
            ], tags: [Tag(key: "team", value: "a")])
    }()

    static func zone(nodes: Bool) -> AvailabilityZone {
        AvailabilityZone(
            name: "us-east-1a", region: "us-east-1", isAvailable: true, endpoint: "127.0.0.1:8774",
            slots: [
                AvailabilityZone.Slots(type: smallType, free: 4, maximum: 8),
                AvailabilityZone.Slots(
                    type: InstanceType(name: "c1.xlarge", cores: 16, memoryMiB: 2048, diskGiB: 120), free: 0, maximum: 2
                ),
            ],
            nodes: nodes
                ? [
                    AvailabilityZone.Node(
                        name: "compute-0-0", state: "up", hypervisor: "qemu", lastSeen: time, instanceCount: 2,
                        freeCores: 6, totalCores: 8, freeMemoryMiB: 1024, totalMemoryMiB: 4096, freeDiskGiB: 10,
                        totalDiskGiB: 40)
                ] : [])
    }
}
