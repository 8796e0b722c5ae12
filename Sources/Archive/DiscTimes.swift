import Posix

/// Makes an image that libarchive wrote independent of clock, time zone and libarchive's version.
///
/// What is changed (ECMA-119 8.4 and 9.1, Rock Ridge 4.1.6): the volume's four times, its identifier as given rather
/// than in capitals, the application's name, libarchive's information block (options and present time), the present
/// time that the root directory has, and every time in a zone other than UTC.
enum DiscTimes {
    private static let sector = 2048

    static func settle(path: String, volume: String, time: Int64) throws(ArchiveError) {
        do throws(PosixError) {
            let file = try File(path, [.read, .write])
            let region = try region(path)
            var descriptor = try file.read(sector, at: 16 * 2048)
            guard descriptor.count == sector, descriptor[0] == 1 else { throw unexpected(path) }
            replace(&descriptor, 40, Array(volume.utf8), width: 32, fill: 0x20)
            replace(&descriptor, 574, Array("MALLEE-ROLL".utf8), width: 128, fill: 0x20)
            for offset in [813, 830, 864] { replace(&descriptor, offset, long(time), width: 17, fill: 0) }
            replace(&descriptor, 847, Array(repeating: 0x30, count: 16) + [0], width: 17, fill: 0)
            let root = Extent(descriptor, 156)
            replace(&descriptor, 174, short(time), width: 7, fill: 0)
            try file.write(descriptor, at: 16 * 2048)
            // The block behind the terminator: text of libarchive for people who look at the bytes.
            let information = try file.read(sector, at: 18 * 2048)
            if information.starts(with: Array("INFO".utf8)) {
                try file.write([UInt8](repeating: 0, count: sector), at: 18 * 2048)
            }
            var pending = [root]
            var seen: Set<Int64> = []
            while let directory = pending.popLast() {
                guard seen.insert(directory.start).inserted else { continue }
                guard directory.start + directory.size <= region else { throw unexpected(path) }
                var bytes = try file.read(Int(directory.size), at: directory.start)
                var offset = 0
                while offset < bytes.count {
                    let length = Int(bytes[offset])
                    if length == 0 {
                        offset = (offset / sector + 1) * sector
                        continue
                    }
                    guard length >= 34, offset + length <= bytes.count else { throw unexpected(path) }
                    let child = Extent(bytes, offset)
                    let isRoot = child.start == root.start
                    let override = isRoot ? short(time) : nil
                    settleTime(&bytes, offset + 18, override)
                    let nameLength = Int(bytes[offset + 32])
                    let fields = offset + 33 + nameLength + (nameLength % 2 == 0 ? 1 : 0)
                    var area = settleFields(&bytes, fields, offset + length, override)
                    while let (start, size) = area {
                        var continuation = try file.read(size, at: start)
                        guard continuation.count == size else { throw unexpected(path) }
                        area = settleFields(&continuation, 0, size, override)
                        try file.write(continuation, at: start)
                    }
                    let isSelfOrParent = nameLength == 1 && bytes[offset + 33] <= 1
                    if bytes[offset + 25] & 2 != 0, !isSelfOrParent { pending.append(child) }
                    offset += length
                }
                try file.write(bytes, at: directory.start)
            }
            try file.synchronize()
            try file.close()
        } catch {
            throw ArchiveError(path: path, message: error.reason)
        }
    }

    private struct Extent {
        let start: Int64
        let size: Int64

        /// Of a directory record: both-endian numbers, of which the first half is little-endian.
        init(_ bytes: [UInt8], _ offset: Int) {
            func number(_ at: Int) -> Int64 { (0..<4).reduce(0) { $0 | Int64(bytes[at + $1]) << (8 * Int64($1)) } }
            start = number(offset + 2) * 2048
            size = number(offset + 10)
        }
    }

    private static func region(_ path: String) throws(PosixError) -> Int64 { try FileSystem.status(path).size }

    private static func unexpected(_ path: String) -> PosixError {
        PosixError(errno: PosixError.inputOutput, operation: "find what libarchive wrote in", detail: path)
    }

    private static func replace(_ bytes: inout [UInt8], _ offset: Int, _ value: [UInt8], width: Int, fill: UInt8) {
        for index in 0..<width { bytes[offset + index] = index < value.count ? value[index] : fill }
    }

    /// Puts the times in a record's Rock Ridge TF entry into UTC, or replaces them; returns where its fields go on.
    private static func settleFields(
        _ bytes: inout [UInt8], _ start: Int, _ end: Int, _ override: [UInt8]?
    ) -> (start: Int64, size: Int)? {
        var at = start
        var continuation: (start: Int64, size: Int)?
        while at + 4 <= end {
            let length = Int(bytes[at + 2])
            guard length >= 4, at + length <= end else { break }
            // Bit 7 of the flags would mean 17-byte times, which libarchive does not write.
            if bytes[at] == UInt8(ascii: "T"), bytes[at + 1] == UInt8(ascii: "F"), length >= 5,
                bytes[at + 4] & 0x80 == 0
            {
                var time = at + 5
                while time + 7 <= at + length {
                    settleTime(&bytes, time, override)
                    time += 7
                }
            }
            if bytes[at] == UInt8(ascii: "C"), bytes[at + 1] == UInt8(ascii: "E"), length >= 28 {
                func number(_ offset: Int) -> Int64 {
                    (0..<4).reduce(0) { $0 | Int64(bytes[at + offset + $1]) << (8 * Int64($1)) }
                }
                continuation = (number(4) * 2048 + number(12), Int(number(20)))
            }
            at += length
        }
        return continuation
    }

    private static func settleTime(_ bytes: inout [UInt8], _ at: Int, _ override: [UInt8]?) {
        let value = override ?? short(DiscTime.seconds(Array(bytes[at..<at + 7])))
        for index in 0..<7 { bytes[at + index] = value[index] }
    }

    private static func short(_ time: Int64) -> [UInt8] { DiscTime.bytes(time) }

    /// The 17 bytes of ECMA-119 8.4.26.1, UTC.
    private static func long(_ time: Int64) -> [UInt8] {
        let date = DiscTime.date(time)
        func digits(_ value: Int64, _ width: Int) -> [UInt8] {
            let text = String(value)
            return Array((String(repeating: "0", count: max(0, width - text.count)) + text).utf8)
        }
        return digits(date.year, 4) + digits(date.month, 2) + digits(date.day, 2) + digits(date.hour, 2)
            + digits(date.minute, 2) + digits(date.second, 2) + digits(0, 2) + [0]
    }
}

/// The seven bytes of a time in a directory record (ECMA-119 9.1.5): years since 1900 to seconds, and the zone in
/// quarters of an hour east of Greenwich.
enum DiscTime {
    struct Date { let year, month, day, hour, minute, second: Int64 }

    static func seconds(_ bytes: [UInt8]) -> Int64 {
        guard bytes.count >= 7, bytes[1] >= 1 else { return 0 }
        let days = Timestamp.daysSince1970(1900 + Int64(bytes[0]), Int64(bytes[1]), Int64(bytes[2]))
        let zone = Int64(Int8(bitPattern: bytes[6])) * 900
        return days * 86400 + Int64(bytes[3]) * 3600 + Int64(bytes[4]) * 60 + Int64(bytes[5]) - zone
    }

    static func bytes(_ time: Int64) -> [UInt8] {
        let date = date(time)
        return [date.year - 1900, date.month, date.day, date.hour, date.minute, date.second, 0]
            .map { UInt8(clamping: $0) }
    }

    static func date(_ time: Int64) -> Date {
        let days = time >= 0 ? time / 86400 : (time - 86399) / 86400
        let second = time - days * 86400
        let (year, month, day) = Timestamp.civil(days)
        return Date(
            year: year, month: month, day: day, hour: second / 3600, minute: second % 3600 / 60, second: second % 60)
    }
}
