import Contracts

/// The nodes by name, and beside them how policies see them: a placement must not cost a walk over a thousand nodes'
/// descriptions, so only nodes that were touched since the last placement are looked at anew.
struct NodeTable: Sendable {
    private var byName: [String: Node] = [:]
    /// Names in order, with what policies see of them, the architectures that they run, and what they start guests from.
    private var names: [String] = []
    private var seen: [PlacementCandidate] = []
    private var architectures: [[String]] = []
    private var boots: [[String]] = []
    private var touched: Set<String> = []
    /// Nodes came or went since the arrays were made.
    private var isReordered = false

    var count: Int { byName.count }
    var isEmpty: Bool { byName.isEmpty }
    /// In no order.
    var keys: some Collection<String> { byName.keys }
    /// In no order.
    var values: some Collection<Node> { byName.values }

    subscript(name: String) -> Node? {
        get { byName[name] }
        // In place: a node's sets are not copied for a change of one member.
        _modify {
            let before = byName.count
            yield &byName[name]
            if byName.count != before { isReordered = true } else { touched.insert(name) }
        }
    }

    /// Nodes that are up or asleep, run `architecture`, start guests from `boot` ("kernel" or "disk"; nil does not
    /// matter) and are not among `refused`, by name.
    mutating func candidates(
        architecture: String, boot: String? = nil, excluding refused: Set<String>
    ) -> [PlacementCandidate] {
        refresh()
        if refused.isEmpty, seen.indices.allSatisfy({ isOffered($0, architecture, boot) }) { return seen }
        return seen.indices.filter { isOffered($0, architecture, boot) && !refused.contains(names[$0]) }.map {
            seen[$0]
        }
    }

    private func isOffered(_ index: Int, _ architecture: String, _ boot: String?) -> Bool {
        let state = seen[index].state
        guard state == .up || state == .asleep, architectures[index].contains(architecture) else { return false }
        guard let boot, !boots[index].isEmpty else { return true }
        return boots[index].contains(boot)
    }

    private mutating func refresh() {
        if isReordered {
            names = byName.keys.sorted()
            let nodes = names.compactMap { byName[$0] }
            seen = nodes.map(\.candidate)
            architectures = nodes.map(\.description.architecture)
            boots = nodes.map(\.description.boot)
        } else {
            for name in touched {
                guard let node = byName[name], let index = index(of: name) else { continue }
                seen[index] = node.candidate
                architectures[index] = node.description.architecture
                boots[index] = node.description.boot
            }
        }
        touched.removeAll(keepingCapacity: true)
        isReordered = false
    }

    private func index(of name: String) -> Int? {
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low + high) / 2
            if names[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low < names.count && names[low] == name ? low : nil
    }
}

extension NodeTable: Sequence {
    /// In no order.
    func makeIterator() -> Dictionary<String, Node>.Iterator { byName.makeIterator() }
}
