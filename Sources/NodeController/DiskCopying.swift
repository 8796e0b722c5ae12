// The copy of an instance's root disk, of which the cloud makes a bundle (EC2: BundleInstance).
//
//   shutdown ──▶ copying ──▶ sending ──▶ sent        states of `Contract.BundleReport`
//       └───────────┴───────────┴──────▶ failed, cancelled
//
// The guest is off from shutdown to the end of copying: a disk that is written to has no consistent copy. The disk
// with its base image is made one file beside it, then the guest is started again, and only then is the file sent.
// Whatever becomes of the copy, the guest is started again. What is under way is kept in memory only: after a restart of
// the node controller the guest is started again, the copy is gone, and the report says nothing of it.

import BlockingHTTP
public import Contracts
import Hypervisor
import Posix
import XML

extension NodeController {
    /// Takes the order to copy; see the contract.
    public func bundleInstance(
        _ request: NodeContract.BundleInstanceRequest
    ) throws(ServiceFault) -> NodeContract.BundleInstanceResponse {
        let instance = try find(request.instanceId)
        guard environment.uploads != nil else {
            throw ServiceFault(
                code: .unsupported, message: "node \(settings.name) cannot send disks", resource: instance.id)
        }
        guard HTTPURL(request.uploadUrl) != nil else {
            throw ServiceFault(
                code: .invalidRequest, message: "the address for the disk is not understood", resource: instance.id)
        }
        let (isKnown, phase, busy) = instance.lock.withLock {
            () -> (Bool, InstanceMachine.Phase, String?) in
            let phase = instance.machine.phase
            if let former = instance.bundle {
                if former.bundleId == request.bundleId { return (true, phase, nil) }
                if former.state.isActive { return (false, phase, former.bundleId) }
            }
            guard phase == .running else { return (false, phase, nil) }
            instance.bundle = Contract.BundleReport(bundleId: request.bundleId, state: .shutdown)
            instance.bundleURL = request.uploadUrl
            instance.bundleIsCancelled = false
            return (false, phase, nil)
        }
        if !isKnown {
            if let busy {
                throw ServiceFault(
                    code: .conflict, message: "instance \(instance.id) is being bundled by \(busy); wait or cancel it",
                    resource: instance.id)
            }
            let action = phase == .running ? send(.bundle, to: instance) : .none
            guard action == .copyDisk else {
                instance.lock.withLock { instance.bundle = nil }
                throw ServiceFault(
                    code: .conflict,
                    message: "instance \(instance.id) is \(phase.rawValue); only a running instance can be bundled",
                    resource: instance.id)
            }
            environment.log.info(
                "bundle \(request.bundleId) requested, the guest is shut down",
                NodeLog.Context(node: settings.name, correlation: request.correlationId, instance: instance.id))
        }
        return NodeContract.BundleInstanceResponse(
            instance: instance.lock.withLock { instance.report(nodeName: settings.name) })
    }

    /// Gives up a copy; see the contract.
    public func cancelBundleTask(
        _ request: NodeContract.CancelBundleTaskRequest
    ) throws(ServiceFault) -> NodeContract.CancelBundleTaskResponse {
        let instance = try find(request.instanceId)
        let report = instance.lock.withLock { () -> Contract.InstanceReport in
            if let bundle = instance.bundle, bundle.bundleId == request.bundleId, bundle.state.isActive {
                instance.bundleIsCancelled = true
            }
            return instance.report(nodeName: settings.name)
        }
        return NodeContract.CancelBundleTaskResponse(instance: report)
    }

    // MARK: The work

    /// What may take minutes gets a thread of its own, so that other instances do not wait for a worker.
    func beginCopy(_ instance: Instance) {
        do throws(PosixError) {
            _ = try Thread.start(name: "bundle") { self.copyDisk(instance) }
        } catch {
            environment.workers.submit { self.copyDisk(instance) }
        }
    }

    /// What became of a copy.
    private enum Outcome {
        case done
        case cancelled
        case failed(StepFailure)
    }

    private func copyDisk(_ instance: Instance) {
        guard isOff(instance) else {
            environment.workers.submit(after: 5_000) { self.beginCopy(instance) }
            return
        }
        // After a restart of this process there is none; the guest has to be started again all the same.
        let isOrdered = instance.lock.withLock { instance.bundle?.state.isActive == true }
        let path: String
        var outcome: Outcome
        do throws(PosixError) {
            path = try copyPath(instance)
            outcome = isOrdered ? flatten(instance, to: path) : .cancelled
        } catch {
            path = ""
            outcome = .failed(StepFailure(error, doing: "making a place for the copy of the disk"))
        }
        if case .done = outcome {} else { removeCopy(instance) }
        // A restart of this process looks for the guest that is started now, not for the one that has ended.
        instance.lock.withLock { instance.handle = nil }
        send(.copied, to: instance)
        guard isOrdered else { return }
        if case .done = outcome {
            outcome = upload(instance, path)
            removeCopy(instance)
        }
        // Last, since the next order may come as soon as this is known.
        end(instance, outcome)
    }

    /// Shuts the guest down and waits; false if it could not be made to end.
    private func isOff(_ instance: Instance) -> Bool {
        guard let handle = instance.lock.withLock({ instance.handle }) else { return true }
        do throws(HypervisorError) {
            let end = try hypervisor.stop(handle, graceMilliseconds: settings.shutdownGrace)
            environment.log.info("the guest is off to be copied: \(end.message)", context(instance))
            try hypervisor.forget(handle)
        } catch {
            if error.code == .notFound { return true }
            environment.log.error(
                "the guest cannot be shut down to be copied, trying again: \(error.message)", context(instance))
            return false
        }
        return true
    }

    private func isWanted(_ instance: Instance) -> Bool {
        instance.lock.withLock { instance.bundle?.state.isActive == true && !instance.bundleIsCancelled }
    }

    private func flatten(_ instance: Instance, to path: String) -> Outcome {
        guard isWanted(instance), let root = disks(of: instance).first else { return .cancelled }
        note(instance, .copying)
        do throws(PosixError) {
            try FileSystem.remove(path, ifPresent: true)
        } catch {
            return .failed(StepFailure(error, doing: "replacing an earlier copy"))
        }
        do throws(HypervisorError) {
            try hypervisor.diskImages.flatten(path: root.path, format: root.format, to: path) {
                !self.isWanted(instance)
            }
        } catch {
            return isWanted(instance) ? .failed(StepFailure(error)) : .cancelled
        }
        return isWanted(instance) ? .done : .cancelled
    }

    /// Sends the file, again from its beginning when the way breaks off.
    private func upload(_ instance: Instance, _ path: String) -> Outcome {
        guard let client = environment.uploads,
            let url = HTTPURL(instance.lock.withLock { instance.bundleURL })
        else { return .cancelled }
        note(instance, .sending)
        var attempts = 0
        while isWanted(instance) {
            do throws(StepFailure) {
                try send(path, to: url, client, instance)
                return .done
            } catch {
                attempts += 1
                if !isWanted(instance) { break }
                guard !error.isFinal, attempts < NodeController.uploadAttempts else { return .failed(error) }
                environment.log.warning(
                    "the copy did not arrive, trying again: \(error.reason.message)", context(instance))
                let deadline = Deadline(after: min(15_000, 250 << Int64(attempts)))
                while !deadline.isPast, isWanted(instance) { Thread.sleep(min(100, deadline.remaining ?? 100)) }
            }
        }
        return .cancelled
    }

    /// About nine minutes without the object store.
    private static let uploadAttempts = 40

    private func send(
        _ path: String, to url: HTTPURL, _ client: HTTPClient, _ instance: Instance
    ) throws(StepFailure) {
        let file: File
        let size: Int64
        do throws(PosixError) {
            file = try File(path, .read)
            size = try file.status().size
        } catch {
            throw StepFailure(error, doing: "reading the copy of the disk")
        }
        var shown: Int64 = 0
        let answer: HTTPClientResponse
        do throws(HTTPClientError) {
            answer = try client.upload("PUT", url, length: size) { (offset) throws(PosixError) in
                guard self.isWanted(instance) else {
                    throw PosixError(errno: PosixError.invalid, operation: "go on with a cancelled copy")
                }
                let percent = size == 0 ? 100 : offset * 100 / size
                if percent >= shown + 10 {
                    shown = percent
                    self.note(instance, .sending, progress: Int(percent))
                }
                return try file.read(1 << 18, at: offset)
            }
        } catch {
            throw StepFailure(
                .internal,
                "the copy of the disk could not be sent (\(error)); check that this node reaches the object store")
        }
        guard (200..<300).contains(answer.status) else {
            throw StepFailure(
                .internal, "the object store refused the copy of the disk (\(answer.status)): \(answer.errorText)",
                isFinal: (400..<500).contains(answer.status))
        }
    }

    // MARK: What is told

    private func note(_ instance: Instance, _ state: Contract.BundleState, progress: Int? = nil) {
        instance.lock.withLock {
            instance.bundle?.state = state
            instance.bundle?.progress = progress
        }
        send(.noted, to: instance)
    }

    private func end(_ instance: Instance, _ outcome: Outcome) {
        var reason: Contract.StateReason?
        var state = Contract.BundleState.cancelled
        switch outcome {
        case .done: state = .sent
        case .cancelled: break
        case .failed(let failure):
            state = .failed
            reason = failure.reason
            environment.log.warning("not bundled: \(failure.reason.message)", context(instance))
        }
        instance.lock.withLock { instance.bundle?.reason = reason }
        note(instance, state, progress: state == .sent ? 100 : nil)
    }

    // MARK: The file

    private static var copyName: String { "bundle.qcow2" }

    private func copyPath(_ instance: Instance) throws(PosixError) -> String {
        if let directory = records.directory(of: instance.id) { return FileSystem.join(directory, Self.copyName) }
        // A simulated guest has no directory of its own.
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-bundle-")
        instance.lock.withLock { instance.copyDirectory = directory }
        return FileSystem.join(directory, Self.copyName)
    }

    /// Removes a copy, also one that an earlier process left.
    func removeCopy(_ instance: Instance) {
        do throws(PosixError) {
            if let directory = records.directory(of: instance.id) {
                try FileSystem.remove(FileSystem.join(directory, Self.copyName), ifPresent: true)
            } else if let directory = instance.lock.withLock({ instance.copyDirectory }) {
                try FileSystem.removeTree(directory)
                instance.lock.withLock { instance.copyDirectory = nil }
            }
        } catch {
            environment.log.error("the copy of a disk was left behind: \(error)", context(instance))
        }
    }
}

extension Contract.BundleState {
    /// Whether there is still something to come.
    var isActive: Bool {
        switch self {
        case .shutdown, .copying, .sending: true
        case .sent, .failed, .cancelled: false
        }
    }
}

extension HTTPClientResponse {
    /// What an S3 service says went wrong: the text of its Message, or the beginning of the answer.
    fileprivate var errorText: String {
        do throws(XMLError) {
            if let message = try XMLElement.parse(body).child("Message") { return String(message.text.prefix(300)) }
        } catch {
            // Proxies answer with what is no XML.
        }
        return String(decoding: body.prefix(100), as: UTF8.self)
    }
}
