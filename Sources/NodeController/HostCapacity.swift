// How much of a host instances may use, when the configuration does not say it.

public import Posix

/// Detects what the host has.
public enum HostCapacity {
    /// Memory in MiB that is left to the host itself.
    static let memoryForHostMiB: Int64 = 512

    /// What instances may use: the configured amounts, or what the host has, times the over-commit factors.
    ///
    /// - Parameters:
    ///   - cacheBytes: what the image cache may take of the disk.
    ///   - guestMemoryMiB: memory that the hypervisor has for guests; nil for this system's own, less its needs.
    ///   - processors: those that the hypervisor has; nil for this system's.
    public static func resources(
        _ configuration: NodeConfiguration, stateDirectory: String, cacheBytes: Int64, guestMemoryMiB: Int64? = nil,
        processors: Int? = nil
    ) throws(PosixError) -> NodeResources {
        var cores = Int64(configuration.maxCores)
        if cores == 0 { cores = Int64(processors ?? Host.processors) }
        var memory = Int64(configuration.maxMemoryMiB)
        if memory == 0 {
            if let guestMemoryMiB {
                memory = guestMemoryMiB
            } else {
                memory = max(64, (try Host.memory().total >> 20) - memoryForHostMiB)
            }
        }
        var disk = Int64(configuration.maxDiskGiB)
        if disk == 0 {
            let space = try FileSystem.space(stateDirectory)
            let taken = try allocated(stateDirectory)
            disk = max(1, (space.available + taken - cacheBytes) >> 30)
        }
        return NodeResources(
            cores: scaled(cores, configuration.coresOvercommit),
            memoryMiB: scaled(memory, configuration.memoryOvercommit),
            diskGiB: scaled(disk, configuration.diskOvercommit))
    }

    /// Bytes that the image cache may take: as configured, or a quarter of what is free besides the cache itself.
    public static func cacheBytes(_ configuration: NodeConfiguration, stateDirectory: String) throws(PosixError)
        -> Int64
    {
        if configuration.cacheGiB > 0 { return Int64(configuration.cacheGiB) << 30 }
        let space = try FileSystem.space(stateDirectory)
        return (space.available + (try allocated(stateDirectory))) / 4
    }

    private static func scaled(_ amount: Int64, _ factor: Double) -> Int64 { Int64(Double(amount) * factor) }

    /// Bytes on disk of all files in a directory, so that a restart with instances counts as a start without.
    private static func allocated(_ directory: String) throws(PosixError) -> Int64 {
        var sum: Int64 = 0
        guard FileSystem.isDirectory(directory) else { return 0 }
        for name in try FileSystem.list(directory) {
            let path = FileSystem.join(directory, name)
            guard let status = try FileSystem.statusIfPresent(path, followLinks: false) else { continue }
            sum += status.isDirectory ? try allocated(path) : status.allocated
        }
        return sum
    }

    /// The first port that this process may bind: 0 for root.
    public static func lowestBindablePort() -> Int {
        if Host.user == 0 { return 0 }
        do throws(PosixError) {
            var text = try FileSystem.readText("/proc/sys/net/ipv4/ip_unprivileged_port_start", limit: 64)
            while text.utf8.last == 0x0A { text.removeLast() }
            return Int(text) ?? 1024
        } catch {
            // Kernels before 4.11 have no such setting.
            return 1024
        }
    }
}
