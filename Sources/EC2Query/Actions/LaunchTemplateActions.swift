import CloudModel
import QueryProtocol
import Signatures
import XML

/// The actions on launch templates.
enum LaunchTemplates {
    /// CreateLaunchTemplate.
    static func create(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let template = try await call.backend.createLaunchTemplate(
            CreateLaunchTemplateRequest(
                name: try parameters.required("LaunchTemplateName"),
                description: parameters.text("VersionDescription"), data: try data(parameters),
                clientToken: parameters.text("ClientToken"),
                tags: try parameters.tagSpecifications(for: "launch-template"), dryRun: try parameters.dryRun()),
            as: call.caller)
        answer.launchTemplate("launchTemplate", template)
    }

    /// CreateLaunchTemplateVersion.
    static func createVersion(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let made = try await call.backend.createLaunchTemplateVersion(
            CreateTemplateVersionRequest(
                template: try selector(parameters), source: parameters.text("SourceVersion"),
                description: parameters.text("VersionDescription"), data: try data(parameters),
                clientToken: parameters.text("ClientToken"), dryRun: try parameters.dryRun()),
            as: call.caller)
        answer.open("launchTemplateVersion")
        answer.launchTemplateVersion(made)
        answer.close()
    }

    /// DescribeLaunchTemplates.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let page = try await call.backend.describeLaunchTemplates(
            try call.parameters.describeRequest(ids: "LaunchTemplateId", names: "LaunchTemplateName"),
            as: call.caller)
        answer.open("launchTemplates")
        for template in page.items { answer.launchTemplate("item", template) }
        answer.close()
        answer.nextToken(page.nextToken)
    }

    /// DescribeLaunchTemplateVersions: of one template, or of all with `$Latest` or `$Default`.
    static func describeVersions(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let request = try parameters.describeRequest()
        let wanted = parameters.list("LaunchTemplateVersion")
        let isNamed = parameters.text("LaunchTemplateId") != nil || parameters.text("LaunchTemplateName") != nil
        var found: [DescribedTemplateVersion] = []
        if isNamed {
            let template = try await call.backend.launchTemplate(try selector(parameters), as: call.caller)
            found = try versions(of: template, wanted, parameters)
        } else {
            guard !wanted.isEmpty, wanted.allSatisfy({ $0 == "$Latest" || $0 == "$Default" }) else {
                // One text with two codes, as EC2 has it.
                throw .invalidValue(
                    parameter: wanted.isEmpty ? "LaunchTemplate" : "LaunchTemplateVersion",
                    value: Parameters.shortened(wanted.first ?? ""),
                    reason: "To describe the launch template data for all your launch templates, for ‘--versions’ "
                        + "specify ‘$Latest’, ‘$Default’, or both, and omit ‘--launch-template-id’, "
                        + "‘--launch-template-name’, and version numbers. To describe the launch template data for a "
                        + "specific launch template, specify ‘--launch-template-id’ or ‘--launch-template-name’, and "
                        + "for ‘--versions’ specify one or more of the following values: ‘$Latest’, ‘$Default’, or one "
                        + "or more version numbers.")
            }
            let all = try await call.backend.describeLaunchTemplates(DescribeRequest(), as: call.caller)
            for template in all.items { found += try versions(of: template, wanted, parameters) }
        }
        if request.dryRun { throw .dryRunSucceeded }
        let matcher = try FilterMatcher<DescribedTemplateVersion>(request.filters)
        let pagination = try Pagination(
            request, bounds: 1...200,
            scope: ([
                "DescribeLaunchTemplateVersions", parameters.text("LaunchTemplateId") ?? "",
                parameters.text("LaunchTemplateName") ?? "",
            ] + wanted).joined(separator: " "))
        let page = pagination.page(
            found.filter(matcher.matches).sorted { position($0) < position($1) }, position: position)
        answer.list("launchTemplateVersionSet", page.items) { writer, version in
            writer.launchTemplateVersion(version)
        }
        answer.nextToken(page.nextToken)
    }

    private static func position(_ described: DescribedTemplateVersion) -> String {
        let text = String(described.version.number)
        return described.template.id.value + "/" + String(repeating: "0", count: max(0, 10 - text.utf8.count)) + text
    }

    private static func versions(of template: LaunchTemplate, _ wanted: [String], _ parameters: Parameters)
        throws(CloudError) -> [DescribedTemplateVersion]
    {
        var found: [LaunchTemplate.Version]
        if wanted.isEmpty {
            let least = try number("MinVersion", parameters) ?? 0
            let most = try number("MaxVersion", parameters) ?? .max
            found = template.versions.filter { (least...max(least, most)).contains($0.number) }
        } else {
            found = []
            for name in wanted {
                let version = try version(name, of: template)
                if !found.contains(version) { found.append(version) }
            }
        }
        return found.map { DescribedTemplateVersion(template: template, version: $0) }
    }

    private static func number(_ name: String, _ parameters: Parameters) throws(CloudError) -> Int? {
        guard let value = try parameters.integer(name) else { return nil }
        guard value >= 0 else {
            throw .invalidValue(
                parameter: name, value: String(value), reason: "Value (\(value)) for parameter \(name) is invalid.")
        }
        return value
    }

    /// ModifyLaunchTemplate. Botocore sends `SetDefaultVersion`; the API calls the member DefaultVersion.
    static func modify(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        guard let version = parameters.text("SetDefaultVersion") ?? parameters.text("DefaultVersion") else {
            throw .missingParameter("DefaultVersion")
        }
        let template = try await call.backend.setDefaultVersion(
            version, of: try selector(parameters, to: "modify"), clientToken: parameters.text("ClientToken"),
            dryRun: try parameters.dryRun(), as: call.caller)
        answer.launchTemplate("launchTemplate", template)
    }

    /// DeleteLaunchTemplate.
    static func delete(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let template = try await call.backend.deleteLaunchTemplate(
            try selector(call.parameters), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.launchTemplate("launchTemplate", template)
    }

    /// DeleteLaunchTemplateVersions: what cannot be deleted is said in the answer.
    static func deleteVersions(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        var numbers: [Int] = []
        for text in try call.parameters.requiredList("LaunchTemplateVersion") {
            guard let number = Int(text), number > 0 else {
                throw .invalidValue(
                    parameter: "LaunchTemplateVersion", value: Parameters.shortened(text),
                    reason: "Value (\(Parameters.shortened(text))) for parameter version is invalid. "
                        + "It must be the number of a version.")
            }
            numbers.append(number)
        }
        let answered = try await call.backend.deleteLaunchTemplateVersions(
            numbers, of: try selector(call.parameters), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.list("successfullyDeletedLaunchTemplateVersionSet", answered.deleted) { writer, number in
            writer.version(number, of: answered.template)
        }
        answer.open("unsuccessfullyDeletedLaunchTemplateVersionSet")
        for (number, code, text) in answered.missing.map({ ($0, "launchTemplateVersionDoesNotExist", "does not exist") }
        )
            + answered.kept.map({ ($0, "unexpectedError", "is the default version; set another one first") })
        {
            answer.open("item")
            answer.version(number, of: answered.template)
            answer.open("responseError")
            answer.element("code", code)
            answer.element("message", "The version \(number) \(text).")
            answer.close()
            answer.close()
        }
        answer.close()
    }

    private static func selector(_ parameters: Parameters, to purpose: String = "name") throws(CloudError)
        -> LaunchTemplateSelector
    {
        let selector = LaunchTemplateSelector(
            id: parameters.text("LaunchTemplateId"), name: parameters.text("LaunchTemplateName"))
        guard selector.id != nil || selector.name != nil else {
            throw .missingParameter("launch template ID or launch template name")
        }
        guard selector.id == nil || selector.name == nil else {
            throw .invalidCombination(
                "Either provide launch template ID or launch template name to \(purpose) the template.")
        }
        return selector
    }

    /// What is below LaunchTemplateData, by dotted paths. Names that EC2 does not know are ignored, as everywhere.
    private static func data(_ parameters: Parameters) throws(CloudError) -> [String: String] {
        guard let node = parameters.node(at: "LaunchTemplateData") else {
            throw .missingParameter("LaunchTemplateData")
        }
        var data: [String: String] = [:]
        for (name, child) in node.children where LaunchTemplateData.members.contains(name) {
            collect(child, at: name, into: &data)
        }
        return data
    }

    private static func collect(_ node: ParameterNode, at path: String, into data: inout [String: String]) {
        if node.children.isEmpty {
            if let value = node.value, !value.isEmpty { data[path] = value }
            return
        }
        for (name, child) in node.children where LaunchTemplateData.isName(name) {
            collect(child, at: path + "." + name, into: &data)
        }
    }

    /// A request that was joined with the template that it names.
    struct Resolved {
        /// The parameters, without what names the template.
        var parameters: Parameters
        /// The template's tags for instances.
        var tags: [Tag] = []
        /// What the cloud notes on the instances.
        var systemTags: [Tag] = []
    }

    /// The parameters of RunInstances with those of the template that it names behind them.
    static func resolved(_ call: Call) async throws(CloudError) -> Resolved {
        let parameters = call.parameters
        guard let named = parameters.node(at: "LaunchTemplate") else { return Resolved(parameters: parameters) }
        let reference = Parameters(path: "LaunchTemplate", node: named)
        let template = try await call.backend.launchTemplate(try selector(reference), as: call.caller)
        let version = try version(reference.text("Version") ?? "$Default", of: template)
        var merged = parameters.node
        merged.children["LaunchTemplate"] = nil
        // Groups by name and by id, and an interface that has groups, are ways to say the same.
        let groups: Set<String> = ["SecurityGroup", "SecurityGroupId", "NetworkInterface"]
        let saysGroups = groups.contains { parameters.node.children[$0] != nil }
        var base = ParameterNode()
        for (path, value) in version.data {
            base.insert(value, at: path.split(separator: ".")[...])
        }
        // Tags of the template and of the request come together; everything else the request replaces.
        var tags: [Tag] = []
        for entry in Parameters(path: "", node: base).structures("TagSpecification")
        where entry.text("ResourceType") == "instance" {
            tags += try entry.tags()
        }
        base.children["TagSpecification"] = nil
        for (name, child) in base.children {
            // The one name that templates spell in another way.
            let own = name == "RamDiskId" ? "RamdiskId" : name
            if parameters.node.children[own] != nil || (saysGroups && groups.contains(own)) { continue }
            merged.children[own] = child
        }
        return Resolved(
            parameters: Parameters(path: "", node: merged), tags: tags,
            systemTags: [
                Tag(key: "aws:ec2launchtemplate:id", value: template.id.value),
                Tag(key: "aws:ec2launchtemplate:version", value: String(version.number)),
            ])
    }

    private static func version(_ name: String, of template: LaunchTemplate) throws(CloudError)
        -> LaunchTemplate.Version
    {
        guard let version = template.version(named: name) else {
            throw .notFound(.launchTemplateVersion, [Parameters.shortened(name), template.id.value])
        }
        return version
    }

    /// GetLaunchTemplateData: the parameters that would launch an instance like an existing one.
    static func fromInstance(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let (instance, userData) = try await call.backend.instanceWithUserData(
            id: try call.parameters.required("InstanceId"), dryRun: try call.parameters.dryRun(), as: call.caller)
        var data = [
            "ImageId": instance.imageID.value, "InstanceType": instance.type.name,
            "Placement.AvailabilityZone": instance.zone, "Placement.Tenancy": "default",
            "Monitoring.Enabled": instance.isMonitored ? "true" : "false",
            "DisableApiTermination": instance.options?.isProtectedFromTermination == true ? "true" : "false",
            "DisableApiStop": instance.options?.isProtectedFromStop == true ? "true" : "false",
            "InstanceInitiatedShutdownBehavior": "terminate", "EbsOptimized": "false",
        ]
        data["KernelId"] = instance.kernelID?.value
        data["RamDiskId"] = instance.ramdiskID?.value
        data["KeyName"] = instance.keyName
        data["UserData"] = userData.map { Base64.encode($0) }
        data["Placement.GroupName"] = instance.options?.placementGroup
        if let options = instance.options?.metadata {
            data["MetadataOptions.HttpTokens"] = options.requiresTokens ? "required" : "optional"
            data["MetadataOptions.HttpEndpoint"] = options.isDisabled ? "disabled" : "enabled"
            data["MetadataOptions.HttpPutResponseHopLimit"] = String(options.hopLimit)
        }
        data["IamInstanceProfile.Arn"] = instance.profile?.profileARN
        for (index, group) in instance.groups.enumerated() { data["SecurityGroupId.\(index + 1)"] = group.id.value }
        let tags = instance.tags.filter { !$0.key.hasPrefix("aws:") }
        if !tags.isEmpty { data["TagSpecification.1.ResourceType"] = "instance" }
        for (index, tag) in tags.enumerated() {
            data["TagSpecification.1.Tag.\(index + 1).Key"] = tag.key
            data["TagSpecification.1.Tag.\(index + 1).Value"] = tag.value
        }
        answer.launchTemplateData(data, emptyLists: tags.isEmpty ? ["tagSpecificationSet"] : [])
    }
}
