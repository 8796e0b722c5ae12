import Testing

@testable import CloudModel

@Suite struct ImageInspectionTests {
    /// A qcow2 header as QEMU writes it, over a file of `Qcow2.fileSize` bytes.
    private struct Qcow2 {
        var version: UInt32 = 3
        var backingOffset: UInt64 = 0
        var clusterBits: UInt32 = 16
        var size: UInt64 = 1 << 30
        var encryption: UInt32 = 0
        var tableEntries: UInt32 = 2
        var tableOffset: UInt64 = 0x30000
        var refcountOffset: UInt64 = 0x10000
        var refcountClusters: UInt32 = 1
        var features: UInt64 = 0
        var headerLength: UInt32 = 112
        static let fileSize: Int64 = 0x40000

        var bytes: [UInt8] {
            func big(_ value: some FixedWidthInteger) -> [UInt8] {
                withUnsafeBytes(of: value.bigEndian) { Array($0) }
            }
            var text: [UInt8] = [0x51, 0x46, 0x49, 0xFB]
            text += big(version) + big(backingOffset) + big(UInt32(0)) + big(clusterBits) + big(size)
            text += big(encryption) + big(tableEntries) + big(tableOffset) + big(refcountOffset)
            text += big(refcountClusters) + big(UInt32(0)) + big(UInt64(0)) + big(features) + big(UInt64(0))
            text += big(UInt64(0)) + big(UInt32(4)) + big(headerLength)
            return text + [UInt8](repeating: 0, count: 65_536 - text.count)
        }
    }

    private func inspect(_ bytes: [UInt8], size: Int64? = nil, as kind: Image.Kind = .machine) throws(CloudError)
        -> ImageInspection.Result
    {
        try ImageInspection.inspect(leading: bytes, sizeBytes: size ?? Int64(bytes.count), as: kind, location: "b/k")
    }

    @Test func qcow2TellsItsSize() throws {
        let expected = ImageInspection.Result(format: .qcow2, virtualSizeBytes: 1 << 30)
        #expect(try inspect(Qcow2().bytes, size: Qcow2.fileSize) == expected)
        #expect(try inspect(Qcow2(version: 2).bytes, size: Qcow2.fileSize) == expected)
        // Compressed clusters (bit 3) and an unclean shutdown (bit 0) are fine.
        #expect(try inspect(Qcow2(features: 0b1001).bytes, size: Qcow2.fileSize) == expected)
    }

    @Test func qcow2ThatCannotBootHereIsRefusedWithTheCure() {
        let wrong: [(Qcow2, String)] = [
            (Qcow2(version: 1), "version 1"), (Qcow2(version: 4), "version 4"),
            (Qcow2(backingOffset: 0x200), "backing file"), (Qcow2(encryption: 1), "encrypted"),
            (Qcow2(encryption: 2), "encrypted"), (Qcow2(features: 0b100), "external file"),
            (Qcow2(features: 0b10), "corrupt"), (Qcow2(features: 1 << 40), "features unknown"),
            (Qcow2(clusterBits: 8), "cluster size"), (Qcow2(clusterBits: 40), "cluster size"),
            (Qcow2(size: 0), "disk size"), (Qcow2(size: 1 << 60), "disk size"), (Qcow2(size: 513), "disk size"),
            (Qcow2(tableEntries: 1), "tables"), (Qcow2(tableOffset: 0x30001), "tables"),
            (Qcow2(tableOffset: 0x7FFF_FFFF_FFFF_0000), "tables"), (Qcow2(tableOffset: 0), "tables"),
            (Qcow2(refcountOffset: 0x1_0000_0000), "tables"), (Qcow2(refcountClusters: 0), "tables"),
            (Qcow2(headerLength: 50), "header"),
        ]
        for (header, text) in wrong {
            let error = #expect(throws: CloudError.self) { try inspect(header.bytes, size: Qcow2.fileSize) }
            #expect(String(describing: error).contains(text), "\(text)")
        }
        #expect(throws: CloudError.self) { try inspect(Array(Qcow2().bytes.prefix(40))) }
        // Cut off behind the header.
        #expect(throws: CloudError.self) { try inspect(Qcow2().bytes) }
    }

    @Test func rawDisksHaveWholeSectors() throws {
        #expect(
            try inspect([UInt8](repeating: 0, count: 1024))
                == ImageInspection.Result(format: .raw, virtualSizeBytes: 1024))
        #expect(throws: CloudError.self) { try inspect([UInt8](repeating: 0, count: 1000)) }
        #expect(throws: CloudError.self) { try inspect([]) }
    }

    @Test func packedAndForeignFilesAreNamed() {
        let foreign: [([UInt8], String)] = [
            ([0x1F, 0x8B, 8], "gzip"), ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "xz"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd"),
            (Array("KDMV".utf8), "VMDK"), (Array("vhdxfile".utf8), "VHDX"), (Array("<?xml version".utf8), "XML"),
        ]
        for (magic, name) in foreign {
            let bytes = magic + [UInt8](repeating: 0, count: 1024 - magic.count)
            let error = #expect(throws: CloudError.self) { try inspect(bytes) }
            #expect(String(describing: error).contains(name))
        }
    }

    @Test func kernelsAndRamdisksAreRecognised() throws {
        var bzImage = [UInt8](repeating: 0, count: 1024)
        bzImage.replaceSubrange(0x1FE..<0x200, with: [0x55, 0xAA])
        bzImage.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        #expect(try inspect(bzImage, as: .kernel) == ImageInspection.Result(format: .plain, virtualSizeBytes: 0))
        #expect(try inspect([0x7F, 0x45, 0x4C, 0x46], as: .kernel).format == .plain)
        for (machine, isOurs) in [(UInt8(3), true), (62, true), (183, false), (40, false)] {
            let program = [0x7F, 0x45, 0x4C, 0x46] + [UInt8](repeating: 0, count: 14) + [machine, 0]
            let isTaken = (try? inspect(program, as: .kernel)) != nil
            #expect(isTaken == isOurs)
        }
        for wrong: [UInt8] in [[0x1F, 0x8B, 8], [UInt8](repeating: 0, count: 4096), [0x7F]] {
            #expect(throws: CloudError.self) { try inspect(wrong, as: .kernel) }
        }
        for magic: [UInt8] in [
            [0x1F, 0x8B], Array("070701".utf8), [0x28, 0xB5, 0x2F, 0xFD], [0x02, 0x21, 0x4C, 0x18],
        ] {
            #expect(try inspect(magic, as: .ramdisk).format == .plain)
        }
        #expect(throws: CloudError.self) { try inspect(Array("text".utf8), as: .ramdisk) }
    }

    @Test func randomHeadersNeverTrap() {
        var generator = SeededGenerator(seed: 5)
        let sample = Array(Qcow2().bytes.prefix(120))
        var taken = 0
        for _ in 0..<20_000 {
            var bytes = sample
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                bytes[Int.random(in: 4..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes = Array(bytes.prefix(Int.random(in: 1...120, using: &generator)))
            let size = Int64.random(in: 1...(1 << 20), using: &generator)
            do throws(CloudError) {
                let result = try inspect(bytes, size: size)
                #expect(result.virtualSizeBytes > 0)
                taken += 1
            } catch {
                guard case .invalidValue = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
        #expect(taken > 0)
    }
}
