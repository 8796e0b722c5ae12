import Archive
import Foundation
import Testing

@Suite struct ArchiveTests {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("archive-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    private func write(_ name: String) throws -> String {
        let writer = try ArchiveWriter(path: path(name), format: .initramfs)
        try writer.add(ArchiveEntry(path: "etc", kind: .directory, permissions: 0o755))
        try writer.add(ArchiveEntry(path: "etc/motd", kind: .file, permissions: 0o644), bytes: Array("hello\n".utf8))
        try writer.add(ArchiveEntry(path: "bin", kind: .symbolicLink(target: "usr/bin"), permissions: 0o777))
        try writer.add(
            ArchiveEntry(path: "dev/console", kind: .characterDevice(major: 5, minor: 1), permissions: 0o600))
        try writer.close()
        return path(name)
    }

    @Test func whatIsWrittenIsReadBackInOrder() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let reader = try ArchiveReader(path: write("a.cpio.gz"))
        let directory = try #require(try reader.next())
        #expect(directory.path == "etc" && directory.kind == .directory && directory.permissions == 0o755)
        let file = try #require(try reader.next())
        #expect(file == ArchiveEntry(path: "etc/motd", kind: .file, permissions: 0o644, size: 6))
        #expect(try reader.readAll(limit: 100) == Array("hello\n".utf8))
        #expect(try reader.next()?.kind == .symbolicLink(target: "usr/bin"))
        #expect(try reader.next()?.kind == .characterDevice(major: 5, minor: 1))
        #expect(try reader.next() == nil)
    }

    @Test func equalInputsMakeEqualBytes() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let first = try Data(contentsOf: URL(fileURLWithPath: write("one.cpio.gz")))
        let second = try Data(contentsOf: URL(fileURLWithPath: write("two.cpio.gz")))
        #expect(first == second)
    }

    @Test func aMemberLargerThanTheLimitIsRefused() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let reader = try ArchiveReader(path: write("a.cpio.gz"))
        _ = try reader.next()
        _ = try reader.next()
        #expect(throws: ArchiveError.self) { try reader.readAll(limit: 5) }
    }

    @Test func anUncompressedFileIsReadAsItIs() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Data(bytes).write(to: URL(fileURLWithPath: path("plain")))
        let reader = try ArchiveReader(path: path("plain"), content: .compressedFile)
        #expect(try reader.readAll(limit: 1 << 20) == bytes)
    }

    @Test func aMissingFileIsNamed() {
        #expect(throws: ArchiveError.self) { try ArchiveReader(path: "/nonexistent/file") }
    }
}
