import Posix

/// Messages for people, apart from a command's output. Foundation would bring the same and 30 MB of static binary.
enum StandardError {
    /// Writes text as it is.
    static func write(_ text: String) {
        let file = File(descriptor: 2, path: "standard error")
        // Nobody can be told that nobody can be told.
        try? file.write(Array(text.utf8))
        // The descriptor is the process's, not this file's to close.
        _ = file.release()
    }
}
