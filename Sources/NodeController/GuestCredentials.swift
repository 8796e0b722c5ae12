// What an instance finds of its instance profile: handed over by the cloud controller, kept in memory and in a file of
// the instance's directory that only this process reads, served by `MetadataService`. It is secret, and logged nowhere.

public import Contracts
import Posix

/// The credentials of one guest.
public final class GuestCredentials: @unchecked Sendable {
    // Guards `value`: the cloud replaces it while the guest asks.
    private let lock = Lock()
    private var value: Contract.InstanceCredentials?

    /// - Parameter value: those of the last time; nil for none.
    public init(_ value: Contract.InstanceCredentials? = nil) { self.value = value }

    /// What was taken last; without profile if the instance has none any more.
    public var current: Contract.InstanceCredentials? { lock.withLock { value } }

    /// Whether `next` is to be taken: an older one is a message that was late, unless a clock was set back.
    func isNews(_ next: Contract.InstanceCredentials) -> Bool {
        guard let known = current else { return true }
        let age = known.lastUpdated - next.lastUpdated
        return age <= 0 || age >= GuestCredentials.lateness
    }

    func take(_ next: Contract.InstanceCredentials) { lock.withLock { value = next } }

    /// How late a message can be, in milliseconds.
    private static let lateness: Milliseconds = 3_600_000
}

extension NodeController {
    /// Takes what an instance is to find of its instance profile; see the contract.
    public func setInstanceCredentials(
        _ request: NodeContract.SetInstanceCredentialsRequest
    ) throws(ServiceFault) -> NodeContract.SetInstanceCredentialsResponse {
        let credentials = request.credentials
        let instance = try find(credentials.instanceId)
        // Held, so that an older file never replaces a newer one, and none is written after the clean-up.
        instance.lock.lock()
        defer { instance.lock.unlock() }
        let answer = NodeContract.SetInstanceCredentialsResponse(instanceId: instance.id)
        let state = instance.machine.state
        guard state != .shuttingDown, state != .terminated, instance.credentials.isNews(credentials) else {
            return answer
        }
        do throws(RecordError) {
            try records.save(credentials)
        } catch {
            throw ServiceFault(
                code: error.isDiskFull ? .insufficientResources : .internal,
                message: "node \(settings.name) could not keep the credentials: \(error)"
                    + (error.isDiskFull ? "; free some space in its state directory" : ""),
                resource: instance.id)
        }
        instance.credentials.take(credentials)
        environment.log.info(
            credentials.profileArn.map { "instance profile \($0), credentials \(credentials.code ?? "none")" }
                ?? "no instance profile any more",
            NodeLog.Context(node: settings.name, correlation: request.correlationId, instance: instance.id))
        return answer
    }
}
