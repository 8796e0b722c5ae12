import CPosix

/// The two clocks, in milliseconds.
public enum Clock {
    /// Time since 1970 (UTC); jumps when the administrator sets the clock. For dates, not for durations.
    public static var now: Milliseconds { cposix_clock_nanoseconds(false) / 1_000_000 }
    /// Time since some fixed moment; never jumps. For durations and time limits.
    public static var monotonic: Milliseconds { cposix_clock_nanoseconds(true) / 1_000_000 }
    /// The steady clock in nanoseconds.
    public static var monotonicNanoseconds: Int64 { cposix_clock_nanoseconds(true) }
}

/// A moment on the steady clock until which something may take.
public struct Deadline: Sendable {
    private let moment: Milliseconds?

    /// So long from now; nil is never.
    public init(after timeout: Milliseconds?) {
        moment = timeout.map { limit in Clock.monotonic + min(max(limit, 0), 31_536_000_000) }
    }

    /// What is left, at least 0; nil is for ever.
    public var remaining: Milliseconds? {
        moment.map { moment in max(0, moment - Clock.monotonic) }
    }

    /// Whether the moment has come.
    public var isPast: Bool { remaining == 0 }
}

/// Dates as ISO 8601 in UTC, the form of the EC2 API: "2026-11-21T03:34:14.000Z".
public enum Timestamp {
    /// The text of a moment given in milliseconds since 1970, with thousandths.
    public static func format(_ time: Milliseconds) -> String {
        var days = time / 86_400_000
        var rest = time % 86_400_000
        if rest < 0 {
            rest += 86_400_000
            days -= 1
        }
        let (year, month, day) = civil(days)
        let seconds = rest / 1000
        return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))T\(digits(seconds / 3600, 2)):"
            + "\(digits(seconds / 60 % 60, 2)):\(digits(seconds % 60, 2)).\(digits(rest % 1000, 3))Z"
    }

    /// The moment of a text: date and time with "T" between, a fraction of any length or none, and "Z" or an offset
    /// "+hh:mm". Nil for anything else, also for dates that do not exist.
    public static func parse(_ text: String) -> Milliseconds? {
        var reader = Reader(bytes: Array(text.utf8))
        guard let year = reader.number(4), reader.take(0x2d), let month = reader.number(2), reader.take(0x2d),
            let day = reader.number(2), reader.take(0x54) || reader.take(0x74),
            let hour = reader.number(2), reader.take(0x3a), let minute = reader.number(2), reader.take(0x3a),
            let second = reader.number(2)
        else { return nil }
        var milliseconds: Int64 = 0
        if reader.take(0x2e) {
            var scale: Int64 = 100
            guard reader.peekDigit != nil else { return nil }
            while let digit = reader.peekDigit {
                reader.position += 1
                milliseconds += digit * scale
                scale /= 10
            }
        }
        var offset: Int64 = 0
        if !reader.take(0x5a), !reader.take(0x7a) {
            let negative = reader.take(0x2d)
            guard negative || reader.take(0x2b), let hours = reader.number(2), reader.take(0x3a),
                let minutes = reader.number(2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * 60_000 * (negative ? -1 : 1)
        }
        guard reader.position == reader.bytes.count, (1...12).contains(month), day >= 1, hour < 24, minute < 60,
            second <= 60
        else { return nil }
        let days = daysSince1970(year, month, day)
        guard civil(days) == (year, month, day) else { return nil }
        return days * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds - offset
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        var peekDigit: Int64? {
            guard position < bytes.count, bytes[position] >= 0x30, bytes[position] <= 0x39 else { return nil }
            return Int64(bytes[position] - 0x30)
        }

        mutating func number(_ count: Int) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<count {
                guard let digit = peekDigit else { return nil }
                value = value * 10 + digit
                position += 1
            }
            return value
        }

        mutating func take(_ byte: UInt8) -> Bool {
            guard position < bytes.count, bytes[position] == byte else { return false }
            position += 1
            return true
        }
    }

    private static func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    // The proleptic Gregorian calendar in 400-year eras that begin in March, so that leap days come last.

    /// Days from 1 January 1970 to a date of the proleptic Gregorian calendar; months and days count from 1.
    public static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Year, month and day of a day counted from 1 January 1970.
    public static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let calendarMonth = month < 10 ? month + 3 : month - 9
        return (yearOfEra + era * 400 + (calendarMonth <= 2 ? 1 : 0), calendarMonth, day)
    }
}
