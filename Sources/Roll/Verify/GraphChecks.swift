import XML

/// What Rocks trips over in the graph files of a roll.
struct GraphChecks {
    let profile: RollProfile
    let roll: String
    private(set) var findings: [Finding] = []

    init(_ profile: RollProfile, roll: String) {
        self.profile = profile
        self.roll = roll
    }

    private func isOwn(_ node: String) -> Bool { profile.nodes[node] != nil }

    mutating func run(databaseNodes: [String: TextPosition]) {
        for document in profile.graphs { file(document) }
        let graph = RollGraph(profile.graphs)
        for defect in graph.defects {
            findings.append(
                Finding(
                    defect.isError ? .error : .warning, defect.path, defect.position, defect.message, cure: defect.cure)
            )
        }
        for edge in graph.edges { check(edge, in: graph) }
        for order in graph.orders { check(order, in: graph) }
        names(graph)
        cycles(graph)
        for (node, position) in databaseNodes.sorted(by: { $0.key < $1.key }) { database(node, position, graph) }
    }

    private mutating func file(_ document: RollProfile.Document) {
        func report(_ severity: Finding.Severity, _ position: TextPosition, _ message: String, _ cure: String) {
            findings.append(Finding(severity, document.path, position, message, cure: cure))
        }
        switch document.root {
        case .failure(let error):
            report(
                .error, TextPosition(line: error.line, column: error.column), "is no XML: \(error.message)",
                "correct it; no host of the cluster gets a kickstart until then")
        case .success(let root):
            if root.name != "graph" {
                report(.error, root.position, "the root element is <\(root.name)>, not <graph>", "rename it")
            }
            let name = root.attribute("roll")?.value
            if name != roll {
                report(
                    .error, root.position,
                    name.map { "the graph says roll=\"\($0)\"" }
                        ?? "<graph> has no attribute roll; it counts as the base roll's",
                    "write <graph roll=\"\(roll)\">")
            }
            root.forEachElement { element in
                for item in element.content {
                    if case .entity(let name, let position) = item {
                        report(.error, position, "&\(name); is not replaced in graph files", "write the name itself")
                    }
                }
                for attribute in element.attributes {
                    if let entity = attribute.entities.first {
                        report(
                            .error, attribute.position,
                            "&\(entity); is undefined in a graph file, which is a fatal error",
                            "write the name itself, or use the attribute in cond without & and ;")
                    }
                    if attribute.name == "release" {
                        report(
                            .warning, attribute.position,
                            "release compares text with Rocks' release, which is converted to a number: it never holds",
                            "compare the attribute version in cond")
                    }
                }
            }
        }
    }

    private mutating func check(_ edge: RollGraph.Edge, in graph: RollGraph) {
        func report(_ severity: Finding.Severity, _ message: String, _ cure: String) {
            findings.append(Finding(severity, edge.path, edge.position, message, cure: cure))
        }
        for text in Set([edge.condition, edge.nestedCondition].compactMap { $0 }).sorted()
        where !text.hasPrefix("(  and") {
            do throws(Condition.Failure) {
                let condition = try Condition(text)
                for name in ["True", "False", "true", "false"] where condition.names.contains(name) {
                    report(
                        .error, "\(name) in a condition is None in Rocks, since it is no attribute of the host",
                        "write the attribute alone, or \"not\" before it")
                }
            } catch {
                report(
                    .error,
                    "the condition \"\(text)\" is no Python that Rocks can evaluate: \(error); it stops every host of the "
                        + "cluster", "write it as in cond=\"\(roll) and os=='linux'\"")
            }
        }
        if edge.condition == nil {
            if isOwn(edge.from), graph.edges.contains(where: { $0.to == edge.from && $0.condition != nil }) {
                report(
                    .error,
                    "the edge \(edge.from) → \(edge.to) has no condition, while one leads to \(edge.from): Rocks 5.2 and "
                        + "5.3, and edges in attribute form on all, include \(edge.to) even when \(edge.from) is left out",
                    "repeat the condition on this edge")
            } else {
                report(
                    .warning,
                    "the edge \(edge.from) → \(edge.to) has no condition: every host with \(edge.from) gets it",
                    "write cond=\"\(roll)\" on it, so that it can be turned off")
            }
        }
        if !isOwn(edge.to) {
            if RocksBase.nodes.contains(edge.to) {
                report(
                    .warning, "the edge leads to the node \(edge.to) of Rocks itself",
                    "lead edges to nodes of this roll only")
            } else {
                report(
                    .error,
                    "the edge leads to the node \(edge.to), of which there is no file: hosts stop with «cannot find node»",
                    "add nodes/\(edge.to).xml, or correct the name")
            }
        }
        if !isOwn(edge.from), !RocksBase.nodes.contains(edge.from) {
            report(
                .warning, "the edge begins at the node \(edge.from), which neither this roll nor Rocks has",
                "begin it at server, client or a node of this roll")
        }
    }

    private mutating func check(_ order: RollGraph.Order, in graph: RollGraph) {
        func report(_ severity: Finding.Severity, _ message: String, _ cure: String) {
            findings.append(Finding(severity, order.path, order.position, message, cure: cure))
        }
        if let generator = order.generator, generator != "kgen" {
            report(
                .error, "gen=\"\(generator)\" on an order takes its nodes out of every kickstart",
                "leave gen out, or write kgen")
        }
        for node in [order.head, order.tail]
        where !isOwn(node) && !RocksBase.nodes.contains(node) && node != "HEAD" && node != "TAIL" {
            report(
                .error, "the order names the node \(node), which neither this roll nor Rocks has", "correct the name")
        }
        for node in [order.head, order.tail] where isOwn(node) && order.head != "TAIL" {
            if reaches("client", node, graph) {
                report(
                    .warning,
                    "the order moves the client's node \(node) before all nodes that stand in no order, base and client "
                        + "among them", "leave it out of orders, or put it after TAIL")
            }
        }
    }

    private func reaches(_ start: String, _ node: String, _ graph: RollGraph) -> Bool {
        var seen: Set<String> = []
        var pending = [start]
        while let next = pending.popLast() {
            if next == node { return true }
            guard seen.insert(next).inserted else { continue }
            pending += graph.edges.filter { $0.from == next }.map(\.to)
        }
        return false
    }

    private mutating func names(_ graph: RollGraph) {
        let used = Set(graph.edges.map(\.to))
        for (name, document) in profile.nodes.sorted(by: { $0.key < $1.key }) {
            for kind in ["extend-", "replace-"] where name.hasPrefix(kind) {
                findings.append(
                    Finding(
                        .error, document.path, nil,
                        "\(kind)… files are for the site's own changes; one of a roll takes the site's place",
                        cure: "bring a node of your own with an edge to it"))
            }
            if RocksBase.nodes.contains(name) {
                findings.append(
                    Finding(
                        .error, document.path, nil,
                        "the node replaces the one of Rocks itself with the same name: all rolls' nodes lie in one directory",
                        cure: "name it \(roll)-\(name)"))
            } else if name != roll, !name.hasPrefix(roll + "-"), !name.hasPrefix("extend-"), !name.hasPrefix("replace-")
            {
                findings.append(
                    Finding(
                        .error, document.path, nil,
                        "the node's name does not begin with \(roll)-, so that another roll's may replace it",
                        cure: "name it \(roll)-\(name)"))
            }
            if !used.contains(name), !graph.edges.contains(where: { $0.from == name }) {
                findings.append(
                    Finding(
                        .warning, document.path, nil, "no edge leads to this node, so that no host gets it",
                        cure: "add an edge, or remove the file"))
            }
        }
    }

    private mutating func cycles(_ graph: RollGraph) {
        for (what, pairs) in [
            ("edges", graph.edges.map { ($0.from, $0.to, $0.path, $0.position) }),
            ("orders", graph.orders.map { ($0.head, $0.tail, $0.path, $0.position) }),
        ] {
            var below: [String: [String]] = [:]
            for pair in pairs { below[pair.0, default: []].append(pair.1) }
            var reported: Set<Set<String>> = []
            for pair in pairs {
                // The shortest way back from the end of this one to its beginning.
                var cameFrom: [String: String] = [pair.1: ""]
                var queue = [pair.1]
                while !queue.isEmpty, cameFrom[pair.0] == nil {
                    let node = queue.removeFirst()
                    for next in below[node] ?? [] where cameFrom[next] == nil {
                        cameFrom[next] = node
                        queue.append(next)
                    }
                }
                guard cameFrom[pair.0] != nil else { continue }
                var cycle = [pair.0]
                while let last = cycle.last, last != pair.1, let before = cameFrom[last] { cycle.append(before) }
                guard reported.insert(Set(cycle)).inserted else { continue }
                findings.append(
                    Finding(
                        .error, pair.2, pair.3,
                        "the \(what) form a cycle: \(([pair.0] + cycle.reversed()).joined(separator: " → ")); Rocks "
                            + "accepts it without a word and takes some order", cure: "remove one of them"))
            }
        }
    }

    /// A frontend's script that uses the database must come after the nodes that fill it.
    private mutating func database(_ node: String, _ position: TextPosition, _ graph: RollGraph) {
        guard reaches("server", node, graph), let document = profile.nodes[node] else { return }
        var seen: Set<String> = []
        var pending = [node]
        while let next = pending.popLast() {
            if next == "database-data" { return }
            if seen.insert(next).inserted { pending += graph.orders.filter { $0.tail == next }.map(\.head) }
        }
        findings.append(
            Finding(
                .error, document.path, position,
                "a script of the frontend calls rocks, and no order puts \(node) after database-data: when a frontend is "
                    + "installed the database may be empty yet",
                cure: "write <order head=\"database-data\"><tail>\(node)</tail></order>"))
    }
}
