public import CloudModel
import Store

// Who may launch an image, and copies.

extension CloudController {
    /// The image, for its owner only. EC2: DescribeImageAttribute.
    public func ownImage(id: String, operation: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> Image
    {
        let image = try own(id, operation, as: caller).value
        if dryRun { throw .dryRunSucceeded }
        return image
    }

    private func own(_ text: String, _ operation: String, as caller: Caller) throws(CloudError) -> Stored<Image> {
        try authorise(caller, operation)
        guard let id = ImageID(text) else { throw .malformedID(.image, text) }
        guard let stored = view.images[id], stored.value.state != .deregistered, canLaunch(stored.value, caller) else {
            throw .notFound(.image, [text])
        }
        guard caller.isAdministrator || stored.value.accountID == caller.accountID else {
            throw .unauthorized(operation: "\(operation) of another account's image")
        }
        return stored
    }

    /// Most accounts that one image can be launched by, as each is part of its record.
    private static let launchPermissionLimit = 1000

    /// EC2: ModifyImageAttribute and ResetImageAttribute.
    public func modifyImage(id: String, _ change: ImageChange, dryRun: Bool, as caller: Caller)
        async throws(CloudError)
    {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.own(id, "ModifyImageAttribute", as: caller)
            var image = stored.value
            switch change {
            case .deprecation(let moment): image.deprecatesAt = try self.checkedDeprecation(moment)
            case .disabled(let isDisabled):
                // To ask for what is so already is no error.
                if (image.state == .disabled) == isDisabled { break }
                guard image.state == (isDisabled ? .available : .disabled) else {
                    throw .incorrectState(
                        .image, id, state: image.state.rawValue,
                        operation: isDisabled ? "DisableImage" : "EnableImage")
                }
                image.state = isDisabled ? .disabled : .available
                if isDisabled {
                    image.isPublic = false
                    image.launchAccounts = []
                }
            case .deregistrationProtection(let isProtected):
                image.isProtectedFromDeregistration = isProtected ? true : nil
            case .description(let text):
                try Self.check(description: text)
                image.description = text
            case .resetLaunchPermissions:
                image.isPublic = false
                image.launchAccounts = []
            case .launchPermissions(let added, let removed):
                guard image.state != .disabled || added.isEmpty else {
                    throw .incorrectState(
                        .image, id, state: image.state.rawValue, operation: "ModifyImageAttribute")
                }
                for account in added.union(removed) where account != "all" {
                    // One that is gone can still be taken away.
                    guard Self.isAccountID(account), view.accounts[account] != nil || !added.contains(account) else {
                        throw .invalidValue(
                            parameter: "LaunchPermission", value: String(account.prefix(64)),
                            reason: "Invalid attribute item value \"\(account.prefix(64))\" for userId item type.")
                    }
                }
                image.launchAccounts = image.launchAccounts.subtracting(removed).union(added.subtracting(["all"]))
                if removed.contains("all") { image.isPublic = false }
                if added.contains("all") { image.isPublic = true }
                guard image.launchAccounts.count <= Self.launchPermissionLimit else {
                    throw .limitExceeded(
                        .image, limit: Self.launchPermissionLimit, inUse: stored.value.launchAccounts.count,
                        requested: added.count)
                }
            }
            if dryRun { throw .dryRunSucceeded }
            var mutation = Mutation()
            if image != stored.value { mutation.update(.image(image), revision: stored.revision) }
            return (mutation, ())
        }
    }

    /// The minute is what counts, and it lies ahead, within ten years (API reference, EnableImageDeprecation).
    private func checkedDeprecation(_ moment: Timestamp?) throws(CloudError) -> Timestamp? {
        guard let moment else { return nil }
        let now = configuration.now().milliseconds
        guard moment.milliseconds > now, moment.milliseconds < now + 3653 * 86_400_000 else {
            throw .invalidValue(
                parameter: "DeprecateAt", value: moment.iso8601,
                reason: "DeprecateAt must be in the future, and at most 10 years from now.")
        }
        return Timestamp(milliseconds: (moment.milliseconds + 59_999) / 60_000 * 60_000)
    }

    private static func isAccountID(_ text: String) -> Bool {
        text.utf8.count == 12 && text.utf8.allSatisfy { (48...57).contains($0) }
    }

    static func check(description: String) throws(CloudError) {
        guard description.utf8.count <= 1024 else {
            throw .invalidValue(
                parameter: "Description", value: String(description.prefix(64)),
                reason: "An image's description has at most 1024 bytes.")
        }
    }

    /// Another image of the same object in Walrus, owned by the caller: no bytes are copied, and it lives on when the
    /// source is deregistered. EC2: CopyImage.
    public func copyImage(_ request: CopyImageRequest, as caller: Caller) async throws(CloudError) -> Image {
        try authorise(caller, "CopyImage")
        try NamingRules.checkImageName(request.name)
        try NamingRules.checkTags(request.tags)
        if let description = request.description { try Self.check(description: description) }
        let now = configuration.now()
        let claim = try TokenClaim(
            request.clientToken, operation: "CopyImage",
            parameters: [request.sourceID, request.name, request.description ?? "", "\(request.copiesTags)"]
                + request.tags.flatMap { [$0.key, $0.value] },
            as: caller, at: now)
        guard let sourceID = ImageID(request.sourceID) else { throw .malformedID(.image, request.sourceID) }
        // What was done is answered alike, even if the source is gone by now.
        if !request.dryRun, let made = try claim?.answer(in: view), let id = ImageID(made),
            let image = view.images[id]?.value
        {
            return image
        }
        // An image that is nowhere is nowhere in any region, which is the more helpful answer.
        guard let known = view.images[sourceID]?.value, known.state != .deregistered, canLaunch(known, caller) else {
            throw .notFound(.image, [request.sourceID])
        }
        guard request.sourceRegion == configuration.region else {
            throw .invalidValue(
                parameter: "SourceRegion", value: request.sourceRegion,
                reason: "Invalid source region: \(request.sourceRegion). This cloud is one region, "
                    + "\(configuration.region).")
        }
        let copyID = ImageID.random(sourceID.kind)
        return try await mutate { (view) throws(CloudError) in
            if let known = try claim?.answer(in: view), let id = ImageID(known), let image = view.images[id]?.value {
                return (Mutation(), image)
            }
            guard let source = view.images[sourceID]?.value, source.state != .deregistered,
                self.canLaunch(source, caller)
            else { throw .notFound(.image, [request.sourceID]) }
            guard source.state == .available else {
                throw .incorrectState(.image, request.sourceID, state: source.state.rawValue, operation: "CopyImage")
            }
            let isTaken = view.images.records(of: caller.accountID).contains {
                $0.value.name == request.name && $0.value.state != .deregistered
            }
            if isTaken { throw .duplicate(.image, request.name) }
            if request.dryRun { throw .dryRunSucceeded }
            var copy = source
            copy.id = copyID
            copy.accountID = caller.accountID
            copy.name = request.name
            copy.description = request.description ?? source.description
            copy.isPublic = false
            copy.launchAccounts = []
            copy.deprecatesAt = nil
            copy.isProtectedFromDeregistration = nil
            copy.createdAt = now
            copy.tags = request.copiesTags ? try NamingRules.merge(request.tags, into: source.tags) : request.tags
            var mutation = Mutation()
            mutation.conditions.append(.exists(Key.image(source.id)))
            mutation.create(.image(copy))
            if let claim { mutation.create(claim.naming(copyID.value)) }
            return (mutation, copy)
        }
    }
}
