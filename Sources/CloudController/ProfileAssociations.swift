public import CloudModel
import Store

// Instance profiles of instances: who may give them, and what is recorded. `InstanceCredentials.swift` makes the nodes
// agree with it.

extension CloudController {
    /// The profile that a request names, if the caller may pass its role to an instance.
    ///
    /// - Parameter instance: nil for one that is about to be launched.
    func passable(
        _ selector: ProfileSelector, of account: String, to instance: InstanceID?, as caller: Caller
    ) throws(CloudError) -> InstanceProfile {
        let profile = try profile(selector, of: account)
        guard let role = profile.roleID.flatMap({ view.identities.roles[$0]?.value }) else {
            throw .invalidValue(
                parameter: "IamInstanceProfile", value: profile.arn,
                reason: "IAM Instance Profile \"\(profile.arn)\" has no associated IAM Roles")
        }
        let arn = "arn:aws:ec2:\(configuration.region):\(account):instance/\(instance?.value ?? "*")"
        try permit(
            caller,
            AccessCheck(
                "iam:PassRole", resources: [AccessResource(role.arn)],
                facts: ["iam:passedtoservice": ["ec2.amazonaws.com"], "iam:associatedresourcearn": [arn]]))
        return profile
    }

    private func profile(_ selector: ProfileSelector, of account: String) throws(CloudError) -> InstanceProfile {
        func invalid(_ part: String, _ value: String) -> CloudError {
            .invalidValue(
                parameter: "IamInstanceProfile", value: String(value.prefix(128)),
                reason: "Value (\(value.prefix(128))) for parameter iamInstanceProfile.\(part) is invalid. Invalid IAM "
                    + "Instance Profile \(part == "arn" ? "ARN" : "name")")
        }
        switch (selector.arn, selector.name) {
        case (let arn?, nil):
            // A profile of another account is as one that is not there.
            guard let name = arn.split(separator: "/").last.map(String.init),
                let found = view.identities.profiles.named(name, of: account)?.value, found.arn == arn
            else { throw invalid("arn", arn) }
            return found
        case (nil, let name?):
            guard let found = view.identities.profiles.named(name, of: account)?.value else {
                throw invalid("name", name)
            }
            return found
        case (nil, nil): throw .missingParameter("IamInstanceProfile")
        // The same twice is what it is once.
        case (let arn?, let name?):
            if let found = view.identities.profiles.named(name, of: account)?.value, found.arn == arn { return found }
            throw .invalidCombination(
                "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'")
        }
    }

    /// See `ProfileAssociationBackend`.
    public func associateProfile(
        _ selector: ProfileSelector, with instance: String, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> DescribedProfileAssociation {
        try authorise(caller, "AssociateIamInstanceProfile")
        return try await change(dryRun: dryRun) { (_) throws(CloudError) in
            guard let stored = try self.owned([instance], as: caller).first else {
                throw .notFound(.instance, [instance])
            }
            guard stored.value.profile == nil else {
                throw .incorrectState(
                    .profileAssociation, stored.value.id.value, state: "associated",
                    operation: "AssociateIamInstanceProfile")
            }
            return (stored, selector, caller)
        }
    }

    /// See `ProfileAssociationBackend`.
    public func replaceProfileAssociation(
        _ association: String, with selector: ProfileSelector, dryRun: Bool, as caller: Caller
    ) async throws(CloudError) -> DescribedProfileAssociation {
        try authorise(caller, "ReplaceIamInstanceProfileAssociation")
        return try await change(dryRun: dryRun) { (view) throws(CloudError) in
            let stored = try self.instance(of: association, view, as: caller)
            guard stored.value.profile != nil else {
                throw .incorrectState(
                    .profileAssociation, association, state: ProfileAssociation.State.disassociating.rawValue,
                    operation: "ReplaceIamInstanceProfileAssociation")
            }
            return (stored, selector, caller)
        }
    }

    private func change(
        dryRun: Bool,
        _ find: (CloudView) throws(CloudError) -> (Stored<Instance>, ProfileSelector, Caller)
    ) async throws(CloudError) -> DescribedProfileAssociation {
        let now = configuration.now()
        let (zone, result) = try await mutate { (view) throws(CloudError) in
            let (stored, selector, caller) = try find(view)
            var instance = stored.value
            guard instance.state != .terminated, instance.state != .shuttingDown, instance.intent == .run else {
                throw .incorrectState(
                    .instance, instance.id.value, state: instance.state.rawValue,
                    operation: "to have an instance profile")
            }
            let profile = try self.passable(selector, of: instance.accountID, to: instance.id, as: caller)
            if dryRun { throw .dryRunSucceeded }
            let association = ProfileAssociation(of: profile, since: now)
            instance.options = instance.options ?? InstanceOptions()
            instance.options?.profile = association
            var mutation = Mutation()
            mutation.conditions.append(.exists(profile.record.key))
            mutation.update(.instance(instance), revision: stored.revision)
            return (
                mutation,
                (instance.zone, DescribedProfileAssociation(instanceID: instance.id, association: association))
            )
        }
        credentialSignals[zone]?.yield()
        return result
    }

    /// See `ProfileAssociationBackend`.
    public func disassociateProfile(_ association: String, dryRun: Bool, as caller: Caller)
        async throws(CloudError) -> DescribedProfileAssociation
    {
        try authorise(caller, "DisassociateIamInstanceProfile")
        let (zone, result) = try await mutate { (view) throws(CloudError) in
            let stored = try self.instance(of: association, view, as: caller)
            var instance = stored.value
            guard var association = instance.options?.profile else {
                throw .notFound(.profileAssociation, [association])
            }
            if dryRun { throw .dryRunSucceeded }
            association.state = .disassociating
            // What is on no node has told nobody of its role.
            instance.options?.profile = instance.nodeName == nil ? nil : association
            instance.options = instance.options?.unlessEmpty
            var mutation = Mutation()
            if instance != stored.value { mutation.update(.instance(instance), revision: stored.revision) }
            return (
                mutation,
                (instance.zone, DescribedProfileAssociation(instanceID: instance.id, association: association))
            )
        }
        credentialSignals[zone]?.yield()
        return result
    }

    /// See `ProfileAssociationBackend`.
    public func describeProfileAssociations(_ request: DescribeRequest, as caller: Caller)
        async throws(CloudError) -> Page<DescribedProfileAssociation>
    {
        try authorise(caller, "DescribeIamInstanceProfileAssociations")
        let pagination = try Pagination(
            request, scope: "DescribeIamInstanceProfileAssociations " + caller.accountID)
        let filters = try FilterMatcher<DescribedProfileAssociation>(request.filters)
        var found: [DescribedProfileAssociation] = []
        if request.ids.isEmpty {
            for reservation in view.instances.reservations(of: caller.accountID) {
                found += reservation.instances.compactMap { Self.described($0.value) }
            }
        } else {
            for text in request.ids {
                if let known = Self.described(try instance(of: text, view, as: caller).value),
                    !found.contains(known)
                {
                    found.append(known)
                }
            }
        }
        if request.dryRun { throw .dryRunSucceeded }
        return pagination.page(
            found.filter(filters.matches).sorted { $0.association.id < $1.association.id },
            position: { $0.association.id.value })
    }

    private static func described(_ instance: Instance) -> DescribedProfileAssociation? {
        guard instance.state != .terminated, let association = instance.options?.profile else { return nil }
        return DescribedProfileAssociation(instanceID: instance.id, association: association)
    }

    /// The caller's instance that has an association.
    private func instance(of association: String, _ view: CloudView, as caller: Caller) throws(CloudError)
        -> Stored<Instance>
    {
        // EC2 has one answer for what cannot be an id and for what is none.
        guard let id = ProfileAssociationID(association) else { throw .notFound(.profileAssociation, [association]) }
        for reservation in view.instances.reservations(of: caller.accountID) {
            for stored in reservation.instances
            where stored.value.options?.profile?.id == id && stored.value.state != .terminated {
                return stored
            }
        }
        throw .notFound(.profileAssociation, [association])
    }
}
