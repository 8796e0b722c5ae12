import Posix

/// Finds QEMU's programs on this host, among those that may be there the first that is new enough.
///
/// The directory that the configuration names, and no other; without one: PATH, where the administrator's own choice
/// lies; then the package mallee-qemu; then RHEL's place outside of PATH. Old ones are passed over, since CentOS 7 has
/// QEMU 1.5 in PATH. What was found is kept for as long as this object lives; what was not is looked for again, so that
/// it may be installed meanwhile.
public final class QEMUPrograms: @unchecked Sendable {
    /// An emulator that can be used.
    struct Emulator: Sendable, Equatable {
        /// Absolute path.
        var path: String
        /// "7.2.22".
        var version: String
        /// Whether it can lay itself in a sandbox: not where the kernel has no seccomp(2), as before Linux 3.17.
        var hasSandbox: Bool
    }

    /// Where QEMU may be without anybody having said so. A program that is looked for later is no other one then.
    struct Places: Sendable {
        /// Directories of the administrator's own choice, in order; nil looks as a shell does, in PATH.
        var path: [String]?
        /// Where the package mallee-qemu puts its programs (`rpmspec/mallee-qemu.spec.in`, `Scripts/qemu-bundle.sh`).
        var bundled = "/usr/lib/mallee/qemu/bin"
        /// RHEL's emulator, in no directory of PATH and under a name of its own. Its qemu-img is in PATH.
        var redHat = "/usr/libexec/qemu-kvm"
    }

    /// What the driver's command line and QMP commands need.
    private static let oldestMajor = 4
    static let cure =
        "install mallee-qemu from the roll's disc, or a qemu-system-x86_64 of 4.0 or later (Debian, Ubuntu: apt-get install "
        + "qemu-system-x86 qemu-utils; Fedora: dnf install qemu-system-x86 qemu-img), or name its directory in "
        + "QEMU_DIRECTORY"

    private let directory: String?
    private let usual: Places
    // Guards what was found.
    private let lock = Lock()
    private var emulators: [GuestArchitecture: Emulator] = [:]
    private var tool: String?

    /// - Parameter directory: the only place to look in; nil looks where QEMU usually is.
    public convenience init(directory: String? = nil) { self.init(directory: directory, usual: Places()) }

    init(directory: String? = nil, usual: Places) {
        self.directory = directory
        self.usual = usual
    }

    /// Whether this host can run guests: the emulator for guests of 64 bits, and qemu-img.
    ///
    /// - Throws: `notInstalled`, which says where they were looked for and what to install.
    public func check() throws(HypervisorError) {
        _ = try emulator(for: .x86_64)
        try imageTool()
    }

    /// The emulator for guests of an architecture.
    ///
    /// - Throws: `notInstalled`.
    func emulator(for architecture: GuestArchitecture) throws(HypervisorError) -> Emulator {
        if let known = lock.withLock({ emulators[architecture] }) { return known }
        var tooOld = ""
        for path in candidates(architecture) {
            guard let found = try Self.examine(path) else { continue }
            if Self.isNewEnough(found.version) {
                lock.withLock { emulators[architecture] = found }
                return found
            }
            tooOld += (tooOld.isEmpty ? "" : ", ") + "\(path) is \(found.version)"
        }
        throw HypervisorError(
            .notInstalled,
            tooOld.isEmpty
                ? "no QEMU was found (\(places)): \(Self.cure)" : "QEMU 4.0 is needed, and \(tooOld): \(Self.cure)")
    }

    /// qemu-img.
    ///
    /// - Throws: `notInstalled`.
    @discardableResult
    public func imageTool() throws(HypervisorError) -> String {
        if let known = lock.withLock({ tool }) { return known }
        var tooOld = ""
        for path in directories("qemu-img") {
            guard let version = try Self.version(path, ["--version"]) else { continue }
            if Self.isNewEnough(version) {
                lock.withLock { tool = path }
                return path
            }
            tooOld += (tooOld.isEmpty ? "" : ", ") + "\(path) is \(version)"
        }
        throw HypervisorError(
            .notInstalled,
            tooOld.isEmpty
                ? "no qemu-img was found (\(places)): \(Self.cure)"
                : "qemu-img 4.0 is needed, and \(tooOld): \(Self.cure)")
    }

    // MARK: Places

    private var places: String { directory ?? "PATH, \(usual.bundled), \(usual.redHat)" }

    /// Programs that are there, best first.
    private func candidates(_ architecture: GuestArchitecture) -> [String] {
        // The one for 64 bits runs guests of 32 as well.
        var found = architecture == .i386 ? directories("qemu-system-i386") : []
        found += directories("qemu-system-x86_64")
        let last = directory.map { FileSystem.join($0, "qemu-kvm") } ?? usual.redHat
        if let path = FileSystem.findExecutable(last) { found.append(path) }
        return found
    }

    private func directories(_ name: String) -> [String] {
        var found: [String] = []
        if let directory {
            if let path = FileSystem.findExecutable(FileSystem.join(directory, name)) { found.append(path) }
            return found
        }
        if let searched = usual.path {
            for directory in searched {
                if let path = FileSystem.findExecutable(FileSystem.join(directory, name)) { found.append(path) }
            }
        } else if let path = FileSystem.findExecutable(name) {
            found.append(path)
        }
        if let path = FileSystem.findExecutable(FileSystem.join(usual.bundled, name)) { found.append(path) }
        return found
    }

    // MARK: Versions

    private static func isNewEnough(_ version: String) -> Bool {
        guard let major = version.split(separator: ".").first.flatMap({ text in Int(String(text)) }) else {
            return false
        }
        return major >= oldestMajor
    }

    /// Nil if the program does not run: it is passed over like one that is not there.
    private static func examine(_ path: String) throws(HypervisorError) -> Emulator? {
        // An option that it does not know, or that the kernel cannot serve, ends QEMU before it tells its version.
        if let version = try version(path, ["-sandbox", "off", "--version"]) {
            return Emulator(path: path, version: version, hasSandbox: true)
        }
        return try version(path, ["--version"]).map { version in
            Emulator(path: path, version: version, hasSandbox: false)
        }
    }

    private static func version(_ path: String, _ arguments: [String]) throws(HypervisorError) -> String? {
        do throws(PosixError) {
            let result = try Command.run(path, arguments, timeout: 10_000)
            guard result.isSuccess else { return nil }
            return version(in: result.outputText)
        } catch {
            throw HypervisorError(error, "asking \(path) for its version")
        }
    }

    /// "7.2.22" of "QEMU emulator version 7.2.22 (Debian …)" or "qemu-img version 7.2.22 (…)".
    static func version(in text: String) -> String? {
        var isNext = false
        for word in text.split(whereSeparator: { character in
            character == " " || character == "\n" || character == "," || character == "("
        }) {
            if isNext { return String(word) }
            isNext = word == "version"
        }
        return nil
    }
}
