// Tells the cluster controller what the node has: at once when something changes, and a heartbeat when nothing does.
//
//               start                    registered
//     stopped ────────▶ unregistered ────────────────▶ registered ──┐ change, heartbeat: report
//                          ▲   │ failed: later                 ▲    │
//                          └───┘                               └────┘ failed: later, with the same changes
//                          ▲                                   │
//                          └──────── known=false, refused ─────┘
//
// A node that the cluster controller refuses for good (its certificate is dead) says so once and asks seldom.
//
// What is sent is the state as it is when the message is made, never a queue of events, so nothing is lost and
// nothing is out of order: an instance stays marked until a report with its newest generation was taken. One call is
// under way at a time. No thread is held between calls, so thousands of nodes share a few.

public import Contracts
public import Posix

/// The cluster controller, as far as a node calls it. Calls block.
public protocol ClusterLink: AnyObject, Sendable {
    /// Makes the node known, with everything it has.
    func register(_ request: ClusterContract.RegisterNodeRequest) throws(ClusterLinkError)
        -> ClusterContract.RegisterNodeResponse
    /// Reports changes.
    func report(_ request: ClusterContract.ReportNodeRequest) throws(ClusterLinkError)
        -> ClusterContract.ReportNodeResponse
}

/// Why a call to the cluster controller failed; for the log.
public struct ClusterLinkError: Error, Sendable, CustomStringConvertible {
    /// Cause.
    public let description: String
    /// What the cluster controller refuses for good, if it does.
    public let refusal: NodeRefusal?

    /// An error.
    public init(_ description: String, refusal: NodeRefusal? = nil) {
        self.description = description
        self.refusal = refusal
    }
}

/// The reporter of one node.
public final class Reporter: NodeChangeListener, @unchecked Sendable {
    /// Times, in milliseconds.
    public struct Timing: Sendable {
        /// Between heartbeats until the cluster controller says otherwise.
        public var heartbeat: Milliseconds = 5_000
        /// After the first failure; doubled after each further one.
        public var firstRetry: Milliseconds = 200
        /// Between attempts at most.
        public var lastRetry: Milliseconds = 5_000
        /// After the cluster controller has refused the node for good: the administrator may change his mind.
        public var refusedRetry: Milliseconds = 60_000
        /// One report in so many heartbeats is complete, as a safety net.
        public var completeEvery = 12
        /// Most instances in one report that is not complete.
        public var batch = 500

        /// The defaults.
        public init() {}
    }

    private let node: NodeController
    private let link: any ClusterLink
    private let workers: WorkerPool
    private let log: NodeLog
    private let timing: Timing

    // Guards everything below.
    private let lock = Lock()
    private var changed: Set<String> = []
    private var forgotten: Set<String> = []
    private var isRegistered = false
    private var isBusy = false
    /// Something changed while a call was under way.
    private var isStale = false
    private var isStopped = true
    private var failures = 0
    private var lastRefusal: NodeRefusal?
    private var heartbeat: Milliseconds
    private var sinceComplete = 0
    /// Outdates heartbeats that were scheduled before the last call.
    private var round: UInt64 = 0

    /// A reporter that is silent until `start`.
    public init(
        node: NodeController, link: any ClusterLink, workers: WorkerPool, log: NodeLog, timing: Timing = Timing()
    ) {
        self.node = node
        self.link = link
        self.workers = workers
        self.log = log
        self.timing = timing
        heartbeat = timing.heartbeat
    }

    /// Registers the node and reports from then on. `delay` spreads the starts of many nodes.
    public func start(delay: Milliseconds = 0) {
        let round = lock.withLock {
            isStopped = false
            self.round += 1
            return self.round
        }
        schedule(round, after: delay)
    }

    /// Stops after the call under way. Nothing more is reported.
    public func stop() {
        lock.withLock {
            isStopped = true
            round += 1
        }
    }

    /// Whether the cluster controller knows the node, as far as this end knows.
    public var isKnown: Bool { lock.withLock { isRegistered } }

    /// See `NodeChangeListener`.
    public func nodeChanged(_ instanceId: String?) {
        lock.lock()
        if let instanceId { changed.insert(instanceId) }
        poke()
    }

    /// See `NodeChangeListener`.
    public func nodeForgot(_ instanceId: String) {
        lock.lock()
        changed.remove(instanceId)
        forgotten.insert(instanceId)
        poke()
    }

    /// With the lock held, which it gives back: calls now, unless a call is under way or being waited for.
    private func poke() {
        guard !isStopped, isRegistered, failures == 0 else {
            lock.unlock()
            return
        }
        if isBusy {
            isStale = true
            lock.unlock()
            return
        }
        isBusy = true
        lock.unlock()
        workers.submit { self.run() }
    }

    private func schedule(_ round: UInt64, after delay: Milliseconds) {
        workers.submit(after: delay) {
            let isMine = self.lock.withLock {
                guard self.round == round, !self.isStopped, !self.isBusy else { return false }
                self.isBusy = true
                return true
            }
            if isMine { self.run() }
        }
    }

    /// On a worker, with `isBusy` taken: calls until there is nothing to say.
    private func run() {
        while true {
            let isRegistered = lock.withLock {
                isStale = false
                return self.isRegistered
            }
            do throws(ClusterLinkError) {
                if isRegistered { try report() } else { try register() }
                lock.withLock {
                    failures = 0
                    lastRefusal = nil
                }
            } catch {
                pause(error)
                return
            }
            lock.lock()
            if isStopped {
                isBusy = false
                lock.unlock()
                return
            }
            if isStale || !self.isRegistered || !changed.isEmpty || !forgotten.isEmpty {
                lock.unlock()
                continue
            }
            isBusy = false
            round += 1
            let next = round
            let time = heartbeat
            lock.unlock()
            schedule(next, after: time)
            return
        }
    }

    private func pause(_ error: ClusterLinkError) {
        let (next, time, count) = lock.withLock {
            failures += 1
            isBusy = false
            round += 1
            var time = timing.firstRetry
            for _ in 1..<max(failures, 2) where failures > 1 && time < timing.lastRetry { time *= 2 }
            if error.refusal != nil {
                isRegistered = false
                return (round, timing.refusedRetry, failures)
            }
            return (round, min(time, timing.lastRetry), failures)
        }
        // Once in a while is enough while the cluster controller is away.
        if let refusal = error.refusal {
            if refusal != lock.withLock({ lastRefusal }) {
                log.error("the cluster controller refuses this node: \(error)", node.context())
            }
        } else if count == 1 || count % 20 == 0 {
            log.warning("the cluster controller was not reached (\(count) times): \(error)", node.context())
        }
        lock.withLock { lastRefusal = error.refusal }
        schedule(next, after: jittered(time))
    }

    /// Half to all of a time, so that many nodes do not come back in the same instant.
    private func jittered(_ time: Milliseconds) -> Milliseconds {
        time / 2 + Milliseconds.random(in: 0...max(1, time / 2))
    }

    // MARK: Calls

    private func register() throws(ClusterLinkError) {
        // What changes from here on is reported afterwards, even if this message has it already.
        lock.withLock {
            changed = []
            forgotten = []
        }
        let answer = try link.register(
            ClusterContract.RegisterNodeRequest(node: node.description(), instance: node.reports()))
        lock.withLock {
            isRegistered = true
            sinceComplete = 0
            if answer.heartbeatMilliseconds > 0 { heartbeat = Milliseconds(answer.heartbeatMilliseconds) }
        }
        log.info("registered in zone \(answer.zone)", node.context())
        if let network = answer.network { node.apply(network) }
    }

    private func report() throws(ClusterLinkError) {
        let (ids, gone, isComplete) = lock.withLock {
            sinceComplete += 1
            let isComplete = sinceComplete >= timing.completeEvery && changed.isEmpty
            let ids = Array(changed.prefix(timing.batch))
            let gone = Array(forgotten)
            for id in ids { changed.remove(id) }
            forgotten = []
            return (ids, gone, isComplete)
        }
        var reports: [Contract.InstanceReport] = []
        if isComplete {
            reports = node.reports()
        } else {
            for id in ids { if let report = node.report(id) { reports.append(report) } }
        }
        let answer: ClusterContract.ReportNodeResponse
        do throws(ClusterLinkError) {
            answer = try link.report(
                ClusterContract.ReportNodeRequest(
                    node: node.description(), instance: reports, removedInstanceId: gone, complete: isComplete,
                    networkRevision: node.networkRevision))
        } catch {
            // Not taken, so still to be said.
            lock.withLock {
                changed.formUnion(ids)
                forgotten.formUnion(gone)
            }
            throw error
        }
        lock.withLock {
            if isComplete { sinceComplete = 0 }
            if !answer.known { isRegistered = false }
        }
        if !answer.known { log.info("the cluster controller does not know this node; registering", node.context()) }
        if let network = answer.network { node.apply(network) }
    }
}
