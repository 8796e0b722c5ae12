import QueryProtocol

// Which requests are little work, whatever the cloud holds: they are done on the thread that read them, often a
// connection's event loop, and spare two changes of threads. All others leave it, since other connections wait there.

enum QuickActions {
    /// Actions that change, or tell of, a fixed number of things.
    private static let constant: Set<String> = [
        "RunInstances", "TerminateInstances", "RebootInstances", "StopInstances", "StartInstances",
        "DescribeAvailabilityZones", "DescribeRegions", "DescribeAccountAttributes", "DescribeInstanceTypes",
        "DescribeInstanceAttribute", "ModifyInstanceAttribute", "ImportKeyPair", "DeleteKeyPair",
        "CreateSecurityGroup", "DeleteSecurityGroup", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "CreateTags", "DeleteTags", "CreatePlacementGroup",
        "DeletePlacementGroup", "CreateLaunchTemplate", "CreateLaunchTemplateVersion", "DescribeVpcs",
    ]
    /// Actions that are as much work as what they name, if they name something: an identifier is looked up.
    private static let listing: [String: String] = [
        "DescribeInstances": "InstanceId", "DescribeInstanceStatus": "InstanceId", "DescribeImages": "ImageId",
        "DescribeKeyPairs": "KeyName", "DescribeSecurityGroups": "GroupId",
    ]
    /// The most things that a quick request names, or makes.
    private static let most = 16

    static func contain(_ name: String, _ parameters: Parameters) -> Bool {
        if let identifier = listing[name] {
            let named = parameters.list(identifier)
            return (1...most).contains(named.count) && named != ["verbose"]
        }
        guard constant.contains(name) else { return false }
        if name == "RunInstances" { return (Int(parameters.text("MaxCount") ?? "") ?? 1) <= most }
        return parameters.list("InstanceId").count <= most
    }
}
