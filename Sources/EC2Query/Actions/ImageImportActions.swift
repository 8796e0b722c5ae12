import CloudModel
import QueryProtocol
import XML

/// The actions on imports of images.
enum ImageImports {
    /// ImportImage: of one disk, raw or (beyond EC2) qcow2, that is an object of Walrus.
    static func start(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        try parameters.refuse(unoffered)
        let containers = parameters.structures("DiskContainer")
        guard let disk = containers.first else { throw .missingParameter("DiskContainer") }
        guard containers.count == 1 else {
            throw .unsupported("An image has one disk here; give one DiskContainer.")
        }
        try disk.refuse([
            UnofferedParameter("SnapshotId", "There are no snapshots yet; name an object of Walrus (UserBucket).")
        ])
        let task = try await call.backend.importImage(
            ImportImageRequest(
                location: try location(of: disk), format: try disk.required("Format"),
                architecture: parameters.text("Architecture"),
                description: parameters.text("Description") ?? disk.text("Description"),
                clientToken: parameters.text("ClientToken"),
                tags: try parameters.tagSpecifications(for: "import-image-task"), dryRun: try parameters.dryRun()),
            as: call.caller)
        answer.imageImport(task)
    }

    /// `UserBucket.S3Bucket` and `.S3Key`, or `Url` with `s3://bucket/key`.
    private static func location(of disk: Parameters) throws(CloudError) -> String {
        if let url = disk.text("Url") {
            guard url.hasPrefix("s3://"), disk.node(at: "UserBucket") == nil else {
                throw .invalidValue(
                    parameter: disk.name("Url"), value: Parameters.shortened(url),
                    reason: "The disk must be an object of Walrus: s3://bucket/key, or UserBucket.")
            }
            return String(url.dropFirst(5))
        }
        return try disk.required("UserBucket.S3Bucket") + "/" + disk.required("UserBucket.S3Key")
    }

    /// DescribeImportImageTasks.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        var request = try call.parameters.describeRequest(ids: "ImportTaskId")
        // The service model has this name on the wire, unlike all others.
        request.filters += try call.parameters.filters("Filters")
        let page = try await call.backend.describeImageImports(request, as: call.caller)
        answer.list("importImageTaskSet", page.items) { writer, task in writer.imageImport(task) }
        answer.nextToken(page.nextToken)
    }

    /// CancelImportTask.
    static func cancel(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let (previous, current) = try await call.backend.cancelImageImport(
            id: try call.parameters.required("ImportTaskId"), reason: call.parameters.text("CancelReason"),
            dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.element("importTaskId", current.id.value)
        answer.element("previousState", previous.status)
        answer.element("state", current.status)
    }

    private static let unoffered: [UnofferedParameter] = [
        UnofferedParameter("Encrypted", accepting: ["false"], "Images are not encrypted; leave it out."),
        UnofferedParameter("KmsKeyId", "Images are not encrypted; leave it out."),
        UnofferedParameter("LicenseSpecifications", "Licences are not managed; leave it out."),
        UnofferedParameter("LicenseType", accepting: ["byol"], "Licences are yours; leave it out."),
        UnofferedParameter("BootMode", accepting: ["legacy-bios"], "Guests boot by BIOS."),
        UnofferedParameter("UsageOperation", "Leave it out."),
    ]
}

extension XMLWriter {
    fileprivate mutating func imageImport(_ task: ImageImport) {
        element("importTaskId", task.id.value)
        if let image = task.imageID { element("imageId", image.value) }
        element("architecture", task.architecture)
        if let description = task.description { element("description", description) }
        element("encrypted", false)
        element("licenseType", "BYOL")
        element("platform", "Linux")
        if task.state == .active { element("progress", "0") }
        open("snapshotDetailSet")
        open("item")
        element("format", task.format)
        if let size = task.sizeBytes { element("diskImageSize", "\(size)") }
        element("status", task.status)
        open("userBucket")
        let parts = task.location.split(separator: "/", maxSplits: 1)
        element("s3Bucket", String(parts.first ?? ""))
        element("s3Key", parts.count == 2 ? String(parts[1]) : "")
        close()
        close()
        close()
        element("status", task.status)
        if let message = task.message { element("statusMessage", message) }
        tagSet(task.tags)
    }
}
