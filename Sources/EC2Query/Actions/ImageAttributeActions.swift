import CloudModel
import QueryProtocol
import XML

extension Images {
    private static let attributes: Set<String> = [
        "description", "kernel", "ramdisk", "launchPermission", "productCodes", "blockDeviceMapping",
        "sriovNetSupport", "bootMode", "tpmSupport", "uefiData", "lastLaunchedTime", "imdsSupport",
        "deregistrationProtection",
    ]

    /// DescribeImageAttribute.
    static func describeAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.parameters.required("ImageId")
        let name = try call.parameters.attribute(among: attributes)
        let image = try await call.backend.ownImage(
            id: id, operation: "DescribeImageAttribute", dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.element("imageId", image.id.value)
        switch name {
        case "description": answer.value(name, image.description)
        case "kernel": answer.value(name, image.kernelID?.value)
        case "ramdisk": answer.value(name, image.ramdiskID?.value)
        case "bootMode": answer.value(name, "legacy-bios")
        case "deregistrationProtection":
            answer.value(name, image.isProtectedFromDeregistration == true ? "enabled-without-cooldown" : "disabled")
        case "launchPermission":
            answer.open(name)
            if image.isPublic {
                answer.open("item")
                answer.element("group", "all")
                answer.close()
            }
            for account in image.launchAccounts.sorted() {
                answer.open("item")
                answer.element("userId", account)
                answer.close()
            }
            answer.close()
        default: answer.element(name)
        }
    }

    /// ModifyImageAttribute, in today's form (`LaunchPermission.Add.1.UserId`) and the old one (`Attribute`,
    /// `OperationType`, `UserId.1`, `UserGroup.1` or `Group.1`).
    static func modifyAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let id = try parameters.required("ImageId")
        try parameters.refuse([
            UnofferedParameter("ProductCode", "There are no product codes; leave it out."),
            UnofferedParameter("OrganizationArn", "There are no organizations; name accounts."),
            UnofferedParameter("OrganizationalUnitArn", "There are no organizations; name accounts."),
            UnofferedParameter("ImdsSupport", "The metadata service takes requests with and without token."),
        ])
        let change = try imageChange(parameters)
        try await call.backend.modifyImage(id: id, change, dryRun: try parameters.dryRun(), as: call.caller)
        answer.success()
    }

    private static func imageChange(_ parameters: Parameters) throws(CloudError) -> ImageChange {
        var added = try permitted(parameters.structures("LaunchPermission.Add"))
        var removed = try permitted(parameters.structures("LaunchPermission.Remove"))
        let description = parameters.raw("Description.Value")
        let old = parameters.text("Attribute") == nil ? nil : try parameters.attribute(among: attributes)
        if let old, old == "description" { return .description(parameters.raw("Value") ?? description ?? "") }
        if let old, old != "launchPermission" {
            throw .unsupported("The attribute '\(old)' of an image cannot be changed.")
        }
        let users = Set(
            parameters.list("UserId") + parameters.list("UserGroup").map { $0 } + parameters.list("Group"))
        if !users.isEmpty {
            switch parameters.text("OperationType") {
            case "add", nil: added.formUnion(users)
            case "remove": removed.formUnion(users)
            case let other?:
                throw .invalidValue(
                    parameter: "OperationType", value: Parameters.shortened(other),
                    reason: "Value (\(Parameters.shortened(other))) for parameter operationType is invalid. "
                        + "It can be add or remove.")
            }
        }
        let changesPermissions = !added.isEmpty || !removed.isEmpty
        if let description {
            guard !changesPermissions else {
                throw .invalidCombination(
                    "Fields for multiple attribute types specified: description, launchPermission")
            }
            return .description(description)
        }
        guard changesPermissions else { throw .missingParameter("LaunchPermission or Description") }
        return .launchPermissions(add: added, remove: removed)
    }

    private static func permitted(_ entries: [Parameters]) throws(CloudError) -> Set<String> {
        var permitted = Set<String>()
        for entry in entries {
            try entry.refuse([
                UnofferedParameter("OrganizationArn", "There are no organizations; name accounts."),
                UnofferedParameter("OrganizationalUnitArn", "There are no organizations; name accounts."),
            ])
            if let group = entry.text("Group") {
                guard group == "all" else {
                    throw .invalidValue(
                        parameter: "LaunchPermission", value: Parameters.shortened(group),
                        reason: "Invalid attribute item value \"\(Parameters.shortened(group))\" for userGroup item "
                            + "type.")
                }
                permitted.insert(group)
            }
            if let user = entry.text("UserId") { permitted.insert(user) }
        }
        return permitted
    }

    /// ResetImageAttribute.
    static func resetAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.parameters.required("ImageId")
        let name = try call.parameters.attribute(among: attributes)
        guard name == "launchPermission" else {
            throw .invalidValue(
                parameter: "Attribute", value: name,
                reason: "Value (\(name)) for parameter attribute is invalid. Only launchPermission can be reset.")
        }
        try await call.backend.modifyImage(
            id: id, .resetLaunchPermissions, dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// CopyImage.
    static func copy(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        try parameters.refuse([
            UnofferedParameter("Encrypted", accepting: ["false"], "Images are not encrypted; leave it out."),
            UnofferedParameter("KmsKeyId", "Images are not encrypted; leave it out."),
            UnofferedParameter("DestinationOutpostArn", "There are no outposts; leave it out."),
            UnofferedParameter("DestinationAvailabilityZone", "Images serve all zones; leave it out."),
            UnofferedParameter("DestinationAvailabilityZoneId", "Images serve all zones; leave it out."),
        ])
        let image = try await call.backend.copyImage(
            CopyImageRequest(
                sourceID: try parameters.required("SourceImageId"),
                sourceRegion: try parameters.required("SourceRegion"), name: try parameters.required("Name"),
                description: parameters.text("Description"),
                copiesTags: try parameters.flag("CopyImageTags") ?? false,
                clientToken: parameters.text("ClientToken"),
                tags: try parameters.tagSpecifications(for: "image", absent: ["snapshot"]),
                dryRun: try parameters.dryRun()),
            as: call.caller)
        answer.element("imageId", image.id.value)
    }
}
