import CloudModel
import QueryProtocol
import XML

/// The actions on images.
enum Images {
    /// RegisterImage, of an object or of a bundle's manifest.
    ///
    /// Beyond EC2: `ImageType` (machine, kernel, ramdisk), `KernelArguments`, `ImageId` (an administrator may keep an
    /// id that public suites name), and `LaunchPermission.1.Group=all`.
    static func register(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        try parameters.refuse(unofferedOfRegister)
        let image = try await call.backend.registerImage(
            RegisterImageRequest(
                location: try parameters.required("ImageLocation"), name: parameters.text("Name"),
                description: parameters.text("Description"), architecture: parameters.text("Architecture"),
                kind: try kind(parameters), kernelID: parameters.text("KernelId"),
                ramdiskID: parameters.text("RamdiskId"), kernelArguments: parameters.text("KernelArguments"),
                rootDeviceName: parameters.text("RootDeviceName"), requestedID: parameters.text("ImageId"),
                isPublic: try isPublic(parameters),
                tags: try parameters.tagSpecifications(for: "image", absent: ["snapshot"]),
                dryRun: try parameters.dryRun()),
            as: call.caller)
        answer.element("imageId", image.id.value)
    }

    /// DeregisterImage.
    static func deregister(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deregisterImage(
            id: try call.parameters.required("ImageId"), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// DescribeImages.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        var request = try call.parameters.describeRequest(ids: "ImageId")
        if try call.parameters.flag("IncludeDeprecated") == true { request.including.insert(.deprecatedImages) }
        if try call.parameters.flag("IncludeDisabled") == true { request.including.insert(.disabledImages) }
        let page = try await call.backend.describeImages(
            request, owners: call.parameters.list("Owner"), executableBy: call.parameters.list("ExecutableBy"),
            as: call.caller)
        answer.list("imagesSet", page.items) { writer, image in writer.image(image) }
        answer.nextToken(page.nextToken)
    }

    private static func kind(_ parameters: Parameters) throws(CloudError) -> Image.Kind? {
        guard let text = parameters.text("ImageType") else { return nil }
        guard let kind = Image.Kind(rawValue: text) else {
            throw .invalidValue(
                parameter: "ImageType", value: Parameters.shortened(text),
                reason: "ImageType must be machine, kernel or ramdisk.")
        }
        return kind
    }

    private static func isPublic(_ parameters: Parameters) throws(CloudError) -> Bool {
        var result = false
        for permission in parameters.structures("LaunchPermission") {
            guard permission.text("Group") == "all", permission.node.children.count == 1 else {
                throw .unsupported(
                    "\(permission.path): RegisterImage takes only the launch permission Group=all.")
            }
            result = true
        }
        return result
    }

    private static let unofferedOfRegister: [UnofferedParameter] = [
        UnofferedParameter(
            "BlockDeviceMapping", "EBS is not offered yet; an image is an object in Walrus (ImageLocation)."),
        UnofferedParameter("BillingProduct", "Leave it out."),
        UnofferedParameter("BootMode", accepting: ["legacy-bios", "uefi-preferred"], "Guests boot by BIOS."),
        UnofferedParameter("TpmSupport", "Guests have no TPM."),
        UnofferedParameter("UefiData", "Guests boot by BIOS."),
        UnofferedParameter("ImdsSupport", "The metadata service takes requests with and without token."),
        UnofferedParameter(
            "VirtualizationType", accepting: ["hvm", "paravirtual"],
            "Images are hvm; ones with a kernel of their own are booted with it."),
    ]
}

extension XMLWriter {
    fileprivate mutating func image(_ image: Image) {
        element("imageId", image.id.value)
        element("imageLocation", image.location)
        element("imageState", image.state.rawValue)
        element("imageOwnerId", image.accountID)
        element("creationDate", image.createdAt.iso8601)
        element("isPublic", image.isPublic)
        if let failure = image.failure {
            open("stateReason")
            element("code", Image.failureCode)
            element("message", failure)
            close()
        }
        element("productCodes")
        element("architecture", image.architecture)
        element("imageType", image.kind.rawValue)
        if let kernel = image.kernelID { element("kernelId", kernel.value) }
        if let ramdisk = image.ramdiskID { element("ramdiskId", ramdisk.value) }
        element("name", image.name)
        element("description", image.description ?? "")
        element("rootDeviceType", "instance-store")
        if image.kind == .machine { element("rootDeviceName", image.rootDeviceName) }
        element("blockDeviceMapping")
        element("virtualizationType", "hvm")
        // See `instance` for the hypervisor.
        element("hypervisor", "xen")
        element("enaSupport", false)
        element("platformDetails", "Linux/UNIX")
        element("usageOperation", "RunInstances")
        element("bootMode", "legacy-bios")
        if let moment = image.deprecatesAt { element("deprecationTime", moment.iso8601) }
        if image.isProtectedFromDeregistration == true {
            element("deregistrationProtection", "enabled-without-cooldown")
        }
        tagSet(image.tags)
    }
}
