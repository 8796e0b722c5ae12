import Foundation
import Testing

@testable import ImageImport

@Suite struct ImageSourceFileTests {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    private func file(_ name: String, _ bytes: [UInt8]) throws -> URL {
        let file = directory.appendingPathComponent(name)
        try Data(bytes).write(to: file)
        return file
    }

    @Test(.enabled(if: Program.find("gzip") != nil)) func aCompressedImageIsDecompressedAndZerosStayHoles() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        var bytes = [UInt8](repeating: 0, count: 9 << 20)
        bytes[0] = 0xEB
        bytes[8 << 20] = 7
        let plain = try file("disk", bytes)
        _ = try Program.run("gzip", ["-k", plain.path], in: directory)
        let source = try ImageSourceFile.open(
            directory.appendingPathComponent("disk.gz"), scratch: directory, progress: { _, _, _ in })
        #expect(source.isTemporary && source.size == Int64(bytes.count))
        #expect(try Data(contentsOf: source.file) == Data(bytes))
    }

    @Test func aPlainImageIsTakenAsItIs() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let plain = try file("disk", Array("QFI\u{fb}".utf8))
        let source = try ImageSourceFile.open(plain, scratch: directory, progress: { _, _, _ in })
        #expect(!source.isTemporary && source.file == plain)
    }

    @Test func aForeignFormatIsRefusedWithTheCommandThatConvertsIt() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let foreign = try file("disk.vmdk", Array("KDMV".utf8) + [UInt8](repeating: 0, count: 600))
        let error = #expect(throws: ImageImportError.self) {
            try ImageSourceFile.open(foreign, scratch: directory, progress: { _, _, _ in })
        }
        #expect(error?.description.contains("qemu-img convert") == true)
    }

    @Test func truncatedCompressionIsAnErrorAndLeavesNothing() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let broken = try file("disk.gz", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3])
        #expect(throws: (any Error).self) {
            try ImageSourceFile.open(broken, scratch: directory, progress: { _, _, _ in })
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["disk.gz"])
    }

    @Test func anEmptyFileIsRefused() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let empty = try file("disk", [])
        #expect(throws: ImageImportError.self) {
            try ImageSourceFile.open(empty, scratch: directory, progress: { _, _, _ in })
        }
    }
}
