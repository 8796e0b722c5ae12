// What happens to a domain that runs: reboot, stop, its end, and the regular look at the list of domains.
import Posix

extension XenHypervisor {
    /// A guest that was still booting misses the request, so it is asked again.
    private static let askPause: Milliseconds = 5_000
    /// How long an operation of another thread on the same domain is waited for.
    private static let busyTimeout: Milliseconds = 180_000
    /// xenconsoled hears of a new domain within moments, on a busy host within seconds.
    private static let consoleTimeout: Milliseconds = 10_000
    /// The same where whoever asked waits for the end of the guest.
    private static let lastConsoleTimeout: Milliseconds = 1_000
    /// A QEMU that nobody reads from looks each second whether somebody does now, and forgets what is written meanwhile
    /// (char-pty.c); some versions look at each write, too.
    private static let serialPause: Milliseconds = 1_100
    /// xend is told of an end by the same watch as this driver.
    private static let reasonTimeout: Milliseconds = 5_000

    // MARK: Reboot and stop

    /// See `Hypervisor.reboot`.
    public func reboot(_ handle: GuestHandle, graceMilliseconds: Int64) throws(HypervisorError) {
        let guest = try guest(handle)
        let wish = XenGuest.Intent.rebooting(until: Clock.monotonic + max(0, graceMilliseconds))
        let before = guest.lock.withLock { () -> XenGuest.Intent? in
            guard guest.phase == .running, guest.intent != .stopping else { return nil }
            let before = guest.intent
            if guest.failedRestarts == 0 { guest.intent = wish }
            return before
        }
        guard let before else { throw HypervisorError(.ended, "\(handle.id) has ended, or is being ended") }
        // One whose domain is to be made again gets what was asked for anyway.
        guard guest.lock.withLock({ guest.failedRestarts == 0 }) else { return }
        if graceMilliseconds > 0 {
            do throws(HypervisorError) {
                if let domain = try number(of: guest) {
                    try toolstack.ask(domain, toReboot: true, patience: graceMilliseconds)
                }
            } catch {
                // Who asked is told that nothing comes of it, so nothing may. A restart that was under way before goes on.
                guest.lock.withLock { if guest.intent == wish { guest.intent = before } }
                throw error
            }
        }
        watcher.start()
    }

    /// See `Hypervisor.stop`.
    public func stop(_ handle: GuestHandle, graceMilliseconds: Int64) throws(HypervisorError) -> GuestEnd {
        let guest = try guest(handle)
        guest.lock.withLock {
            guest.isSilent = true
            guest.intent = .stopping
        }
        if graceMilliseconds > 0 {
            let deadline = Deadline(after: graceMilliseconds)
            while !deadline.isPast {
                do throws(HypervisorError) {
                    if let domain = try number(of: guest) {
                        try toolstack.ask(domain, toReboot: false, patience: deadline.remaining ?? 0)
                    }
                } catch {
                    // A toolstack that hangs cannot ask politely.
                    Output.error("\(handle.id): \(error.message)")
                    break
                }
                if let end = guest.waitForEnd(timeout: min(Self.askPause, deadline.remaining ?? 0)) { return end }
            }
        }
        let patience = Deadline(after: Self.busyTimeout)
        while !guest.claim() {
            if let end = guest.waitForEnd(timeout: 100) { return end }
            guard !patience.isPast else {
                throw HypervisorError(
                    .timedOut, "\(handle.id): another operation on its domain does not come to an end")
            }
        }
        defer { guest.release() }
        if let domain = try toolstack.domain(guest.uuid) {
            collectConsole(guest, domain, timeout: Self.lastConsoleTimeout)
            try toolstack.destroy(domain.id)
            if try toolstack.domains().contains(where: { domain in domain.uuid == guest.uuid && domain.state != .dying }
            ) {
                throw HypervisorError(
                    .timedOut,
                    "\(handle.id): domain \(domain.id) is still there although it was destroyed; see `xl list`")
            }
        }
        let end = GuestEnd(cause: .killed, message: "its power was taken away")
        conclude(guest, end)
        return end
    }

    private func number(of guest: XenGuest) throws(HypervisorError) -> Int? {
        guard let domain = try toolstack.domain(guest.uuid), domain.state == .alive else { return nil }
        return domain.id
    }

    // MARK: The list of domains

    /// Compares the guests with the list of domains; on the watcher's thread.
    func look(isNews: Bool) {
        let guests = allGuests().filter { guest in guest.lock.withLock { guest.phase == .running } }
        guard !guests.isEmpty else { return }
        let now = Clock.monotonic
        var isDue = isNews
        for guest in guests {
            guest.lock.lock()
            if case .rebooting(let until) = guest.intent, now >= until, !guest.isBusy { isDue = true }
            // Whoever makes a domain again tells the watcher when it is there.
            if guest.domain == nil, !guest.isBusy, !guest.isWaiting(now) { isDue = true }
            guest.lock.unlock()
        }
        guard isDue else { return }
        // Guests that somebody works on at this moment are left out: the list may be from before or after that.
        let idle = guests.filter { guest in guest.lock.withLock { !guest.isBusy && !guest.isWaiting(now) } }
        let domains: [XenDomain]
        do throws(HypervisorError) {
            domains = try toolstack.domains()
        } catch {
            // Nothing is known, so nothing is concluded. The health check says how long that lasts.
            if listTrouble != error.message { Output.error("Xen's domains cannot be listed: \(error.message)") }
            return listTrouble = error.message
        }
        listTrouble = nil
        for guest in idle {
            guard let domain = XenDomain.find(guest.uuid, in: domains) else {
                begin(guest) { self.vanished(guest) }
                continue
            }
            let reboots = guest.lock.withLock { () -> Bool in
                guest.domain = domain.id
                if case .rebooting(let until) = guest.intent { return now >= until }
                return false
            }
            if domain.state != .alive || reboots { begin(guest) { self.handle(guest, domain, reboots: reboots) } }
        }
    }

    /// Works on a guest's domain in a thread of its own, since the toolstack takes its time.
    private func begin(_ guest: XenGuest, _ work: @escaping @Sendable () -> Void) {
        guard guest.claim() else { return }
        do throws(PosixError) {
            _ = try Thread.start(name: "xen-domain") {
                work()
                guest.release()
                self.watcher.start()
            }
        } catch {
            guest.release()
            Output.error("\(guest.handle.id): \(error.description)")
        }
    }

    /// The same for a guest that was just adopted, in this thread.
    func settle(_ guest: XenGuest, _ domain: XenDomain) {
        guard domain.state != .alive, guest.claim() else { return }
        handle(guest, domain, reboots: false)
        guest.release()
    }

    /// The domain is not in the list. It is asked for once more, since the list may be older than a start.
    private func vanished(_ guest: XenGuest) {
        do throws(HypervisorError) {
            guard try !toolstack.domains().contains(where: { domain in domain.uuid == guest.uuid }) else { return }
        } catch {
            return Output.error("\(guest.handle.id): \(error.message)")
        }
        guest.drain()
        var end = GuestEnd(cause: .hypervisorDied, message: "its Xen domain was destroyed from outside or died")
        // xend destroys a domain that was asked to end and did not: after 30 s (Xen 3.0, 3.1), later after 5 min. With any
        // toolstack, a restart that did not come to its end leaves none.
        switch guest.lock.withLock({ guest.intent }) {
        case .none: break
        case .stopping: end = GuestEnd(cause: .killed, message: "its power was taken away")
        case .rebooting:
            mark(guest)
            do throws(HypervisorError) {
                return try restart(guest)
            } catch {
                return tryAgain(guest, error)
            }
        }
        conclude(guest, end)
    }

    /// A domain that ended, or that is to be made afresh. The guest is claimed.
    private func handle(_ guest: XenGuest, _ domain: XenDomain, reboots: Bool) {
        let intent = guest.lock.withLock { guest.intent }
        var again = reboots
        var end = GuestEnd(cause: .guestPowerOff, message: "the guest powered itself off")
        switch domain.lacksReason ? shutdown(of: domain) : domain.state {
        case .alive: break
        case .dying:
            // It is made again when it is gone.
            if case .rebooting = intent, !reboots { return }
            end = GuestEnd(cause: .hypervisorDied, message: "its Xen domain was destroyed from outside")
        case .shutDown(let reason):
            switch reason {
            case .powerOff:
                if case .rebooting = intent { again = true }
            case .reboot:
                again = true
                if intent == .none, !guest.lock.withLock({ guest.restarts.allows(at: Clock.monotonic) }) {
                    again = false
                    end = GuestEnd(cause: .restartedTooOften, message: RestartLimit.explanation)
                    Output.error("\(guest.handle.id): \(end.message)")
                }
            case .suspend: end.message = "the guest was suspended from outside, which cannot be undone here"
            case .crash, .watchdog:
                if case .rebooting = intent { again = true }
                end = GuestEnd(
                    cause: .crashed,
                    message: reason == .crash
                        ? "the guest's kernel crashed; its console output says why" : "the guest's watchdog ended it")
            }
        }
        if intent == .stopping {
            again = false
            end = GuestEnd(cause: .stopped, message: "the guest shut down when asked to")
        }
        collectConsole(guest, domain)
        if again { mark(guest) }
        do throws(HypervisorError) {
            if domain.state != .dying { try toolstack.destroy(domain.id) }
            if again { return try restart(guest) }
        } catch {
            if again { return tryAgain(guest, error) }
            // Remains of a domain are taken away at the next look.
            return Output.error("\(guest.handle.id): \(error.message)")
        }
        if end.cause == .crashed { tell(GuestEvent(handle: guest.handle, kind: .panicked)) }
        conclude(guest, end)
    }

    /// Whether no domain of the guest is left, such as one that a killed creation left half made.
    private func removeRemains(_ guest: XenGuest) -> Bool {
        do throws(HypervisorError) {
            if let domain = try toolstack.domain(guest.uuid) { try toolstack.destroy(domain.id) }
            return try !toolstack.domains().contains { domain in domain.uuid == guest.uuid && domain.state != .dying }
        } catch {
            Output.error("\(guest.handle.id): \(error.message)")
            return false
        }
    }

    /// Why a domain of xend's ended. xend writes it when it has seen the end, which may be a moment after others have.
    private func shutdown(of domain: XenDomain) -> XenDomain.State {
        do throws(PosixError) {
            let store = try XenStoreConnection.open()
            let deadline = Deadline(after: Self.reasonTimeout)
            while true {
                if let reason = try store.shutdownReason(xend: domain.id) { return .shutDown(reason) }
                // 3.0.4's never writes it.
                guard !deadline.isPast else { break }
                Thread.sleep(100)
            }
        } catch {
            Output.error("why domain \(domain.id) ended cannot be read: \(error.description)")
        }
        return domain.state
    }

    /// From now on a later node controller knows that the guest is not over without a domain. On a full disk it would not:
    /// that is less than to end the guest for it.
    private func mark(_ guest: XenGuest) {
        do throws(PosixError) {
            try FileSystem.write(
                guest.files.again, text: Self.mark(uuid: guest.uuid, boot: try Self.boot()), permissions: 0o600)
        } catch {
            Output.error("\(guest.handle.id): \(error.description)")
        }
    }

    /// What keeps a domain from being made again may be over soon, such as tools that hang or a want of memory; its disks
    /// would be lost with it.
    private func tryAgain(_ guest: XenGuest, _ error: HypervisorError) {
        Output.error("\(guest.handle.id) is not started again yet: \(error.message)")
        let isLast = guest.lock.withLock { () -> Bool in
            guest.failedRestarts += 1
            return guest.failedRestarts >= restartTries && guest.intent != .stopping
        }
        // It is not over while a domain of its may be there.
        if isLast, removeRemains(guest) {
            return conclude(
                guest,
                GuestEnd(cause: .hypervisorDied, message: "it could not be started again: \(error.message)"))
        }
        guest.lock.withLock {
            if guest.intent != .stopping { guest.intent = .rebooting(until: Clock.monotonic + restartPause) }
        }
    }

    /// Makes the guest's domain, which runs then.
    func make(_ guest: XenGuest) throws(HypervisorError) {
        // QEMU forgets what is written to a serial port that nobody reads. xenconsoled keeps what paravirtual guests write.
        let waits = guest.machine == "xen-hvm" && toolstack.family != .xm
        try toolstack.create(guest.files, id: guest.handle.id, paused: waits)
        guard waits else { return }
        guard let domain = try toolstack.domain(guest.uuid) else {
            throw HypervisorError(.startFailed, "\(guest.handle.id): its Xen domain was gone as soon as it was made")
        }
        openConsole(guest, domain.id)
        Thread.sleep(Self.serialPause)
        try toolstack.unpause(domain.id)
    }

    private func restart(_ guest: XenGuest) throws(HypervisorError) {
        guest.lock.withLock { guest.domain = nil }
        try make(guest)
        do throws(PosixError) {
            try FileSystem.remove(guest.files.again, ifPresent: true)
        } catch {
            Output.error("\(guest.handle.id): \(error.description)")
        }
        guest.lock.withLock {
            guest.failedRestarts = 0
            guest.restarts.started(at: Clock.monotonic)
            if case .rebooting = guest.intent {
                guest.intent = .none
                guest.restarts.forgive()
            }
        }
        tell(GuestEvent(handle: guest.handle, kind: .reset))
    }

    /// The domain is gone: keeps the reason for later node controllers, and tells.
    private func conclude(_ guest: XenGuest, _ end: GuestEnd) {
        do throws(PosixError) {
            if FileSystem.isDirectory(guest.files.directory) { try end.write(to: guest.files.end) }
        } catch {
            Output.error("\(guest.handle.id): \(error.description)")
        }
        do throws(PosixError) {
            try FileSystem.remove(guest.files.again, ifPresent: true)
        } catch {
            Output.error("\(guest.handle.id): \(error.description)")
        }
        edge.close(guest.handle.id, guest.files.directory)
        guest.closeConsole()
        guest.lock.lock()
        guest.phase = .ended(end)
        guest.forwards = []
        let silent = guest.isSilent
        guest.change.broadcast()
        guest.lock.unlock()
        if !silent { tell(GuestEvent(handle: guest.handle, kind: .ended(end))) }
    }

    // MARK: Consoles

    /// Opens the terminals that are not open; on the watcher's thread.
    ///
    /// - Returns: the descriptors to wait for.
    func openConsoles() -> [Int32] {
        var descriptors: [Int32] = []
        for guest in allGuests() {
            guest.lock.lock()
            let domain = guest.phase == .running && !guest.isBusy ? guest.domain : nil
            guest.lock.unlock()
            if let domain, guest.lacksTerminal(of: domain) {
                do throws(PosixError) {
                    _ = try openConsole(guest, domain) { place in watcher.read(place) }
                } catch {
                    tellUnreadable(guest, error)
                }
            }
            if let descriptor = guest.terminalDescriptor { descriptors.append(descriptor) }
        }
        return descriptors
    }

    /// A guest with firmware writes to its serial port, a paravirtual one to Xen's console.
    private static func terminals(of domain: Int) -> [String] {
        ["/local/domain/\(domain)/serial/0/tty", "/local/domain/\(domain)/console/tty"]
    }

    /// Keeps what a domain has written that is about to be destroyed. Whoever ended within a moment of its start did so
    /// before the watcher opened its console; xenconsoled has kept it all, and may not have passed on the last of it yet.
    private func collectConsole(
        _ guest: XenGuest, _ domain: XenDomain, timeout: Milliseconds = XenHypervisor.consoleTimeout
    ) {
        // xenconsoled lets go of a domain that is being destroyed.
        guard domain.state != .dying else { return guest.drain() }
        openConsole(guest, domain.id, timeout: timeout)
        guest.drainToEnd()
    }

    /// Opens the console, if it is not open, outside of the watcher's thread; waits until Xen has one for this domain.
    private func openConsole(_ guest: XenGuest, _ domain: Int, timeout: Milliseconds = XenHypervisor.consoleTimeout) {
        guard guest.lacksTerminal(of: domain) else { return }
        do throws(PosixError) {
            // The watcher's connection is its thread's.
            let store = try XenStoreConnection.open()
            let deadline = Deadline(after: timeout)
            func isOpen() throws(PosixError) -> Bool {
                try openConsole(guest, domain) { place throws(PosixError) in try store.read(place) }
            }
            while try !isOpen() {
                guard !deadline.isPast else {
                    return Output.error(
                        "\(guest.handle.id): its console is not read yet: Xen names none for domain \(domain); see whether "
                            + "xenconsoled runs")
                }
                Thread.sleep(20)
            }
        } catch {
            tellUnreadable(guest, error)
        }
    }

    /// Whether xenstore said where the console is.
    ///
    /// - Parameter read: a value of xenstore.
    private func openConsole(
        _ guest: XenGuest, _ domain: Int, _ read: (String) throws(PosixError) -> String?
    ) throws(PosixError) -> Bool {
        for place in Self.terminals(of: domain) where !guest.hasEnded(place) {
            // Old Xen lets guests write there, so it must not name anything else.
            guard let path = try read(place), Self.isTerminal(path) else { continue }
            try guest.openTerminal(path, at: place, of: domain)
            return true
        }
        return false
    }

    /// Whether this is a pseudo-terminal's path.
    static func isTerminal(_ path: String) -> Bool {
        let prefix = "/dev/pts/"
        let number = path.utf8.dropFirst(prefix.utf8.count)
        return path.hasPrefix(prefix) && !number.isEmpty && number.count <= 9
            && number.allSatisfy { byte in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    }

    private func tellUnreadable(_ guest: XenGuest, _ error: PosixError) {
        Output.error("\(guest.handle.id): its console cannot be read: \(error.description)")
    }

    func readConsole(_ descriptor: Int32) {
        for guest in allGuests() where guest.terminalDescriptor == descriptor { guest.drain() }
    }
}
