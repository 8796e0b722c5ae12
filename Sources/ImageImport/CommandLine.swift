import Foundation

/// Runs a program by its argument vector and waits for it.
enum Program {
    /// Its standard output.
    ///
    /// - Throws: `ImageImportError` with the end of its standard error if it fails or is not there.
    static func run(_ name: String, _ arguments: [String], in directory: URL) throws -> [UInt8] {
        guard let path = find(name) else {
            throw ImageImportError("\(name) is not installed; on Debian: apt-get install \(package(of: name)).")
        }
        let process = Process()
        process.executableURL = path
        process.arguments = arguments
        process.currentDirectoryURL = directory
        let output = Pipe()
        process.standardOutput = output
        // To a file, so that neither pipe can fill while the other is read.
        let errors = directory.appendingPathComponent(".\(name).stderr")
        try Data().write(to: errors)
        defer { try? FileManager.default.removeItem(at: errors) }  // a leftover does no harm
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let text = String(decoding: try Data(contentsOf: errors).suffix(500), as: UTF8.self)
            throw ImageImportError(
                "\(name) ended with status \(process.terminationStatus): \(text.trimmingCharacters(in: .whitespacesAndNewlines))"
            )
        }
        return [UInt8](bytes)
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
