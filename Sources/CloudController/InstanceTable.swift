import CloudModel

/// The instances of one reservation, ordered by launch index.
final class ReservationRecord: Sendable {
    let id: ReservationID
    let accountID: String
    let launchTime: Timestamp
    let instances: [Stored<Instance>]

    init(id: ReservationID, accountID: String, launchTime: Timestamp, instances: [Stored<Instance>]) {
        self.id = id
        self.accountID = accountID
        self.launchTime = launchTime
        self.instances = instances
    }

    /// Order of describe calls: by launch, oldest first.
    static func isBefore(_ left: ReservationRecord, _ right: ReservationRecord) -> Bool {
        left.launchTime != right.launchTime ? left.launchTime < right.launchTime : left.id < right.id
    }
}

/// What reconcilers and decisions need to know of the instances of one zone, kept up to date with every change.
struct ZoneInstances {
    /// Wanted, and on no node.
    var unplaced: Set<InstanceID> = []
    /// On a node and not over.
    var placed: Set<InstanceID> = []
    /// Not wanted any more, and not over.
    var ending: Set<InstanceID> = []
    /// On a node and not over, with an instance profile.
    var profiled: Set<InstanceID> = []
    /// Not over, and how their guests reach their metadata was changed after the launch.
    var withChangedMetadata: Set<InstanceID> = []
    /// Number of instances that are not over, by group.
    var members: [SecurityGroupID: Int] = [:]
}

/// All instances with their indexes. A snapshot of an owner's list is one retain.
struct InstanceTable {
    private(set) var byID: [InstanceID: Stored<Instance>] = [:]
    private var reservations: [ReservationID: ReservationRecord] = [:]
    private var ordered: [String: [ReservationRecord]] = [:]
    private(set) var zones: [String: ZoneInstances] = [:]
    /// Number of instances that are not terminated, by account.
    private(set) var liveCounts: [String: Int] = [:]
    private(set) var memberCounts: [SecurityGroupID: Int] = [:]
    private(set) var terminated: Set<InstanceID> = []
    /// Instances that wait for room, by reservation.
    private(set) var waiting: [ReservationID: Set<InstanceID>] = [:]
    /// Grows whenever room becomes free, so that it is cheap to see that it is worth to look at what waits.
    private(set) var releases = 0
    private var macAddresses: Set<String> = []
    /// Room in the zones; the part of it that instances use is kept here, the nodes come from their watcher.
    var capacities: [String: ZoneCapacity] = [:]

    subscript(id: InstanceID) -> Stored<Instance>? { byID[id] }
    func reservation(_ id: ReservationID) -> ReservationRecord? { reservations[id] }
    /// In the order of describe calls.
    func reservations(of account: String) -> [ReservationRecord] { ordered[account] ?? [] }
    /// In the order of describe calls.
    func allReservations() -> [ReservationRecord] {
        ordered.values.joined().sorted(by: ReservationRecord.isBefore)
    }
    func isUsed(macAddress: String) -> Bool { macAddresses.contains(macAddress) }

    /// Takes a record unless a newer one is known.
    mutating func set(_ instance: Instance, revision: Int64) {
        let known = byID[instance.id]
        if let known, known.revision > revision { return }
        let stored = Stored(instance, revision: revision)
        byID[instance.id] = stored
        if known == nil { macAddresses.insert(instance.macAddress) }
        place(stored, replacing: known != nil)
        if let known { uncount(known.value) }
        count(instance)
    }

    mutating func remove(_ id: InstanceID) {
        guard let known = byID.removeValue(forKey: id) else { return }
        uncount(known.value)
        macAddresses.remove(known.value.macAddress)
        let account = known.value.accountID
        guard let reservation = reservations[known.value.reservationID] else { return }
        let rest = reservation.instances.filter { $0.value.id != id }
        let position = index(of: reservation, in: account)
        if rest.isEmpty {
            reservations[reservation.id] = nil
            ordered[account]?.remove(at: position)
            if ordered[account]?.isEmpty == true { ordered[account] = nil }
        } else {
            let next = ReservationRecord(
                id: reservation.id, accountID: account, launchTime: reservation.launchTime, instances: rest)
            reservations[reservation.id] = next
            ordered[account]?[position] = next
        }
    }

    private mutating func place(_ stored: Stored<Instance>, replacing: Bool) {
        let instance = stored.value
        guard let reservation = reservations[instance.reservationID] else {
            let new = ReservationRecord(
                id: instance.reservationID, accountID: instance.accountID, launchTime: instance.launchTime,
                instances: [stored])
            reservations[new.id] = new
            let position = index(of: new, in: instance.accountID)
            ordered[instance.accountID, default: []].insert(new, at: position)
            return
        }
        var instances = reservation.instances
        if replacing, let same = instances.firstIndex(where: { $0.value.id == instance.id }) {
            instances[same] = stored
        } else {
            let next = instances.firstIndex { $0.value.launchIndex > instance.launchIndex } ?? instances.count
            instances.insert(stored, at: next)
        }
        // The launch time stays that of the first record, as the place in the order depends on it.
        let next = ReservationRecord(
            id: reservation.id, accountID: reservation.accountID, launchTime: reservation.launchTime,
            instances: instances)
        reservations[next.id] = next
        let position = index(of: next, in: reservation.accountID)
        ordered[reservation.accountID]?[position] = next
    }

    /// Where a reservation is, or would be inserted.
    private func index(of reservation: ReservationRecord, in account: String) -> Int {
        guard let list = ordered[account] else { return 0 }
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if ReservationRecord.isBefore(list[middle], reservation) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func count(_ instance: Instance) {
        if instance.state == .terminated {
            terminated.insert(instance.id)
            return
        }
        liveCounts[instance.accountID, default: 0] += 1
        for group in instance.groups {
            memberCounts[group.id, default: 0] += 1
            zones[instance.zone, default: ZoneInstances()].members[group.id, default: 0] += 1
        }
        if instance.options?.metadata?.isChanged == true {
            zones[instance.zone, default: ZoneInstances()].withChangedMetadata.insert(instance.id)
        }
        if instance.nodeName != nil {
            zones[instance.zone, default: ZoneInstances()].placed.insert(instance.id)
            if instance.options?.profile != nil {
                zones[instance.zone, default: ZoneInstances()].profiled.insert(instance.id)
            }
        } else if instance.isWaiting {
            waiting[instance.reservationID, default: []].insert(instance.id)
        } else if instance.intent == .run {
            zones[instance.zone, default: ZoneInstances()].unplaced.insert(instance.id)
        }
        if instance.intent == .terminate {
            zones[instance.zone, default: ZoneInstances()].ending.insert(instance.id)
        }
        if instance.occupiesRoom {
            capacities[instance.zone, default: ZoneCapacity()].occupy(instance.demand, node: instance.nodeName)
        }
    }

    private mutating func uncount(_ instance: Instance) {
        if instance.state == .terminated {
            terminated.remove(instance.id)
            return
        }
        Self.decrease(&liveCounts, instance.accountID)
        for group in instance.groups {
            Self.decrease(&memberCounts, group.id)
            Self.decrease(&zones[instance.zone, default: ZoneInstances()].members, group.id)
        }
        zones[instance.zone]?.placed.remove(instance.id)
        zones[instance.zone]?.profiled.remove(instance.id)
        zones[instance.zone]?.withChangedMetadata.remove(instance.id)
        zones[instance.zone]?.unplaced.remove(instance.id)
        zones[instance.zone]?.ending.remove(instance.id)
        if instance.isWaiting {
            waiting[instance.reservationID]?.remove(instance.id)
            if waiting[instance.reservationID]?.isEmpty == true { waiting[instance.reservationID] = nil }
        }
        if instance.occupiesRoom {
            releases += 1
            capacities[instance.zone]?.release(instance.demand, node: instance.nodeName)
        }
    }

    private static func decrease<Name: Hashable>(_ counts: inout [Name: Int], _ name: Name) {
        guard let count = counts[name] else { return }
        counts[name] = count > 1 ? count - 1 : nil
    }
}

extension Instance {
    /// What it uses of a node.
    var demand: InstanceDemand {
        InstanceDemand(type: type, architecture: architecture, hasKernel: kernelID != nil)
    }
    /// Whether it uses, or is about to use, room in its zone. One that ends without ever having been on a node
    /// does not, and neither does one that waits.
    var occupiesRoom: Bool { state.holdsResources && (nodeName != nil || intent == .run) && !isWaiting }
}
