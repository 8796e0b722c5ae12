import Testing

@testable import CloudModel

@Suite struct CapacityTests {
    private func node(_ name: String, _ cores: Int, free: Int? = nil, accepts: Bool = true) -> ZoneCapacity.Node {
        ZoneCapacity.Node(
            name: name, architectures: [.i386, .x86_64], acceptsInstances: accepts,
            total: ResourceAmount(cores: cores, memoryMiB: cores * 1024, diskGiB: cores * 10),
            reportedFree: ResourceAmount(
                cores: free ?? cores, memoryMiB: (free ?? cores) * 1024, diskGiB: (free ?? cores) * 10))
    }
    private func demand(_ cores: Int) -> InstanceDemand {
        InstanceDemand(
            amount: ResourceAmount(cores: cores, memoryMiB: cores * 1024, diskGiB: cores * 10), architecture: .x86_64)
    }

    @Test func aPlacementIsCountedOnceWhoeverTellsItFirst() {
        var zone = ZoneCapacity()
        zone.setNode(node("a", 4))
        zone.occupy(demand(1), node: nil)
        #expect(zone.freeRoom().slots(for: demand(1)) == 3)
        // Placed: the node's own figure lags behind.
        zone.release(demand(1), node: nil)
        zone.occupy(demand(1), node: "a")
        #expect(zone.freeRoom().slots(for: demand(1)) == 3)
        // The node has counted it, too.
        zone.setNode(node("a", 4, free: 3))
        #expect(zone.freeRoom().slots(for: demand(1)) == 3)
        // Ended: the node still cleans up.
        zone.release(demand(1), node: "a")
        #expect(zone.freeRoom().slots(for: demand(1)) == 3)
        zone.setNode(node("a", 4))
        #expect(zone.freeRoom().slots(for: demand(1)) == 4)
    }

    @Test func `what a node cannot start finds no room there`() {
        let disk = InstanceDemand(
            type: InstanceType(name: "t", cores: 1, memoryMiB: 1, diskGiB: 1), architecture: "x86_64", hasKernel: false)
        let kernel = InstanceDemand(
            type: InstanceType(name: "t", cores: 1, memoryMiB: 1, diskGiB: 1), architecture: "x86_64", hasKernel: true)
        var paravirtual = node("a", 4)
        paravirtual.architectures.insert(.fromKernel)
        var zone = ZoneCapacity()
        zone.setNode(paravirtual)
        #expect(zone.freeRoom().slots(for: kernel) == 4)
        #expect(zone.freeRoom().slots(for: disk) == 0)
        #expect(zone.freeRoom().scarcestResource(for: disk) == "nodes")
        var any = node("b", 2)
        any.architectures.formUnion([.fromKernel, .fromDisk])
        zone.setNode(any)
        #expect(zone.freeRoom().slots(for: disk) == 2)
        #expect(zone.totalRoom().slots(for: InstanceDemand(amount: demand(1).amount, architecture: [])) == 6)
    }

    @Test func roomIsNotAddedUpOverNodes() {
        var zone = ZoneCapacity()
        zone.setNode(node("a", 3))
        zone.setNode(node("b", 3))
        #expect(zone.freeRoom().slots(for: demand(2)) == 2)
        #expect(zone.freeRoom().slots(for: demand(4)) == 0)
        zone.occupy(demand(2), node: nil)
        zone.occupy(demand(2), node: nil)
        #expect(zone.freeRoom().slots(for: demand(1)) == 2)
        #expect(zone.freeRoom().slots(for: demand(2)) == 0)
        #expect(zone.totalRoom().slots(for: demand(1)) == 6)
        zone.setNode(node("b", 3, accepts: false))
        #expect(zone.totalRoom().slots(for: demand(1)) == 3)
        zone.keepNodes(["b"])
        #expect(zone.totalRoom().slots(for: demand(1)) == 0)
        zone.setNode(node("c", 2))
        zone.removeNode("b")
        #expect(zone.totalRoom().slots(for: demand(1)) == 2)
    }

    @Test func whatIsAcceptedAlwaysFits() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<200 {
            var zone = ZoneCapacity()
            var rooms: [Int] = []
            for index in 0..<Int.random(in: 1...5, using: &generator) {
                rooms.append(Int.random(in: 1...8, using: &generator))
                zone.setNode(node("n\(index)", rooms[index]))
            }
            var accepted: [Int] = []
            for _ in 0..<30 {
                let size = Int.random(in: 1...4, using: &generator)
                if zone.freeRoom().slots(for: demand(size)) > 0 {
                    zone.occupy(demand(size), node: nil)
                    accepted.append(size)
                }
            }
            #expect(zone.unassignedCount == accepted.count)
            // Largest first, first fit: what the capacity promised can be placed.
            for size in accepted.sorted(by: >) {
                let fitting = rooms.firstIndex { $0 >= size }
                #expect(fitting != nil)
                if let fitting { rooms[fitting] -= size }
            }
        }
    }

    @Test func requestsAreDividedOverAsFewZonesAsPossible() {
        func divide(_ minimum: Int, _ maximum: Int, _ slots: [Int]) -> [String: Int]? {
            let offers = slots.enumerated().map { ZoneAllocation.Offer(zone: "z\($0.offset)", slots: $0.element) }
            return ZoneAllocation.divide(minimum: minimum, maximum: maximum, over: offers).map {
                Dictionary(uniqueKeysWithValues: $0.map { ($0.zone, $0.count) })
            }
        }
        #expect(divide(1, 1, [5, 5]) == ["z0": 1])
        #expect(divide(3, 3, [2, 5]) == ["z1": 3])
        #expect(divide(6, 6, [2, 5]) == ["z1": 5, "z0": 1])
        #expect(divide(1, 100, [2, 5]) == ["z1": 5, "z0": 2])
        #expect(divide(8, 8, [2, 5]) == nil)
        #expect(divide(1, 1, []) == nil)
        #expect(divide(1, 1, [0]) == nil)
    }

    @Test func everyDefaultTypeIsPossibleAndTheSmallestRunAnywhere() throws {
        for type in InstanceType.defaults { try type.check() }
        #expect(Set(InstanceType.defaults.map(\.name)).count == InstanceType.defaults.count)
        #expect(InstanceType.defaults.contains { $0.name == InstanceType.defaultName && $0.memoryMiB <= 256 })
    }
}
