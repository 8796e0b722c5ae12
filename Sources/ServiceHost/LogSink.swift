import CPosix
import Foundation
import Synchronization

/// Where log lines go. Writing never throws: a daemon does not stop because its log cannot be written.
public protocol LogSink: Sendable {
    /// Writes a line, with its line end, whole.
    func write(_ line: String)
}

/// Standard error, which systemd's journal and a terminal show.
public struct StandardErrorSink: LogSink {
    /// The process has one.
    public init() {}

    /// One write call, so that lines of several threads do not mix.
    public func write(_ line: String) {
        var line = line
        line.withUTF8 { bytes in _ = Foundation.write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}

/// A file that starts anew when it has grown to a limit; the last few are kept as `<path>.1`, `.2`, …
public final class RotatingFileSink: LogSink {
    private struct State {
        var descriptor: Int32
        var size: Int
    }

    private let path: String
    private let maximumBytes: Int
    private let keep: Int
    private let state: Mutex<State>

    /// Opens or makes the file (0640, so that the log group may read).
    ///
    /// - Parameters:
    ///   - maximumBytes: size at which it is rotated, 4096 or more; all files together take `keep + 1` times as much.
    ///   - keep: how many old files are kept, 1 or more.
    public init(path: String, maximumBytes: Int = 16 << 20, keep: Int = 3) throws(ServiceHostError) {
        self.path = path
        self.maximumBytes = max(maximumBytes, 4096)
        self.keep = max(keep, 1)
        state = Mutex(try Self.open(path))
    }

    deinit {
        state.withLock { state in _ = close(state.descriptor) }
    }

    /// Appends the line, rotating before if it would exceed the limit.
    public func write(_ line: String) { _ = append(line) }

    /// Appends the line whole or not at all, rotating before if it would exceed the limit. A file that was removed is
    /// made again.
    ///
    /// - Returns: why it could not be written; nil if it was.
    public func append(_ line: String) -> String? {
        var line = line
        return line.withUTF8 { bytes in
            state.withLock { state in
                var status = cposix_stat()
                if cposix_stat_fd(state.descriptor, &status) == 0, status.links == 0 {
                    do throws(ServiceHostError) { try replace(&state) } catch { return "\(error)" }
                }
                if state.size > 0, state.size + bytes.count > maximumBytes { rotate(&state) }
                let count = Foundation.write(state.descriptor, bytes.baseAddress, bytes.count)
                if count == bytes.count {
                    state.size += count
                    return nil
                }
                let cause = count < 0 ? String(cString: strerror(errno)) : "the disk is full"
                // Half a line would spoil the next one too. If this fails as well, the next line shows it.
                if count > 0, ftruncate(state.descriptor, off_t(state.size)) != 0 { state.size += count }
                return cause
            }
        }
    }

    /// Opens the file anew, after a log rotation outside of this process moved it away. If that fails, the old file
    /// stays in use.
    public func reopen() {
        state.withLock { state in
            do throws(ServiceHostError) {
                try replace(&state)
            } catch {
                StandardErrorSink().write("The log goes on in the old file: \(error)\n")
            }
        }
    }

    private func replace(_ state: inout State) throws(ServiceHostError) {
        let next = try Self.open(path)
        _ = close(state.descriptor)
        state = next
    }

    /// If a new file cannot be opened, writing goes on in the old one: too long a log is better than none.
    private func rotate(_ state: inout State) {
        for number in stride(from: keep, to: 1, by: -1) {
            // Absent ones are normal until that many rotations have happened.
            _ = rename("\(path).\(number - 1)", "\(path).\(number)")
        }
        _ = rename(path, path + ".1")
        do throws(ServiceHostError) {
            let next = try Self.open(path)
            _ = close(state.descriptor)
            state = next
        } catch {
            state.size = 0
            StandardErrorSink().write("The log could not be rotated: \(error)\n")
        }
    }

    private static func open(_ path: String) throws(ServiceHostError) -> State {
        let descriptor = Foundation.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw .file(path: path, cause: String(cString: strerror(errno))) }
        return State(descriptor: descriptor, size: Int(max(0, lseek(descriptor, 0, SEEK_END))))
    }
}
