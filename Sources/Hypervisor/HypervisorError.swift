/// Why a driver did not do what was asked.
public struct HypervisorError: Error, Sendable, Equatable {
    /// Kinds of failure, by what the caller can do.
    public enum Code: String, Sendable, Equatable {
        /// Software is missing on the host: install it, as the message says.
        case notInstalled = "not-installed"
        /// The driver does not know the guest, or a file is not there.
        case notFound = "not-found"
        /// A guest of this id runs already.
        case alreadyRunning = "already-running"
        /// The guest has ended, so it cannot be asked for this.
        case ended
        /// The definition cannot work: fix it.
        case invalidDefinition = "invalid-definition"
        /// A disk image is damaged, or refused because it refers to other files.
        case invalidImage = "invalid-image"
        /// The hypervisor cannot start the guest's kernel.
        case invalidKernel = "invalid-kernel"
        /// The host has not enough memory, disk space or processes: try elsewhere or later.
        case insufficientResources = "insufficient-resources"
        /// The hypervisor refused to start the guest; the message has its words.
        case startFailed = "start-failed"
        /// No answer within the time limit; the outcome is unknown until `status` is asked.
        case timedOut = "timed-out"
        /// This driver or this guest cannot do it.
        case unsupported
        /// The driver is detached or not usable now.
        case unavailable
        /// An operating system call or the hypervisor failed in a way that is not the caller's doing.
        case failed
    }

    /// Kind of failure.
    public let code: Code
    /// Cause and cure, for people.
    public let message: String

    /// Creates an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
