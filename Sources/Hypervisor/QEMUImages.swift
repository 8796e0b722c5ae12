import JSON
import Posix

/// Disk images by `qemu-img`, always as an argument vector, under limits of time and memory: images come from users, and
/// a crafted one must not cost more than itself.
public final class QEMUImages: DiskImages {
    /// A header is read in milliseconds; a crafted one may take for ever.
    private static let inspectTimeout: Milliseconds = 10_000
    private static let createTimeout: Milliseconds = 60_000
    /// Reads and writes a whole disk.
    private static let flattenTimeout: Milliseconds = 4 * 3_600_000
    /// Reads the whole of the image's tables.
    private static let checkTimeout: Milliseconds = 300_000
    /// Address space in bytes and processor seconds, as OpenStack limits qemu-img since CVE-2015-5162.
    private static let limits = ["--as=1073741824", "--cpu=30"]

    private let programs: QEMUPrograms

    /// Creates the tools; a missing qemu-img is reported when it is needed.
    public init(programs: QEMUPrograms = QEMUPrograms()) { self.programs = programs }

    /// See `DiskImages.inspect`.
    public func inspect(path: String, format: DiskFormat?) throws(HypervisorError) -> DiskImageFacts {
        try Self.requirePath(path)
        guard FileSystem.exists(path) else { throw HypervisorError(.notFound, "there is no image \(path)") }
        var arguments = ["info", "--output=json", "--force-share"]
        if let format { arguments += ["-f", format.rawValue] }
        let result = try run(arguments + [path], timeout: Self.inspectTimeout, limited: true)
        guard result.isSuccess else {
            throw HypervisorError(
                .invalidImage, "\(path) is not a sound \(format?.rawValue ?? "disk") image: \(result.explanation)")
        }
        let facts: JSONValue
        do throws(JSONError) {
            facts = try JSONValue.parse(result.output)
        } catch {
            throw HypervisorError(.failed, "qemu-img info of \(path): \(error.description)")
        }
        return try Self.judge(facts, path)
    }

    /// Refuses what would let a guest read other files of the host, or what cannot be used.
    private static func judge(_ facts: JSONValue, _ path: String) throws(HypervisorError) -> DiskImageFacts {
        if let backing = facts["backing-filename"]?.text ?? facts["full-backing-filename"]?.text {
            throw HypervisorError(
                .invalidImage,
                "\(path) needs another file (backing file \"\(backing)\"); flatten it with qemu-img convert")
        }
        let data = facts["format-specific"]?["data"]
        if let external = data?["data-file"]?.text {
            throw HypervisorError(
                .invalidImage,
                "\(path) keeps its data in another file (\"\(external)\"); flatten it with qemu-img convert")
        }
        if facts["encrypted"]?.boolean == true || data?["encrypt"] != nil {
            throw HypervisorError(.invalidImage, "\(path) is encrypted; decrypt it with qemu-img convert")
        }
        if data?["corrupt"]?.boolean == true {
            throw HypervisorError(.invalidImage, "\(path) is marked corrupt; repair it with qemu-img check -r all")
        }
        let name = facts["format"]?.text ?? "unknown"
        guard let format = DiskFormat(rawValue: name) else {
            throw HypervisorError(
                .invalidImage, "\(path) has format \(name); convert it with qemu-img convert -O qcow2")
        }
        guard let size = facts["virtual-size"]?.int64, size > 0 else {
            throw HypervisorError(.invalidImage, "\(path) is an empty disk")
        }
        return DiskImageFacts(
            format: format, virtualSizeBytes: size, actualSizeBytes: facts["actual-size"]?.int64 ?? 0)
    }

    /// See `DiskImages.createOverlay`.
    public func createOverlay(
        base: String, baseFormat: DiskFormat, path: String, sizeBytes: Int64?
    ) throws(HypervisorError) {
        try Self.requirePath(base)
        try Self.requireNew(path)
        var arguments = ["create", "-q", "-f", "qcow2", "-b", base, "-F", baseFormat.rawValue, path]
        if let sizeBytes {
            arguments.append(String(max(sizeBytes, try Self.virtualSize(base, baseFormat))))
        } else {
            guard FileSystem.exists(base) else { throw HypervisorError(.notFound, "there is no base image \(base)") }
        }
        try create(arguments, path)
    }

    /// See `DiskImages.createEmpty`.
    public func createEmpty(path: String, format: DiskFormat, sizeBytes: Int64) throws(HypervisorError) {
        try Self.requireNew(path)
        guard sizeBytes > 0 else {
            throw HypervisorError(.invalidDefinition, "\(path): a disk of \(sizeBytes) bytes is impossible")
        }
        if format == .raw {
            do throws(PosixError) {
                let file = try File(path, [.write, .create, .exclusive], permissions: 0o600)
                try file.truncate(to: sizeBytes)
                return try file.close()
            } catch {
                throw HypervisorError(error, "making a disk")
            }
        }
        try create(["create", "-q", "-f", format.rawValue, path, String(sizeBytes)], path)
    }

    /// See `DiskImages.flatten`.
    public func flatten(
        path: String, format: DiskFormat, to target: String, isCancelled: () -> Bool
    ) throws(HypervisorError) {
        try Self.requirePath(path)
        try Self.requireNew(target)
        guard FileSystem.exists(path) else { throw HypervisorError(.notFound, "there is no disk \(path)") }
        // Without locks: they would keep the guest from starting for as long as a killed node controller's copy ends.
        let arguments = ["convert", "-q", "-U", "-f", format.rawValue, "-O", "qcow2", path, target]
        var wasCancelled = false
        let result: Command.Result
        do throws(HypervisorError) {
            result = try run(arguments, timeout: Self.flattenTimeout, limited: false) {
                wasCancelled = wasCancelled || isCancelled()
                return wasCancelled
            }
        } catch {
            removeQuietly(target)
            if wasCancelled { throw HypervisorError(.unavailable, "the copy of \(path) was cancelled") }
            throw error
        }
        guard !result.isSuccess else { return }
        removeQuietly(target)
        let isFull = QEMUHypervisor.contains(result.errorText, "No space left")
        throw HypervisorError(
            isFull ? .insufficientResources : .failed,
            "cannot copy disk \(path): \(result.explanation)"
                + (isFull ? "; free space on the node's file system" : ""))
    }

    /// See `DiskImages.check`.
    public func check(path: String, format: DiskFormat) throws(HypervisorError) {
        try Self.requirePath(path)
        guard FileSystem.exists(path) else { throw HypervisorError(.notFound, "there is no image \(path)") }
        if format == .raw { return }
        let result = try run(
            ["check", "-q", "-f", format.rawValue, path], timeout: Self.checkTimeout, limited: true)
        // Exit code 3 means leaked clusters, which waste space and nothing else (qemu-img(1)).
        guard result.isSuccess || result.status == .exited(3) else {
            throw HypervisorError(
                .invalidImage,
                "\(path) is damaged (\(result.explanation)); upload it again or repair it with "
                    + "qemu-img check -r all")
        }
    }

    // MARK: Running qemu-img

    private func create(_ arguments: [String], _ path: String) throws(HypervisorError) {
        let result = try run(arguments, timeout: Self.createTimeout, limited: false)
        guard !result.isSuccess else { return }
        removeQuietly(path)
        let isFull = QEMUHypervisor.contains(result.errorText, "No space left")
        throw HypervisorError(
            isFull ? .insufficientResources : .failed,
            "cannot make disk \(path): \(result.explanation)" + (isFull ? "; free space on that file system" : ""))
    }

    private func run(
        _ arguments: [String], timeout: Milliseconds, limited: Bool, isCancelled: () -> Bool = { false }
    ) throws(HypervisorError) -> Command.Result {
        let tool = try programs.imageTool()
        let result: Command.Result
        do throws(PosixError) {
            result =
                if limited, let prlimit = FileSystem.findExecutable("prlimit") {
                    try Command.run(prlimit, Self.limits + [tool] + arguments, timeout: timeout)
                } else {
                    try Command.run(tool, arguments, timeout: timeout, isCancelled: isCancelled)
                }
        } catch {
            throw HypervisorError(error, "running qemu-img \(arguments[0])")
        }
        guard !result.timedOut else {
            throw HypervisorError(
                .timedOut, "qemu-img \(arguments[0]) did not end within \(timeout) ms; the image may be crafted")
        }
        return result
    }

    /// A path that qemu-img cannot mistake for an option, a protocol ("nbd:") or "json:".
    private static func requirePath(_ path: String) throws(HypervisorError) {
        guard path.hasPrefix("/") else {
            throw HypervisorError(.invalidDefinition, "image path \(path) is not absolute")
        }
    }

    /// qemu-img would overwrite.
    private static func requireNew(_ path: String) throws(HypervisorError) {
        try requirePath(path)
        guard !FileSystem.exists(path) else {
            throw HypervisorError(.invalidDefinition, "\(path) is there already; a disk is never overwritten")
        }
    }

    /// Size of the disk in an inspected base image, without a process: qcow2 has it in bytes 24 to 31, big endian.
    private static func virtualSize(_ path: String, _ format: DiskFormat) throws(HypervisorError) -> Int64 {
        do throws(PosixError) {
            let file = try File(path, .read)
            let status = try file.status()
            guard format == .qcow2 else { return status.size }
            let header = try file.read(32, at: 0)
            guard header.count == 32, header[0...3].elementsEqual([0x51, 0x46, 0x49, 0xfb]) else {
                throw PosixError(errno: PosixError.invalid, operation: "find a qcow2 header in", detail: path)
            }
            var size: UInt64 = 0
            for byte in header[24...] { size = size << 8 | UInt64(byte) }
            guard size <= UInt64(Int64.max) else {
                throw PosixError(errno: PosixError.tooLarge, operation: "use the disk size of", detail: path)
            }
            return Int64(size)
        } catch {
            if error.isNotFound { throw HypervisorError(.notFound, "there is no base image \(path)") }
            throw HypervisorError(
                error.errno == PosixError.invalid || error.errno == PosixError.tooLarge ? .invalidImage : .failed,
                error.description)
        }
    }
}
