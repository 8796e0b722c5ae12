import Foundation
import Synchronization

/// A line of progress on a terminal; elsewhere one line per step.
final class ProgressBar: Sendable {
    private struct State {
        var step = ""
        var lastDrawn = ContinuousClock.now
    }
    private let state = Mutex(State())
    private let isTerminal = isatty(STDERR_FILENO) == 1

    /// Draws how far a step is.
    func show(_ step: String, _ done: Int64, _ total: Int64?) {
        let line: String? = state.withLock { state in
            let isNew = state.step != step
            let isDone = total.map { done >= $0 } ?? false
            let now = ContinuousClock.now
            guard isNew || (isTerminal && (isDone || now - state.lastDrawn > .milliseconds(100))) else { return nil }
            let prefix = isTerminal ? (isNew && !state.step.isEmpty ? "\n\r" : "\r") : ""
            state.step = step
            state.lastDrawn = now
            return prefix + Self.text(step, done, total) + (isTerminal ? "\u{1B}[K" : "\n")
        }
        if let line { FileHandle.standardError.write(Data(line.utf8)) }
    }

    /// Ends the line.
    func finish() {
        let open = state.withLock { state in
            defer { state.step = "" }
            return !state.step.isEmpty
        }
        if open && isTerminal { FileHandle.standardError.write(Data("\n".utf8)) }
    }

    private static func text(_ step: String, _ done: Int64, _ total: Int64?) -> String {
        guard let total, total > 0 else { return "  \(step)" }
        let width = 30
        let filled = Int(Double(width) * min(1, Double(done) / Double(total)))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        return "  \(step) [\(bar)] \(done >> 20)/\(total >> 20) MiB"
    }
}
