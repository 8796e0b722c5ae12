/// xsd:dateTime as milliseconds since 1970-01-01T00:00:00Z, in the proleptic Gregorian calendar.
enum DateTime {
    private static let day: Int64 = 86_400_000

    /// Writes with milliseconds and Z, such as `2026-01-31T12:00:00.000Z`.
    static func format(_ milliseconds: Int64) -> String {
        var days = milliseconds / day
        var rest = milliseconds % day
        if rest < 0 {
            rest += day
            days -= 1
        }
        let (year, month, dayOfMonth) = civil(days)
        var text = year < 0 ? "-" : ""
        text += padded(abs(year), 4) + "-" + padded(month, 2) + "-" + padded(dayOfMonth, 2) + "T"
        text += padded(rest / 3_600_000, 2) + ":" + padded(rest / 60_000 % 60, 2) + ":"
        return text + padded(rest / 1000 % 60, 2) + "." + padded(rest % 1000, 3) + "Z"
    }

    /// Reads with or without fraction (cut to milliseconds) and offset; without offset it is taken as UTC. Returns
    /// nil for anything that is not a moment, or is outside of Int64 (or within a day of its lower end).
    static func parse(_ text: String) -> Int64? {
        var scanner = Scanner(bytes: Array(text.utf8))
        let negative = scanner.skip("-")
        guard let year = scanner.number(digits: 4...9), scanner.skip("-"), let month = scanner.number(digits: 2...2),
            scanner.skip("-"), let dayOfMonth = scanner.number(digits: 2...2), scanner.skip("T"),
            let hour = scanner.number(digits: 2...2), scanner.skip(":"), let minute = scanner.number(digits: 2...2),
            scanner.skip(":"), let second = scanner.number(digits: 2...2)
        else { return nil }
        guard let fraction = scanner.fraction(), let offset = scanner.offset(), scanner.isAtEnd else { return nil }
        let signedYear = negative ? -year : year
        // The schema knows the end of a day as 24:00:00.
        let endOfDay = hour == 24 && minute == 0 && second == 0 && fraction == 0
        guard (1...12).contains(month), dayOfMonth >= 1, dayOfMonth <= length(ofMonth: month, year: signedYear),
            hour <= 23 || endOfDay, minute <= 59, second <= 59
        else { return nil }
        let time = (hour * 60 + minute - offset) * 60_000 + second * 1000 + fraction
        let (whole, overflow) = daysFromCivil(signedYear, month, dayOfMonth).multipliedReportingOverflow(by: day)
        if overflow { return nil }
        let (sum, tooFar) = whole.addingReportingOverflow(time)
        return tooFar ? nil : sum
    }

    private struct Scanner {
        let bytes: [UInt8]
        var index = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool { index == bytes.count }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard index < bytes.count, UInt32(bytes[index]) == character.value else { return false }
            index += 1
            return true
        }

        mutating func number(digits: ClosedRange<Int>) -> Int64? {
            let start = index
            var value: Int64 = 0
            while index < bytes.count, index - start < digits.upperBound, (0x30...0x39).contains(bytes[index]) {
                value = value * 10 + Int64(bytes[index] - 0x30)
                index += 1
            }
            return digits.contains(index - start) ? value : nil
        }

        /// Milliseconds of `.123456`; 0 if there is no fraction, nil if it has no digits.
        mutating func fraction() -> Int64? {
            guard skip(".") else { return 0 }
            let start = index
            var value: Int64 = 0
            while index < bytes.count, (0x30...0x39).contains(bytes[index]) {
                if index - start < 3 { value = value * 10 + Int64(bytes[index] - 0x30) }
                index += 1
            }
            switch index - start {
            case 0: return nil
            case 1: return value * 100
            case 2: return value * 10
            default: return value
            }
        }

        /// Minutes east of UTC, nil if it is malformed.
        mutating func offset() -> Int64? {
            if isAtEnd || skip("Z") { return 0 }
            let west = skip("-")
            guard west || skip("+"), let hours = number(digits: 2...2), skip(":"), let minutes = number(digits: 2...2),
                minutes <= 59, hours * 60 + minutes <= 14 * 60
            else { return nil }
            return west ? -(hours * 60 + minutes) : hours * 60 + minutes
        }
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    private static func length(ofMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    // Both directions follow H. Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so that
    // the leap day is the last, and 400 years (an era) always have 146,097 days.

    private static func daysFromCivil(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = days + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}
