import Glibc

/// A line of progress on a terminal; elsewhere only notes are printed.
final class ProgressLine {
    private let isQuiet: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var isOpen = false
    private var lastDrawn = ContinuousClock.now

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    /// Draws a step, with how far it is.
    func show(_ step: String, _ done: Int64 = 0, of total: Int64 = 0) {
        guard isTerminal, !isQuiet else { return }
        let now = ContinuousClock.now
        guard !isOpen || done >= total || now - lastDrawn > .milliseconds(100) else { return }
        lastDrawn = now
        isOpen = true
        var text = "\r  \(step)"
        if total > 0 {
            let width = 30
            let filled = Int(Double(width) * min(1, Double(done) / Double(total)))
            text += " [" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
            text += "] \(Self.mebibytes(done))/\(Self.mebibytes(total)) MiB"
        }
        write(text + "\u{1B}[K")
    }

    /// Prints a line.
    func note(_ text: String) {
        guard !isQuiet else { return }
        write((isOpen ? "\r\u{1B}[K" : "") + "  \(text)\n")
        isOpen = false
    }

    /// Ends the line.
    func finish() {
        if isOpen { write("\r\u{1B}[K") }
        isOpen = false
    }

    /// Bytes in MiB with one digit.
    static func mebibytes(_ bytes: Int64) -> String {
        let tenths = (bytes * 10 + (1 << 19)) >> 20
        return "\(tenths / 10).\(tenths % 10)"
    }

    private func write(_ text: String) { StandardError.write(text) }
}
