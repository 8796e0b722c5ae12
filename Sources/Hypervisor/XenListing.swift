import Posix

/// The list of domains, asked for once for all who want it at the same time: on a busy host, many commands beside each
/// other would all run into their time limits, each time.
final class XenListing: @unchecked Sendable {
    // `lock` guards everything below; `change` tells of a list that ended.
    private let lock = Lock()
    private let change = Condition()
    /// Number of the last list that was begun, and of the last that ended.
    private var begun = 0
    private var ended = 0
    private var isRunning = false
    private var last: Result<[XenDomain], HypervisorError> = .success([])

    /// A list that was begun after this call.
    ///
    /// - Parameter ask: gets one.
    func domains(
        _ ask: () throws(HypervisorError) -> [XenDomain]
    ) throws(HypervisorError) -> [XenDomain] {
        lock.lock()
        let wanted = begun + 1
        while isRunning, ended < wanted { _ = change.wait(lock) }
        if ended >= wanted {
            let found = last
            lock.unlock()
            return try found.get()
        }
        isRunning = true
        begun += 1
        lock.unlock()
        let found: Result<[XenDomain], HypervisorError>
        do throws(HypervisorError) {
            found = .success(try ask())
        } catch {
            found = .failure(error)
        }
        lock.lock()
        isRunning = false
        ended = begun
        last = found
        change.broadcast()
        lock.unlock()
        return try found.get()
    }
}
