// What the first bytes of an object say about the image in it.

/// Recognises disk images, kernels and ramdisks by their headers and refuses, with the cure, what no node could boot.
///
/// Sources: QEMU docs/interop/qcow2.txt; Linux Documentation/arch/x86/boot.rst (offsets 0x1FE and 0x202).
/// The bytes come from users: every offset is checked.
public enum ImageInspection {
    /// How many leading bytes suffice.
    public static let headerBytes = 65_536

    /// What was found.
    public struct Result: Hashable, Sendable {
        /// Layout of the bytes.
        public var format: Image.Format
        /// Size of the disk that a guest sees, in bytes; 0 for kernels and ramdisks.
        public var virtualSizeBytes: Int64
        /// Makes a result.
        public init(format: Image.Format, virtualSizeBytes: Int64) {
            self.format = format
            self.virtualSizeBytes = virtualSizeBytes
        }
    }

    /// Looks at an object.
    ///
    /// - Parameters:
    ///   - leading: its first bytes: `headerBytes`, or all if it has fewer.
    ///   - sizeBytes: the size of the whole object.
    /// - Throws: `invalidValue` of ImageLocation.
    public static func inspect(leading: [UInt8], sizeBytes: Int64, as kind: Image.Kind, location: String)
        throws(CloudError) -> Result
    {
        guard sizeBytes > 0, !leading.isEmpty else { throw refusal(location, "The object is empty.") }
        switch kind {
        case .kernel:
            guard isKernel(leading) else {
                throw refusal(
                    location,
                    "The object is no Linux kernel: neither a bzImage nor an ELF file. Upload the vmlinuz file itself, "
                        + "without packing it.")
            }
            // ELF's e_machine: 3 is 386, 62 is x86-64.
            if starts(leading, with: [0x7F, 0x45, 0x4C, 0x46]), leading.count >= 20,
                ![3, 62].contains(Int(leading[18]) | Int(leading[19]) << 8)
            {
                throw refusal(
                    location, "The object is a program for another processor; nodes run kernels for i386 and x86_64.")
            }
            return Result(format: .plain, virtualSizeBytes: 0)
        case .ramdisk:
            guard isRamdisk(leading) else {
                throw refusal(
                    location,
                    "The object is no ramdisk: neither a cpio archive nor one compressed with gzip, xz, zstd, lz4, "
                        + "bzip2 or lzma, nor an ext2 image.")
            }
            return Result(format: .plain, virtualSizeBytes: 0)
        case .machine:
            if starts(leading, with: [0x51, 0x46, 0x49, 0xFB]) {
                return Result(
                    format: .qcow2,
                    virtualSizeBytes: try qcow2Size(leading, sizeBytes: sizeBytes, location: location))
            }
            if let other = foreignFormat(leading) { throw refusal(location, other) }
            guard sizeBytes % 512 == 0 else {
                throw refusal(
                    location,
                    "The object is no disk image: it is not qcow2, and its size (\(sizeBytes) bytes) is no multiple of "
                        + "512 as that of a raw disk is. It may be cut off; upload it again.")
            }
            return Result(format: .raw, virtualSizeBytes: sizeBytes)
        }
    }

    private static func qcow2Size(_ bytes: [UInt8], sizeBytes: Int64, location: String) throws(CloudError) -> Int64 {
        guard let version = word(bytes, 4), let backingOffset = long(bytes, 8), let clusterBits = word(bytes, 20),
            let size = long(bytes, 24), let encryption = word(bytes, 32), let tableEntries = word(bytes, 36),
            let tableOffset = long(bytes, 40), let refcountOffset = long(bytes, 48),
            let refcountClusters = word(bytes, 56)
        else { throw refusal(location, "The qcow2 header is cut off.") }
        guard version == 2 || version == 3 else {
            throw refusal(
                location, "qcow2 version \(version) is not supported. Convert it with: qemu-img convert -O qcow2")
        }
        guard backingOffset == 0 else {
            throw refusal(
                location,
                "The qcow2 image has a backing file, without which it is not complete. "
                    + "Flatten it with: qemu-img convert -O qcow2")
        }
        guard encryption == 0 else {
            throw refusal(location, "The qcow2 image is encrypted. Decrypt it with: qemu-img convert -O qcow2")
        }
        if version == 3 {
            guard let features = long(bytes, 72), let headerLength = word(bytes, 100) else {
                throw refusal(location, "The qcow2 header is cut off.")
            }
            guard features & 0b10 == 0 else {
                throw refusal(location, "The qcow2 image is marked as corrupt. Repair it with: qemu-img check -r all")
            }
            guard features & 0b100 == 0 else {
                throw refusal(
                    location,
                    "The qcow2 image keeps its data in an external file. Convert it with: qemu-img convert -O qcow2")
            }
            guard features & ~0b11111 == 0 else {
                throw refusal(
                    location,
                    "The qcow2 image needs features unknown here. Convert it with: qemu-img convert -O qcow2")
            }
            guard headerLength >= 104, Int64(headerLength) <= sizeBytes else {
                throw refusal(location, "The qcow2 header has an impossible length; the image is damaged.")
            }
        }
        guard (9...21).contains(clusterBits) else {
            throw refusal(location, "The qcow2 cluster size is impossible; the image is damaged.")
        }
        guard size > 0, size <= 1 << 46, size % 512 == 0 else {
            throw refusal(
                location, "The qcow2 disk size (\(size) bytes) is impossible (512 bytes to 64 TiB in whole sectors).")
        }
        // Each entry of the first table covers one second-level table: a cluster of 8-byte entries (extended: 16).
        let cluster = UInt64(1) << UInt64(clusterBits)
        let extended = version == 3 && (long(bytes, 72) ?? 0) & 0b10000 != 0
        let coverage = cluster * (cluster / (extended ? 16 : 8))
        let needed = (size + coverage - 1) / coverage
        let file = UInt64(sizeBytes)
        let tableEnd = tableOffset.addingReportingOverflow(UInt64(tableEntries) * 8)
        let refcountEnd = refcountOffset.addingReportingOverflow(
            UInt64(refcountClusters).multipliedReportingOverflow(by: cluster).partialValue)
        guard UInt64(tableEntries) >= needed, tableOffset > 0, tableOffset % cluster == 0, !tableEnd.overflow,
            tableEnd.partialValue <= file, refcountClusters > 0, refcountOffset > 0, refcountOffset % cluster == 0,
            !refcountEnd.overflow, refcountOffset < file
        else {
            throw refusal(
                location,
                "The tables of the qcow2 image lie beyond its end or are too small: it is damaged or cut off. "
                    + "Check it with: qemu-img check, and upload it again.")
        }
        return Int64(size)
    }

    private static func isKernel(_ bytes: [UInt8]) -> Bool {
        if starts(bytes, with: [0x7F, 0x45, 0x4C, 0x46]) { return true }
        return bytes.count > 0x206 && bytes[0x1FE] == 0x55 && bytes[0x1FF] == 0xAA
            && Array(bytes[0x202..<0x206]) == Array("HdrS".utf8)
    }

    private static func isRamdisk(_ bytes: [UInt8]) -> Bool {
        let magics: [[UInt8]] = [
            [0x1F, 0x8B], [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], [0x28, 0xB5, 0x2F, 0xFD], [0x02, 0x21, 0x4C, 0x18],
            Array("BZh".utf8), [0x5D, 0x00, 0x00], Array("070701".utf8), Array("070702".utf8), Array("070707".utf8),
            [0xC7, 0x71], [0x71, 0xC7],
        ]
        if magics.contains(where: { starts(bytes, with: $0) }) { return true }
        return bytes.count > 0x439 && bytes[0x438] == 0x53 && bytes[0x439] == 0xEF
    }

    private static func foreignFormat(_ bytes: [UInt8]) -> String? {
        let convert = "Convert it with: qemu-img convert -O qcow2"
        let formats: [([UInt8], String)] = [
            ([0x1F, 0x8B], "The object is compressed with gzip. Unpack it before the upload."),
            ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "The object is compressed with xz. Unpack it before the upload."),
            ([0x28, 0xB5, 0x2F, 0xFD], "The object is compressed with zstd. Unpack it before the upload."),
            (Array("BZh".utf8), "The object is compressed with bzip2. Unpack it before the upload."),
            (Array("PK\u{3}\u{4}".utf8), "The object is a ZIP archive. Unpack it before the upload."),
            (Array("KDMV".utf8), "The object is a VMDK image. \(convert)"),
            (Array("# Disk DescriptorFile".utf8), "The object is a VMDK descriptor without data. \(convert)"),
            (Array("<<< ".utf8), "The object is a VDI image. \(convert)"),
            (Array("vhdxfile".utf8), "The object is a VHDX image. \(convert)"),
            (Array("conectix".utf8), "The object is a VHD image. \(convert)"),
            (Array("QED\u{0}".utf8), "The object is a QED image. \(convert)"),
            (Array("<?xml".utf8), "The object is an XML file, perhaps a bundle's manifest, and not the image itself."),
        ]
        return formats.first { starts(bytes, with: $0.0) }?.1
    }

    private static func starts(_ bytes: [UInt8], with magic: [UInt8]) -> Bool { bytes.starts(with: magic) }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32? {
        guard offset + 4 <= bytes.count else { return nil }
        return bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func long(_ bytes: [UInt8], _ offset: Int) -> UInt64? {
        guard offset + 8 <= bytes.count else { return nil }
        return bytes[offset..<(offset + 8)].reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func refusal(_ location: String, _ reason: String) -> CloudError {
        .invalidValue(parameter: "ImageLocation", value: location, reason: reason)
    }
}
