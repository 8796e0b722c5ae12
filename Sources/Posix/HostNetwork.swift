import CPosix

/// Names and addresses as this host sees them.
public enum HostNetwork {
    /// An address of one of this host's interfaces.
    public struct InterfaceAddress: Sendable, Equatable {
        /// "eth0".
        public let interface: String
        /// "10.1.1.1", "fe80::1%eth0".
        public let address: String
    }

    /// The numeric addresses of a host name, or of a numeric address itself, without repetition.
    public static func addresses(of host: String) throws(PosixError) -> [String] {
        let lines = try text(capacity: 16 << 10, "resolve", host) { Int64(cposix_resolve(host, $0, $1)) }
        var found: [String] = []
        for line in lines.split(separator: "\n") where !found.contains(String(line)) { found.append(String(line)) }
        return found
    }

    /// The name that belongs to a numeric address; nil when none does.
    public static func name(of address: String) throws(PosixError) -> String? {
        do throws(PosixError) {
            return try text(capacity: 1025, "look up the name of", address) {
                Int64(cposix_reverse(address, $0, $1))
            }
        } catch {
            if error.errno == CPOSIX_GAI + 2 { return nil }  // EAI_NONAME
            throw error
        }
    }

    /// The addresses of all interfaces that are up.
    public static func interfaceAddresses() throws(PosixError) -> [InterfaceAddress] {
        let lines = try text(capacity: 64 << 10, "list the addresses of this host") {
            Int64(cposix_interfaces($0, $1))
        }
        var found: [InterfaceAddress] = []
        for line in lines.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 {
                found.append(InterfaceAddress(interface: String(words[0]), address: String(words[1])))
            }
        }
        return found
    }
}

/// How well the clock of this host is kept.
public struct ClockState: Sendable {
    /// Whether NTP or something like it keeps it in step (adjtimex).
    public let isSynchronized: Bool
    /// The greatest error that the kernel reckons with, in milliseconds.
    public let greatestError: Milliseconds

    /// As the kernel says now.
    public static func current() throws(PosixError) -> ClockState {
        var synchronized = false
        var error: Int64 = 0
        try check(cposix_clock_synchronized(&synchronized, &error), "ask for the state of the clock")
        return ClockState(isSynchronized: synchronized, greatestError: error / 1000)
    }
}
