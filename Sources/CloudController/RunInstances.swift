public import CloudModel
import Crypto
import Foundation
import Logging
import Store

// RunInstances: validate, choose zones, record the intent, answer. The reconcilers do the rest.

/// What requests that are between their decision and their commit have set aside. Their room in the zones is set aside
/// in the zones' capacities directly.
struct Launches {
    /// Instances by account, for the quota.
    var instances: [String: Int] = [:]
    /// Their types by reservation, with the account, for the policy.
    var types: [ReservationID: (account: String, type: InstanceType, count: Int)] = [:]
    /// Requests that are about to wait, by account.
    var waiting: [String: Int] = [:]
    /// Accounts about a request of which the policy is being asked, with those that wait for their turn.
    var advised: [String: [CheckedContinuation<Void, Never>]] = [:]
    /// Uses of groups, which must not be deleted meanwhile.
    var groups: [SecurityGroupID: Int] = [:]
    /// Client tokens (by key) of requests under way, with those that wait for the outcome because they are the same
    /// request sent again.
    var tokens: [String: [CheckedContinuation<Void, Never>]] = [:]
}

/// A request that may run, but for the room.
private struct LaunchPlan {
    var image: Image
    var kernelID: ImageID?
    var ramdiskID: ImageID?
    var type: InstanceType
    var keyPair: KeyPair?
    var groups: [SecurityGroup]
    var placementGroup: Stored<PlacementGroup>?
    var profile: InstanceProfile?
    var minimum: Int
    var maximum: Int

    var demand: InstanceDemand {
        InstanceDemand(type: type, architecture: image.architecture, hasKernel: kernelID != nil)
    }
}

/// Where a request's instances go; those of one that waits are shown in a zone until they get one.
private struct LaunchDecision {
    var shares: [(zone: String, count: Int)]
    var wait: LaunchWait?
}

extension CloudController {
    /// Records the intent to run instances and answers them as pending. EC2: RunInstances.
    public func runInstances(_ request: RunInstancesRequest, as caller: Caller) async throws(CloudError)
        -> Reservation
    {
        try authorise(caller, "RunInstances")
        if !uncertain.isEmpty { try await settleUncertainty() }
        guard let token = request.clientToken, !token.isEmpty else {
            return try await launch(request, fingerprint: nil, as: caller)
        }
        guard token.utf8.count <= 64, token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw .invalidValue(
                parameter: "ClientToken", value: String(token.prefix(64)),
                reason: "A client token has at most 64 printable ASCII characters.")
        }
        let key = Key.token(account: caller.accountID, token: token)
        let fingerprint = request.fingerprint
        // The same request may be under way: its outcome is the answer to this one, too.
        while launches.tokens[key] != nil {
            await withCheckedContinuation { launches.tokens[key, default: []].append($0) }
        }
        if let reservation = try replay(key: key, token: token, fingerprint: fingerprint) { return reservation }
        launches.tokens[key] = []
        defer {
            for waiting in launches.tokens.removeValue(forKey: key) ?? [] { waiting.resume() }
        }
        return try await launch(request, fingerprint: fingerprint, as: caller)
    }

    /// The answer that a client token was given before; nil if it is new.
    private func replay(key: String, token: String, fingerprint: String) throws(CloudError) -> Reservation? {
        guard let known = view.tokens[key]?.value else { return nil }
        guard known.fingerprint == fingerprint else { throw .idempotentParameterMismatch(token: token) }
        guard let id = known.reservationID else { throw .idempotentParameterMismatch(token: token) }
        guard let reservation = view.instances.reservation(id) else {
            throw .incorrectState(
                .reservation, id.value, state: "terminated and forgotten",
                operation: "RunInstances with the client token '\(token)'; use a new token")
        }
        return Reservation(
            id: reservation.id, accountID: reservation.accountID, instances: reservation.instances.map(\.value))
    }

    private func launch(_ request: RunInstancesRequest, fingerprint: String?, as caller: Caller)
        async throws(CloudError) -> Reservation
    {
        do {
            guard configuration.policy.needsAdvice else {
                return try await launch(request, AllocationAdvice(), fingerprint: fingerprint, as: caller)
            }
            // One after the other for each account, so that each question counts what the one before has got.
            while launches.advised[caller.accountID] != nil {
                await withCheckedContinuation { launches.advised[caller.accountID, default: []].append($0) }
            }
            launches.advised[caller.accountID] = []
            defer {
                for waiting in launches.advised.removeValue(forKey: caller.accountID) ?? [] { waiting.resume() }
            }
            let plan = try plan(request, as: caller)
            let offers = try offers(plan, request).offers
            let advice = try await configuration.policy.advise(
                AllocationQuestion(
                    request: request, caller: caller, type: plan.type, use: use(of: caller.accountID),
                    offers: offers, now: configuration.now()))
            return try await launch(request, advice, fingerprint: fingerprint, as: caller)
        } catch {
            note(error, of: request, as: caller)
            throw error
        }
    }

    private func launch(
        _ request: RunInstancesRequest, _ advice: AllocationAdvice, fingerprint: String?, as caller: Caller
    ) async throws(CloudError) -> Reservation {
        for _ in 0..<100 {
            let plan = try plan(request, as: caller)
            let decision = try decide(plan, advice, request, as: caller)
            if request.dryRun { throw .dryRunSucceeded }
            let reservation = try makeReservation(plan, decision, advice, request, as: caller)
            var mutation = Mutation()
            for group in plan.groups {
                mutation.conditions.append(.exists(Key.group(account: group.accountID, name: group.name)))
            }
            if let group = plan.placementGroup {
                // Touched by every launch, so that it is not deleted, and not given another zone, meanwhile.
                mutation.update(.placementGroup(group.value), revision: group.revision)
            }
            if let profile = plan.profile { mutation.conditions.append(.exists(profile.record.key)) }
            for instance in reservation.instances {
                mutation.create(.instance(instance))
                if let userData = request.userData, !userData.isEmpty {
                    mutation.puts.append(.userData(instance.id, userData))
                }
            }
            if let token = request.clientToken, let fingerprint {
                mutation.create(
                    .token(
                        TokenRecord(
                            token: token, accountID: caller.accountID, fingerprint: fingerprint,
                            reservationID: reservation.id, createdAt: configuration.now())))
            }
            let waits = decision.wait != nil
            setAside(reservation, plan, waits: waits)
            // Released in the same turn in which the view counts the instances themselves.
            defer { giveBack(reservation, plan, waits: waits) }
            if try await write(mutation) {
                if waits {
                    queueSignal?.yield()
                } else {
                    for share in decision.shares { wake(zone: share.zone) }
                }
                logger.info(
                    waits ? "instances wait for room" : "instances accepted",
                    metadata: [
                        "request": "\(caller.requestID)", "reservation": "\(reservation.id)",
                        "instances": "\(reservation.instances.count)", "type": "\(plan.type.name)",
                        "zones": "\(decision.shares.map(\.zone).joined(separator: ","))",
                    ])
                return reservation
            }
            // A token that another process has recorded answers; otherwise something went that the plan relied on.
            if let token = request.clientToken, let fingerprint {
                let key = Key.token(account: caller.accountID, token: token)
                if let known = try replay(key: key, token: token, fingerprint: fingerprint) { return known }
            }
        }
        throw .unavailable(component: "cloud controller", reason: "Too many changes at the same time; try again.")
    }

    // MARK: Validation, in AWS's order

    private func plan(_ request: RunInstancesRequest, as caller: Caller) throws(CloudError) -> LaunchPlan {
        try checkCounts(request)
        let image = try launchable(request.imageID, kind: .machine, parameter: "ImageId", as: caller)
        let kernel = try companion(
            request.kernelID, of: image.kernelID, kind: .kernel, parameter: "KernelId", as: caller)
        let ramdisk = try companion(
            request.ramdiskID, of: image.ramdiskID, kind: .ramdisk, parameter: "RamdiskId", as: caller)
        let typeName = request.instanceType ?? configuration.defaultInstanceType
        guard let type = view.types[typeName]?.value else {
            throw .invalidValue(
                parameter: "InstanceType", value: typeName, reason: "Invalid value '\(typeName)' for InstanceType.")
        }
        var keyPair: KeyPair?
        if let name = request.keyName {
            guard let found = view.keyPair(name, of: caller.accountID) else { throw .notFound(.keyPair, [name]) }
            keyPair = found.value
        }
        let groups = try groups(of: request, as: caller)
        if let zone = request.zone, !zones.contains(where: { $0.name == zone }) {
            throw .invalidValue(
                parameter: "AvailabilityZone", value: zone, reason: "Invalid availability zone: [\(zone)]")
        }
        if let userData = request.userData, userData.count > 16_384 {
            throw .invalidValue(
                parameter: "UserData", value: "\(userData.count) bytes",
                reason: "User data is limited to 16384 bytes")
        }
        try NamingRules.checkTags(request.instanceTags)
        var placementGroup: Stored<PlacementGroup>?
        if let name = request.options.placementGroup {
            guard let found = view.placementGroup(named: name, of: caller.accountID) else {
                throw .notFound(.placementGroup, [name])
            }
            placementGroup = found
        }
        let profile = try request.profile.map { (selector) throws(CloudError) in
            try passable(selector, of: caller.accountID, to: nil, as: caller)
        }
        let maximum = try quota(request, as: caller)
        return LaunchPlan(
            image: image, kernelID: kernel, ramdiskID: ramdisk, type: type, keyPair: keyPair, groups: groups,
            placementGroup: placementGroup, profile: profile, minimum: request.minCount, maximum: maximum)
    }

    private func checkCounts(_ request: RunInstancesRequest) throws(CloudError) {
        guard request.minCount >= 1 else {
            throw .invalidValue(
                parameter: "MinCount", value: String(request.minCount),
                reason: "Invalid value '\(request.minCount)' for minCount. Must be greater than 0.")
        }
        guard request.maxCount >= request.minCount else {
            throw .invalidValue(
                parameter: "MaxCount", value: String(request.maxCount),
                reason: "Invalid value '\(request.maxCount)' for maxCount. "
                    + "Must be greater than or equal to minCount (\(request.minCount)).")
        }
    }

    /// An image that the caller may launch.
    private func launchable(_ text: String, kind: Image.Kind, parameter: String, as caller: Caller)
        throws(CloudError) -> Image
    {
        guard let id = ImageID(text) else { throw .malformedID(.image, text) }
        guard let image = view.images[id]?.value, image.state != .deregistered, canLaunch(image, caller) else {
            throw .notFound(.image, [text])
        }
        guard image.kind == kind else {
            throw .invalidValue(
                parameter: parameter, value: text,
                reason: "Image \(text) is a \(image.kind.rawValue) image and cannot be used as a \(kind.rawValue).")
        }
        guard image.state == .available else {
            throw .incorrectState(.image, text, state: image.state.rawValue, operation: "RunInstances")
        }
        return image
    }

    private func companion(
        _ requested: String?, of own: ImageID?, kind: Image.Kind, parameter: String, as caller: Caller
    ) throws(CloudError) -> ImageID? {
        guard let text = requested ?? own?.value else { return nil }
        return try launchable(text, kind: kind, parameter: parameter, as: caller).id
    }

    private func groups(of request: RunInstancesRequest, as caller: Caller) throws(CloudError) -> [SecurityGroup] {
        var groups: [SecurityGroup] = []
        for text in request.groupIDs {
            let group = try ownGroup(GroupSelector(id: text), as: caller).value
            if !groups.contains(where: { $0.id == group.id }) { groups.append(group) }
        }
        for name in request.groupNames {
            let group = try ownGroup(GroupSelector(name: name), as: caller).value
            if !groups.contains(where: { $0.id == group.id }) { groups.append(group) }
        }
        if groups.isEmpty { groups = [try ownGroup(GroupSelector(name: "default"), as: caller).value] }
        guard groups.count <= NamingRules.groupsPerInstance else {
            throw .limitExceeded(
                .securityGroup, limit: NamingRules.groupsPerInstance, inUse: 0, requested: groups.count)
        }
        return groups
    }

    /// How many instances the request may have at most.
    private func quota(_ request: RunInstancesRequest, as caller: Caller) throws(CloudError) -> Int {
        let inUse =
            (view.instances.liveCounts[caller.accountID] ?? 0) + (launches.instances[caller.accountID] ?? 0)
        let left = configuration.instancesPerAccount - inUse
        guard request.minCount <= left else {
            throw .limitExceeded(
                .instance, limit: configuration.instancesPerAccount, inUse: inUse, requested: request.minCount)
        }
        guard request.minCount <= configuration.instancesPerRequest else {
            throw .invalidValue(
                parameter: "MinCount", value: String(request.minCount),
                reason: "One request can launch at most \(configuration.instancesPerRequest) instances; use several.")
        }
        return min(request.maxCount, left, configuration.instancesPerRequest)
    }

    // MARK: Room

    /// What the zones have free that may be asked.
    private func offers(_ plan: LaunchPlan, _ request: RunInstancesRequest) throws(CloudError)
        -> (offers: [ZoneAllocation.Offer], rooms: [(zone: String, room: ZoneCapacity.FreeRoom)], silent: [String])
    {
        var offers: [ZoneAllocation.Offer] = []
        var rooms: [(zone: String, room: ZoneCapacity.FreeRoom)] = []
        var silent: [String] = []
        for link in zones where request.zone == nil || request.zone == link.name {
            guard let state = zoneStates[link.name], state.isAvailable else {
                silent.append("\(link.name): \(zoneStates[link.name]?.message ?? "unknown")")
                continue
            }
            let room = (view.instances.capacities[link.name] ?? ZoneCapacity()).freeRoom()
            rooms.append((link.name, room))
            offers.append(ZoneAllocation.Offer(zone: link.name, slots: room.slots(for: plan.demand)))
        }
        guard !offers.isEmpty else {
            throw .unavailable(
                component: request.zone.map { "availability zone \($0)" } ?? "availability zones",
                reason: silent.isEmpty
                    ? "The cloud has no availability zone. Register a cluster controller."
                    : "No cluster controller answers (\(silent.joined(separator: "; "))). Try again later.")
        }
        return (offers, rooms, silent)
    }

    private func decide(
        _ plan: LaunchPlan, _ advice: AllocationAdvice, _ request: RunInstancesRequest, as caller: Caller
    ) throws(CloudError) -> LaunchDecision {
        let (offers, rooms, silent) = try offers(plan, request)
        var allowed = try configuration.policy.restrict(
            offers, for: request, of: caller, type: plan.type, use: { use(of: caller.accountID) })
        if let zones = advice.zones { allowed = allowed.filter { zones.contains($0.zone) } }
        let maximum = min(plan.maximum, advice.maximum ?? plan.maximum)
        guard maximum >= plan.minimum else {
            throw .notPermitted(
                "The site's allocation policy allows \(maximum) of the \(plan.minimum) instances that are asked for.")
        }
        if let group = plan.placementGroup?.value {
            allowed = try Self.within(group, members(of: group), allowed, request)
        }
        let inTurn = !mustWait(request.zone)
        if inTurn, let shares = ZoneAllocation.divide(minimum: plan.minimum, maximum: maximum, over: allowed) {
            return LaunchDecision(shares: shares)
        }
        var detail = ""
        if configuration.policy.queue != nil {
            // Those of a placement group are to be in one zone, and which one cannot be known yet.
            let refusal =
                plan.placementGroup != nil
                ? "Requests with a placement group do not wait."
                : refusesToQueue(plan.minimum, demand: plan.demand, zone: request.zone, of: caller.accountID)
            guard let refusal else {
                // Most likely there, by size; it is decided when there is room.
                let zone = request.zone ?? offers.max { $0.slots < $1.slots }?.zone ?? ""
                return LaunchDecision(
                    shares: [(zone, plan.minimum)],
                    wait: LaunchWait(since: configuration.now(), zone: request.zone))
            }
            detail = refusal + " "
        }
        let available = inTurn ? allowed.reduce(0) { $0 + $1.slots } : 0
        let offered = offers.reduce(0) { $0 + $1.slots }
        if inTurn, offered > available {
            detail += "The service level agreement allows \(available) of \(offered) free slots. "
        }
        detail += Self.shortage(plan.type, plan.demand, rooms)
        if !silent.isEmpty { detail += " Not counted: \(silent.joined(separator: "; "))." }
        throw .insufficientCapacity(
            zone: request.zone, type: plan.type.name, requested: plan.minimum, available: available, detail: detail)
    }

    /// All instances of a placement group are in one zone: that of those it has, or the one with the most room.
    private static func within(
        _ group: PlacementGroup, _ members: [Instance], _ offers: [ZoneAllocation.Offer], _ request: RunInstancesRequest
    ) throws(CloudError) -> [ZoneAllocation.Offer] {
        guard let zone = members.first?.zone else {
            return offers.max { $0.slots < $1.slots }.map { [$0] } ?? []
        }
        if let wanted = request.zone, wanted != zone {
            throw .invalidCombination(
                "The instances of the placement group '\(group.name)' are in the availability zone \(zone)")
        }
        return offers.filter { $0.zone == zone }
    }

    /// What is needed and what is free, for people.
    private static func shortage(
        _ type: InstanceType, _ demand: InstanceDemand, _ rooms: [(zone: String, room: ZoneCapacity.FreeRoom)]
    ) -> String {
        let amount = demand.amount
        var text =
            "Each instance of \(type.name) needs \(amount.cores) core\(amount.cores == 1 ? "" : "s"), "
            + "\(amount.memoryMiB) MiB of memory and \(amount.diskGiB) GiB of disk on one node."
        for (zone, room) in rooms {
            let scarce = room.scarcestResource(for: demand)
            if scarce == "nodes" {
                let start = demand.architecture.contains(.fromKernel) ? "a kernel of their own" : "their own disk"
                text += " Zone \(zone) has no node that takes instances of this architecture that start from \(start)."
                continue
            }
            let (largest, sum) = room.summary(architecture: demand.architecture)
            text +=
                " Zone \(zone) has room for \(room.slots(for: demand)), short of \(scarce): the freest node of each has "
                + "\(largest.cores) cores, \(largest.memoryMiB) MiB and \(largest.diskGiB) GiB free; in all "
                + "\(sum.cores) cores, \(sum.memoryMiB) MiB and \(sum.diskGiB) GiB."
        }
        return text
    }

    private func setAside(_ reservation: Reservation, _ plan: LaunchPlan, waits: Bool) {
        launches.instances[reservation.accountID, default: 0] += reservation.instances.count
        launches.types[reservation.id] = (reservation.accountID, plan.type, reservation.instances.count)
        for group in plan.groups { launches.groups[group.id, default: 0] += 1 }
        if waits {
            launches.waiting[reservation.accountID, default: 0] += 1
            return
        }
        for instance in reservation.instances {
            view.instances.capacities[instance.zone, default: ZoneCapacity()].occupy(plan.demand, node: nil)
        }
    }

    private func giveBack(_ reservation: Reservation, _ plan: LaunchPlan, waits: Bool) {
        launches.types[reservation.id] = nil
        let left = (launches.instances[reservation.accountID] ?? 0) - reservation.instances.count
        launches.instances[reservation.accountID] = left > 0 ? left : nil
        for group in plan.groups {
            let uses = (launches.groups[group.id] ?? 0) - 1
            launches.groups[group.id] = uses > 0 ? uses : nil
        }
        if waits {
            let left = (launches.waiting[reservation.accountID] ?? 0) - 1
            launches.waiting[reservation.accountID] = left > 0 ? left : nil
            return
        }
        for instance in reservation.instances {
            view.instances.capacities[instance.zone]?.release(plan.demand, node: nil)
        }
    }

    // MARK: Records

    private func makeReservation(
        _ plan: LaunchPlan, _ decision: LaunchDecision, _ advice: AllocationAdvice, _ request: RunInstancesRequest,
        as caller: Caller
    ) throws(CloudError) -> Reservation {
        let id = ReservationID.random()
        let now = configuration.now()
        let groups = plan.groups.map { GroupMembership(id: $0.id, name: $0.name) }
        var options = request.options
        options.wait = decision.wait
        var lease = advice.lease ?? configuration.policy.lease(for: request, of: caller, type: plan.type, from: now)
        if let limit = try policyLease(request, type: plan.type, of: caller) {
            // Whichever is over first.
            let agreed = lease
            lease = agreed.map { $0.endsAt < limit.endsAt ? $0 : limit } ?? limit
            lease?.latest = min(agreed?.latest ?? limit.latest, limit.latest)
        }
        if let agreed = lease, let wish = request.instanceTags.first(where: { $0.key == Lease.requestTag }) {
            lease = try Self.lease(agreed, endingAt: wish.value, now: now)
        }
        var instances: [Instance] = []
        for (zone, count) in decision.shares {
            for _ in 0..<count {
                var instanceID = InstanceID.random()
                while view.instances[instanceID] != nil
                    || view.instances.isUsed(macAddress: Self.macAddress(instanceID))
                {
                    instanceID = .random()
                }
                instances.append(
                    Instance(
                        id: instanceID, reservationID: id, accountID: caller.accountID, launchIndex: instances.count,
                        imageID: plan.image.id, kernelID: plan.kernelID, ramdiskID: plan.ramdiskID,
                        architecture: plan.image.architecture, rootDeviceName: plan.image.rootDeviceName,
                        type: plan.type, zone: zone, keyName: plan.keyPair?.name,
                        publicKey: plan.keyPair?.publicKey, userData: nil, groups: groups,
                        macAddress: Self.macAddress(instanceID), launchTime: now, clientToken: request.clientToken,
                        isMonitored: request.monitoring, tags: request.instanceTags + request.systemTags))
                options.profile = plan.profile.map { ProfileAssociation(of: $0, since: now) }
                instances[instances.count - 1].options = options.unlessEmpty
                if let lease { instances[instances.count - 1].setLease(lease) }
                if decision.wait != nil {
                    instances[instances.count - 1].stateReason = StateReason(
                        code: "pending", message: "pending: waits for room; requests start by their accounts' shares")
                }
            }
        }
        return Reservation(id: id, accountID: caller.accountID, instances: instances)
    }

    /// A locally administered address from the identifier's random digits.
    static func macAddress(_ id: InstanceID) -> String {
        let digits = Array(id.value.utf8.suffix(10))
        var text = "02"
        for index in stride(from: 0, to: digits.count - 1, by: 2) {
            text += ":" + String(decoding: digits[index...(index + 1)], as: UTF8.self)
        }
        return text
    }
}

extension RunInstancesRequest {
    /// SHA-256 over everything that a repetition with the same client token must repeat.
    var fingerprint: String {
        var hash = SHA256()
        func add(_ text: String?) {
            let bytes = Array((text ?? "").utf8)
            withUnsafeBytes(of: (text == nil ? -1 : Int64(bytes.count)).littleEndian) { hash.update(bufferPointer: $0) }
            bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
        }
        func add(_ texts: [String]) {
            add(String(texts.count))
            for text in texts { add(text) }
        }
        add([imageID, String(minCount), String(maxCount)])
        for text in [instanceType, keyName, zone, kernelID, ramdiskID] { add(text) }
        add(groupIDs)
        add(groupNames)
        add(userData.map { SHA256.hash(data: $0).hexadecimal })
        add(monitoring ? "monitored" : "plain")
        add(instanceTags.flatMap { [$0.key, $0.value] })
        // Tokens of an earlier release, which knew none, stay good.
        if options != InstanceOptions() {
            add([
                options.isProtectedFromTermination == true ? "protected" : "plain",
                options.isProtectedFromStop == true ? "protected" : "plain", options.placementGroup ?? "",
            ])
        }
        if let metadata = options.metadata {
            add(["metadata", "\(metadata.requiresTokens) \(metadata.isDisabled) \(metadata.hopLimit)"])
        }
        if let profile { add(["profile", profile.arn ?? "", profile.name ?? ""]) }
        if !systemTags.isEmpty { add(systemTags.flatMap { [$0.key, $0.value] }) }
        return hash.finalize().hexadecimal
    }
}

extension Sequence<UInt8> {
    /// Lower-case hexadecimal.
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
