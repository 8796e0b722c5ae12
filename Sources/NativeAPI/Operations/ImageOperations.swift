import CloudModel
import JSON

/// Images.
enum ImageOperations {
    private static let tag = "Images"

    static let all: [Operation] = [
        Operation(
            method: "GET", path: "/images", id: "listImages", summary: "The images that the caller may see.", tag: tag,
            parameters: [
                Operation.Parameter(
                    name: "owner", schema: .text(1...100), description: "Only those of an account id, or of self."),
                .limit(), .cursor,
            ], success: .init(status: 200, schema: Shapes.page("Image"), description: "A page."), handler: list),
        Operation(
            method: "POST", path: "/images", id: "registerImage", summary: "Registers an object of S3 as an image.",
            tag: tag, body: .named("RegisterImage"),
            success: .init(status: 201, schema: .named("Image"), description: "The image."), errors: [404, 409],
            handler: register),
        Operation(
            method: "GET", path: "/images/{id}", id: "getImage", summary: "One image.", tag: tag,
            success: .init(status: 200, schema: .named("Image"), description: "The image."), handler: get),
        Operation(
            method: "DELETE", path: "/images/{id}", id: "deregisterImage",
            summary: "Deregisters an image; instances of it go on running.", tag: tag,
            success: .init(status: 204, schema: nil, description: "It is deregistered."), errors: [409],
            handler: deregister),
    ]

    private static func list(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let owners = call.parameter("owner").map { [$0] } ?? []
        return Shapes.page(
            try await call.backend.describeImages(call.describe(), owners: owners, executableBy: [], as: call.caller)
        ) { $0.json }
    }

    private static func register(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        try await call.backend.registerImage(
            RegisterImageRequest(
                location: call.text("location") ?? "", name: call.text("name"), description: call.text("description"),
                architecture: call.text("architecture"), kind: call.text("kind").flatMap { Image.Kind(rawValue: $0) },
                kernelID: call.text("kernelId"), ramdiskID: call.text("ramdiskId"),
                kernelArguments: call.text("kernelArguments"), isPublic: call.flag("isPublic"), tags: call.tags),
            as: call.caller
        ).json
    }

    private static func get(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let page = try await call.backend.describeImages(
            DescribeRequest(ids: [call.path("id")]), owners: [], executableBy: [], as: call.caller)
        guard let image = page.items.first else { throw .notFound(.image, [call.path("id")]) }
        return image.json
    }

    private static func deregister(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        try await call.backend.deregisterImage(id: call.path("id"), dryRun: false, as: call.caller)
        return nil
    }
}
