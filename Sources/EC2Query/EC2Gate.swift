import CloudModel
import QueryProtocol

// What an action asks of the gate: `ec2:` and its name, the ARNs of what its parameters name, and the facts that
// policies may ask for ("Actions, resources, and condition keys for Amazon EC2" in the Service Authorization Reference).

enum EC2Gate {
    /// Parameters that name resources, and the kind in their ARNs. They mean the same in every action that has them.
    private static let named: [(parameter: String, kind: String)] = [
        ("InstanceId", "instance"), ("ImageId", "image"), ("SourceImageId", "image"), ("GroupId", "security-group"),
        ("SecurityGroupId", "security-group"), ("KeyName", "key-pair"), ("KeyPairId", "key-pair"),
        ("VolumeId", "volume"), ("SnapshotId", "snapshot"), ("SourceSnapshotId", "snapshot"),
        ("AllocationId", "elastic-ip"), ("LaunchTemplateId", "launch-template"),
        ("LaunchTemplate.LaunchTemplateId", "launch-template"), ("SubnetId", "subnet"), ("VpcId", "vpc"),
        ("NetworkInterfaceId", "network-interface"), ("RouteTableId", "route-table"),
        ("InternetGatewayId", "internet-gateway"),
    ]

    /// What an action makes besides.
    private static let made: [String: [String]] = [
        "RunInstances": ["instance"], "CreateSecurityGroup": ["security-group"], "RegisterImage": ["image"],
        "CopyImage": ["image"], "CreateImage": ["image"], "CreateVolume": ["volume"], "CreateSnapshot": ["snapshot"],
        "CopySnapshot": ["snapshot"], "CreateLaunchTemplate": ["launch-template"], "AllocateAddress": ["elastic-ip"],
        "CreatePlacementGroup": ["placement-group"],
    ]

    /// What an action adds to quotas of the original, besides RunInstances.
    private static let added: [String: String] = [
        "CreateSecurityGroup": "ec2:quota-securitygroupnumber", "RegisterImage": "ec2:quota-imagenumber",
        "CopyImage": "ec2:quota-imagenumber", "ImportImage": "ec2:quota-imagenumber",
        "CreateImage": "ec2:quota-imagenumber",
        "CreateVolume": "ec2:quota-volumenumber", "CreateSnapshot": "ec2:quota-snapshotnumber",
        "CopySnapshot": "ec2:quota-snapshotnumber", "AllocateAddress": "ec2:quota-addressnumber",
    ]

    /// The kinds of resources by the prefixes of their identifiers.
    private static let prefixes: [String: String] = [
        "i": "instance", "ami": "image", "emi": "image", "aki": "image", "ari": "image", "sg": "security-group",
        "key": "key-pair", "vol": "volume", "snap": "snapshot", "eipalloc": "elastic-ip", "lt": "launch-template",
        "subnet": "subnet", "vpc": "vpc", "sgr": "security-group-rule", "pg": "placement-group", "r": "reservation",
    ]

    /// The question that a request is to the gate.
    static func check(_ action: String, _ parameters: Parameters, _ caller: Caller, region: String) -> AccessCheck {
        var check = AccessCheck("ec2:" + action)
        // Actions that list have no resources, in AWS neither.
        if !action.hasPrefix("Describe") {
            let arns = self.arns(action, parameters, caller, region: region)
            if !arns.isEmpty { check.resources = arns.map { AccessResource($0) } }
        }
        check.facts = facts(parameters)
        if action == "RunInstances" {
            let count = Int64(parameters.text("MaxCount") ?? "") ?? 1
            check.additions["ec2:quota-vminstancenumber"] = count
            check.additions["ec2:quota-vminstanceactivenumber"] = count
        } else if let quota = added[action] {
            check.additions[quota] = 1
            if action == "CreateVolume", let size = Int64(parameters.text("Size") ?? "") {
                check.additions["ec2:quota-volumetotalsize"] = size
            }
        }
        return check
    }

    private static func arns(_ action: String, _ parameters: Parameters, _ caller: Caller, region: String)
        -> [String]
    {
        func arn(_ kind: String, _ id: String) -> String {
            // Images and snapshots are shared between accounts, so that their ARNs name none.
            let account = kind == "image" || kind == "snapshot" ? "" : caller.accountID
            return "arn:aws:ec2:\(region):\(account):\(kind)/\(id)"
        }
        var arns: [String] = []
        for (parameter, kind) in named {
            arns += parameters.list(parameter).map { arn(kind, $0) }
        }
        // Tags may be on anything.
        for id in parameters.list("ResourceId") {
            let prefix = id.split(separator: "-").first.map(String.init) ?? ""
            arns.append(arn(prefixes[prefix] ?? "*", id))
        }
        for kind in made[action] ?? [] { arns.append(arn(kind, "*")) }
        return arns
    }

    /// Condition keys that are the value of one parameter.
    private static let single = [
        ("InstanceType", "ec2:instancetype"), ("Placement.AvailabilityZone", "ec2:availabilityzone"),
        ("AvailabilityZone", "ec2:availabilityzone"), ("Placement.GroupName", "ec2:placementgroup"),
        ("Placement.Tenancy", "ec2:tenancy"), ("Attribute", "ec2:attribute"), ("Size", "ec2:volumesize"),
        ("VolumeType", "ec2:volumetype"), ("ImageId", "ec2:imageid"), ("KeyName", "ec2:keypairname"),
    ]

    private static func facts(_ parameters: Parameters) -> [String: [String]] {
        var facts: [String: [String]] = [:]
        for (parameter, key) in single {
            if let value = parameters.text(parameter) { facts[key] = [value] }
        }
        for specification in parameters.structures("TagSpecification") { add(specification, to: &facts) }
        add(parameters, to: &facts)
        return facts
    }

    private static func add(_ place: Parameters, to facts: inout [String: [String]]) {
        for entry in place.structures("Tag") {
            guard let key = entry.text("Key") else { continue }
            facts["aws:requesttag/" + key.lowercased()] = [entry.raw("Value") ?? ""]
            facts["aws:tagkeys", default: []].append(key)
        }
    }
}
