import Contracts

/// Values with everything in them, and text that needs care in XML.
enum Samples {
    static let awkward = "<&>\"' é🌳 ]]> \u{9}tab\nline"

    static let artifact = Contract.Artifact(
        artifactId: "ami-0123456789abcdef0", url: "https://walrus:8773/b/k?X-Amz-Signature=a&b=c", format: .qcow2,
        sizeBytes: 5_000_000_000, sha256: "00ff", virtualSizeBytes: .max)

    static let type = Contract.InstanceTypeSpec(
        name: "m1.small", cores: 1, memoryMiB: 128, diskGiB: 2, ephemeralGiB: 0, swapMiB: 64)

    static let spec = Contract.InstanceSpec(
        instanceId: "i-0123456789abcdef0", reservationId: "r-1", accountId: "000000000001", launchIndex: 3,
        launchTime: 1_780_000_000_123, zone: "zone-a", instanceType: type, architecture: "x86_64", image: artifact,
        kernel: artifact, ramdisk: artifact, kernelArguments: awkward, macAddress: "d0:0d:00:00:00:01",
        privateAddress: "127.0.0.9", publicAddress: "127.0.0.9", hostName: "h", keyName: awkward,
        publicKey: "ssh-rsa A",
        userData: Array(0...255),
        group: [.init(groupId: "sg-1", groupName: "default"), .init(groupId: "", groupName: "")],
        metadata: .init(tokensRequired: true, disabled: false)
    )

    static let smallSpec = Contract.InstanceSpec(
        instanceId: "i-1", reservationId: "r-1", accountId: "1", launchIndex: 0, launchTime: 0, zone: "z",
        instanceType: .init(name: "t", cores: 1, memoryMiB: 1, diskGiB: 1), architecture: "i386",
        image: .init(artifactId: "ami-1", url: "http://h/", format: .raw, sizeBytes: 0, sha256: ""), macAddress: "")

    static let report = Contract.InstanceReport(
        instanceId: "i-1", state: .shuttingDown, detail: "fetching",
        reason: .init(code: "Server.InternalError", message: awkward),
        nodeName: "n", generation: .max, stateChangedAt: -1, spec: spec,
        forward: [
            .init(protocol: "tcp", hostPort: 22, guestPort: 22), .init(protocol: "udp", hostPort: 1, guestPort: -1),
        ],
        bundle: .init(
            bundleId: "bun-1", state: .sending, progress: 40,
            reason: .init(code: "Server.InternalError", message: awkward)))

    static let smallReport = Contract.InstanceReport(
        instanceId: "i-1", state: .pending, nodeName: "", generation: 0, stateChangedAt: 0, spec: smallSpec)

    static let node = Contract.NodeDescription(
        nodeName: "compute-0-0", endpoint: "https://10.1.1.1:8775/services/NodeController", state: .draining,
        detail: awkward, hypervisor: "qemu", accelerator: "tcg: no /dev/kvm", architecture: ["i386", "x86_64"],
        resources: .init(
            coresTotal: 2, coresFree: -1, memoryMiBTotal: 3, memoryMiBFree: 4, diskGiBTotal: 5,
            diskGiBFree: Int(Int32.max)), softwareVersion: "1.0", startedAt: 1, lastSeen: 2, instanceCount: 3)

    static let network = Contract.NetworkDocument(
        revision: 7, mode: .managedNovlan,
        securityGroup: [
            .init(
                groupId: "sg-1", accountId: "1", groupName: awkward,
                ingress: [
                    .init(
                        protocol: "tcp", fromPort: 22, toPort: 22, cidr: ["0.0.0.0/0", "::/0"], sourceGroupId: ["sg-2"]),
                    .init(protocol: "-1", fromPort: -1, toPort: -1),
                ]), .init(groupId: "sg-2", accountId: "1", groupName: "empty"),
        ],
        metadata: [.init(instanceId: "i-1", options: .init(tokensRequired: false, disabled: true))])

    static let change = Contract.InstanceStateChange(
        instanceId: "i-1", previousState: .running, currentState: .shuttingDown)

    static let credentials = Contract.InstanceCredentials(
        instanceId: "i-1", lastUpdated: 1_780_000_000_000, profileArn: "arn:aws:iam::1:instance-profile/a/b",
        profileId: "AIPA", roleName: "b", code: "Success", message: awkward, accessKeyId: "ASIA",
        secretAccessKey: "a/b+c", sessionToken: "t==", expiration: 1_780_000_021_600)

    static let fault = ServiceFault(
        code: .insufficientResources, message: awkward, resource: "memory", needed: 512, available: 128)
}
