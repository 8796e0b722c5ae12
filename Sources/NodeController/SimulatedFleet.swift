// Many simulated nodes in one process: they share threads, log and connections, and have no files.

public import Hypervisor
import Posix

/// Makes simulated nodes.
public enum SimulatedFleet {
    /// What a simulated node has, unless the configuration says otherwise: about a server of today.
    public static func capacity(_ configuration: NodeConfiguration) -> NodeResources {
        func amount(_ configured: Int, _ usual: Int) -> Int64 { Int64(configured == 0 ? usual : configured) }
        return NodeResources(
            cores: amount(configuration.maxCores, 32), memoryMiB: amount(configuration.maxMemoryMiB, 131_072),
            diskGiB: amount(configuration.maxDiskGiB, 4_096))
    }

    /// The nodes PREFIX-0001, PREFIX-0002, … each with its service below `url`.
    public static func make(
        _ configuration: NodeConfiguration, prefix: String, url: String, environment: NodeEnvironment
    ) -> [NodeController] {
        let clock = SimulatedClock(.automatic)
        var nodes: [NodeController] = []
        nodes.reserveCapacity(configuration.simulatedNodes)
        for number in 0..<configuration.simulatedNodes {
            let digits = String(number + 1)
            let name =
                prefix + "-" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
            var settings = NodeController.Settings(
                name: name, endpoint: url + "/" + name, capacity: capacity(configuration),
                softwareVersion: MalleeRelease.version)
            settings.region = configuration.region.isEmpty ? nil : configuration.region
            nodes.append(node(settings, clock, environment))
        }
        return nodes
    }

    /// One node with simulated guests.
    ///
    /// - Parameter records: with records in files, guests outlive the process as real ones do.
    public static func node(
        _ settings: NodeController.Settings, _ clock: SimulatedClock, _ environment: NodeEnvironment,
        records: any InstanceRecords = MemoryRecords()
    ) -> NodeController {
        var settings = settings
        // Waiting for a guest that is not there would only hold worker threads.
        settings.shutdownGrace = 0
        return NodeController(
            settings: settings, hypervisor: SimulatedHypervisor(host: SimulatedHost(clock: clock)),
            records: records, images: nil, environment: environment)
    }
}
