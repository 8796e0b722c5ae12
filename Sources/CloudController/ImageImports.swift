public import CloudModel

// Imports of images: the requests. `ImagePreparation` carries them out.

extension CloudController {
    /// Records the import, which is then carried out. EC2: ImportImage.
    public func importImage(_ request: ImportImageRequest, as caller: Caller) async throws(CloudError) -> ImageImport {
        try authorise(caller, "ImportImage")
        let architecture = try Self.checkedArchitecture(request.architecture)
        guard ["raw", "qcow2"].contains(request.format.lowercased()) else {
            throw .unsupported(
                "Disks of the format \(request.format.prefix(16)) cannot be imported; convert it to raw or qcow2 first, "
                    + "such as with `qemu-img convert -O qcow2`.")
        }
        try Self.check(location: request.location)
        try Self.check(description: request.description ?? "")
        try NamingRules.checkTags(request.tags)
        let now = configuration.now()
        let claim = try TokenClaim(
            request.clientToken, operation: "ImportImage",
            parameters: [request.location, request.format.lowercased(), architecture, request.description ?? ""]
                + request.tags.flatMap { [$0.key, $0.value] },
            as: caller, at: now)
        let task = ImageImport(
            id: .random(), of: caller, description: request.description, architecture: architecture,
            location: request.location, format: request.format, createdAt: now, tags: request.tags)
        let recorded = try await mutate { (view) throws(CloudError) in
            if let known = try claim?.answer(in: view), let id = ImageImportID(known),
                let task = view.imageImports[id]?.value
            {
                return (Mutation(), task)
            }
            let active = view.imageImports.records(of: caller.accountID).count { $0.value.state == .active }
            guard active < ImageImport.activeLimit else {
                throw .limitExceeded(.imageImport, limit: ImageImport.activeLimit, inUse: active, requested: 1)
            }
            if request.dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.create(.imageImport(task))
            if let claim { mutation.create(claim.naming(task.id.value)) }
            return (mutation, task)
        }
        wakeImages()
        return recorded
    }

    /// EC2: DescribeImportImageTasks.
    public func describeImageImports(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<ImageImport>
    {
        try authorise(caller, "DescribeImportImageTasks")
        let pagination = try Pagination(
            request, bounds: 1...1000, scope: "DescribeImportImageTasks " + caller.accountID)
        let filters = try FilterMatcher<ImageImport>(request.filters)
        var tasks: [ImageImport] = []
        if request.ids.isEmpty { tasks = view.imageImports.records(of: caller.accountID).map(\.value) }
        for text in Set(request.ids) { tasks.append(try imageImport(text, as: caller).value) }
        if request.dryRun { throw .dryRunSucceeded }
        return pagination.page(oldestFirst: tasks.filter(filters.matches), made: \.createdAt, id: \.id.value)
    }

    /// The import as it was, and as it is. EC2: CancelImportTask.
    public func cancelImageImport(id: String, reason: String?, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> (previous: ImageImport, current: ImageImport)
    {
        try authorise(caller, "CancelImportTask")
        if let reason { try Self.check(description: reason) }
        return try await mutate { (view) throws(CloudError) in
            let stored = try self.imageImport(id, as: caller)
            guard stored.value.state == .active else {
                throw .incorrectState(.imageImport, id, state: stored.value.status, operation: "CancelImportTask")
            }
            if dryRun { throw .dryRunSucceeded }
            var task = stored.value
            task.state = .cancelled
            task.message = "canceled" + (reason.map { ": " + $0 } ?? "")
            task.endedAt = configuration.now()
            var mutation = Mutation()
            mutation.update(.imageImport(task), revision: stored.revision)
            return (mutation, (stored.value, task))
        }
    }

    private func imageImport(_ text: String, as caller: Caller) throws(CloudError) -> Stored<ImageImport> {
        guard let id = ImageImportID(text) else { throw .malformedID(.imageImport, text) }
        guard let stored = view.imageImports[id],
            caller.isAdministrator || stored.value.accountID == caller.accountID
        else { throw .notFound(.imageImport, [text]) }
        return stored
    }
}
