import Hypervisor
import Posix
import Testing

@Suite(
    "Disk images",
    .enabled(if: Rig.isQEMUInstalled, "qemu-img is not installed: apt-get install qemu-utils"))
struct QEMUImagesTests {
    private let images = QEMUImages()

    private func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/mallee-img-")
        defer { try? FileSystem.removeTree(directory) }  // a directory left in /tmp harms nobody
        try body(directory)
    }

    @Test("empty disks and overlays are made, inspected and checked")
    func makes() throws {
        try inDirectory { directory in
            let base = directory + "/base.qcow2"
            try images.createEmpty(path: base, format: .qcow2, sizeBytes: 8 << 20)
            #expect(try images.inspect(path: base, format: .qcow2).virtualSizeBytes == 8 << 20)
            #expect(try images.inspect(path: base, format: nil).format == .qcow2)
            let raw = directory + "/swap.img"
            try images.createEmpty(path: raw, format: .raw, sizeBytes: 1 << 30)
            let facts = try images.inspect(path: raw, format: .raw)
            #expect(facts.virtualSizeBytes == 1 << 30 && facts.actualSizeBytes < 1 << 20)
            let overlay = directory + "/a, b:c.qcow2"
            try images.createOverlay(base: base, baseFormat: .qcow2, path: overlay, sizeBytes: 16 << 20)
            try images.check(path: overlay, format: .qcow2)
            #expect(failure { _ = try images.inspect(path: overlay, format: .qcow2) }?.code == .invalidImage)
            let small = directory + "/small.qcow2"
            try images.createOverlay(base: raw, baseFormat: .raw, path: small, sizeBytes: 1)
            try images.createOverlay(base: base, baseFormat: .qcow2, path: directory + "/same.qcow2", sizeBytes: nil)
            // The header's size, since inspect refuses overlays.
            let header = try FileSystem.read(small, limit: 16 << 20)[24..<32]
            #expect(header.reduce(Int64(0)) { size, byte in size << 8 | Int64(byte) } == 1 << 30)
        }
    }

    @Test("an image that refers to other files is refused: a guest could read the host's files")
    func refusesReferences() throws {
        try inDirectory { directory in
            let evil = directory + "/evil.qcow2"
            let made = try Command.run(
                "qemu-img", ["create", "-q", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", evil, "1M"])
            #expect(made.isSuccess)
            let error = try #require(failure { _ = try images.inspect(path: evil, format: .qcow2) })
            #expect(error.code == .invalidImage && error.message.contains("/etc/passwd"))
            let external = directory + "/external.qcow2"
            let second = try Command.run(
                "qemu-img",
                ["create", "-q", "-f", "qcow2", "-o", "data_file=\(directory)/data.raw", external, "1M"])
            #expect(second.isSuccess)
            #expect(failure { _ = try images.inspect(path: external, format: .qcow2) }?.code == .invalidImage)
        }
    }

    @Test("what is damaged, of another format, or not there is named so")
    func refusesDamage() throws {
        try inDirectory { directory in
            let path = directory + "/disk.qcow2"
            try images.createEmpty(path: path, format: .qcow2, sizeBytes: 1 << 20)
            var bytes = try FileSystem.read(path, limit: 16 << 20)
            let sound = bytes
            // The header's table pointers (bytes 40 to 63) point outside.
            for index in 40..<64 { bytes[index] = 0xff }
            try FileSystem.write(path, bytes)
            let error = try #require(failure { _ = try images.inspect(path: path, format: .qcow2) })
            #expect(error.code == .invalidImage && error.message.contains("disk.qcow2"))
            #expect(failure { try images.check(path: path, format: .qcow2) }?.code == .invalidImage)
            try FileSystem.write(path, Array(sound.prefix(40)))
            #expect(failure { _ = try images.inspect(path: path, format: .qcow2) }?.code == .invalidImage)
            try FileSystem.write(path, text: "plain text")
            #expect(failure { _ = try images.inspect(path: path, format: .qcow2) }?.code == .invalidImage)
            #expect(
                failure {
                    try images.createOverlay(
                        base: path, baseFormat: .qcow2, path: directory + "/o.qcow2", sizeBytes: 1 << 20)
                }?.code == .invalidImage)
            let vdi = directory + "/disk.vdi"
            #expect(try Command.run("qemu-img", ["create", "-q", "-f", "vdi", vdi, "1M"]).isSuccess)
            let format = try #require(failure { _ = try images.inspect(path: vdi, format: nil) })
            #expect(format.code == .invalidImage && format.message.contains("vdi"))
            #expect(failure { _ = try images.inspect(path: directory + "/none", format: nil) }?.code == .notFound)
            #expect(failure { _ = try images.inspect(path: "nbd:host:1", format: .raw) }?.code == .invalidDefinition)
            #expect(
                failure {
                    try images.createOverlay(base: "/none", baseFormat: .raw, path: directory + "/p", sizeBytes: nil)
                }?.code == .notFound)
        }
    }

    @Test("a file that is there is never overwritten")
    func keepsFiles() throws {
        try inDirectory { directory in
            let path = directory + "/disk"
            try FileSystem.write(path, text: "precious")
            #expect(
                failure { try images.createEmpty(path: path, format: .raw, sizeBytes: 1) }?.code == .invalidDefinition)
            #expect(
                failure { try images.createEmpty(path: path, format: .qcow2, sizeBytes: 1) }?.code == .invalidDefinition
            )
            #expect(try FileSystem.readText(path) == "precious")
        }
    }

    @Test("random damage to a header is refused or harmless, and never hangs")
    func fuzz() throws {
        try inDirectory { directory in
            let path = directory + "/disk.qcow2"
            try images.createEmpty(path: path, format: .qcow2, sizeBytes: 1 << 20)
            let sound = try FileSystem.read(path, limit: 16 << 20)
            var seed: UInt64 = 99
            var refused = 0
            for _ in 0..<20 {
                var bytes = sound
                for _ in 0..<4 {
                    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    bytes[Int(seed >> 33) % 112] = UInt8(truncatingIfNeeded: seed >> 25)
                }
                try FileSystem.write(path, bytes)
                if let error = failure({ _ = try images.inspect(path: path, format: .qcow2) }) {
                    refused += 1
                    #expect(error.code == .invalidImage || error.code == .timedOut)
                }
            }
            #expect(refused > 0)
        }
    }
}
