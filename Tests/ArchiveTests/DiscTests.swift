import Archive
import Foundation
import Posix
import Testing

@Suite struct DiscTests {
    let directory: String

    init() throws { directory = try FileSystem.temporaryDirectory("/tmp/disc-test-") }

    private let longName = "a/b/" + String(repeating: "long-name.with+signs_", count: 8) + "1.2.3-4.noarch.rpm"

    private func make(_ name: String) throws -> String {
        let path = "\(directory)/\(name)"
        let writer = try DiscWriter(
            path: path, volume: "Some name disk1", time: 1_288_742_400, directories: ["a/b", "a/c", "many"])
        try writer.add("a/b/empty", bytes: [], modified: 1_000_000_000)
        try writer.add(longName, bytes: Array("content".utf8), modified: 1_000_000_001)
        for number in 0..<300 {
            try writer.add("many/file-\(number).txt", bytes: Array("\(number)".utf8), modified: 1_000_000_002)
        }
        try writer.close()
        return path
    }

    @Test func whatIsWrittenIsReadBackByBothReaders() throws {
        defer { try? FileSystem.removeTree(directory) }
        let path = try make("a.iso")
        let disc = try DiscImage(FileRegion(path: path))
        #expect(disc.volume == "Some name disk1" && disc.hasRockRidge && disc.volumeSize == disc.region.size)
        #expect(disc.entries.count == 4 + 302)
        let long = try #require(disc.entry(longName))
        #expect(long.modified == 1_000_000_001 && long.mode == 0o100444 && long.owner == 0 && long.hasRockRidgeName)
        #expect(try disc.content(long).readAll(limit: 100) == Array("content".utf8))
        #expect(try disc.content(#require(disc.entry("a/b/empty"))).size == 0)
        #expect(try disc.content(#require(disc.entry("many/file-299.txt"))).readAll(limit: 9) == Array("299".utf8))
        #expect(disc.entry("a")?.modified == 1_288_742_400)
        let reader = try ArchiveReader(region: disc.region)
        var seen: Set<String> = []
        while let entry = try reader.next() {
            seen.insert(entry.path)
            if entry.path == longName { #expect(entry.modified == 1_000_000_001) }
        }
        #expect(seen.isSuperset(of: disc.entries.map(\.path)))
    }

    @Test func equalInputsMakeEqualBytesAtAnyTime() async throws {
        defer { try? FileSystem.removeTree(directory) }
        let first = try FileSystem.read(make("a.iso"))
        // The format's times have a resolution of one second.
        try await Task.sleep(for: .milliseconds(1100))
        #expect(try FileSystem.read(make("b.iso")) == first)
    }

    @Test func aFileOutsideOfTheGivenDirectoriesIsRefused() throws {
        defer { try? FileSystem.removeTree(directory) }
        let writer = try DiscWriter(path: "\(directory)/x.iso", volume: "x", time: 0, directories: ["a"])
        #expect(throws: ArchiveError.self) { try writer.add("b/x", bytes: [1], modified: 0) }
    }

    @Test func aRegionIsNotReadBeyondItsEnd() throws {
        let region = FileRegion(bytes: [1, 2, 3], name: "x")
        #expect(try region.read(2, at: 1) == [2, 3])
        #expect(throws: ArchiveError.self) { try region.read(3, at: 1) }
        #expect(throws: ArchiveError.self) { try region.read(1, at: -1) }
        #expect(throws: ArchiveError.self) { try region.part(offset: 2, size: 2, name: "y") }
        #expect(throws: ArchiveError.self) { try region.part(offset: 1, size: .max, name: "y") }
        #expect(throws: ArchiveError.self) { try region.readAll(limit: 2) }
        #expect(try region.part(offset: 1, size: 1, name: "y").readAll(limit: 2) == [2])
        #expect(throws: ArchiveError.self) { try FileRegion(path: "/nonexistent/file") }
    }

    @Test func gzipHasNeitherNameNorTime() throws {
        defer { try? FileSystem.removeTree(directory) }
        let writer = try ArchiveWriter(path: "\(directory)/x.gz", format: .gzip)
        try writer.add(ArchiveEntry(path: "x", kind: .file, permissions: 0o644), bytes: Array("hello".utf8))
        try writer.close()
        let bytes = try FileSystem.read("\(directory)/x.gz")
        #expect(bytes[3] == 0 && Array(bytes[4..<8]) == [0, 0, 0, 0])
        #expect(
            try ArchiveReader(region: FileRegion(bytes: bytes, name: "x.gz"), content: .compressedFile)
                .readAll(limit: 100) == Array("hello".utf8))
    }
}
