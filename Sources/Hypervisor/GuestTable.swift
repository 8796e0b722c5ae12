import JSON
import Posix

/// A guest as a driver that keeps it in a `GuestTable` sees it.
protocol TabledGuest: AnyObject, Sendable {
    /// What finds it.
    var handle: GuestHandle { get }
    /// Guards its state.
    var lock: Lock { get }
    /// Tells of a new state.
    var change: Condition { get }
    /// Why it ended, once it has; with the lock held.
    var end: GuestEnd? { get }
    /// The files that the driver keeps for it.
    var paths: [String] { get }
}

extension TabledGuest {
    /// Waits for the end; nil after the time limit.
    func waitForEnd(timeout: Milliseconds) -> GuestEnd? {
        let deadline = Deadline(after: timeout)
        lock.lock()
        defer { lock.unlock() }
        while true {
            if let end { return end }
            if !change.wait(lock, timeout: deadline.remaining), deadline.isPast { break }
        }
        return end
    }
}

/// The guests of one driver by their ids, and those that are just being started.
///
/// A guest's lock may be taken while holding the table's, not the other way round.
final class GuestTable<Guest: TabledGuest>: @unchecked Sendable {
    // `lock` guards everything.
    private let lock = Lock()
    private var guests: [String: Guest] = [:]
    private var starting: Set<String> = []
    private var isDetached = false
    /// For messages: "QEMU".
    private let driver: String

    init(driver: String) { self.driver = driver }

    private var detachedError: HypervisorError {
        HypervisorError(.unavailable, "the \(driver) driver is detached; the node controller is shutting down")
    }

    /// Keeps others from starting a guest of this id until `release`.
    ///
    /// - Throws: `alreadyRunning`, `unavailable`.
    func reserve(_ id: String) throws(HypervisorError) {
        lock.lock()
        defer { lock.unlock() }
        guard !isDetached else { throw detachedError }
        if let guest = guests[id], guest.lock.withLock({ guest.end == nil }) {
            throw HypervisorError(.alreadyRunning, "\(id) runs already")
        }
        guard starting.insert(id).inserted else {
            throw HypervisorError(.alreadyRunning, "\(id) is being started already")
        }
    }

    /// Ends what `reserve` began.
    func release(_ id: String) { lock.withLock { _ = starting.remove(id) } }

    /// Whose guests they are.
    ///
    /// - Throws: `notFound`, `unavailable`.
    func guest(_ handle: GuestHandle) throws(HypervisorError) -> Guest {
        lock.lock()
        defer { lock.unlock() }
        guard !isDetached else { throw detachedError }
        guard let guest = guests[handle.id], guest.handle == handle else {
            throw HypervisorError(.notFound, "the \(driver) driver has no guest \(handle.id); adopt it first")
        }
        return guest
    }

    /// The guest of this id; nil if none is known.
    func known(_ id: String) -> Guest? { lock.withLock { guests[id] } }

    /// What a handle that is to be adopted means.
    enum Adoption {
        /// It is known.
        case known(Guest)
        /// It is of an earlier run of a guest that was started again since.
        case outdated
        /// To be looked for.
        case new
    }

    /// Looks a handle up for `adopt`.
    ///
    /// - Throws: `unavailable`.
    func adoption(of handle: GuestHandle) throws(HypervisorError) -> Adoption {
        lock.lock()
        defer { lock.unlock() }
        if let known = guests[handle.id] {
            if known.handle == handle { return .known(known) }
            guard known.lock.withLock({ known.end != nil }) else { return .outdated }
        }
        guard !isDetached else { throw detachedError }
        return .new
    }

    /// Makes a guest known.
    func insert(_ guest: Guest) { lock.withLock { guests[guest.handle.id] = guest } }

    /// Lets go of a guest, whatever its state.
    func remove(_ guest: Guest) {
        lock.withLock { if guests[guest.handle.id] === guest { guests[guest.handle.id] = nil } }
    }

    /// Lets go of an ended guest and removes its files; does nothing if it is not known.
    ///
    /// - Throws: `alreadyRunning`, or what a file system says.
    func forget(_ handle: GuestHandle) throws(HypervisorError) {
        guard let guest = try takeEnded(handle) else { return }
        do throws(PosixError) {
            for path in guest.paths { try FileSystem.remove(path, ifPresent: true) }
        } catch {
            throw HypervisorError(error, "removing files of \(handle.id)")
        }
    }

    private func takeEnded(_ handle: GuestHandle) throws(HypervisorError) -> Guest? {
        lock.lock()
        defer { lock.unlock() }
        guard let guest = guests[handle.id], guest.handle == handle else { return nil }
        guard guest.lock.withLock({ guest.end != nil }) else {
            throw HypervisorError(.alreadyRunning, "\(handle.id) runs; stop it before forgetting it")
        }
        guests[handle.id] = nil
        return guest
    }

    /// All guests.
    var all: [Guest] { lock.withLock { Array(guests.values) } }

    /// Refuses everything from now on; false if it did so before.
    func detach() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        let isFirst = !isDetached
        isDetached = true
        return isFirst
    }

    /// Lets go of all guests.
    func clear() { lock.withLock { guests = [:] } }
}

extension GuestHandle {
    /// The detail of a driver that keeps JSON there.
    ///
    /// - Throws: `invalidDefinition` if it is another driver's, or damaged.
    func detailValue(driver name: String) throws(HypervisorError) -> JSONValue {
        guard driver == name else {
            throw HypervisorError(.invalidDefinition, "\(text) is no handle of the driver \(name)")
        }
        do throws(JSONError) {
            return try JSONValue.parse(detail)
        } catch {
            throw HypervisorError(.invalidDefinition, "the handle of \(id) is damaged: \(error.description)")
        }
    }
}
