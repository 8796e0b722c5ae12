// Which driver runs guests on this host. The node controller and its doctor both ask here, so that the one tells what
// the other does.

public import Hypervisor
import Posix

/// What runs guests on this host.
public enum HostHypervisor {
    /// Whether that is Xen: as configured, or, with `auto`, because this host is its control domain.
    public static func isXen(_ configuration: NodeConfiguration) -> Bool {
        configuration.hypervisor == .xen || configuration.hypervisor == .auto && XenHypervisor.isControlDomain()
    }

    /// The driver for real guests.
    ///
    /// - Throws: `notInstalled` with the command that installs what is missing.
    public static func driver(
        _ configuration: NodeConfiguration, stateDirectory: String
    ) throws(HypervisorError) -> any Hypervisor {
        let programs = QEMUPrograms(directory: configuration.qemuDirectory)
        if isXen(configuration) { return try XenHypervisor(programs: programs) }
        return try QEMUHypervisor(
            stateDirectory: FileSystem.join(stateDirectory, "hypervisor"), programs: programs)
    }
}
