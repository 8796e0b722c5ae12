import Contracts
import Hypervisor
import Posix

/// Why a step failed for good, as the instance's state reason says it.
struct StepFailure: Error {
    /// Who has to do something.
    enum Kind: String {
        /// The image, as given, does not work.
        case image = "Client.InvalidImage"
        /// The kernel or ramdisk, as given, does not work.
        case kernel = "Client.InvalidKernel"
        /// The host has not enough of something.
        case capacity = "Server.InsufficientInstanceCapacity"
        /// The administrator.
        case `internal` = "Server.InternalError"
    }

    let reason: Contract.StateReason
    /// Whether trying again is of no use, where that is asked.
    var isFinal = false

    /// EC2 repeats the code in the message.
    init(_ kind: Kind, _ message: String, isFinal: Bool = false) {
        self.isFinal = isFinal
        reason = Contract.StateReason(code: kind.rawValue, message: kind.rawValue + ": " + message)
    }

    init(_ error: HypervisorError) {
        switch error.code {
        case .invalidImage: self.init(.image, error.message)
        case .invalidKernel: self.init(.kernel, error.message)
        case .insufficientResources: self.init(.capacity, error.message)
        default: self.init(.internal, error.message)
        }
    }

    init(_ error: PosixError, doing: String) {
        let message = "\(doing) failed: \(error)"
        if error.isDiskFull {
            self.init(.capacity, message + "; the node's disk is full, free some space there or use another node")
        } else {
            self.init(.internal, message)
        }
    }

    /// The reason of an instance whose guest ended by itself.
    static func reason(of end: GuestEnd) -> Contract.StateReason {
        switch end.cause {
        case .guestPowerOff: .instanceShutdown
        case .stopped, .killed: .userShutdown
        case .hypervisorDied, .crashed: StepFailure(.internal, end.message).reason
        case .restartedTooOften:
            Contract.StateReason(
                code: "Client.InstanceInitiatedShutdown",
                message: "Client.InstanceInitiatedShutdown: " + end.message)
        }
    }
}
