import Contracts
import NodeController
import Testing

struct InstanceMachineTests {
    private func machine(through events: [InstanceMachine.Event]) -> InstanceMachine {
        var machine = InstanceMachine(acceptedAt: 1)
        for (index, event) in events.enumerated() { _ = machine.handle(event, now: Int64(index) + 2) }
        return machine
    }

    private let toRunning: [InstanceMachine.Event] = [.begin, .fetched, .built, .started]
    private let why = Contract.StateReason(code: "Server.InternalError", message: "because")

    @Test func `an instance goes from accepted to running step by step`() {
        var machine = InstanceMachine(acceptedAt: 1)
        #expect(machine.state == .pending)
        #expect(machine.handle(.begin, now: 2) == .fetch)
        #expect(machine.handle(.fetched, now: 3) == .build)
        #expect(machine.handle(.built, now: 4) == .start)
        #expect(machine.handle(.started, now: 5) == .none)
        #expect(machine.state == .running)
        #expect(machine.stateChangedAt == 5)
        #expect(machine.generation == 5)
    }

    @Test func `the time of the state does not change with steps within it`() {
        let machine = machine(through: [.begin, .fetched])
        #expect(machine.stateChangedAt == 1)
        #expect(machine.generation == 3)
    }

    @Test func `a guest is off while its disk is copied, and comes back whatever happens`() {
        var machine = machine(through: toRunning)
        #expect(machine.handle(.bundle, now: 9) == .copyDisk)
        #expect(machine.state == .running && machine.phase == .copying)
        #expect(machine.handle(.bundle, now: 9) == .none)
        #expect(machine.handle(.guestEnded(why), now: 9) == .none)
        // The node controller was killed meanwhile: whether the guest is off by now or not.
        for alive in [true, false] {
            var other = InstanceMachine(phase: .copying, generation: 7, stateChangedAt: 1, reason: nil)
            #expect(other.handle(.resume(guestAlive: alive), now: 10) == .copyDisk)
            #expect(other.handle(.copied, now: 11) == .start)
        }
        #expect(machine.handle(.copied, now: 10) == .start)
        #expect(machine.state == .running && machine.phase == .restarting)
        var failing = machine
        #expect(failing.handle(.stepFailed(why), now: 11) == .none)
        #expect(failing.phase == .parked && failing.holdsResources)
        var killed = InstanceMachine(phase: .restarting, generation: 7, stateChangedAt: 1, reason: nil)
        #expect(killed.handle(.resume(guestAlive: false), now: 11) == .start)
        #expect(machine.handle(.started, now: 11) == .none)
        #expect(machine.phase == .running && machine.stateChangedAt == 5)
    }

    @Test func `a terminate during a copy waits for it before it cleans up`() {
        var machine = machine(through: toRunning + [.bundle])
        #expect(machine.handle(.terminate(force: false), now: 9) == .cancelStep)
        #expect(machine.handle(.copied, now: 10) == .cleanUp)
        machine = self.machine(through: toRunning + [.bundle, .copied])
        #expect(machine.handle(.terminate(force: false), now: 9) == .cancelStep)
        #expect(machine.handle(.started, now: 10) == .cleanUp)
    }

    @Test func `a failed step ends in terminated with its reason`() {
        for count in 0..<4 {
            var machine = machine(through: Array(toRunning.prefix(count)))
            #expect(machine.handle(.stepFailed(why), now: 9) == .cleanUp)
            #expect(machine.state == .shuttingDown)
            #expect(machine.handle(.cleanedUp, now: 10) == .bury)
            #expect(machine.state == .terminated)
            #expect(machine.reason == why)
            #expect(!machine.holdsResources)
            #expect(machine.handle(.expire, now: 11) == .forget)
        }
    }

    @Test func `a terminate during a step waits for the step before it cleans up`() {
        for count in 0..<4 {
            var machine = machine(through: Array(toRunning.prefix(count)))
            #expect(machine.handle(.terminate(force: true), now: 9) == .cancelStep)
            #expect(machine.state == .shuttingDown)
            #expect(machine.handle(.terminate(force: true), now: 9) == .none)
            #expect(machine.handle(toRunning[count], now: 10) == .cleanUp)
            #expect(machine.handle(.cleanedUp, now: 11) == .bury)
            #expect(machine.reason?.code == "Client.UserInitiatedShutdown")
        }
    }

    @Test func `a cancelled step that fails is cleaned up and keeps the user's reason`() {
        var machine = machine(through: [.begin, .terminate(force: false)])
        #expect(machine.handle(.stepFailed(why), now: 9) == .cleanUp)
        #expect(machine.reason?.code == "Client.UserInitiatedShutdown")
    }

    @Test func `a running guest is asked to shut down, and killed when forced`() {
        var machine = machine(through: toRunning)
        #expect(machine.handle(.terminate(force: false), now: 9) == .powerOff)
        #expect(machine.handle(.terminate(force: true), now: 10) == .cleanUp)
        #expect(machine.handle(.guestEnded(why), now: 11) == .none)
        #expect(machine.handle(.cleanedUp, now: 12) == .bury)
    }

    @Test func `a guest that follows is cleaned up once`() {
        var machine = machine(through: toRunning + [.terminate(force: false)])
        #expect(machine.handle(.guestEnded(why), now: 9) == .cleanUp)
        #expect(machine.handle(.guestEnded(why), now: 9) == .none)
        #expect(machine.reason?.code == "Client.UserInitiatedShutdown")
    }

    @Test func `a guest that ends by itself terminates with the driver's reason`() {
        var machine = machine(through: toRunning)
        #expect(machine.handle(.guestEnded(why), now: 9) == .cleanUp)
        #expect(machine.reason == why)
    }

    @Test func `a guest that dies while its start is under way is cleaned up after the start`() {
        var machine = machine(through: Array(toRunning.prefix(3)))
        #expect(machine.handle(.guestEnded(why), now: 9) == .cancelStep)
        #expect(machine.handle(.started, now: 10) == .cleanUp)
        #expect(machine.reason == why)
    }

    /// The hypervisor has not said yet whether the guest runs, so no step is under way that would end in a clean-up.
    @Test(arguments: [InstanceMachine.Phase.starting, .restarting, .waking, .copying])
    func `what ends before it is gone on with is cleaned up at once`(phase: InstanceMachine.Phase) {
        func recorded() -> InstanceMachine {
            InstanceMachine(phase: phase, generation: 7, stateChangedAt: 1, reason: nil)
        }
        var machine = recorded()
        #expect(machine.handle(.terminate(force: false), now: 9) == .cleanUp)
        #expect(machine.handle(.cleanedUp, now: 10) == .bury)
        guard phase != .copying else { return }
        machine = recorded()
        #expect(machine.handle(.guestEnded(why), now: 9) == .cleanUp)
        #expect(machine.reason == why)
    }

    @Test func `events in a terminated instance change nothing`() {
        var machine = machine(through: [.stepFailed(why), .cleanedUp])
        let generation = machine.generation
        for event in toRunning + [.terminate(force: true), .guestEnded(why), .park, .stepFailed(why), .cleanedUp] {
            #expect(machine.handle(event, now: 99) == .none)
        }
        #expect(machine.generation == generation)
    }

    private func recorded(_ phase: InstanceMachine.Phase) -> InstanceMachine {
        InstanceMachine(phase: phase, generation: 7, stateChangedAt: 3, reason: nil)
    }

    @Test func `staging is repeated after a restart`() {
        for phase in [InstanceMachine.Phase.accepted, .fetching, .building, .starting] {
            var machine = recorded(phase)
            #expect(machine.handle(.resume(guestAlive: false), now: 9) == .queue)
            #expect(machine.phase == .accepted)
            #expect(machine.handle(.begin, now: 10) == .fetch)
        }
    }

    @Test func `running guests are adopted after a restart`() {
        for phase in [InstanceMachine.Phase.starting, .running, .parked, .waking] {
            var machine = recorded(phase)
            #expect(machine.handle(.resume(guestAlive: true), now: 9) == .adopt)
            #expect(machine.state == .running)
            #expect(machine.generation > 7)
        }
    }

    @Test func `a guest that died during a restart is terminated with a reason`() {
        var machine = recorded(.running)
        #expect(machine.handle(.resume(guestAlive: false), now: 9) == .cleanUp)
        #expect(machine.reason?.code == "Server.InternalError")
    }

    @Test func `a guest that was switched off with its node is started from its disks`() {
        var machine = machine(through: toRunning)
        #expect(machine.handle(.park, now: 8) == .powerOffForRestart)
        #expect(machine.handle(.guestEnded(why), now: 8) == .none)
        var next = InstanceMachine(
            phase: machine.phase, generation: machine.generation, stateChangedAt: machine.stateChangedAt, reason: nil)
        #expect(next.handle(.resume(guestAlive: false), now: 9) == .start)
        // Killed again before it runs, or not to be started: its disks stay.
        var killed = InstanceMachine(
            phase: next.phase, generation: next.generation, stateChangedAt: next.stateChangedAt, reason: nil)
        #expect(killed.handle(.resume(guestAlive: false), now: 10) == .start)
        #expect(killed.handle(.stepFailed(why), now: 11) == .none)
        #expect(killed.phase == .parked && killed.holdsResources)
        #expect(next.handle(.started, now: 10) == .none)
        #expect(next.state == .running)
    }

    @Test func `an interrupted clean-up is finished after a restart`() {
        var machine = recorded(.shuttingDown)
        #expect(machine.handle(.resume(guestAlive: true), now: 9) == .cleanUp)
        #expect(machine.handle(.cleanedUp, now: 9) == .bury)
    }

    @Test func `generations grow with every change whatever happens`() {
        var generator = SeededGenerator(seed: 42)
        let events: [InstanceMachine.Event] = [
            .begin, .fetched, .built, .started, .stepFailed(why), .guestEnded(why), .terminate(force: false),
            .terminate(force: true), .cleanedUp, .park, .resume(guestAlive: true), .resume(guestAlive: false), .noted,
        ]
        for _ in 0..<500 {
            var machine = InstanceMachine(acceptedAt: 0)
            for step in 0..<40 {
                guard let event = events.randomElement(using: &generator) else { continue }
                let before = machine
                _ = machine.handle(event, now: Int64(step))
                #expect(machine.generation >= before.generation)
                if machine.phase != before.phase { #expect(machine.generation > before.generation) }
                if before.phase == .terminated { #expect(machine.phase == .terminated) }
            }
        }
    }
}
