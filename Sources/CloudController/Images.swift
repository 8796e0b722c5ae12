public import CloudModel
import Logging

// Images: registering objects of Walrus, and who may see and launch them.

/// A presigned URL that is still good.
struct ImageURL: Sendable {
    var url: String
    /// Not to be handed out from then on.
    var until: Timestamp
}

extension CloudController {
    /// Registers an object of Walrus as an image. EC2: RegisterImage.
    public func registerImage(_ request: RegisterImageRequest, as caller: Caller) async throws(CloudError) -> Image {
        try authorise(caller, "RegisterImage")
        let architecture = try Self.checkedArchitecture(request.architecture)
        try Self.check(location: request.location)
        let name = request.name ?? request.location
        try NamingRules.checkImageName(name)
        try NamingRules.checkTags(request.tags)
        try Self.check(description: request.description ?? "")
        var bundle: BundledImage?
        if Image.isManifest(request.location) {
            bundle = try await images.bundle(manifest: request.location, as: caller)
        }
        let kind = request.kind ?? bundle?.kind ?? .machine
        if let arguments = request.kernelArguments {
            guard kind == .machine, arguments.utf8.count <= 2048, !arguments.utf8.contains(where: { $0 < 32 }) else {
                throw .invalidValue(
                    parameter: "KernelArguments", value: String(arguments.prefix(64)),
                    reason: "A kernel command line belongs to a machine image and has at most 2048 printable bytes.")
            }
        }
        let id = try newImageID(request, kind: kind, as: caller)
        let kernel = try companionImage(
            request.kernelID ?? bundle?.kernelID, kind: .kernel, of: kind, as: caller)
        let ramdisk = try companionImage(
            request.ramdiskID ?? bundle?.ramdiskID, kind: .ramdisk, of: kind, as: caller)
        guard ramdisk == nil || kernel != nil else {
            throw .invalidCombination("A ramdisk needs a kernel: RamdiskId was given without KernelId")
        }
        try checkFree(name: name, of: caller.accountID)
        if request.dryRun { throw .dryRunSucceeded }

        // The look at the object may take a while: the name is set aside so that nobody else takes it meanwhile.
        let reserved = ImageName(accountID: caller.accountID, name: name)
        imageNamesInFlight.insert(reserved)
        defer { imageNamesInFlight.remove(reserved) }
        var image = Image(
            id: id, accountID: caller.accountID, name: name, description: request.description,
            architecture: request.architecture ?? bundle?.architecture ?? architecture, location: request.location,
            state: .pending, format: kind == .machine ? .raw : .plain, sizeBytes: bundle?.sizeBytes ?? 0,
            virtualSizeBytes: 0, sha256: "", kernelID: kernel, ramdiskID: ramdisk,
            kernelArguments: request.kernelArguments, isPublic: request.isPublic,
            rootDeviceName: request.rootDeviceName ?? "/dev/sda1", createdAt: configuration.now(), tags: request.tags)
        if bundle == nil {
            let object = try await images.inspect(location: request.location, as: caller)
            let found = try ImageInspection.inspect(
                leading: object.leading, sizeBytes: object.sizeBytes, as: kind, location: request.location)
            image.state = .available
            image.format = found.format
            image.sizeBytes = object.sizeBytes
            image.virtualSizeBytes = found.virtualSizeBytes
            image.sha256 = object.sha256
        }
        let recorded = image
        try await mutate { (view) throws(CloudError) in
            var mutation = Mutation()
            if let known = view.images[id] {
                guard known.value.state == .deregistered else { throw .duplicate(.image, id.value) }
                mutation.update(.image(recorded), revision: known.revision)
            } else {
                mutation.create(.image(recorded))
            }
            return (mutation, ())
        }
        imageURLs[id] = nil
        if bundle != nil { wakeImages() }
        logger.info(
            "image registered",
            metadata: [
                "request": "\(caller.requestID)", "image": "\(id)", "state": "\(recorded.state.rawValue)",
                "bytes": "\(recorded.sizeBytes)",
            ])
        return recorded
    }

    static func checkedArchitecture(_ name: String?) throws(CloudError) -> String {
        let architecture = name ?? "x86_64"
        guard architecture == "x86_64" || architecture == "i386" else {
            throw .invalidValue(
                parameter: "Architecture", value: architecture,
                reason: "Invalid value '\(architecture)' for architecture. It can be i386 or x86_64.")
        }
        return architecture
    }

    private func newImageID(_ request: RegisterImageRequest, kind: Image.Kind, as caller: Caller)
        throws(CloudError) -> ImageID
    {
        guard let text = request.requestedID else { return ImageID.random(kind) }
        guard caller.isAdministrator else { throw .unauthorized(operation: "RegisterImage with a chosen image id") }
        guard let id = ImageID(text) else { throw .malformedID(.image, text) }
        guard id.kind == kind else {
            throw .invalidValue(
                parameter: "ImageId", value: text,
                reason: "The id of a \(kind.rawValue) image begins with \(ImageID.random(kind).value.prefix(4)).")
        }
        guard view.images[id] == nil || view.images[id]?.value.state == .deregistered else {
            throw .duplicate(.image, id.value)
        }
        return id
    }

    private func companionImage(_ text: String?, kind: Image.Kind, of own: Image.Kind, as caller: Caller)
        throws(CloudError) -> ImageID?
    {
        guard let text else { return nil }
        guard own == .machine else {
            throw .invalidCombination("Only a machine image can have a \(kind.rawValue) of its own")
        }
        guard let id = ImageID(text) else { throw .malformedID(.image, text) }
        guard let image = view.images[id]?.value, image.state == .available, canLaunch(image, caller) else {
            throw .notFound(.image, [text])
        }
        guard image.kind == kind else {
            throw .invalidValue(
                parameter: kind == .kernel ? "KernelId" : "RamdiskId", value: text,
                reason: "Image \(text) is a \(image.kind.rawValue) image and cannot be used as a \(kind.rawValue).")
        }
        return id
    }

    private func checkFree(name: String, of account: String) throws(CloudError) {
        let isTaken =
            imageNamesInFlight.contains(ImageName(accountID: account, name: name))
            || view.images.records(of: account).contains {
                $0.value.name == name && $0.value.state != .deregistered
            }
        if isTaken { throw .duplicate(.image, name) }
    }

    static func check(location: String) throws(CloudError) {
        let parts = location.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty, location.utf8.count <= 1100,
            !location.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 })
        else {
            throw .invalidValue(
                parameter: "ImageLocation", value: String(location.prefix(128)),
                reason: "The location of an image is the bucket and the key of an object: bucket/key.")
        }
    }

    /// Takes an image out of use. Instances that were launched from it run on, and those accepted are still started;
    /// the record goes when the last of them is over. EC2: DeregisterImage.
    public func deregisterImage(id text: String, dryRun: Bool, as caller: Caller) async throws(CloudError) {
        try authorise(caller, "DeregisterImage")
        guard let id = ImageID(text) else { throw .malformedID(.image, text) }
        try await mutate { (view) throws(CloudError) in
            guard let stored = view.images[id], stored.value.state != .deregistered,
                self.canLaunch(stored.value, caller)
            else { throw .notFound(.image, [text]) }
            guard caller.isAdministrator || stored.value.accountID == caller.accountID else {
                throw .unauthorized(operation: "DeregisterImage of another account's image")
            }
            guard stored.value.isProtectedFromDeregistration != true else {
                throw .notPermitted(
                    "The image '\(text)' may not be deregistered. Take its protection away (DisableImageDeregistrationProtection) "
                        + "and try again.")
            }
            if dryRun { throw .dryRunSucceeded }
            var image = stored.value
            image.state = .deregistered
            var mutation = Mutation()
            mutation.update(.image(image), revision: stored.revision)
            return (mutation, ())
        }
    }

    /// EC2: DescribeImages. `owners`: account ids, "self", "amazon", "aws-marketplace"; `executableBy`: account ids,
    /// "self", "all".
    public nonisolated func describeImages(
        _ request: DescribeRequest, owners: [String], executableBy: [String], as caller: Caller
    ) async throws(CloudError) -> Page<Image> {
        let pagination = try Pagination(
            request, bounds: 1...1000,
            scope: (["DescribeImages", caller.accountID, "owners"] + owners + ["by"] + executableBy + ["including"]
                + request.including.map(\.rawValue).sorted()).joined(separator: " "))
        let filters = try FilterMatcher<Image>(request.filters)
        let visible = try await visibleImages(request, as: caller)
        if request.dryRun { throw .dryRunSucceeded }
        let matching = visible.filter { image in
            (owners.isEmpty || owners.contains { Self.isOwner($0, of: image, caller) })
                && (executableBy.isEmpty || executableBy.contains { Self.isExecutable($0, image, caller) })
                && filters.matches(image)
        }
        return pagination.page(oldestFirst: matching, made: \.createdAt, id: \.id.value)
    }

    private func visibleImages(_ request: DescribeRequest, as caller: Caller) throws(CloudError) -> [Image] {
        try authorise(caller, "DescribeImages")
        if request.ids.isEmpty || (caller.isAdministrator && request.ids == ["verbose"]) {
            // Images are few, and most are public: no index is worth while.
            let now = configuration.now()
            return view.images.byID.values.map(\.value).filter { image in
                image.state != .deregistered
                    && (image.state != .disabled || request.including.contains(.disabledImages))
                    && (image.deprecatesAt.map { $0 > now } ?? true || image.accountID == caller.accountID
                        || request.including.contains(.deprecatedImages))
                    && (!request.ids.isEmpty || image.accountID == caller.accountID || image.isPublic
                        || image.launchAccounts.contains(caller.accountID))
            }
        }
        var found: [ImageID: Image] = [:]
        var missing: [String] = []
        for text in request.ids {
            guard let id = ImageID(text) else { throw .malformedID(.image, text) }
            if let image = view.images[id]?.value, image.state != .deregistered, canLaunch(image, caller) {
                found[id] = image
            } else {
                missing.append(text)
            }
        }
        guard missing.isEmpty else { throw .notFound(.image, missing) }
        return Array(found.values)
    }

    private nonisolated static func isOwner(_ owner: String, of image: Image, _ caller: Caller) -> Bool {
        // "amazon", "aws-marketplace" and the like own nothing here.
        image.accountID == (owner == "self" ? caller.accountID : owner)
    }

    private nonisolated static func isExecutable(_ user: String, _ image: Image, _ caller: Caller) -> Bool {
        if user == "all" { return image.isPublic }
        let account = user == "self" ? caller.accountID : user
        return image.launchAccounts.contains(account) || image.accountID == account
    }

    /// Whether the caller may see and launch the image.
    func canLaunch(_ image: Image, _ caller: Caller) -> Bool {
        image.isPublic || image.accountID == caller.accountID || caller.isAdministrator
            || image.launchAccounts.contains(caller.accountID)
    }
}
