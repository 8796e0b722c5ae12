import Posix

extension GuestEnd {
    /// Keeps why a guest ended, for a later driver object that adopts it.
    func write(to path: String) throws(PosixError) {
        try FileSystem.write(path, text: "\(cause.rawValue)\n\(message)\n", permissions: 0o600)
    }

    /// What `write` kept; nil if there is nothing: it ended while nobody watched.
    static func read(_ path: String) -> GuestEnd? {
        do throws(PosixError) {
            let text = try FileSystem.readText(path, limit: 65_536)
            let lines = text.split(separator: "\n", maxSplits: 1)
            guard let first = lines.first, let cause = Cause(rawValue: String(first)) else { return nil }
            var message = lines.count > 1 ? String(lines[1]) : ""
            if message.utf8.last == 0x0a { message.removeLast() }
            return GuestEnd(cause: cause, message: message)
        } catch {
            return nil
        }
    }
}
