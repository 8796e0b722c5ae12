import CloudModel
import QueryProtocol
import XML

/// How the parameters in a launch template are called in answers.
enum LaunchTemplateData {
    /// The members of RequestLaunchTemplateData (API reference, 2016-11-15), as requests spell them.
    static let members: Set<String> = [
        "KernelId", "EbsOptimized", "IamInstanceProfile", "BlockDeviceMapping", "NetworkInterface", "ImageId",
        "InstanceType", "KeyName", "Monitoring", "Placement", "RamDiskId", "DisableApiTermination",
        "InstanceInitiatedShutdownBehavior", "UserData", "TagSpecification", "ElasticGpuSpecification",
        "ElasticInferenceAccelerator", "SecurityGroupId", "SecurityGroup", "InstanceMarketOptions",
        "CreditSpecification", "CpuOptions", "CapacityReservationSpecification", "LicenseSpecification",
        "HibernationOptions", "MetadataOptions", "EnclaveOptions", "InstanceRequirements", "PrivateDnsNameOptions",
        "MaintenanceOptions", "DisableApiStop", "NetworkPerformanceOptions",
    ]

    /// Whether it can be a part of a path, and with a small first letter the name of an element.
    static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) }
    }

    static func isNumber(_ text: String) -> Bool { text.utf8.allSatisfy { (48...57).contains($0) } }

    /// Name of the set and of its members.
    static func listNames(_ name: String, in parent: String) -> (set: String, member: String) {
        switch (parent, name) {
        case ("NetworkInterface", "SecurityGroupId"): ("groupSet", "groupId")
        case (_, "LicenseSpecification"): ("licenseSet", "item")
        default: (lowered(name) + "Set", "item")
        }
    }

    static func lowered(_ name: String) -> String { name.prefix(1).lowercased() + name.dropFirst() }
}

extension XMLWriter {
    /// A template, without its data.
    mutating func launchTemplate(_ name: String, _ template: LaunchTemplate) {
        open(name)
        element("launchTemplateId", template.id.value)
        element("launchTemplateName", template.name)
        element("createTime", template.createdAt.iso8601)
        element("createdBy", template.createdBy)
        element("defaultVersionNumber", template.defaultVersion)
        element("latestVersionNumber", template.latestVersion)
        tagSet(template.tags)
        close()
    }

    /// What names a version.
    mutating func version(_ number: Int, of template: LaunchTemplate) {
        element("launchTemplateId", template.id.value)
        element("launchTemplateName", template.name)
        element("versionNumber", number)
    }

    /// A version with its data.
    mutating func launchTemplateVersion(_ described: DescribedTemplateVersion) {
        version(described.version.number, of: described.template)
        if let description = described.version.description { element("versionDescription", description) }
        element("createTime", described.version.createdAt.iso8601)
        element("createdBy", described.template.createdBy)
        element("defaultVersion", described.version.number == described.template.defaultVersion)
        launchTemplateData(described.version.data)
    }

    /// The parameters of a version.
    ///
    /// - Parameter emptyLists: names of lists that are to be there though nothing is in them.
    mutating func launchTemplateData(_ data: [String: String], emptyLists: [String] = []) {
        var root = ParameterNode()
        for (path, value) in data { root.insert(value, at: path.split(separator: ".")[...]) }
        open("launchTemplateData")
        for (name, child) in root.children.sorted(by: { $0.key < $1.key }) { templateData(name, child, in: "") }
        for name in emptyLists { element(name) }
        close()
    }

    private mutating func templateData(_ name: String, _ node: ParameterNode, in parent: String) {
        if node.children.isEmpty {
            element(LaunchTemplateData.lowered(name), node.value ?? "")
            return
        }
        let numbered = node.children.keys.filter(LaunchTemplateData.isNumber)
        guard !numbered.isEmpty else {
            open(LaunchTemplateData.lowered(name))
            for (key, child) in node.children.sorted(by: { $0.key < $1.key }) { templateData(key, child, in: name) }
            close()
            return
        }
        let names = LaunchTemplateData.listNames(name, in: parent)
        open(names.set)
        for key in numbered.sorted(by: { (Int($0) ?? .max, $0) < (Int($1) ?? .max, $1) }) {
            guard let child = node.children[key] else { continue }
            if child.children.isEmpty {
                element(names.member, child.value ?? "")
                continue
            }
            open(names.member)
            for (inner, value) in child.children.sorted(by: { $0.key < $1.key })
            where !LaunchTemplateData.isNumber(inner) {
                templateData(inner, value, in: name)
            }
            close()
        }
        close()
    }
}
