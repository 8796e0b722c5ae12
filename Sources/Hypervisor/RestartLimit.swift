/// How often a guest may restart itself: one that does so at once, again and again, would keep its host busy with building
/// domains for ever.
struct RestartLimit: Sendable {
    /// A guest that ran for this long before it restarted is no runaway.
    static let quick: Int64 = 60_000
    /// Quick restarts in a row.
    static let most = 5

    private var lastStart: Int64?
    private var inARow = 0

    /// The guest was started, at this moment of the steady clock in milliseconds.
    mutating func started(at now: Int64) { lastStart = now }

    /// Whether a guest that restarts itself now may do so.
    mutating func allows(at now: Int64) -> Bool {
        guard let lastStart, now - lastStart < Self.quick else {
            inARow = 0
            return true
        }
        inARow += 1
        return inARow <= Self.most
    }

    /// Somebody asked for the restart.
    mutating func forgive() { inARow = 0 }

    /// For people.
    static let explanation =
        "the guest restarted itself \(most + 1) times in a row, each time within \(quick / 1000) s of its start, and was not "
        + "started again; its console output says why"
}
