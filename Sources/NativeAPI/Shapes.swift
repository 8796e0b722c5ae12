import CloudModel
import JSON

/// The forms of answers and requests, by name, and the records written in them.
enum Shapes {
    static let components: [String: Schema] = [
        "Problem": .object([
            .required("type", .text(), "urn:mallee:problem: and the code."),
            .required("title", .text(), "The same for every problem of one code."),
            .required("status", .integer(400...599), "The HTTP status."),
            .required("code", .text(), "Stable: programs may compare it."),
            .required("detail", .text(), "The cause."), .optional("cure", .text(), "What helps."),
            .required("requestId", .text(), "The request's id."),
            .optional("errors", .array(.named("Violation")), "What is wrong with the request, one by one."),
        ]),
        "Violation": .object([
            .required(
                "pointer", .text(),
                "JSON Pointer into the body, or query/ or header/ and a parameter's name; empty for the whole body."),
            .required("detail", .text(), "What it must be."),
        ]),
        "Tags": .map(.text(0...255), 0...50),
        "Status": status, "Zone": zone, "InstanceType": type, "Instance": instance, "Image": image,
        "KeyPair": keyPair, "SecurityGroup": group, "SecurityGroupRule": rule, "Use": use, "Quota": quota,
        "Holdings": holdings, "Lease": lease, "Transition": transition,
        "TypeFigures": .object(typeFigures),
        "RunInstances": runInstances, "RegisterImage": registerImage, "MakeKeyPair": makeKeyPair,
        "MakeSecurityGroup": makeGroup, "MakeSecurityGroupRule": makeRule,
    ]

    /// A page of items.
    static func page(_ name: String) -> Schema {
        .object([
            .required("items", .array(.named(name)), "In a stable order."),
            .required("nextCursor", .nullable(.text()), "For the next page; null at the end."),
        ])
    }

    static func page<Element>(_ page: Page<Element>, _ write: (Element) -> JSONValue) -> JSONValue {
        .members(
            ("items", .array(page.items.map(write))), ("nextCursor", page.nextToken.map { .string($0) } ?? .null))
    }

    // MARK: Answers

    private static let states = InstanceState.allCases.map(\.rawValue)
    private static let text = Schema.text()
    private static let tags = Schema.named("Tags")

    private static let status = Schema.object([
        .required("region", text, "The cloud's region."),
        .required("endpoint", text, "Host and port of the EC2 interface."),
        .required("accountId", text, "The caller's account."), .required("userName", text, "The caller."),
        .required("isAdministrator", .boolean, "Whether the caller administers the cloud."),
        .required("availableZones", .count, "Zones whose cluster controllers answer."),
        .required("zones", .count, "All zones."),
        .required("instances", .map(.count), "The account's instances by state."),
    ])
    private static let zone = Schema.object([
        .required("name", text, "Region and letter."), .required("region", text, "The region."),
        .required("isAvailable", .boolean, "Whether its cluster controller answers."),
        .required("message", .nullable(text), "Why not."),
        .required(
            "slots",
            .array(
                .object([
                    .required("type", text, "Name of an instance type."),
                    .required("free", .count, "Instances that can be started now."),
                    .required("maximum", .count, "Instances that the empty zone could hold."),
                ])), "Room by type."),
        .required(
            "nodes",
            .array(
                .object([
                    .required("name", text, "The node."), .required("state", text, "Such as up or draining."),
                    .required("hypervisor", text, "What it runs guests with."),
                    .required("lastSeen", .nullable(.moment), "When it was last heard of."),
                    .required("instances", .count, "Instances on it."), .required("cores", pair, "Cores."),
                    .required("memoryMiB", pair, "Memory."), .required("diskGiB", pair, "Disk."),
                ])), "Its nodes; only administrators see them."),
    ])
    private static let pair = Schema.object([
        .required("free", .integer(.min ... .max), "What is free."), .required("total", .count, "All."),
    ])
    private static let typeFigures: [Schema.Field] = [
        .required("cores", .integer(1...1024), "Virtual CPUs."),
        .required("memoryMiB", .integer(1...16_777_216), "Memory in MiB."),
        .required("diskGiB", .integer(1...65_536), "Root disk in GiB."),
        .optional("ephemeralGiB", .integer(0...65_536), "Second, empty disk in GiB."),
        .optional("swapMiB", .integer(0...16_777_216), "Swap disk in MiB."),
    ]
    private static let type = Schema.object([.required("name", text, "Such as m1.small.")] + typeFigures)
    private static let lease = Schema.object([
        .required("endsAt", .moment, "When the instance is terminated."),
        .required("latest", .moment, "The latest moment to which its owner can put that off."),
    ])
    private static let instance = Schema.object([
        .required("id", text, "Its identifier."), .required("reservationId", text, "The request that launched it."),
        .required("accountId", text, "Its owner."), .required("state", .choice(states), "Its state."),
        .required(
            "stateReason",
            .nullable(
                .object([.required("code", text, "EC2's code."), .required("message", text, "For people.")])),
            "Why it is in its state."),
        .required("imageId", text, "What it was launched from."), .required("type", text, "Its type."),
        .required("zone", text, "Its zone; of one that waits, the zone that is likely."),
        .required("node", .nullable(text), "The node that it is on; only administrators see it."),
        .required(
            "machine", .nullable(text),
            "What it runs on: xen-pv, xen-pvh, xen-hvm, kvm, qemu (emulation) or simulated; null before its start."),
        .required("architecture", text, "i386 or x86_64."),
        .required("keyPair", .nullable(text), "Name of its key pair."),
        .required("securityGroups", .array(text), "Ids of its groups."),
        .required("privateAddress", .nullable(text), "Its private IPv4 address."),
        .required("publicAddress", .nullable(text), "Its public IPv4 address."),
        .required("launchedAt", .moment, "When it was asked for."),
        .required("isWaiting", .boolean, "Whether it waits for room by the service level agreement."),
        .required("lease", .nullable(.named("Lease")), "Until when it may run."),
        .required("isProtected", .boolean, "Whether termination is refused."), .required("tags", tags, "Its tags."),
    ])
    private static let transition = Schema.object([
        .required("id", text, "The instance."), .required("previousState", .choice(states), "Before."),
        .required("state", .choice(states), "Now."),
    ])
    private static let image = Schema.object([
        .required("id", text, "Its identifier."), .required("accountId", text, "Its owner."),
        .required("name", text, "Its name."), .required("description", .nullable(text), "Free text."),
        .required("kind", .choice(Image.Kind.allCases.map(\.rawValue)), "What it can be used as."),
        .required("architecture", text, "i386 or x86_64."),
        .required("location", text, "Bucket and key of its bytes."), .required("state", text, "Its state."),
        .required("sizeBytes", .count, "Size of the object."),
        .required("virtualSizeBytes", .count, "Size of the disk that a guest sees."),
        .required("isPublic", .boolean, "Whether every account may launch it."),
        .required("createdAt", .moment, "When it was registered."), .required("tags", tags, "Its tags."),
    ])
    private static let keyPair = Schema.object([
        .required("id", text, "Its identifier."), .required("name", text, "Its name."),
        .required("type", text, "rsa or ed25519."), .required("fingerprint", text, "As EC2 computes it."),
        .required("createdAt", .moment, "When it was made."), .required("tags", tags, "Its tags."),
        .optional("privateKey", text, "PEM; only in the answer that made it, and not kept."),
    ])
    private static let rule = Schema.object([
        .required("id", text, "Its identifier."),
        .required("direction", .choice(["ingress", "egress"]), "Into or out of the instances."),
        .required("protocol", text, "tcp, udp, icmp, a number, or -1 for all."),
        .required("fromPort", .integer(-1...65_535), "First port or ICMP type; -1 for all."),
        .required("toPort", .integer(-1...65_535), "Last port or ICMP code; -1 for all."),
        .required("peer", text, "A block of addresses, or a group's id."),
        .required("description", .nullable(text), "Free text."),
    ])
    private static let group = Schema.object([
        .required("id", text, "Its identifier."), .required("accountId", text, "Its owner."),
        .required("name", text, "Its name."), .required("description", text, "Free text."),
        .required("rules", .array(.named("SecurityGroupRule")), "What it lets through."),
        .required("tags", tags, "Its tags."),
    ])
    private static let use = Schema.object([
        .required("instances", .count, "Instances that are not terminated."),
        .required("cores", .count, "Their virtual CPUs."), .required("memoryMiB", .count, "Their memory."),
        .required("diskGiB", .count, "Their disks."),
    ])
    private static let quota = Schema.object([
        .required("instances", .nullable(.count), "Null for no limit."),
        .required("cores", .nullable(.count), "Null for no limit."),
        .required("memoryMiB", .nullable(.count), "Null for no limit."),
    ])
    private static let holdings = Schema.object([
        .required("accountId", text, "The account."), .required("accountName", text, "Its name."),
        .required("use", .named("Use"), "What it holds together."),
        .required("quota", .named("Quota"), "What it may hold."),
        .required("usage", .nullable(.number), "Decayed use in weighted core-seconds, under fair share."),
        .required("share", .nullable(.number), "Its share, under fair share."),
        .required(
            "instances",
            .array(
                .object([
                    .required("id", text, "The instance."), .required("type", text, "Its type."),
                    .required("state", .choice(states), "Its state."), .required("zone", text, "Its zone."),
                    .required("since", .moment, "Since when it is held."),
                    .required("isWaiting", .boolean, "Whether it waits for room."),
                    .required("lease", .nullable(.named("Lease")), "Until when it may run."),
                ])), "The oldest first."),
    ])

    // MARK: Requests

    private static let runInstances = Schema.object([
        .required("imageId", .text(1...200), "The image."),
        .optional("type", .text(1...100), "The type; else the default."),
        .optional("count", .integer(1...2000), "How many are wanted; 1 if absent."),
        .optional("minimum", .integer(1...2000), "How many it must be; count if absent."),
        .optional("zone", .text(1...100), "Else the cloud's choice."),
        .optional("keyPair", .text(1...255), "Name of a key pair."),
        .optional("securityGroups", .array(.text(1...255), 0...16), "Ids or names; else default."),
        .optional("userData", .string(.init(length: 0...21_848, format: .byte)), "At most 16 KiB, in Base64."),
        .optional("isProtected", .boolean, "Whether termination is to be refused."),
        .optional("placementGroup", .text(1...255), "Name of a placement group."),
        .optional("tags", tags, "Tags of the instances."),
    ])
    private static let registerImage = Schema.object([
        .required("location", .text(1...2048), "bucket/key of the bytes in S3."),
        .optional("name", .text(1...128), "Unique among yours; else the location."),
        .optional("description", .text(0...255), "Free text."),
        .optional("architecture", .choice(["i386", "x86_64"]), "x86_64 if absent."),
        .optional("kind", .choice(Image.Kind.allCases.map(\.rawValue)), "machine if absent."),
        .optional("kernelId", .text(1...200), "Default kernel."),
        .optional("ramdiskId", .text(1...200), "Default ramdisk."),
        .optional("kernelArguments", .text(0...2048), "Kernel command line."),
        .optional("isPublic", .boolean, "Whether every account may launch it."), .optional("tags", tags, "Its tags."),
    ])
    private static let makeKeyPair = Schema.object([
        .required("name", .text(1...255), "Its name."),
        .optional("type", .choice(["rsa", "ed25519"]), "rsa if absent; not with publicKey."),
        .optional("publicKey", .text(1...16_384), "OpenSSH line or PEM, to import one; else one is made."),
        .optional("tags", tags, "Its tags."),
    ])
    private static let makeGroup = Schema.object([
        .required("name", .text(1...255), "Its name."), .required("description", .text(1...255), "Free text."),
        .optional("tags", tags, "Its tags."),
    ])
    private static let makeRule = Schema.object([
        .optional("direction", .choice(["ingress", "egress"]), "ingress if absent."),
        .required("protocol", .text(1...10), "tcp, udp, icmp, a number, or -1 for all."),
        .optional("fromPort", .integer(-1...65_535), "First port or ICMP type."),
        .optional("toPort", .integer(-1...65_535), "Last port or ICMP code; fromPort if absent."),
        .required("peer", .text(1...255), "A block of addresses, or a group's id or name."),
        .optional("description", .text(0...255), "Free text."),
    ])
}

// MARK: Writing

extension JSONValue {
    static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
    static func moment(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
    static func number(_ number: Int) -> JSONValue { .integer(Int64(number)) }
    static func tags(_ tags: [Tag]) -> JSONValue { .object(tags.map { JSONMember($0.key, .string($0.value)) }) }
}

extension Lease {
    var json: JSONValue { .members(("endsAt", .moment(endsAt)), ("latest", .moment(latest))) }
}

extension Instance {
    func json(for caller: Caller) -> JSONValue {
        .members(
            ("id", .string(id.value)), ("reservationId", .string(reservationID.value)),
            ("accountId", .string(accountID)), ("state", .string(state.rawValue)),
            (
                "stateReason",
                stateReason.map { .members(("code", .string($0.code)), ("message", .string($0.message))) } ?? .null
            ), ("imageId", .string(imageID.value)), ("type", .string(type.name)), ("zone", .string(zone)),
            ("node", caller.isAdministrator ? .optional(nodeName) : .null), ("machine", .optional(machine)),
            ("architecture", .string(architecture)),
            ("keyPair", .optional(keyName)), ("securityGroups", .strings(groups.map(\.id.value))),
            ("privateAddress", .optional(privateAddress)), ("publicAddress", .optional(publicAddress)),
            ("launchedAt", .moment(launchTime)), ("isWaiting", .bool(isWaiting)),
            ("lease", options?.lease?.json ?? .null),
            ("isProtected", .bool(options?.isProtectedFromTermination ?? false)), ("tags", .tags(tags)))
    }
}

extension Image {
    var json: JSONValue {
        .members(
            ("id", .string(id.value)), ("accountId", .string(accountID)), ("name", .string(name)),
            ("description", .optional(description)), ("kind", .string(kind.rawValue)),
            ("architecture", .string(architecture)), ("location", .string(location)),
            ("state", .string(state.rawValue)), ("sizeBytes", .integer(sizeBytes)),
            ("virtualSizeBytes", .integer(virtualSizeBytes)), ("isPublic", .bool(isPublic)),
            ("createdAt", .moment(createdAt)), ("tags", .tags(tags)))
    }
}

extension KeyPair {
    func json(privateKey: String? = nil) -> JSONValue {
        var members = [
            JSONMember("id", .string(id.value)), JSONMember("name", .string(name)), JSONMember("type", .string(type)),
            JSONMember("fingerprint", .string(fingerprint)), JSONMember("createdAt", .moment(createdAt)),
            JSONMember("tags", .tags(tags)),
        ]
        if let privateKey { members.append(JSONMember("privateKey", .string(privateKey))) }
        return .object(members)
    }
}

extension SecurityGroupRule {
    var json: JSONValue {
        let peer: String
        switch self.peer {
        case .cidr(let block), .cidrV6(let block): peer = block
        case .group(let id, _, _): peer = id.value
        }
        return .members(
            ("id", .string(id.value)), ("direction", .string(isEgress ? "egress" : "ingress")),
            ("protocol", .string(ipProtocol)), ("fromPort", .number(fromPort)), ("toPort", .number(toPort)),
            ("peer", .string(peer)), ("description", .optional(description)))
    }
}

extension SecurityGroup {
    var json: JSONValue {
        .members(
            ("id", .string(id.value)), ("accountId", .string(accountID)), ("name", .string(name)),
            ("description", .string(description)), ("rules", .array(rules.map(\.json))), ("tags", .tags(tags)))
    }
}

extension InstanceType {
    var json: JSONValue {
        .members(
            ("name", .string(name)), ("cores", .number(cores)), ("memoryMiB", .number(memoryMiB)),
            ("diskGiB", .number(diskGiB)), ("ephemeralGiB", .number(ephemeralGiB)), ("swapMiB", .number(swapMiB)))
    }
}

extension AvailabilityZone {
    var json: JSONValue {
        func pair(_ free: Int, _ total: Int) -> JSONValue {
            .members(("free", .number(free)), ("total", .number(total)))
        }
        return .members(
            ("name", .string(name)), ("region", .string(region)), ("isAvailable", .bool(isAvailable)),
            ("message", .optional(message)),
            (
                "slots",
                .array(
                    slots.map {
                        .members(
                            ("type", .string($0.type.name)), ("free", .number($0.free)),
                            ("maximum", .number($0.maximum)))
                    })
            ),
            (
                "nodes",
                .array(
                    nodes.map { node in
                        .members(
                            ("name", .string(node.name)), ("state", .string(node.state)),
                            ("hypervisor", .string(node.hypervisor)), ("lastSeen", .moment(node.lastSeen)),
                            ("instances", .number(node.instanceCount)),
                            ("cores", pair(node.freeCores, node.totalCores)),
                            ("memoryMiB", pair(node.freeMemoryMiB, node.totalMemoryMiB)),
                            ("diskGiB", pair(node.freeDiskGiB, node.totalDiskGiB)))
                    })
            ))
    }
}

extension AllocationUse {
    var json: JSONValue {
        .members(
            ("instances", .number(instances)), ("cores", .number(cores)), ("memoryMiB", .number(memoryMiB)),
            ("diskGiB", .number(diskGiB)))
    }
}

extension AllocationQuota {
    var json: JSONValue {
        func limit(_ value: Int?) -> JSONValue { value.map { .number($0) } ?? .null }
        return .members(
            ("instances", limit(instances)), ("cores", limit(cores)), ("memoryMiB", limit(memoryMiB)))
    }
}

extension AccountHoldings {
    var json: JSONValue {
        .members(
            ("accountId", .string(accountID)), ("accountName", .string(accountName)), ("use", use.json),
            ("quota", quota.json), ("usage", usage.map { .double($0) } ?? .null),
            ("share", share.map { .double($0) } ?? .null),
            (
                "instances",
                .array(
                    items.map { item in
                        .members(
                            ("id", .string(item.id.value)), ("type", .string(item.type.name)),
                            ("state", .string(item.state.rawValue)), ("zone", .string(item.zone)),
                            ("since", .moment(item.since)), ("isWaiting", .bool(item.isWaiting)),
                            ("lease", item.lease?.json ?? .null))
                    })
            ))
    }
}
