extension InstanceType {
    /// The table of a new cloud: the original's five with its sizes, and names that today's tools use by default.
    ///
    /// Sizes are those of a small cloud rather than of EC2, so that the smallest run on any machine and a laptop holds
    /// a few of each; the administrator edits the table.
    public static let defaults: [InstanceType] = [
        InstanceType(name: "m1.small", cores: 1, memoryMiB: 128, diskGiB: 2),
        InstanceType(name: "c1.medium", cores: 1, memoryMiB: 256, diskGiB: 5),
        InstanceType(name: "m1.large", cores: 2, memoryMiB: 512, diskGiB: 10),
        InstanceType(name: "m1.xlarge", cores: 2, memoryMiB: 1024, diskGiB: 20),
        InstanceType(name: "c1.xlarge", cores: 4, memoryMiB: 2048, diskGiB: 20),
        InstanceType(name: "m1.medium", cores: 1, memoryMiB: 512, diskGiB: 5),
        InstanceType(name: "t1.micro", cores: 1, memoryMiB: 256, diskGiB: 5),
        InstanceType(name: "t2.nano", cores: 1, memoryMiB: 256, diskGiB: 5),
        InstanceType(name: "t2.micro", cores: 1, memoryMiB: 512, diskGiB: 8),
        InstanceType(name: "t2.small", cores: 1, memoryMiB: 1024, diskGiB: 10),
        InstanceType(name: "t2.medium", cores: 2, memoryMiB: 2048, diskGiB: 20),
        InstanceType(name: "t2.large", cores: 2, memoryMiB: 4096, diskGiB: 20),
        InstanceType(name: "t3.nano", cores: 1, memoryMiB: 256, diskGiB: 5),
        InstanceType(name: "t3.micro", cores: 1, memoryMiB: 512, diskGiB: 8),
        InstanceType(name: "t3.small", cores: 1, memoryMiB: 1024, diskGiB: 10),
        InstanceType(name: "t3.medium", cores: 2, memoryMiB: 2048, diskGiB: 20),
        InstanceType(name: "m3.medium", cores: 1, memoryMiB: 2048, diskGiB: 10),
        InstanceType(name: "m5.large", cores: 2, memoryMiB: 4096, diskGiB: 20),
        InstanceType(name: "m5.xlarge", cores: 4, memoryMiB: 8192, diskGiB: 40),
        InstanceType(name: "c5.large", cores: 2, memoryMiB: 2048, diskGiB: 20),
    ]

    /// The type of a request that names none (EC2: m1.small).
    public static let defaultName = "m1.small"

    /// Whether EC2 would call it a type of today: what is named like one of its previous generations is not (EC2 User
    /// Guide, "Previous generation instances").
    public var isCurrentGeneration: Bool {
        let family = name.split(separator: ".").first.map(String.init) ?? name
        return ![
            "a1", "c1", "c3", "c4", "cc1", "cc2", "cg1", "cr1", "g2", "g3", "g3s", "hi1", "hs1", "i2", "m1", "m2", "m3",
            "m4", "p2", "r3", "r4", "t1",
        ].contains(family)
    }

    /// Refuses what no node could run.
    public func check() throws(CloudError) {
        let nameIsGood =
            !name.isEmpty && name.utf8.count <= 64
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 46
            }
        guard nameIsGood else {
            throw .invalidValue(
                parameter: "Name", value: String(name.prefix(64)),
                reason: "The name of an instance type has 1 to 64 letters, digits, dots and dashes.")
        }
        try check(cores, "Cpu", 1...1024)
        try check(memoryMiB, "Memory", 16...16_777_216)
        try check(diskGiB, "Disk", 1...1_048_576)
        try check(ephemeralGiB, "EphemeralDisk", 0...1_048_576)
        try check(swapMiB, "Swap", 0...16_777_216)
    }

    private func check(_ value: Int, _ parameter: String, _ range: ClosedRange<Int>) throws(CloudError) {
        guard range.contains(value) else {
            throw .invalidValue(
                parameter: parameter, value: String(value),
                reason: "\(parameter) of \(name) must be from \(range.lowerBound) to \(range.upperBound).")
        }
    }
}
