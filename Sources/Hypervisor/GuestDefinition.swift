/// Processor architecture of a guest, with EC2's names.
public enum GuestArchitecture: String, Sendable, Equatable, CaseIterable {
    /// 32-bit Intel.
    case i386
    /// 64-bit Intel and AMD.
    case x86_64
}

/// What a guest's system is started from.
public enum GuestBoot: String, Sendable, Equatable, CaseIterable {
    /// A kernel that is given outside of the disk.
    case kernel
    /// The boot loader on the first disk.
    case disk
}

/// Everything that a driver needs to start one guest. Disks exist already.
public struct GuestDefinition: Sendable, Equatable {
    /// Id, unique on the host: "i-…". Letters, digits, '-', '_' and '.', at most 64.
    public var id: String
    /// Name for people (process lists, the hypervisor's own tools); the same characters as in `id`.
    public var name: String
    /// Absolute path of an existing directory for the driver's files of this guest (sockets, console, pid). It should be
    /// readable by the node controller only, and short: the path of a Unix socket in it must be under 108 bytes.
    public var directory: String
    /// Virtual processors, 1 to 255.
    public var cores: Int
    /// Memory in MiB, at least 4.
    public var memoryMiB: Int
    /// What the guest's system is built for.
    public var architecture: GuestArchitecture
    /// Disks in the order in which the guest shall see them. The first is what the machine boots from if no kernel is given.
    public var disks: [GuestDisk]
    /// Absolute path of a kernel to boot instead of the disk's boot sector.
    public var kernel: String?
    /// Absolute path of the kernel's initial RAM disk; needs `kernel`.
    public var ramdisk: String?
    /// The kernel's command line; needs `kernel`.
    public var kernelArguments: String?
    /// MAC address of the network interface, "d0:0d:…".
    public var macAddress: String
    /// How the guest is attached to the network.
    public var network: GuestNetwork

    /// Creates a definition.
    public init(
        id: String, name: String, directory: String, cores: Int, memoryMiB: Int, architecture: GuestArchitecture,
        disks: [GuestDisk], kernel: String? = nil, ramdisk: String? = nil, kernelArguments: String? = nil,
        macAddress: String, network: GuestNetwork
    ) {
        self.id = id
        self.name = name
        self.directory = directory
        self.cores = cores
        self.memoryMiB = memoryMiB
        self.architecture = architecture
        self.disks = disks
        self.kernel = kernel
        self.ramdisk = ramdisk
        self.kernelArguments = kernelArguments
        self.macAddress = macAddress
        self.network = network
    }
}

/// How the bytes of a disk image are laid out.
public enum DiskFormat: String, Sendable, Equatable, CaseIterable {
    /// Byte for byte.
    case raw
    /// QEMU's copy-on-write format.
    case qcow2
}

/// One disk of a guest.
public struct GuestDisk: Sendable, Equatable {
    /// What a disk is for.
    public enum Role: String, Sendable, Equatable {
        /// The system.
        case root
        /// Empty space that goes with the instance.
        case ephemeral
        /// Swap space.
        case swap
    }

    /// Absolute path.
    public var path: String
    /// Layout of the file. Never guessed from its content, which the guest controls.
    public var format: DiskFormat
    /// What it is for.
    public var role: Role
    /// Whether the guest cannot write to it.
    public var readOnly: Bool

    /// Creates a disk.
    public init(path: String, format: DiskFormat, role: Role, readOnly: Bool = false) {
        self.path = path
        self.format = format
        self.role = role
        self.readOnly = readOnly
    }
}

/// How a guest is attached to the network.
public enum GuestNetwork: Sendable, Equatable {
    /// Not at all.
    case none
    /// The hypervisor process translates; needs no root.
    case user(UserNetwork)
    /// A tap device of this name that exists already and is attached to a bridge; needs CAP_NET_ADMIN beforehand.
    case tap(interface: String)
    /// A bridge of the host, to which the hypervisor's own tools attach the guest's interface (Xen's vif).
    case bridge(String)
}

/// A user-mode network of one guest: the guest gets 169.254.10.15/16 by DHCP, reaches the outside by translation, and
/// finds the metadata service at 169.254.169.254.
public struct UserNetwork: Sendable, Equatable {
    /// Address on the host, of this guest alone, on which its forwarded ports listen: "127.1.0.5".
    public var hostAddress: String
    /// Ports that are forwarded from the start.
    public var forwards: [PortForward]
    /// Program and arguments that serve one connection to 169.254.169.254:80 on standard input and output; none if empty.
    /// Visible in the process list, so it holds no secrets.
    public var metadataCommand: [String]

    /// Creates a network.
    public init(hostAddress: String, forwards: [PortForward] = [], metadataCommand: [String] = []) {
        self.hostAddress = hostAddress
        self.forwards = forwards
        self.metadataCommand = metadataCommand
    }
}

/// One port of the guest's host address that leads into the guest.
public struct PortForward: Sendable, Hashable {
    /// Transport protocols that can be forwarded.
    public enum TransportProtocol: String, Sendable, Hashable {
        /// TCP.
        case tcp
        /// UDP.
        case udp
    }

    /// TCP or UDP.
    public var transport: TransportProtocol
    /// Port on `UserNetwork.hostAddress`, 1 to 65535; under 1024 needs root or CAP_NET_BIND_SERVICE.
    public var hostPort: Int
    /// Port in the guest, 1 to 65535.
    public var guestPort: Int

    /// Creates a forward.
    public init(transport: TransportProtocol = .tcp, hostPort: Int, guestPort: Int) {
        self.transport = transport
        self.hostPort = hostPort
        self.guestPort = guestPort
    }
}

/// What became of a forward.
public struct PortForwardResult: Sendable, Equatable {
    /// What was asked for.
    public var forward: PortForward
    /// Why it is not in force, with the cure; nil if it is.
    public var failure: String?

    /// Creates a result.
    public init(forward: PortForward, failure: String? = nil) {
        self.forward = forward
        self.failure = failure
    }
}
