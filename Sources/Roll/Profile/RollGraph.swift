/// The edges and orders of a roll's graph files.
public struct RollGraph: Sendable {
    /// From a node to one that it brings with it.
    public struct Edge: Sendable {
        /// The node that is there.
        public let from: String
        /// The node that it brings.
        public let to: String
        /// The edge's own condition, which counts when the nodes are chosen; nil is none.
        public let condition: String?
        /// For an edge with nested `<to>` or `<from>`: the whole condition. Rocks 5.4 and later leave out the edge at once
        /// if it does not hold, so that nothing behind it is reached.
        public let nestedCondition: String?
        /// Whether it is written with nested elements.
        public let isNested: Bool
        /// The graph file.
        public let path: String
        /// Where in it.
        public let position: TextPosition
    }

    /// One node before another.
    public struct Order: Sendable {
        /// The earlier node.
        public let head: String
        /// The later one.
        public let tail: String
        /// For which generator: "kgen" or none.
        public let generator: String?
        /// The graph file.
        public let path: String
        /// Where in it.
        public let position: TextPosition
    }

    /// Something in a graph file that Rocks trips over.
    public struct Defect: Sendable {
        /// The graph file.
        public let path: String
        /// Where in it.
        public let position: TextPosition
        /// Cause.
        public let message: String
        /// Cure.
        public let cure: String
        /// Whether it stops every host, or those of this roll.
        public let isError: Bool
    }

    /// All edges, in the order of the files.
    public private(set) var edges: [Edge] = []
    /// All orders, likewise.
    public private(set) var orders: [Order] = []
    /// What is wrong with the form.
    public private(set) var defects: [Defect] = []

    /// Reads the graph files that are well-formed.
    public init(_ documents: [RollProfile.Document]) {
        for document in documents {
            guard case .success(let root) = document.root else { continue }
            root.forEachElement { element in
                switch element.name {
                case "edge": edge(element, document.path)
                case "order": order(element, document.path)
                default: break
                }
            }
        }
    }

    /// A graph of given edges; for those that Rocks itself has.
    init(edges: [Edge]) { self.edges = edges }

    private mutating func report(
        _ path: String, _ element: MarkupElement, _ message: String, _ cure: String, isError: Bool = true
    ) {
        defects.append(
            Defect(path: path, position: element.position, message: message, cure: cure, isError: isError))
    }

    private func condition(_ element: MarkupElement, cond: String?) -> String? {
        Condition.joined(
            arch: element.attribute("arch")?.value, os: element.attribute("os")?.value,
            release: element.attribute("release")?.value, cond: cond)
    }

    private mutating func name(_ element: MarkupElement, _ path: String) -> String {
        let text = element.text
        if text != text.trimmingSpaces() || text.isEmpty {
            report(
                path, element, "<\(element.name)> contains \"\(text)\": the spaces are part of the node's name",
                "write <\(element.name)>\(text.trimmingSpaces())</\(element.name)>")
        }
        return text
    }

    private mutating func edge(_ element: MarkupElement, _ path: String) {
        let outer = condition(element, cond: element.attribute("cond")?.value)
        let from = element.attribute("from")?.value
        let to = element.attribute("to")?.value
        let nested = element.children.filter { $0.name == "to" || $0.name == "from" }
        for child in nested {
            let text = name(child, path)
            let counterpart = child.name == "to" ? from : to
            guard let counterpart else {
                report(
                    path, child,
                    "<\(child.name)> stands in an edge without the attribute "
                        + "\(child.name == "to" ? "from" : "to")",
                    "write <edge \(child.name == "to" ? "from" : "to")=\"…\"> around it")
                continue
            }
            var inner = outer
            if let cond = child.attribute("cond") {
                if outer == nil {
                    report(
                        path, child,
                        "<\(child.name) cond=…> in an edge without a condition makes \"(  and \(cond.value) )\", which "
                            + "stops every host of the cluster in Rocks 5.4 and later",
                        "put the condition on the edge itself")
                }
                inner = "( \(outer ?? "") and \(cond.value) )"
            }
            edges.append(
                Edge(
                    from: child.name == "to" ? counterpart : text, to: child.name == "to" ? text : counterpart,
                    condition: outer, nestedCondition: condition(child, cond: inner), isNested: true, path: path,
                    position: child.position))
        }
        if nested.isEmpty {
            guard let from, let to else {
                report(
                    path, element, "the edge has no \(from == nil ? "from" : "to")",
                    "write <edge from=\"a\" cond=\"…\"><to>b</to></edge>")
                return
            }
            edges.append(
                Edge(
                    from: from, to: to, condition: outer, nestedCondition: nil, isNested: false, path: path,
                    position: element.position))
        }
    }

    private mutating func order(_ element: MarkupElement, _ path: String) {
        let head = element.attribute("head")?.value
        let tail = element.attribute("tail")?.value
        let generator = element.attribute("gen")?.value
        let nested = element.children.filter { $0.name == "head" || $0.name == "tail" }
        for child in nested {
            let text = name(child, path)
            guard let counterpart = child.name == "tail" ? head : tail else {
                report(
                    path, child, "<\(child.name)> stands in an order without the other end as an attribute",
                    "write <order head=\"a\"><tail>b</tail></order>")
                continue
            }
            orders.append(
                Order(
                    head: child.name == "tail" ? counterpart : text, tail: child.name == "tail" ? text : counterpart,
                    generator: child.attribute("gen")?.value ?? generator, path: path, position: child.position))
        }
        if nested.isEmpty {
            guard let head, let tail else {
                report(
                    path, element, "the order has no \(head == nil ? "head" : "tail")",
                    "write <order head=\"a\"><tail>b</tail></order>")
                return
            }
            orders.append(
                Order(head: head, tail: tail, generator: generator, path: path, position: element.position))
        }
    }
}
