/// A disc's `.discinfo`: four lines by which the installer knows which disk is in the drive.
public struct DiscInformation: Sendable, Equatable {
    /// Seconds since 1970.
    public let time: Int64
    /// The roll's name.
    public let name: String
    /// The roll's architecture.
    public let arch: String
    /// The disk's number, from 1.
    public let disk: Int

    /// Makes a disc's information.
    public init(time: Int64, name: String, arch: String, disk: Int) {
        self.time = time
        self.name = name
        self.arch = arch
        self.disk = disk
    }

    /// The file's text.
    public var text: String { "\(time).000000\n\(name)\n\(arch)\n\(disk)\n" }

    /// Reads a file; each defect with the line it is on.
    public static func parse(_ text: String) -> (information: DiscInformation?, defects: [(line: Int, message: String)])
    {
        var defects: [(line: Int, message: String)] = []
        // By bytes: for Swift a line end of DOS is one character other than "\n".
        var lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(Substring($0)) }
        if lines.last == "" {
            lines.removeLast()
        } else {
            defects.append((lines.count, "the last line has no line end"))
        }
        guard lines.count == 4 else {
            defects.append(
                (
                    min(lines.count + 1, 5),
                    "it has \(lines.count) lines, not the four: time, name, architecture, disk number"
                ))
            return (nil, defects)
        }
        if lines.contains(where: { $0.utf8.contains(0x0D) }) { defects.append((1, "it has line ends of DOS")) }
        let time = Double(lines[0])
        if time == nil || !lines[0].contains(".") {
            defects.append((1, "\"\(lines[0])\" is no time of the form 1288742400.000000"))
        }
        if lines[1].isEmpty { defects.append((2, "the roll's name is empty")) }
        if lines[2].isEmpty { defects.append((3, "the architecture is empty")) }
        let disk = Int(lines[3])
        if disk.map({ $0 < 1 }) ?? true { defects.append((4, "\"\(lines[3])\" is no disk number")) }
        guard let time, let disk, let seconds = Int64(exactly: time.rounded(.down)) else { return (nil, defects) }
        return (DiscInformation(time: seconds, name: lines[1], arch: lines[2], disk: disk), defects)
    }
}
