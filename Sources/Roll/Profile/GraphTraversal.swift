/// Which nodes a host gets and in which order, as Rocks 5.4 and later find them (`rocks list node xml`).
///
/// The nodes reached from the root over the edges whose conditions hold; first those that stand in an order, from HEAD to
/// TAIL in topological order, with all others alphabetically where TAIL stands. Where the orders leave a choice Rocks
/// takes what its hash tables give; here it is always the same.
struct GraphTraversal {
    private let edges: [RollGraph.Edge]
    private let orders: [RollGraph.Order]

    init(_ graph: RollGraph) {
        edges =
            graph.edges
            + RocksBase.edges.map {
                RollGraph.Edge(
                    from: $0.from, to: $0.to, condition: nil, nestedCondition: nil, isNested: false, path: "Rocks",
                    position: TextPosition(line: 1, column: 1))
            }
        orders = graph.orders
    }

    /// The nodes of a host, in order.
    ///
    /// - Throws: `RollError` where Rocks would stop: a condition that is none.
    func nodes(root: String, attributes: [String: String]) throws -> [String] {
        let reached = try reach(root, attributes)
        var chosen: Set<String> = []
        for (name, edge) in reached where try holds(edge?.condition, attributes, edge) { chosen.insert(name) }
        let alphabetical = reached.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let ordered = topological()
        // One end of an order for another generator takes the node out altogether.
        var placed: [String: Bool] = [:]
        for (name, generator) in ordered {
            placed[name] = (generator == nil || generator == "kgen") && chosen.contains(name)
        }
        var result: [String] = []
        for (name, _) in ordered {
            if name == "TAIL" {
                result += alphabetical.filter { chosen.contains($0) && placed[$0] == nil }
            } else if placed[name] == true {
                result.append(name)
            }
        }
        return result.filter { $0 != "HEAD" && $0 != "TAIL" }
    }

    private func holds(_ condition: String?, _ attributes: [String: String], _ edge: RollGraph.Edge?) throws -> Bool {
        guard let condition else { return true }
        do throws(Condition.Failure) {
            return try Condition(condition).holds(attributes)
        } catch {
            let place = edge.map { "\($0.path):\($0.position.line):\($0.position.column): " } ?? ""
            throw RollError("\(place)the condition \"\(condition)\" stops Rocks: \(error).")
        }
    }

    /// Each node that can be reached, with the edge by which it was reached first.
    private func reach(_ root: String, _ attributes: [String: String]) throws -> [String: RollGraph.Edge?] {
        var below: [String: [RollGraph.Edge]] = [:]
        for edge in edges {
            guard try !edge.isNested || holds(edge.nestedCondition, attributes, edge) else { continue }
            below[edge.from, default: []].append(edge)
        }
        var reached: [String: RollGraph.Edge?] = [:]
        // Depth first, each node's edges in their order.
        var pending: [(String, RollGraph.Edge?)] = [(root, nil)]
        while let (name, edge) = pending.popLast() {
            guard reached[name] == nil else { continue }
            reached[name] = .some(edge)
            for next in (below[name] ?? []).reversed() where reached[next.to] == nil { pending.append((next.to, next)) }
        }
        return reached
    }

    /// The nodes of all orders, earlier ones first, with the generator of the order by which each was reached.
    private func topological() -> [(name: String, generator: String?)] {
        var after: [String: [(name: String, generator: String?)]] = ["HEAD": [], "TAIL": []]
        var before: [String: Set<String>] = ["HEAD": [], "TAIL": []]
        func add(_ head: String, _ tail: String, _ generator: String?) {
            after[head, default: []].append((tail, generator))
            before[tail, default: []].insert(head)
            if after[tail] == nil { after[tail] = [] }
            if before[head] == nil { before[head] = [] }
        }
        for order in orders { add(order.head, order.tail, order.generator) }
        let names = after.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        func closure(_ start: String, _ next: (String) -> [String]) -> Set<String> {
            var seen: Set<String> = []
            var pending = [start]
            while let name = pending.popLast() {
                if seen.insert(name).inserted { pending += next(name) }
            }
            return seen
        }
        // What has no path to HEAD and nothing before it comes right after HEAD; what cannot be reached from TAIL and has
        // nothing after it comes right before TAIL.
        let early = closure("HEAD") { Array(before[$0] ?? []) }
        for name in names where !early.contains(name) && (before[name] ?? []).isEmpty { add("HEAD", name, nil) }
        let late = closure("TAIL") { (after[$0] ?? []).map(\.name) }
        for name in names where !late.contains(name) && (after[name] ?? []).isEmpty { add(name, "TAIL", nil) }
        // By finishing times of a depth-first search. Nodes of a cycle that nothing leads to are never visited.
        var finished: [(name: String, generator: String?)] = []
        var visited: Set<String> = []
        for start in names where (before[start] ?? []).isEmpty && !visited.contains(start) {
            var stack: [(name: String, generator: String?, next: Int)] = [(start, nil, 0)]
            visited.insert(start)
            while let top = stack.last {
                let following = after[top.name] ?? []
                if top.next < following.count {
                    stack[stack.count - 1].next += 1
                    let next = following[top.next]
                    if visited.insert(next.name).inserted { stack.append((next.name, next.generator, 0)) }
                } else {
                    finished.append((top.name, top.generator))
                    stack.removeLast()
                }
            }
        }
        return finished.reversed()
    }
}
