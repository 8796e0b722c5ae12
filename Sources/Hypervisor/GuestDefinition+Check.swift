import Posix

extension GuestDefinition {
    /// Checks what every driver relies on, so that nothing of a definition can be mistaken for an option, a path
    /// elsewhere or a second argument.
    ///
    /// - Parameter filesExist: whether disks, kernel and ramdisk have to be there; not for simulated guests.
    /// - Throws: `invalidDefinition`, or `notFound` for a missing file.
    func check(filesExist: Bool) throws(HypervisorError) {
        try Self.checkName(id, "id")
        try Self.checkName(name, "name")
        guard (1...255).contains(cores) else {
            throw HypervisorError(.invalidDefinition, "\(id): \(cores) cores; 1 to 255 are possible")
        }
        guard memoryMiB >= 4 else {
            throw HypervisorError(.invalidDefinition, "\(id): \(memoryMiB) MiB of memory; at least 4 are needed")
        }
        guard kernel != nil || (ramdisk == nil && kernelArguments == nil) else {
            throw HypervisorError(
                .invalidDefinition, "\(id): a ramdisk or kernel arguments without a kernel; give the kernel too")
        }
        guard kernel != nil || !disks.isEmpty else {
            throw HypervisorError(.invalidDefinition, "\(id): neither a disk nor a kernel to boot from")
        }
        guard Self.isMACAddress(macAddress) else {
            throw HypervisorError(
                .invalidDefinition, "\(id): \"\(macAddress)\" is no MAC address of the form d0:0d:12:34:56:78")
        }
        try checkNetwork()
        var files: [(String, String)] = []
        for disk in disks { files.append((disk.path, "\(disk.role.rawValue) disk")) }
        if let kernel { files.append((kernel, "kernel")) }
        if let ramdisk { files.append((ramdisk, "ramdisk")) }
        for (path, what) in files {
            guard path.hasPrefix("/") else {
                throw HypervisorError(.invalidDefinition, "\(id): path \(path) of the \(what) is not absolute")
            }
            guard !filesExist || FileSystem.exists(path) else {
                throw HypervisorError(.notFound, "\(id): the \(what) \(path) is not there")
            }
        }
    }

    private func checkNetwork() throws(HypervisorError) {
        switch network {
        case .none: break
        case .tap(let interface), .bridge(let interface):
            try Self.checkName(interface, "network interface")
            guard interface.utf8.count <= 15 else {
                throw HypervisorError(.invalidDefinition, "\(id): interface name \(interface) is longer than 15 bytes")
            }
        case .user(let user):
            guard Self.isLoopback(user.hostAddress) else {
                throw HypervisorError(
                    .invalidDefinition,
                    "\(id): \(user.hostAddress) is no loopback address; a user-mode guest listens on one of 127.0.0.0/8"
                )
            }
        }
    }

    /// Letters, digits, '-', '_' and '.', not beginning with '-' or '.'.
    private static func checkName(_ text: String, _ what: String) throws(HypervisorError) {
        let first = text.utf8.first
        var sound = !text.isEmpty && text.utf8.count <= 64 && first != UInt8(ascii: "-") && first != UInt8(ascii: ".")
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                break
            default: sound = false
            }
        }
        guard sound else {
            throw HypervisorError(
                .invalidDefinition, "\"\(text)\" cannot be a guest's \(what): up to 64 letters, digits, '-', '_', '.'")
        }
    }

    private static func isMACAddress(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return false }
        for part in parts {
            guard part.utf8.count == 2, UInt8(String(part), radix: 16) != nil, part.utf8.first != UInt8(ascii: "+")
            else {
                return false
            }
        }
        return true
    }

    /// Whether it is a dotted IPv4 address of 127.0.0.0/8.
    static func isLoopback(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "127" else { return false }
        for part in parts where UInt8(String(part)) == nil || part.utf8.first == UInt8(ascii: "+") { return false }
        return true
    }
}

extension HypervisorError {
    /// An operating system error, with what the driver was doing; "disk full" and the like keep their meaning.
    init(_ error: PosixError, _ context: String) {
        let code: Code =
            error.isDiskFull || error.errno == 12 || error.errno == PosixError.tryAgain
            ? .insufficientResources : error.isTimeout ? .timedOut : .failed
        self.init(code, "\(context): \(error.description)")
    }
}
