public import Archive

/// One header structure of an RPM package: typed values under numbered tags.
///
/// An RPM file (format 3 or 4) is: a lead of 96 bytes; the signature header, padded to 8 bytes; the main header; the
/// payload. A header is: 8e ad e8 01, four reserved bytes, the count of entries and the size of the data (both
/// big-endian, 32 bits); entries of tag, type, offset and count; the data. Source: rpm's own doc/manual/format.
public struct RPMHeader: Sendable {
    /// The tags used here, as rpm numbers them.
    public enum Tag: UInt32, Sendable {
        // Of the signature header.
        case longSignatureSize = 270
        case sha1Header = 269
        case sha256Header = 273
        case longArchiveSizeSignature = 271
        // 1000 to 1007 mean other things in the main header; the two are never mixed.
        case signatureSizeOrName = 1000
        case versionTag = 1001
        case release = 1002
        case epoch = 1003
        case md5OrSummary = 1004
        case descriptionTag = 1005
        case buildTime = 1006
        case payloadSizeOrBuildHost = 1007
        case size = 1009
        case vendor = 1011
        case license = 1014
        case packager = 1015
        case group = 1016
        case url = 1020
        case os = 1021
        case arch = 1022
        case preInstall = 1023
        case postInstall = 1024
        case preRemove = 1025
        case postRemove = 1026
        case fileSizes = 1028
        case fileModes = 1030
        case fileModified = 1034
        case fileDigests = 1035
        case fileLinkTargets = 1036
        case fileFlags = 1037
        case fileUsers = 1039
        case fileGroups = 1040
        case sourcePackageName = 1044
        case archiveSize = 1046
        case provideNames = 1047
        case requireFlags = 1048
        case requireNames = 1049
        case requireVersions = 1050
        case conflictFlags = 1053
        case conflictNames = 1054
        case conflictVersions = 1055
        case changelogTimes = 1080
        case changelogAuthors = 1081
        case changelogTexts = 1082
        case obsoleteNames = 1090
        case prefixes = 1098
        case sourcePackage = 1106
        case provideFlags = 1112
        case provideVersions = 1113
        case obsoleteFlags = 1114
        case obsoleteVersions = 1115
        case directoryIndexes = 1116
        case baseNames = 1117
        case directoryNames = 1118
        case payloadFormat = 1124
        case payloadCompressor = 1125
        case longFileSizes = 5008
        case longSize = 5009
        case fileDigestAlgorithm = 5011
        case recommendNames = 5046
        case recommendVersions = 5047
        case recommendFlags = 5048
        case suggestNames = 5049
        case suggestVersions = 5050
        case suggestFlags = 5051
        case supplementNames = 5052
        case supplementVersions = 5053
        case supplementFlags = 5054
        case enhanceNames = 5055
        case enhanceVersions = 5056
        case enhanceFlags = 5057
        case payloadDigests = 5092
        case payloadDigestAlgorithm = 5093
    }

    private struct Index: Sendable {
        let type: UInt32
        let offset: Int
        let count: Int
    }

    private let data: [UInt8]
    private let index: [UInt32: Index]
    /// Bytes of the structure in the file, without padding.
    public let length: Int

    static let magic: [UInt8] = [0x8E, 0xAD, 0xE8, 0x01]
    // rpm refuses more: 64 Ki entries, 256 MiB of data.
    private static let maximumEntries = 0x10000
    private static let maximumData = 0x1000_0000

    /// Reads a header at `offset` of a package.
    ///
    /// - Throws: `ArchiveError`: cut off, damaged, or not a header.
    public init(_ region: FileRegion, at offset: Int64, what: String) throws(ArchiveError) {
        func refuse(_ message: String) -> ArchiveError {
            ArchiveError(path: region.name, message: "\(what) at byte \(offset): \(message)")
        }
        guard region.size - offset >= 16 else { throw refuse("the file ends before it; it is cut off") }
        let intro = try region.read(16, at: offset)
        guard intro.starts(with: Self.magic) else { throw refuse("is not an RPM header; the file is damaged") }
        let count = Int(Self.big(intro, 8))
        let size = Int(Self.big(intro, 12))
        guard count <= Self.maximumEntries, size <= Self.maximumData else {
            throw refuse("states \(count) entries and \(size) bytes, more than rpm takes; the file is damaged")
        }
        length = 16 + 16 * count + size
        guard region.size - offset >= Int64(length) else { throw refuse("the file ends within it; it is cut off") }
        let body = try region.read(16 * count + size, at: offset + 16)
        data = Array(body[(16 * count)...])
        var index: [UInt32: Index] = [:]
        for entry in 0..<count {
            let at = 16 * entry
            let item = Index(
                type: Self.big(body, at + 4), offset: Int(Self.big(body, at + 8)), count: Int(Self.big(body, at + 12)))
            guard item.offset <= size, item.count <= Self.maximumData, item.type <= 9 else {
                throw refuse("entry \(entry) (tag \(Self.big(body, at))) points outside; the file is damaged")
            }
            // The first of a tag counts, as in rpm.
            if index[Self.big(body, at)] == nil { index[Self.big(body, at)] = item }
        }
        self.index = index
    }

    private static func big(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
    }

    /// Whether the tag is there.
    public func has(_ tag: Tag) -> Bool { index[tag.rawValue] != nil }

    /// A tag's texts: a string, string array or translated string; empty if there is none of that kind.
    public func strings(_ tag: Tag) -> [String] {
        guard let item = index[tag.rawValue], [6, 8, 9].contains(item.type) else { return [] }
        var result: [String] = []
        var at = item.offset
        for _ in 0..<(item.type == 6 ? 1 : item.count) {
            guard at < data.count, let end = data[at...].firstIndex(of: 0) else { return result }
            result.append(String(decoding: data[at..<end], as: UTF8.self))
            at = end + 1
        }
        return result
    }

    /// A tag's first text.
    public func string(_ tag: Tag) -> String? { strings(tag).first }

    /// A tag's numbers of 8 to 64 bits; empty if there is none of that kind.
    public func integers(_ tag: Tag) -> [UInt64] {
        guard let item = index[tag.rawValue] else { return [] }
        let width: Int
        switch item.type {
        case 1, 2: width = 1
        case 3: width = 2
        case 4: width = 4
        case 5: width = 8
        default: return []
        }
        guard item.count <= (data.count - item.offset) / width else { return [] }
        return (0..<item.count).map { number in
            (0..<width).reduce(UInt64(0)) { $0 << 8 | UInt64(data[item.offset + number * width + $1]) }
        }
    }

    /// A tag's first number.
    public func integer(_ tag: Tag) -> UInt64? { integers(tag).first }

    /// A tag's raw bytes.
    public func binary(_ tag: Tag) -> [UInt8]? {
        guard let item = index[tag.rawValue], item.type == 7, item.count <= data.count - item.offset else { return nil }
        return Array(data[item.offset..<item.offset + item.count])
    }
}
