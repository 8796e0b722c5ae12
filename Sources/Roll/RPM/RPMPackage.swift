public import Archive

/// An RPM package: what its headers say. The payload stays in the file.
public struct RPMPackage: Sendable {
    /// A relation to another package or capability.
    public struct Dependency: Sendable, Hashable {
        /// The capability.
        public let name: String
        /// rpm's sense bits: 2 less, 4 greater, 8 equal, 64/512/1024/… when it is needed.
        public let flags: UInt32
        /// `[epoch:]version[-release]`, or empty.
        public let version: String
    }

    /// A file that the package owns.
    public struct OwnedFile: Sendable, Equatable {
        /// Absolute path.
        public let path: String
        /// Type and permissions.
        public let mode: UInt32
        /// rpm's flags: 1 configuration, 2 documentation, 64 ghost, …
        public let flags: UInt32
        /// Digest in hexadecimal; empty for what has none.
        public let digest: String
        /// Where a symbolic link points.
        public let linkTarget: String
        /// Size in bytes.
        public let size: UInt64
        /// Owner and group by name.
        public let user: String
        /// See `user`.
        public let group: String

        /// Whether it is a directory.
        public var isDirectory: Bool { mode & 0o170000 == 0o040000 }
        /// Whether it is listed, but not in the payload.
        public var isGhost: Bool { flags & 64 != 0 }
    }

    /// The package file.
    public let region: FileRegion
    /// The signature header: sizes and digests of what follows it.
    public let signature: RPMHeader
    /// The main header.
    public let header: RPMHeader
    /// Where the main header begins and ends; the payload follows.
    public let headerRange: Range<Int64>

    /// Name.
    public let name: String
    /// Epoch; nil if the package has none.
    public let epoch: UInt64?
    /// Version and release.
    public let version: String
    /// See `version`.
    public let release: String
    /// Architecture; "src" of a source package.
    public let arch: String
    /// When it was built, in seconds since 1970.
    public let buildTime: Int64
    /// Files.
    public let files: [OwnedFile]
    /// What it needs.
    public let requires: [Dependency]
    /// What it offers.
    public let provides: [Dependency]

    /// Reads lead and headers.
    ///
    /// - Throws: `ArchiveError`: no RPM, cut off or damaged.
    public init(_ region: FileRegion) throws(ArchiveError) {
        self.region = region
        func refuse(_ message: String) -> ArchiveError { ArchiveError(path: region.name, message: message) }
        guard region.size >= 96 else { throw refuse("is no RPM package: it has \(region.size) bytes only") }
        let lead = try region.read(96, at: 0)
        guard lead.starts(with: [0xED, 0xAB, 0xEE, 0xDB]) else { throw refuse("is no RPM package") }
        guard lead[4] == 3 || lead[4] == 4 else { throw refuse("is an RPM package of format \(lead[4]), not 3 or 4") }
        signature = try RPMHeader(region, at: 96, what: "the signature header")
        let start = 96 + (Int64(signature.length) + 7) / 8 * 8
        header = try RPMHeader(region, at: start, what: "the header")
        headerRange = start..<(start + Int64(header.length))
        guard let name = header.string(.signatureSizeOrName), let version = header.string(.versionTag),
            let release = header.string(.release), !name.isEmpty
        else { throw refuse("its header has no name, version or release; the file is damaged") }
        self.name = name
        self.version = version
        self.release = release
        epoch = header.integer(.epoch)
        let isSource =
            lead[6] == 0 && lead[7] == 1 || header.has(.sourcePackage) || header.string(.sourcePackageName) == nil
        guard let arch = header.string(.arch) else { throw refuse("its header names no architecture") }
        self.arch = isSource ? "src" : arch
        buildTime = Int64(clamping: header.integer(.buildTime) ?? 0)
        requires = Self.dependencies(header, .requireNames, .requireFlags, .requireVersions)
        provides = Self.dependencies(header, .provideNames, .provideFlags, .provideVersions)
        files = Self.files(header)
    }

    /// `name-version-release.arch`.
    public var identity: String { "\(name)-\(version)-\(release).\(arch)" }

    /// The relations under three tags, for those that are not read at once.
    public static func dependencies(
        _ header: RPMHeader, _ names: RPMHeader.Tag, _ flags: RPMHeader.Tag, _ versions: RPMHeader.Tag
    ) -> [Dependency] {
        let flags = header.integers(flags)
        let versions = header.strings(versions)
        return header.strings(names).enumerated().map { position, name in
            Dependency(
                name: name, flags: position < flags.count ? UInt32(truncatingIfNeeded: flags[position]) : 0,
                version: position < versions.count ? versions[position] : "")
        }
    }

    private static func files(_ header: RPMHeader) -> [OwnedFile] {
        let names = header.strings(.baseNames)
        let directories = header.strings(.directoryNames)
        let indexes = header.integers(.directoryIndexes)
        let modes = header.integers(.fileModes)
        let flags = header.integers(.fileFlags)
        let digests = header.strings(.fileDigests)
        let links = header.strings(.fileLinkTargets)
        let sizes = header.has(.longFileSizes) ? header.integers(.longFileSizes) : header.integers(.fileSizes)
        let users = header.strings(.fileUsers)
        let groups = header.strings(.fileGroups)
        return names.enumerated().map { position, name in
            let directory = position < indexes.count ? Int(clamping: indexes[position]) : 0
            return OwnedFile(
                path: (directory < directories.count ? directories[directory] : "") + name,
                mode: UInt32(truncatingIfNeeded: position < modes.count ? modes[position] : 0),
                flags: UInt32(truncatingIfNeeded: position < flags.count ? flags[position] : 0),
                digest: position < digests.count ? digests[position] : "",
                linkTarget: position < links.count ? links[position] : "",
                size: position < sizes.count ? sizes[position] : 0,
                user: position < users.count ? users[position] : "root",
                group: position < groups.count ? groups[position] : "root")
        }
    }
}
