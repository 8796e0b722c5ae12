import AccessPolicy
import CloudModel
import Contracts
import Logging
import Store

// The credentials that instances find in their metadata. What each is to have follows from what is recorded (its
// association, the profile, its role and whom that trusts); what each node has is remembered in memory only. So a cloud
// controller that starts anew makes and hands out new ones for all, and nothing secret is stored here.
//
//     association ─▶ grant ──differs from what was delivered, or its renewal is due──▶ SetInstanceCredentials
//                                                                                        │ the node has it
//     associating ─▶ associated, disassociating ─▶ no association ◀──────────────────────┘

/// What an instance is to have. Equal grants give the same permissions.
struct CredentialsGrant: Hashable, Sendable {
    /// Nil for an instance that is to have nothing any more.
    var profileARN: String?
    var profileID: String?
    var roleID: String?
    /// EC2's word: "Success", or why there are no credentials.
    var code: String
}

/// What became of the latest attempt to hand credentials to an instance.
struct CredentialsDelivery: Sendable {
    /// What its node has; nil before the first time.
    var grant: CredentialsGrant?
    /// The association that it was made for.
    var association: ProfileAssociationID
    /// The node that has it: an instance is on one, but its record may be lost and rebuilt.
    var node: String?
    /// When there are to be new ones.
    var renewal = Timestamp(milliseconds: 0)
    /// Attempts since the last success.
    var attempts = 0
    /// Not before this moment.
    var due = ContinuousClock.now
}

extension CloudController {
    /// Instances of one call to the zone.
    private static let credentialsBatch = 100
    /// Longest wait before a node is tried again, in seconds.
    private static let longestCredentialsRetry: Int64 = 60

    /// Hands credentials to the instances of a zone, until the task is cancelled.
    func handOutCredentials(_ link: ZoneLink, wakes: AsyncStream<Void>) async {
        for await _ in wakes {
            while await handOut(link) {
                guard await pause(milliseconds: configuration.retryDelay.lowerBound) else { return }
            }
        }
    }

    /// One look at all instances.
    ///
    /// - Returns: whether something is to be tried again soon.
    private func handOut(_ link: ZoneLink) async -> Bool {
        guard zoneStates[link.name]?.isAvailable == true else { return false }
        let profiled = view.instances.zones[link.name]?.profiled ?? []
        withZone(link.name) { state in
            if state.credentials.count > profiled.count || !profiled.isSuperset(of: state.credentials.keys) {
                state.credentials = state.credentials.filter { profiled.contains($0.key) }
            }
        }
        guard !profiled.isEmpty else { return false }
        let known = zoneStates[link.name]?.credentials ?? [:]
        let now = configuration.now()
        let moment = ContinuousClock.now
        var trusted: [String: Bool] = [:]
        var wanted: [(instance: Instance, grant: CredentialsGrant)] = []
        var isWaiting = false
        for id in profiled {
            guard let instance = view.instances[id]?.value, instance.intent == .run,
                let association = instance.options?.profile
            else { continue }
            let grant = grant(of: association, account: instance.accountID, &trusted)
            if let delivery = known[id], delivery.association == association.id {
                let isDone = delivery.grant == grant && delivery.node == instance.nodeName && now < delivery.renewal
                if isDone, association.state == .associated { continue }
                guard delivery.due <= moment else {
                    isWaiting = true
                    continue
                }
            }
            wanted.append((instance, grant))
        }
        for start in stride(from: 0, to: wanted.count, by: Self.credentialsBatch) {
            let batch = Array(wanted[start..<min(start + Self.credentialsBatch, wanted.count)])
            if await !handOut(batch, link) { isWaiting = true }
        }
        return isWaiting
    }

    /// What an association gives.
    private func grant(of association: ProfileAssociation, account: String, _ trusted: inout [String: Bool])
        -> CredentialsGrant
    {
        guard association.state != .disassociating else { return CredentialsGrant(code: "") }
        var grant = CredentialsGrant(
            profileARN: association.profileARN, profileID: association.profileID, code: "Success")
        guard let profile = view.identities.profiles[association.profileID]?.value else {
            grant.code = "InstanceProfileNotFound"
            return grant
        }
        guard let role = profile.roleID.flatMap({ view.identities.roles[$0]?.value }) else { return grant }
        grant.roleID = role.id
        let isTrusted = trusted[role.id] ?? trustsInstances(role)
        trusted[role.id] = isTrusted
        if !isTrusted { grant.code = "AssumeRoleUnauthorizedAccess" }
        return grant
    }

    /// Whether a role's trust policy lets EC2 take it on for its instances.
    private func trustsInstances(_ role: Role) -> Bool {
        let trust: Policy
        do throws(PolicyError) {
            trust = try Policy(Array(role.trustPolicy.utf8), kind: .trust)
        } catch {
            logger.error(
                "a role's trust policy cannot be read", metadata: ["role": "\(role.arn)", "error": "\(error.message)"])
            return false
        }
        let account = role.accountID
        let decision = trust.decide(
            PolicyRequest(
                principal: PolicyPrincipal(service: "ec2.amazonaws.com"), action: "sts:AssumeRole", resource: role.arn,
                context: { $0 == "aws:sourceaccount" ? [account] : nil }))
        return decision == .allow
    }

    /// - Returns: false if something is to be tried again.
    private func handOut(_ batch: [(instance: Instance, grant: CredentialsGrant)], _ link: ZoneLink) async -> Bool {
        let now = configuration.now()
        var messages: [Contract.InstanceCredentials] = []
        for (instance, grant) in batch {
            do throws(CloudError) {
                messages.append(try credentials(for: instance, grant, at: now))
            } catch {
                logger.error(
                    "an instance's credentials could not be made",
                    metadata: ["instance": "\(instance.id)", "error": "\(error)"])
            }
        }
        var taken: Set<InstanceID> = []
        do {
            taken = try await link.setCredentials(messages)
        } catch {
            logger.warning(
                "instances' credentials could not be handed out; they will be tried again",
                metadata: ["zone": "\(link.name)", "instances": "\(messages.count)", "reason": "\(error)"])
        }
        for (instance, grant) in batch {
            guard let association = instance.options?.profile else { continue }
            withZone(link.name) { state in
                var delivery = state.credentials[instance.id] ?? CredentialsDelivery(association: association.id)
                if delivery.association != association.id {
                    delivery = CredentialsDelivery(association: association.id)
                }
                if taken.contains(instance.id) {
                    delivery.grant = grant
                    delivery.node = instance.nodeName
                    delivery.renewal = now.adding(seconds: Int64(configuration.instanceCredentialsValidity / 6))
                    delivery.attempts = 0
                    delivery.due = .now
                } else {
                    delivery.attempts += 1
                    let wait = min(
                        configuration.retryDelay.lowerBound << Int64(min(delivery.attempts - 1, 16)),
                        Self.longestCredentialsRetry * 1000)
                    delivery.due = .now + .milliseconds(wait)
                }
                state.credentials[instance.id] = delivery
            }
        }
        let isRecorded = await note(batch.map(\.instance).filter { taken.contains($0.id) }, of: link)
        return taken.count == batch.count && isRecorded
    }

    private func credentials(for instance: Instance, _ grant: CredentialsGrant, at now: Timestamp)
        throws(CloudError) -> Contract.InstanceCredentials
    {
        var message = Contract.InstanceCredentials(
            instanceId: instance.id.value, lastUpdated: now.milliseconds, profileArn: grant.profileARN,
            profileId: grant.profileID)
        guard grant.profileARN != nil else { return message }
        message.code = grant.code
        guard let role = grant.roleID.flatMap({ view.identities.roles[$0]?.value }) else {
            if grant.code != "Success" { message.message = "The instance profile does not exist any more." }
            return message
        }
        message.roleName = role.name
        guard grant.code == "Success" else {
            message.message =
                "EC2 cannot assume the role \(role.name). Its trust policy has to allow sts:AssumeRole to the service "
                + "ec2.amazonaws.com."
            return message
        }
        let session = try instanceSession(of: role, instance: instance.id)
        message.accessKeyId = session.accessKeyID
        message.secretAccessKey = session.secret
        message.sessionToken = session.sessionToken
        message.expiration = session.expiresAt.milliseconds
        return message
    }

    /// Records how far the nodes are.
    private func note(_ instances: [Instance], of link: ZoneLink) async -> Bool {
        guard instances.contains(where: { $0.options?.profile?.state != .associated }) else { return true }
        do {
            try await mutate { (view) throws(CloudError) in
                var mutation = Mutation()
                for sent in instances {
                    guard let stored = view.instances[sent.id], let association = stored.value.options?.profile,
                        // What was changed meanwhile is for the next look.
                        association == sent.options?.profile
                    else { continue }
                    var instance = stored.value
                    switch association.state {
                    case .associating: instance.options?.profile?.state = .associated
                    case .disassociating:
                        instance.options?.profile = nil
                        instance.options = instance.options?.unlessEmpty
                    case .associated: continue
                    }
                    mutation.update(.instance(instance), revision: stored.revision)
                }
                return (mutation, ())
            }
            return true
        } catch {
            logger.error(
                "what nodes have of instance profiles could not be recorded; it will be tried again",
                metadata: ["zone": "\(link.name)", "error": "\(error)"])
            return false
        }
    }
}
