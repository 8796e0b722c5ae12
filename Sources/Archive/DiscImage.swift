/// An ISO 9660 image, read at any place: its volume, and every file with its Rock Ridge name, mode and time.
///
/// From ECMA-119 (volume descriptors, directory records) and IEEE P1282 Rock Ridge (SP, CE, RR, PX, NM, SL, TF). The
/// image may come from anywhere: everything is checked against its size, and depth and number of entries are bounded.
public struct DiscImage: Sendable {
    /// A file or directory of the disc.
    public struct Entry: Sendable, Equatable {
        /// Path from the disc's root, with the names that Linux shows; "" is the root.
        public let path: String
        /// The name of ISO 9660 proper, as a system without Rock Ridge sees it.
        public let plainName: String
        /// Whether the name comes from Rock Ridge.
        public let hasRockRidgeName: Bool
        /// The mode of Rock Ridge (type and permissions), if there is one.
        public let mode: UInt32?
        /// Owner and group of Rock Ridge.
        public let owner: UInt32?
        /// See `owner`.
        public let group: UInt32?
        /// Seconds since 1970.
        public let modified: Int64
        /// Whether it is a directory.
        public let isDirectory: Bool
        /// Whether it is a symbolic link.
        public let isSymbolicLink: Bool
        /// Size in bytes.
        public let size: Int64
        fileprivate let offset: Int64
        fileprivate let extents: Int
    }

    /// The image.
    public let region: FileRegion
    /// The volume's identifier, without trailing blanks.
    public let volume: String
    /// The volume's application, without trailing blanks.
    public let application: String
    /// Size in bytes that the volume descriptor states.
    public let volumeSize: Int64
    /// Whether the root directory announces Rock Ridge.
    public let hasRockRidge: Bool
    /// All entries but the root, directories before what is in them, in the order of the disc.
    public let entries: [Entry]

    private static let sector: Int64 = 2048
    private static let maximumEntries = 200_000
    private static let maximumDepth = 32

    /// Reads the volume descriptor and all directories.
    ///
    /// - Throws: `ArchiveError` with what is wrong at which sector.
    public init(_ region: FileRegion) throws(ArchiveError) {
        self.region = region
        var descriptor: [UInt8] = []
        for sector in Int64(16)..<Int64(80) {
            guard region.size >= (sector + 1) * Self.sector else {
                throw ArchiveError(
                    path: region.name,
                    message: "is no ISO 9660 image, or is cut off: no volume descriptor within \(region.size) bytes")
            }
            let bytes = try region.read(2048, at: sector * Self.sector)
            guard bytes[1..<6].elementsEqual("CD001".utf8) else {
                throw ArchiveError(path: region.name, message: "is no ISO 9660 image (sector \(sector))")
            }
            if bytes[0] == 1 {
                descriptor = bytes
                break
            }
            guard bytes[0] != 255 else { break }
        }
        guard !descriptor.isEmpty else {
            throw ArchiveError(path: region.name, message: "has no primary volume descriptor")
        }
        volume = Self.text(descriptor[40..<72])
        application = Self.text(descriptor[574..<702])
        volumeSize = Self.number(descriptor, 80) * Self.sector
        guard descriptor[128] == 0, descriptor[129] == 8 else {
            throw ArchiveError(path: region.name, message: "has logical blocks of other than 2048 bytes")
        }
        let root = (offset: Self.number(descriptor, 158) * Self.sector, size: Self.number(descriptor, 166))
        var walk = Walk(region: region)
        try walk.directory(offset: root.offset, size: root.size, path: "", depth: 1)
        hasRockRidge = walk.hasRockRidge
        entries = walk.entries
    }

    /// The entry at a path.
    public func entry(_ path: String) -> Entry? { entries.first { $0.path == path } }

    /// A file's bytes.
    ///
    /// - Throws: `ArchiveError` if it is no file, or lies outside of the image.
    public func content(_ entry: Entry) throws(ArchiveError) -> FileRegion {
        guard !entry.isDirectory, !entry.isSymbolicLink else {
            throw ArchiveError(path: entry.path, message: "is no file")
        }
        guard entry.extents == 1 else {
            throw ArchiveError(path: entry.path, message: "lies in \(entry.extents) extents, which is not supported")
        }
        return try region.part(offset: entry.size == 0 ? 0 : entry.offset, size: entry.size, name: entry.path)
    }

    fileprivate static func number(_ bytes: [UInt8], _ at: Int) -> Int64 {
        (0..<4).reduce(0) { $0 | Int64(bytes[at + $1]) << (8 * Int64($1)) }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        var bytes = bytes
        while let last = bytes.last, last == 0x20 || last == 0 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Directories

    private struct Walk {
        let region: FileRegion
        var entries: [Entry] = []
        var hasRockRidge = false
        private var skip = 0
        private var seen: Set<Int64> = []

        init(region: FileRegion) { self.region = region }

        private func failure(_ path: String, _ message: String) -> ArchiveError {
            ArchiveError(path: region.name, message: "directory /\(path): \(message)")
        }

        mutating func directory(offset: Int64, size: Int64, path: String, depth: Int) throws(ArchiveError) {
            guard depth <= maximumDepth else { throw failure(path, "is nested deeper than \(maximumDepth)") }
            guard seen.insert(offset).inserted else { throw failure(path, "is reached a second time") }
            guard size <= 64 << 20, offset >= 0, offset <= region.size, size <= region.size - offset else {
                throw failure(path, "lies outside of the image (\(size) bytes at \(offset)); is the image cut off?")
            }
            let bytes = try region.read(Int(size), at: offset)
            var below: [(Entry, offset: Int64)] = []
            var at = 0
            var continued: (offset: Int64, size: Int64, extents: Int)?
            while at < bytes.count {
                let length = Int(bytes[at])
                if length == 0 {
                    at = (at / 2048 + 1) * 2048
                    continue
                }
                guard length >= 34, at + length <= bytes.count else {
                    throw failure(path, "has a damaged record at byte \(at)")
                }
                let nameLength = Int(bytes[at + 32])
                guard 33 + nameLength <= length else { throw failure(path, "has a damaged record at byte \(at)") }
                let name = Array(bytes[(at + 33)..<(at + 33 + nameLength)])
                let fields = try systemUse(
                    bytes, at + 33 + nameLength + (nameLength % 2 == 0 ? 1 : 0), at + length, path, name, depth)
                let record = at
                at += length
                if name == [0] || name == [1] { continue }
                guard entries.count < maximumEntries else {
                    throw failure(path, "the disc has more than \(maximumEntries) entries")
                }
                var start = number(bytes, record + 2) * sector
                var total = number(bytes, record + 10)
                let flags = bytes[record + 25]
                var extents = 1
                if let earlier = continued {
                    (start, total, extents) = (earlier.offset, earlier.size + total, earlier.extents + 1)
                }
                if flags & 0x80 != 0 {
                    continued = (start, total, extents)
                    continue
                }
                continued = nil
                let plain = String(decoding: name, as: UTF8.self)
                let shown = fields.name ?? Walk.shown(plain)
                guard !shown.isEmpty, shown != ".", shown != "..", !shown.utf8.contains(UInt8(ascii: "/")) else {
                    throw failure(path, "has an entry named '\(shown)'")
                }
                let entry = Entry(
                    path: path.isEmpty ? shown : path + "/" + shown, plainName: plain,
                    hasRockRidgeName: fields.name != nil, mode: fields.mode, owner: fields.owner, group: fields.group,
                    modified: fields.modified ?? DiscTime.seconds(Array(bytes[(record + 18)..<(record + 25)])),
                    isDirectory: flags & 2 != 0,
                    isSymbolicLink: (fields.mode ?? 0) & 0o170000 == 0o120000, size: total, offset: start,
                    extents: extents)
                if entry.isDirectory { below.append((entry, start)) } else { entries.append(entry) }
            }
            for (entry, offset) in below {
                entries.append(entry)
                try directory(offset: offset, size: entry.size, path: entry.path, depth: depth + 1)
            }
        }

        /// As Linux shows a name without Rock Ridge: no version, lower case.
        private static func shown(_ plain: String) -> String {
            var name = plain
            if let version = name.lastIndex(of: ";") { name = String(name[..<version]) }
            if name.hasSuffix(".") { name.removeLast() }
            return name.lowercased()
        }

        private struct Fields {
            var name: String?
            var mode: UInt32?
            var owner: UInt32?
            var group: UInt32?
            var modified: Int64?
        }

        private mutating func systemUse(
            _ record: [UInt8], _ start: Int, _ end: Int, _ path: String, _ name: [UInt8], _ depth: Int
        ) throws(ArchiveError) -> Fields {
            var fields = Fields()
            var nameBytes: [UInt8] = []
            var hasName = false
            let isRootSelf = depth == 1 && name == [0]
            var (bytes, at, end) = (record, start + (isRootSelf ? 0 : skip), end)
            var continuations = 0
            while true {
                var next: (offset: Int64, size: Int)?
                while at + 4 <= end {
                    let length = Int(bytes[at + 2])
                    if length == 0 { break }
                    guard length >= 4, at + length <= end else {
                        throw failure(path, "has a damaged Rock Ridge entry")
                    }
                    let signature = String(decoding: bytes[at..<at + 2], as: UTF8.self)
                    switch signature {
                    case "SP" where isRootSelf && length >= 7:
                        skip = Int(bytes[at + 6])
                    case "RR", "PX":
                        if isRootSelf { hasRockRidge = true }
                        if signature == "PX", length >= 36 {
                            fields.mode = UInt32(truncatingIfNeeded: number(bytes, at + 4))
                            fields.owner = UInt32(truncatingIfNeeded: number(bytes, at + 20))
                            fields.group = UInt32(truncatingIfNeeded: number(bytes, at + 28))
                        }
                    case "ER" where isRootSelf:
                        hasRockRidge = true
                    case "NM" where length >= 5 && bytes[at + 4] & 0b110 == 0:
                        nameBytes += bytes[(at + 5)..<(at + length)]
                        hasName = true
                    case "TF" where length >= 5 && bytes[at + 4] & 0x80 == 0:
                        // Creation, modification, …: those whose bits are set, in that order.
                        let modifiedAt = at + 5 + (bytes[at + 4] & 1 != 0 ? 7 : 0)
                        if bytes[at + 4] & 2 != 0, modifiedAt + 7 <= at + length {
                            fields.modified = DiscTime.seconds(Array(bytes[modifiedAt..<modifiedAt + 7]))
                        }
                    case "CE" where length >= 28:
                        next = (
                            number(bytes, at + 4) * sector + number(bytes, at + 12), Int(number(bytes, at + 20))
                        )
                    case "ST":
                        at = end
                    default: break
                    }
                    at += length
                }
                guard let area = next else { break }
                continuations += 1
                guard continuations <= 16, area.size <= 1 << 16, area.offset <= region.size,
                    Int64(area.size) <= region.size - area.offset
                else { throw failure(path, "has a Rock Ridge continuation outside of the image") }
                bytes = try region.read(area.size, at: area.offset)
                (at, end) = (0, bytes.count)
            }
            if hasName { fields.name = String(decoding: nameBytes, as: UTF8.self) }
            return fields
        }
    }
}
