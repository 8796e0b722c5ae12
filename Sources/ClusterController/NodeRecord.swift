import Contracts
import XML

// What the cluster keeps durably of a node's coming and going.
//
//              AnnounceNode                 Enrol (policy auto, or approved)
//     unknown ─────────────▶ announced ─────────────────────────────────────▶ enrolled ◀─┐ Enrol again (reinstalled):
//        │                     │  ▲                                           ▲ │     └──┘ the older serial is dead
//        │ Enrol (approve)     │  │ AnnounceNode                              │ │
//        ├──────▶ pending ─────│──│──── ApproveNode, then Enrol ──────────────┘ │
//        │           │         │  │                                             │
//        │       DenyNode ◀────┘  │                                             │
//        │           ▼            │                                  RemoveNode │
//        │        denied ── ApproveNode ──▶ pending (approved)                  │
//        │                                                                      ▼
//        └──▶ certified (drained or removed; its certificate was made by hand) ▶ removed ── Enrol ──▶ as unknown
//
// Beside the phase: a candidate is a key that waits for approval, whatever the phase, so that a reinstalled node under
// the policy "approve" leaves the certificate in force until it is approved. Draining is an order of its own.

/// One node's record.
struct NodeRecord: Sendable, Equatable {
    /// Where records lie in the store.
    static let prefix = "/enrolments/"

    enum Phase: String, Sendable {
        case announced, pending, enrolled, certified, denied, removed
    }

    /// A key that asks to be let in.
    struct Candidate: Sendable, Equatable {
        /// "sha256:" and the digest of the public key.
        var keyFingerprint: String
        var address: String?
        var since: Int64
        var isApproved: Bool
    }

    let name: String
    var phase: Phase
    /// When it came into this phase, in milliseconds since 1970.
    var since: Int64
    /// By the site's own list of hosts.
    var isAnnounced = false
    /// The one address that may enrol under this name.
    var expectedAddress: String?
    var address: String?
    var candidate: Candidate?
    /// Of the certificate in force.
    var serial: String?
    var keyFingerprint: String?
    /// How many certificates were given to this name.
    var generation = 0
    var isDraining = false
    /// Whether a certificate that was made by hand (`mallee certificate`) counts.
    var trustsHandmade = true

    init(_ name: String, _ phase: Phase, since: Int64) {
        self.name = name
        self.phase = phase
        self.since = since
    }

    var key: String { Self.prefix + name }

    mutating func enter(_ phase: Phase, at time: Int64) {
        if self.phase != phase { since = time }
        self.phase = phase
    }

    /// Whether a component's certificate of this name, with this serial number, may act for the node.
    ///
    /// - Returns: nil if it may.
    func refusal(serial presented: String?) -> NodeRefusal? {
        switch phase {
        case .removed: return .removed
        case .denied where generation == 0: return .denied
        case .announced, .pending, .enrolled, .certified, .denied: break
        }
        if generation == 0 { return trustsHandmade ? nil : .removed }
        guard let serial else { return .removed }
        return presented == serial ? nil : .superseded
    }

    /// As the contract tells it.
    var described: ClusterContract.NodeEnrolment {
        let state: ClusterContract.NodeEnrolmentState =
            switch phase {
            case .denied: .denied
            case .removed: .removed
            case .announced, .pending, .enrolled, .certified:
                if let candidate {
                    candidate.isApproved ? .approved : .pendingApproval
                } else if phase == .enrolled {
                    .enrolled
                } else {
                    phase == .certified ? .certified : .announced
                }
            }
        return ClusterContract.NodeEnrolment(
            nodeName: name, state: state, draining: isDraining,
            address: candidate?.address ?? address ?? expectedAddress,
            keyFingerprint: candidate?.keyFingerprint ?? keyFingerprint, serialNumber: serial, generation: generation,
            since: candidate?.since ?? since)
    }

    // MARK: In the store

    /// As it is kept in the store.
    var stored: [UInt8] {
        var attributes: [(name: String, value: String)] = [
            (name: "version", value: "1"), (name: "name", value: name), (name: "phase", value: phase.rawValue),
            (name: "since", value: String(since)), (name: "generation", value: String(generation)),
            (name: "announced", value: String(isAnnounced)), (name: "draining", value: String(isDraining)),
            (name: "handmade", value: String(trustsHandmade)),
        ]
        func put(_ name: String, _ value: String?) { if let value { attributes.append((name: name, value: value)) } }
        put("expectedAddress", expectedAddress)
        put("address", address)
        put("serial", serial)
        put("key", keyFingerprint)
        if let candidate {
            put("candidate", candidate.keyFingerprint)
            put("candidateAddress", candidate.address)
            put("candidateSince", String(candidate.since))
            put("candidateApproved", String(candidate.isApproved))
        }
        var writer = XMLWriter()
        writer.open("node", attributes)
        writer.close()
        return writer.bytes
    }

    /// A record of the store that does not say what it should.
    struct Damaged: Error, CustomStringConvertible { var description: String }

    /// Reads what `stored` wrote.
    init(stored bytes: [UInt8]) throws {
        let root = try XMLElement.parse(bytes)
        guard root.attribute("version") == "1", let name = root.attribute("name"), !name.isEmpty,
            let phase = root.attribute("phase").flatMap(Phase.init),
            let since = root.attribute("since").flatMap(Int64.init),
            let generation = root.attribute("generation").flatMap(Int.init), generation >= 0,
            let isAnnounced = root.attribute("announced").flatMap(Bool.init),
            let isDraining = root.attribute("draining").flatMap(Bool.init),
            let trustsHandmade = root.attribute("handmade").flatMap(Bool.init)
        else { throw Damaged(description: "a node's record in the cluster's store is damaged, or of a later release") }
        self.init(name, phase, since: since)
        self.generation = generation
        self.isAnnounced = isAnnounced
        self.isDraining = isDraining
        self.trustsHandmade = trustsHandmade
        expectedAddress = root.attribute("expectedAddress")
        address = root.attribute("address")
        serial = root.attribute("serial")
        keyFingerprint = root.attribute("key")
        if let key = root.attribute("candidate") {
            guard let since = root.attribute("candidateSince").flatMap(Int64.init),
                let isApproved = root.attribute("candidateApproved").flatMap(Bool.init)
            else { throw Damaged(description: "a node's record in the cluster's store is damaged") }
            candidate = Candidate(
                keyFingerprint: key, address: root.attribute("candidateAddress"), since: since, isApproved: isApproved)
        }
    }
}
