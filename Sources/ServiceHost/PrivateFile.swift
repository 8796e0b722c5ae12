import Foundation

/// Files of keys and certificates: complete or absent after a crash, and never readable by others for a moment.
enum PrivateFile {
    /// Replaces the file at once: a temporary file in the same directory, synced, then renamed.
    static func write(_ text: String, to path: String, mode: mode_t = 0o600) throws(ServiceHostError) {
        let temporary = "\(path).\(UUID().uuidString).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure(path) }
        do throws(ServiceHostError) {
            defer { _ = close(descriptor) }
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else { throw failure(path) }
                rest = rest.dropFirst(count)
            }
            // The umask may have taken bits away, never added any.
            guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else { throw failure(path) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let error = failure(path)
            unlink(temporary)
            throw error
        }
        try syncDirectory(of: path)
    }

    /// The text of a file, or nil if there is none.
    static func read(_ path: String) throws(ServiceHostError) -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .file(path: path, cause: error.localizedDescription)
        }
    }

    /// Makes the directory for its owner only (0700), if it does not exist.
    static func makeDirectory(_ path: String) throws(ServiceHostError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .file(path: path, cause: error.localizedDescription)
        }
    }

    /// Makes the rename itself durable.
    private static func syncDirectory(of path: String) throws(ServiceHostError) {
        let parent = (path as NSString).deletingLastPathComponent
        let descriptor = open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { _ = close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> ServiceHostError {
        .file(path: path, cause: String(cString: strerror(errno)))
    }
}
