// The clock of this host, by the kernel's word and against the Date field of somebody else's answer.

public import Posix

/// Dates as HTTP has them (RFC 9110, 5.6.7), in the form that is sent: "Sun, 06 Nov 1994 08:49:37 GMT".
public enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Milliseconds since 1970; nil for anything else.
    public static func parse(_ text: String) -> Milliseconds? {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 6, words[0].utf8.count == 4, words[0].utf8.last == UInt8(ascii: ","),
            words[5] == "GMT", let month = months.firstIndex(of: String(words[2]))
        else { return nil }
        let number = month + 1
        return Timestamp.parse("\(words[3])-\(number < 10 ? "0" : "")\(number)-\(words[1])T\(words[4])Z")
    }
}

extension DoctorReport {
    /// What the kernel says of the clock.
    mutating func checkClock() {
        do throws(PosixError) {
            let state = try ClockState.current()
            if state.isSynchronized {
                ok("clock", "it is kept in step, to \(state.greatestError) ms.")
            } else {
                warn(
                    "clock", "nothing keeps it in step with others; it says \(Timestamp.format(Clock.now)).",
                    cure: "Run chronyd or ntpd, with the frontend as its server.")
            }
        } catch {
            warn("clock", "\(error).", cure: "Check the time by hand; it says \(Timestamp.format(Clock.now)).")
        }
    }

    /// The clock against somebody else's. A whole second is lost in the Date field, and some on the way.
    mutating func compareClock(with peer: String, date: String?, sent: Milliseconds, received: Milliseconds) {
        guard let date, let theirs = HTTPDate.parse(date) else {
            warn(
                "clock", "\(peer) does not tell its time.",
                cure: "Compare the clocks by hand; this one says \(Timestamp.format(received)).")
            return
        }
        var difference: Milliseconds = 0
        if theirs + 1000 < sent { difference = sent - theirs - 1000 }
        if theirs > received { difference = theirs - received }
        let direction = theirs > received ? "behind" : "ahead of"
        if difference <= 2_000 {
            ok("clock", "it agrees with \(peer).")
        } else if difference <= 300_000 {
            warn(
                "clock", "it is \(difference / 1000) s \(direction) \(peer).",
                cure: "Run chronyd or ntpd on both, with the frontend as this host's server.")
        } else {
            fail(
                "clock", "it is \(difference / 1000) s \(direction) \(peer): signed requests for images are refused.",
                cure: "Set it (chronyc makestep, or ntpdate), and run chronyd or ntpd.")
        }
    }
}
