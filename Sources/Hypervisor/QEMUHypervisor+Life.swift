// What happens to a guest that runs: reboot, stop, forwards, events and the regular look at everything.
import JSON
import Posix

extension QEMUHypervisor {
    /// How often the console is read in the first half minute, when most is written and most goes wrong, and after it.
    private static let earlyConsolePause: Milliseconds = 1_000
    private static let laterConsolePause: Milliseconds = 5_000
    /// How often a lost connection is tried again, and a guest without disk space is woken.
    private static let retryPause: Milliseconds = 1_000
    /// A guest that was still booting misses the power button, so it is pressed again.
    private static let powerButtonPause: Milliseconds = 3_000
    /// The firmware resets itself once more after a reset, which is the same event for us.
    private static let resetSettling: Milliseconds = 2_000
    /// What QEMU and the metadata command may leave in their log before it is emptied.
    private static let logLimit: Int64 = 1 << 20

    // MARK: Reboot and stop

    /// See `Hypervisor.reboot`.
    public func reboot(_ handle: GuestHandle, graceMilliseconds: Int64) throws(HypervisorError) {
        let guest = try guest(handle)
        try requireRunning(guest)
        guest.lock.withLock { guest.intent = .rebooting(until: Clock.monotonic + max(0, graceMilliseconds)) }
        _ = try execute(guest, graceMilliseconds > 0 ? "system_powerdown" : "system_reset")
        wakeLoop()
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
                if guest.lock.withLock({ guest.phase == .running }) {
                    do throws(HypervisorError) {
                        _ = try execute(guest, "system_powerdown")
                    } catch {
                        // A QEMU that does not answer cannot be asked politely.
                        if error.code != .ended { break }
                    }
                }
                if let end = guest.waitForEnd(timeout: min(Self.powerButtonPause, deadline.remaining ?? 0)) {
                    return end
                }
            }
        }
        finish(guest, GuestEnd(cause: .killed, message: "its power was taken away"))
        if let end = guest.waitForEnd(timeout: Self.quitTimeout * 3) { return end }
        throw HypervisorError(
            .timedOut, "\(handle.id): process \(guest.identity.pid) does not end although it was killed")
    }

    private func requireRunning(_ guest: QEMUGuest) throws(HypervisorError) {
        guard case .running = guest.lock.withLock({ guest.phase }) else {
            throw HypervisorError(.ended, "\(guest.handle.id) has ended")
        }
    }

    /// Begins the end of a guest: reads its console, then lets QEMU quit. `tick` kills it if it does not go.
    func finish(_ guest: QEMUGuest, _ end: GuestEnd) {
        guest.lock.lock()
        guard guest.phase == .running || guest.phase == .starting else {
            guest.lock.unlock()
            return
        }
        let connection = guest.connection
        guest.phase = .ending(end, killAt: Clock.monotonic + (connection == nil ? 0 : Self.quitTimeout))
        guest.lock.unlock()
        if connection != nil { readConsole(guest) }
        wakeLoop()
    }

    // MARK: Console

    /// Reads QEMU's ring until it is empty, then tells those who wait, and lets an ending guest quit.
    func readConsole(_ guest: QEMUGuest) {
        guest.lock.lock()
        guard !guest.isReadingConsole, let connection = guest.connection else {
            guest.lock.unlock()
            return
        }
        guest.isReadingConsole = true
        guest.lock.unlock()
        readConsolePiece(guest, connection)
    }

    private func readConsolePiece(_ guest: QEMUGuest, _ connection: QMPConnection) {
        let piece = 65_536
        let arguments = JSONValue.members(
            ("device", .string("console")), ("size", .integer(Int64(piece))), ("format", .string("base64")))
        connection.send("ringbuf-read", arguments) { reply in
            var count = 0
            if case .value(let value) = reply, let text = value.text, let bytes = Base64.decode(text), !bytes.isEmpty {
                count = bytes.count
                do throws(PosixError) {
                    try guest.console.append(bytes)
                } catch {
                    // A full disk must not stop the guest; the log is where the administrator looks.
                    Output.error("\(guest.handle.id): console output is lost: \(error.description)")
                }
            }
            if count == piece { return self.readConsolePiece(guest, connection) }
            guest.lock.lock()
            guest.isReadingConsole = false
            let waiters = guest.consoleWaiters
            guest.consoleWaiters = []
            let early = Clock.monotonic - guest.createdAt < 30_000
            guest.nextConsoleRead = Clock.monotonic + (early ? Self.earlyConsolePause : Self.laterConsolePause)
            var quits = false
            if case .ending = guest.phase { quits = true }
            guest.lock.unlock()
            for waiter in waiters { waiter.give(true) }
            if quits { connection.send("quit") { _ in } }
        }
    }

    // MARK: Forwards

    /// See `Hypervisor.setForwards`.
    public func setForwards(
        _ handle: GuestHandle, _ forwards: [PortForward]
    ) throws(HypervisorError) -> [PortForwardResult] {
        let guest = try guest(handle)
        try requireRunning(guest)
        return try applyForwards(guest, forwards)
    }

    func applyForwards(
        _ guest: QEMUGuest, _ forwards: [PortForward]
    ) throws(HypervisorError) -> [PortForwardResult] {
        guard let host = guest.hostAddress else {
            throw HypervisorError(
                .unsupported, "\(guest.handle.id) has no user-mode network, so no ports are forwarded")
        }
        let table = try monitor(guest, "info usernet")
        let present = QEMUForwards.parse(table)
        for forward in present where !forwards.contains(forward) {
            _ = try monitor(guest, QEMUForwards.removal(forward, host: host))
        }
        var results: [PortForwardResult] = []
        for forward in forwards {
            var failure: String?
            if !present.contains(forward), !results.contains(where: { result in result.forward == forward }) {
                if (1...65_535).contains(forward.hostPort), (1...65_535).contains(forward.guestPort) {
                    let words = try monitor(guest, QEMUForwards.addition(forward, host: host))
                    if !words.isEmpty { failure = QEMUForwards.explain(forward, host: host, words: words) }
                } else {
                    failure = "a port is a number from 1 to 65535"
                }
            }
            results.append(PortForwardResult(forward: forward, failure: failure))
        }
        let final = results
        guest.lock.withLock { guest.forwards = final }
        return results
    }

    /// Learns the forwards of an adopted guest.
    func loadForwards(_ guest: QEMUGuest) throws(HypervisorError) {
        var results: [PortForwardResult] = []
        for forward in QEMUForwards.parse(try monitor(guest, "info usernet")) {
            results.append(PortForwardResult(forward: forward))
        }
        let final = results
        guest.lock.withLock { guest.forwards = final }
    }

    /// A command of QEMU's human monitor; returns what it prints.
    private func monitor(_ guest: QEMUGuest, _ line: String) throws(HypervisorError) -> String {
        let arguments = JSONValue.members(("command-line", .string(line)))
        let words = try execute(guest, "human-monitor-command", arguments).text ?? ""
        return words.split(separator: "\r\n").joined(separator: "\n")
    }

    // MARK: On the event loop's thread

    func received(_ event: QMPEvent, from connection: QMPConnection) {
        guard let guest = guest(of: connection) else { return }
        switch event.name {
        case "SHUTDOWN":
            // After "quit" or a signal the process goes anyway.
            if event.data["guest"]?.boolean == true { guestTurnedOff(guest) }
        case "RESET": guestWasReset(guest, connection)
        case "GUEST_PANICKED":
            readConsole(guest)
            tell(GuestEvent(handle: guest.handle, kind: .panicked))
        case "BLOCK_IO_ERROR":
            if event.data["nospace"]?.boolean == true { guest.lock.withLock { guest.isOutOfSpace = true } }
        default: break
        }
    }

    private func guestTurnedOff(_ guest: QEMUGuest) {
        guest.lock.lock()
        if case .rebooting = guest.intent, guest.phase == .running {
            guest.continuesAfterReset = true
            let connection = guest.connection
            guest.lock.unlock()
            connection?.send("system_reset") { _ in }
            return
        }
        let stopped = guest.intent == .stopping
        guest.lock.unlock()
        finish(
            guest,
            stopped
                ? GuestEnd(cause: .stopped, message: "the guest shut down when asked to")
                : GuestEnd(cause: .guestPowerOff, message: "the guest powered itself off"))
    }

    private func guestWasReset(_ guest: QEMUGuest, _ connection: QMPConnection) {
        guest.lock.lock()
        if case .rebooting = guest.intent { guest.intent = .none }
        let continues = guest.continuesAfterReset
        guest.continuesAfterReset = false
        let now = Clock.monotonic
        let isNew = now - guest.lastResetEvent > Self.resetSettling
        guest.lastResetEvent = now
        guest.lock.unlock()
        if continues { connection.send("cont") { _ in } }
        if isNew { tell(GuestEvent(handle: guest.handle, kind: .reset)) }
    }

    func lost(_ connection: QMPConnection) {
        guard let guest = guest(of: connection) else { return }
        drop(connection)
        guest.lock.lock()
        if guest.connection === connection { guest.connection = nil }
        let waiters = guest.consoleWaiters
        guest.consoleWaiters = []
        guest.isReadingConsole = false
        guest.lock.unlock()
        for waiter in waiters { waiter.give(true) }
    }

    /// Looks after every guest; returns when it wants to do so again.
    func tick() -> Milliseconds {
        var pause = QMPEventLoop.idlePause
        for guest in allGuests() { pause = min(pause, look(after: guest, now: Clock.monotonic)) }
        return pause
    }

    private func look(after guest: QEMUGuest, now: Milliseconds) -> Milliseconds {
        guest.lock.lock()
        let phase = guest.phase
        let intent = guest.intent
        let connection = guest.connection
        let readsConsole = connection != nil && now >= guest.nextConsoleRead
        let retries = now >= guest.nextAttempt
        let isOutOfSpace = guest.isOutOfSpace
        if retries { guest.nextAttempt = now + Self.retryPause }
        if case .running = phase, connection != nil, case .rebooting(let until) = intent, now >= until {
            guest.intent = .none
        }
        guest.lock.unlock()
        switch phase {
        case .starting, .ended: return QMPEventLoop.idlePause
        case .ending(let end, let killAt):
            if guest.isProcessGone {
                conclude(guest, end)
            } else if now >= killAt, retries {
                kill(guest)
            }
            return 10
        case .running:
            guard let connection else {
                if guest.isProcessGone {
                    let words = guest.logTail
                    conclude(
                        guest,
                        GuestEnd(
                            cause: .hypervisorDied,
                            message: "its QEMU ended or was killed" + (words.isEmpty ? "" : ": \(words)")))
                } else if retries {
                    tryAgain(guest)
                }
                return 50
            }
            if case .rebooting(let until) = intent, now >= until { connection.send("system_reset") { _ in } }
            if readsConsole {
                readConsole(guest)
                trimLog(guest)
            }
            if isOutOfSpace, retries {
                guest.lock.withLock { guest.isOutOfSpace = false }
                connection.send("cont") { _ in }
            }
            return QMPEventLoop.idlePause
        }
    }

    private func kill(_ guest: QEMUGuest) {
        do throws(PosixError) {
            try guest.identity.signal(Signals.kill)
        } catch {
            Output.error("\(guest.handle.id): \(error.description)")
        }
    }

    private func tryAgain(_ guest: QEMUGuest) {
        do throws(PosixError) {
            try reconnect(guest)
        } catch {}  // Tried again a second later, or the process turns out to be gone.
    }

    /// Log lines of a guest that provokes warnings must not fill the disk. QEMU appends, so emptying is safe.
    private func trimLog(_ guest: QEMUGuest) {
        do throws(PosixError) {
            guard let status = try FileSystem.statusIfPresent(guest.files.log), status.size > Self.logLimit else {
                return
            }
            try File(guest.files.log, [.write, .truncate]).close()
        } catch {
            Output.error("\(guest.handle.id): \(error.description)")
        }
    }

    /// The process is gone: keeps the reason for later node controllers, and tells.
    private func conclude(_ guest: QEMUGuest, _ end: GuestEnd) {
        do throws(PosixError) {
            if FileSystem.isDirectory(guest.files.directory) {
                try end.write(to: guest.files.end)
                try FileSystem.remove(guest.files.qmp, ifPresent: true)
            }
        } catch {
            Output.error("\(guest.handle.id): \(error.description)")
        }
        guest.lock.lock()
        guest.phase = .ended(end)
        guest.forwards = []
        let connection = guest.connection
        guest.connection = nil
        let silent = guest.isSilent
        guest.change.broadcast()
        guest.lock.unlock()
        if let connection {
            drop(connection)
            connection.close()
        }
        if !silent { tell(GuestEvent(handle: guest.handle, kind: .ended(end))) }
    }
}
