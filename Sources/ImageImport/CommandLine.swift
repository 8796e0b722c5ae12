import Foundation
import Posix

/// Runs a program by its argument vector and waits for it.
enum Program {
    /// Its standard output.
    ///
    /// - Throws: `ImageImportError` with the end of its standard error if it fails or is not there.
    static func run(_ name: String, _ arguments: [String], in directory: URL) throws -> [UInt8] {
        guard let path = find(name) else {
            throw ImageImportError("\(name) is not installed; on Debian: apt-get install \(package(of: name)).")
        }
        let result = try Command.run(path.path, arguments, directory: directory.path, timeout: 600_000)
        guard result.isSuccess else { throw ImageImportError("\(name) failed: \(result.explanation)") }
        return result.output
    }

    /// Where a program is, in PATH or the system directories that a user's PATH may lack.
    static func find(_ name: String) -> URL? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let directories = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        return directories.lazy.map { URL(fileURLWithPath: $0).appendingPathComponent(name) }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    private static func package(of name: String) -> String {
        switch name {
        case "mke2fs": "e2fsprogs"
        case "qemu-img": "qemu-utils"
        case "apt-get", "apt-cache": "apt"
        default: name
        }
    }
}
