public import CloudModel

// Launch templates. What is in them is checked when instances are launched, as EC2 does.

extension CloudController {
    /// EC2: CreateLaunchTemplate.
    public func createLaunchTemplate(_ request: CreateLaunchTemplateRequest, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    {
        try authorise(caller, "CreateLaunchTemplate")
        try Self.check(templateName: request.name)
        try NamingRules.checkTags(request.tags)
        try Self.check(request.data, description: request.description)
        let now = configuration.now()
        let claim = try TokenClaim(
            request.clientToken, operation: "CreateLaunchTemplate",
            parameters: [request.name, request.description ?? ""] + Self.sorted(request.data)
                + request.tags.flatMap { [$0.key, $0.value] },
            as: caller, at: now)
        let template = LaunchTemplate(
            id: .random(), accountID: caller.accountID, name: request.name, createdBy: Self.arn(caller),
            first: LaunchTemplate.Version(
                number: 1, description: request.description, createdAt: now, data: request.data), tags: request.tags)
        return try await mutate { (view) throws(CloudError) in
            if let known = try claim?.answer(in: view), let id = LaunchTemplateID(known),
                let template = view.launchTemplates[id]?.value
            {
                return (Mutation(), template)
            }
            guard view.launchTemplate(named: request.name, of: caller.accountID) == nil else {
                throw .duplicate(.launchTemplateName, request.name)
            }
            let count = view.launchTemplates.count(of: caller.accountID)
            guard count < LaunchTemplate.limit else {
                throw .limitExceeded(.launchTemplate, limit: LaunchTemplate.limit, inUse: count, requested: 1)
            }
            if request.dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.create(.launchTemplate(template))
            if let claim { mutation.create(claim.naming(template.id.value)) }
            return (mutation, template)
        }
    }

    /// The template and the new version. EC2: CreateLaunchTemplateVersion.
    public func createLaunchTemplateVersion(_ request: CreateTemplateVersionRequest, as caller: Caller)
        async throws(CloudError) -> DescribedTemplateVersion
    {
        try authorise(caller, "CreateLaunchTemplateVersion")
        let now = configuration.now()
        let claim = try TokenClaim(
            request.clientToken, operation: "CreateLaunchTemplateVersion",
            parameters: [
                request.template.id ?? "", request.template.name ?? "", request.source ?? "",
                request.description ?? "",
            ] + Self.sorted(request.data), as: caller, at: now)
        return try await mutate { (view) throws(CloudError) in
            let stored = try self.template(request.template, as: caller)
            var template = stored.value
            if let known = try claim?.answer(in: view), let version = template.version(named: known) {
                return (Mutation(), DescribedTemplateVersion(template: template, version: version))
            }
            var data = request.data
            if let source = request.source {
                guard let base = template.version(named: source) else {
                    throw .notFound(.launchTemplateVersion, [source, template.id.value])
                }
                data = LaunchTemplate.merge(data, over: base.data)
            }
            try Self.check(data, description: request.description)
            guard template.versions.count < LaunchTemplate.versionLimit else {
                throw .limitExceeded(
                    .launchTemplateVersion, limit: LaunchTemplate.versionLimit, inUse: template.versions.count,
                    requested: 1)
            }
            if request.dryRun { throw .dryRunSucceeded }
            let version = LaunchTemplate.Version(
                number: template.latestVersion + 1, description: request.description, createdAt: now, data: data)
            template.versions.append(version)
            template.latestVersion = version.number
            var mutation = Mutation()
            mutation.update(.launchTemplate(template), revision: stored.revision)
            if let claim { mutation.create(claim.naming(String(version.number))) }
            return (mutation, DescribedTemplateVersion(template: template, version: version))
        }
    }

    /// EC2: DescribeLaunchTemplates.
    public func describeLaunchTemplates(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<LaunchTemplate>
    {
        try authorise(caller, "DescribeLaunchTemplates")
        let pagination = try Pagination(
            request, bounds: 1...200, scope: "DescribeLaunchTemplates " + caller.accountID)
        let filters = try FilterMatcher<LaunchTemplate>(request.filters)
        if !request.ids.isEmpty || !request.names.isEmpty {
            // In the order in which they are named.
            var named: [LaunchTemplate] = []
            for id in request.ids { named.append(try template(LaunchTemplateSelector(id: id), as: caller).value) }
            for name in request.names {
                guard let found = view.launchTemplate(named: name, of: caller.accountID) else {
                    throw .notFound(.launchTemplateName, [])
                }
                named.append(found.value)
            }
            if request.dryRun { throw .dryRunSucceeded }
            return Page(items: named.filter(filters.matches))
        }
        if request.dryRun { throw .dryRunSucceeded }
        let found = view.launchTemplates.records(of: caller.accountID).map(\.value).filter(filters.matches)
        return pagination.page(found.sorted { Self.position($0) < Self.position($1) }, position: Self.position)
    }

    /// Oldest first.
    private static func position(_ template: LaunchTemplate) -> String {
        let time = String(max(0, template.createdAt.milliseconds))
        return String(repeating: "0", count: max(0, 15 - time.utf8.count)) + time + template.id.value
    }

    /// One template with its versions.
    public func launchTemplate(_ selector: LaunchTemplateSelector, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    {
        try authorise(caller, "DescribeLaunchTemplateVersions")
        return try template(selector, as: caller).value
    }

    /// EC2: ModifyLaunchTemplate.
    public func setDefaultVersion(
        _ version: String, of selector: LaunchTemplateSelector, clientToken: String?, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> LaunchTemplate {
        try authorise(caller, "ModifyLaunchTemplate")
        let claim = try TokenClaim(
            clientToken, operation: "ModifyLaunchTemplate",
            parameters: [selector.id ?? "", selector.name ?? "", version], as: caller, at: configuration.now())
        return try await mutate { (view) throws(CloudError) in
            let stored = try self.template(selector, as: caller)
            // A repetition must not take back what was set meanwhile.
            if try claim?.answer(in: view) != nil { return (Mutation(), stored.value) }
            var template = stored.value
            guard let found = template.version(named: version) else {
                throw .notFound(.launchTemplateVersion, [version])
            }
            if dryRun { throw .dryRunSucceeded }
            template.defaultVersion = found.number
            var mutation = Mutation()
            if template != stored.value { mutation.update(.launchTemplate(template), revision: stored.revision) }
            if let claim { mutation.create(claim.naming(template.id.value)) }
            return (mutation, template)
        }
    }

    /// EC2: DeleteLaunchTemplate.
    public func deleteLaunchTemplate(_ selector: LaunchTemplateSelector, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> LaunchTemplate
    {
        try authorise(caller, "DeleteLaunchTemplate")
        return try await mutate { (_) throws(CloudError) in
            let stored = try self.template(selector, as: caller)
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            mutation.delete(.launchTemplate(stored.value), revision: stored.revision)
            return (mutation, stored.value)
        }
    }

    /// EC2: DeleteLaunchTemplateVersions.
    public func deleteLaunchTemplateVersions(
        _ versions: [Int], of selector: LaunchTemplateSelector, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> DeletedTemplateVersions {
        try authorise(caller, "DeleteLaunchTemplateVersions")
        return try await mutate { (_) throws(CloudError) in
            let stored = try self.template(selector, as: caller)
            var template = stored.value
            if dryRun { throw .dryRunSucceeded }
            var answer = DeletedTemplateVersions(template: template, deleted: [], missing: [], kept: [])
            for number in versions {
                if number == template.defaultVersion {
                    answer.kept.append(number)
                } else if let index = template.versions.firstIndex(where: { $0.number == number }) {
                    template.versions.remove(at: index)
                    answer.deleted.append(number)
                } else {
                    answer.missing.append(number)
                }
            }
            answer.template = template
            var mutation = Mutation()
            if template != stored.value { mutation.update(.launchTemplate(template), revision: stored.revision) }
            return (mutation, answer)
        }
    }

    /// The caller's template that a request names.
    private func template(_ selector: LaunchTemplateSelector, as caller: Caller) throws(CloudError)
        -> Stored<LaunchTemplate>
    {
        if let text = selector.id {
            guard selector.name == nil else {
                throw .invalidCombination(
                    "Either provide launch template ID or launch template name, not both.")
            }
            guard let id = LaunchTemplateID(text) else { throw .malformedID(.launchTemplate, text) }
            guard let stored = view.launchTemplates[id],
                caller.isAdministrator || stored.value.accountID == caller.accountID
            else { throw .notFound(.launchTemplate, [text]) }
            return stored
        }
        guard let name = selector.name else { throw .missingParameter("LaunchTemplateId or LaunchTemplateName") }
        guard let stored = view.launchTemplate(named: name, of: caller.accountID) else {
            throw .notFound(.launchTemplateName, [name])
        }
        return stored
    }

    /// EC2's rule: 3 to 128 letters, digits and ( ) . - / _.
    private static func check(templateName name: String) throws(CloudError) {
        let allowed = Set("().-/_".utf8)
        let isGood =
            (3...128).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || allowed.contains($0)
            }
        guard isGood else {
            throw .invalidValue(
                parameter: "LaunchTemplateName", value: String(name.prefix(64)),
                reason:
                    "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and "
                    + "the following characters: - ( ) . / _.")
        }
    }

    private static func check(_ data: [String: String], description: String?) throws(CloudError) {
        if let description, description.utf8.count > 255 {
            throw .invalidValue(
                parameter: "VersionDescription", value: String(description.prefix(64)),
                reason: "The description of a version has at most 255 bytes.")
        }
        guard !data.isEmpty else { throw .missingParameter("LaunchTemplateData") }
        let size = data.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size <= LaunchTemplate.largestData else {
            throw .invalidValue(
                parameter: "LaunchTemplateData", value: "\(size) bytes",
                reason: "The data of a launch template version has at most \(LaunchTemplate.largestData) bytes.")
        }
    }

    private static func sorted(_ data: [String: String]) -> [String] {
        data.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
    }

    /// Users of the administrator's own name are EC2's root.
    static func arn(_ caller: Caller) -> String {
        "arn:aws:iam::\(caller.accountID):" + (caller.userName == "admin" ? "root" : "user/\(caller.userName)")
    }
}
