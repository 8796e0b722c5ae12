// Points in time as whole seconds since 1970-01-01T00:00:00Z, in the notations that signatures use. Own code, since
// Foundation's formatters would be the only reason to link it here.

/// Reading and writing of the notations of time that requests carry.
public enum Timestamp {
    /// `20130524T000000Z`.
    public static func basic(_ seconds: Int64) -> String {
        let t = civil(seconds)
        return pad(t.year, 4) + pad(t.month, 2) + pad(t.day, 2) + "T" + pad(t.hour, 2) + pad(t.minute, 2)
            + pad(t.second, 2) + "Z"
    }

    /// `2013-05-24T00:00:00.000Z`, as S3 and EC2 print times.
    public static func extended(_ seconds: Int64, milliseconds: Int64 = 0) -> String {
        let t = civil(seconds)
        return pad(t.year, 4) + "-" + pad(t.month, 2) + "-" + pad(t.day, 2) + "T" + pad(t.hour, 2) + ":"
            + pad(t.minute, 2) + ":" + pad(t.second, 2) + "." + pad(milliseconds, 3) + "Z"
    }

    /// `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110, IMF-fixdate).
    public static func http(_ seconds: Int64) -> String {
        let t = civil(seconds)
        let weekday = weekdays[Int(((seconds.dividedFloor(86_400)) % 7 + 11) % 7)]
        return weekday + ", " + pad(t.day, 2) + " " + months[Int(t.month) - 1] + " " + pad(t.year, 4) + " "
            + pad(t.hour, 2) + ":" + pad(t.minute, 2) + ":" + pad(t.second, 2) + " GMT"
    }

    /// Reads ISO 8601, basic or extended, with or without fraction, `Z`, or numeric offset; without one it is UTC.
    public static func parseISO8601(_ text: String) -> Int64? {
        var reader = Reader(text)
        guard let year = reader.number(4) else { return nil }
        let extended = reader.skip("-")
        guard let month = reader.number(2), !extended || reader.skip("-"), let day = reader.number(2) else {
            return nil
        }
        guard reader.skip("T") || reader.skip("t") || reader.skip(" ") else { return nil }
        guard let hour = reader.number(2) else { return nil }
        let colon = reader.skip(":")
        guard let minute = reader.number(2), !colon || reader.skip(":"), let second = reader.number(2) else {
            return nil
        }
        if reader.skip(".") || reader.skip(",") {
            guard reader.digits() > 0 else { return nil }
        }
        guard let offset = reader.offset(), reader.atEnd else { return nil }
        return seconds(year, month, day, hour, minute, second).map { $0 - offset }
    }

    /// Reads the dates of HTTP: RFC 1123 with `GMT` or a numeric offset, RFC 850, and asctime; also ISO 8601, since
    /// some clients put that into `Date`.
    public static func parseHTTP(_ text: String) -> Int64? {
        if let iso = parseISO8601(text) { return iso }
        var reader = Reader(text)
        reader.skipLetters()
        let comma = reader.skip(",")
        reader.skipSpaces()
        if comma || reader.peekIsDigit {
            guard let day = reader.number(2) ?? reader.number(1) else { return nil }
            if !reader.skip("-") { reader.skipSpaces() }
            guard let month = reader.month() else { return nil }
            if !reader.skip("-") { reader.skipSpaces() }
            guard let year = reader.number(4) ?? reader.number(2).map({ $0 < 70 ? $0 + 2000 : $0 + 1900 }) else {
                return nil
            }
            reader.skipSpaces()
            guard let time = reader.clock() else { return nil }
            reader.skipSpaces()
            guard let offset = reader.offset(), reader.atEnd else { return nil }
            return seconds(year, month, day, time.0, time.1, time.2).map { $0 - offset }
        }
        // asctime: "Sun Nov  6 08:49:37 1994"
        guard let month = reader.month() else { return nil }
        reader.skipSpaces()
        guard let day = reader.number(2) ?? reader.number(1) else { return nil }
        reader.skipSpaces()
        guard let time = reader.clock() else { return nil }
        reader.skipSpaces()
        guard let year = reader.number(4), reader.atEnd else { return nil }
        return seconds(year, month, day, time.0, time.1, time.2)
    }

    static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    private static func pad(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// Seconds of a date of the proleptic Gregorian calendar (days by Hinnant's `days_from_civil`).
    private static func seconds(
        _ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64, _ minute: Int64, _ second: Int64
    ) -> Int64? {
        guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61 else { return nil }
        let y = month <= 2 ? year - 1 : year
        let era = y.dividedFloor(400)
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        return days * 86_400 + hour * 3_600 + minute * 60 + second
    }

    /// The inverse of `seconds`.
    private static func civil(
        _ seconds: Int64
    ) -> (year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64, second: Int64) {
        let days = seconds.dividedFloor(86_400)
        let rest = seconds - days * 86_400
        let z = days + 719_468
        let era = z.dividedFloor(146_097)
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let mp = (5 * dayOfYear + 2) / 153
        let month = mp < 10 ? mp + 3 : mp - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * mp + 2) / 5 + 1, rest / 3_600, rest / 60 % 60, rest % 60)
    }

    private struct Reader {
        var bytes: [UInt8]
        var index = 0

        init(_ text: String) { bytes = Array(trimmed(text).utf8) }

        var atEnd: Bool { index == bytes.count }
        var peekIsDigit: Bool { index < bytes.count && (0x30...0x39).contains(bytes[index]) }

        /// Exactly that many digits, and none after the shorter forms.
        mutating func number(_ width: Int) -> Int64? {
            guard index + width <= bytes.count else { return nil }
            var value: Int64 = 0
            for offset in 0..<width {
                let byte = bytes[index + offset]
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            index += width
            return value
        }

        mutating func digits() -> Int {
            let start = index
            while peekIsDigit { index += 1 }
            return index - start
        }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard index < bytes.count, UInt32(bytes[index]) == character.value else { return false }
            index += 1
            return true
        }

        mutating func skipSpaces() { while index < bytes.count, bytes[index] == 0x20 { index += 1 } }

        mutating func skipLetters() {
            while index < bytes.count, (0x41...0x5A).contains(bytes[index] & 0xDF) { index += 1 }
        }

        mutating func month() -> Int64? {
            guard index + 3 <= bytes.count else { return nil }
            let name = String(decoding: bytes[index..<index + 3], as: UTF8.self)
            guard let position = Timestamp.months.firstIndex(where: { equalIgnoringCase($0, name) }) else { return nil }
            index += 3
            return Int64(position + 1)
        }

        mutating func clock() -> (Int64, Int64, Int64)? {
            guard let hour = number(2), skip(":"), let minute = number(2), skip(":"), let second = number(2) else {
                return nil
            }
            return (hour, minute, second)
        }

        /// Seconds east of UTC: nothing, `Z`, `GMT`, `UTC` or `+hh[:]mm`.
        mutating func offset() -> Int64? {
            if atEnd || skip("Z") || skip("z") { return 0 }
            let sign: Int64 = skip("+") ? 1 : skip("-") ? -1 : 0
            if sign != 0 {
                guard let hours = number(2) else { return nil }
                _ = skip(":")
                guard let minutes = number(2) else { return nil }
                return sign * (hours * 3_600 + minutes * 60)
            }
            let start = index
            skipLetters()
            let name = String(decoding: bytes[start..<index], as: UTF8.self)
            return name == "GMT" || name == "UTC" || name == "UT" ? 0 : nil
        }
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity.
    fileprivate func dividedFloor(_ divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return (self % divisor != 0 && (self < 0) != (divisor < 0)) ? quotient - 1 : quotient
    }
}
