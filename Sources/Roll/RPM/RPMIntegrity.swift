import Archive
import Crypto
import Posix

extension RPMPackage {
    /// What is wrong with the bytes of a package: sizes, digests and each file of the payload, against what the headers
    /// state. Empty if all is well. The payload is read once, or twice if its files are looked at as well.
    public func defects() -> [String] {
        var defects: [String] = []
        let payload = headerRange.upperBound
        let present = region.size - headerRange.lowerBound
        let stated = signature.integer(.longSignatureSize) ?? signature.integer(.signatureSizeOrName)
        if let stated, stated != UInt64(clamping: present) {
            let difference = Int64(clamping: stated) - present
            return [
                difference > 0
                    ? "is cut off: \(difference) of its \(stated) bytes of header and payload are missing"
                    : "has \(-difference) bytes behind its end"
            ]
        }
        do {
            let headerBytes = try region.read(
                Int(headerRange.upperBound - headerRange.lowerBound), at: headerRange.lowerBound)
            var isChecked = false
            if let expected = signature.string(.sha256Header) {
                isChecked = true
                if Hex.encode(Array(SHA256.hash(data: headerBytes))) != expected {
                    defects.append("its header is damaged: the SHA-256 digest differs from the stated one")
                }
            }
            if let expected = signature.string(.sha1Header) {
                isChecked = true
                if Hex.encode(Array(Insecure.SHA1.hash(data: headerBytes))) != expected {
                    defects.append("its header is damaged: the SHA-1 digest differs from the stated one")
                }
            }
            let expectedMD5 = signature.binary(.md5OrSummary)
            let expectedPayload =
                header.integer(.payloadDigestAlgorithm).map { $0 == 8 } ?? false ? header.string(.payloadDigests) : nil
            isChecked = isChecked || expectedMD5 != nil
            if !isChecked { defects.append("it states no digest of its header, so that damage cannot be seen") }
            var md5 = Insecure.MD5()
            var sha256 = SHA256()
            if expectedMD5 != nil { md5.update(data: headerBytes) }
            try region.forEachPiece(from: payload) { piece in
                if expectedMD5 != nil { md5.update(data: piece) }
                if expectedPayload != nil { sha256.update(data: piece) }
            }
            if let expectedPayload, Hex.encode(Array(sha256.finalize())) != expectedPayload {
                defects.append("its payload is damaged: the SHA-256 digest differs from the stated one")
            }
            if let expectedMD5, Array(md5.finalize()) != expectedMD5, defects.isEmpty {
                defects.append("its header or payload is damaged: the MD5 digest differs from the stated one")
            }
            if expectedMD5 == nil && expectedPayload == nil {
                defects.append("it states no digest of its payload, so that damage cannot be seen")
            }
            // The digests are those of rpmbuild, so that what is below them is as built; the files are read to learn
            // that the payload can be unpacked at all.
            if defects.isEmpty { defects += try payloadDefects() }
        } catch {
            defects.append("cannot be read: \(error)")
        }
        return defects
    }

    private func payloadDefects() throws -> [String] {
        var defects: [String] = []
        var missing: [String: OwnedFile] = [:]
        for file in files where !file.isGhost { missing[file.path] = file }
        try forEachPayloadFile { path, entry, reader in
            // A source package's files have no directory.
            guard let file = missing.removeValue(forKey: path) ?? missing.removeValue(forKey: String(path.dropFirst()))
            else {
                defects.append("its payload holds \(path), which its header does not list")
                return
            }
            // cpio keeps the bytes of a file with several names with the last of them only.
            guard case .file = entry.kind, !file.digest.isEmpty, !(entry.size == 0 && file.size > 0) else { return }
            guard UInt64(clamping: entry.size) == file.size else {
                defects.append("\(path) has \(entry.size) bytes in its payload, \(file.size) in its header")
                return
            }
            guard let digest = try Self.digest(reader, hexadecimal: file.digest.utf8.count) else { return }
            if digest != file.digest { defects.append("\(path) has another digest than its header states") }
        }
        for path in missing.keys.sorted() { defects.append("its payload lacks \(path)") }
        return defects
    }

    /// The digest of an archive member, by the length of the stated one: MD5, SHA-1, SHA-256, SHA-384 or SHA-512.
    private static func digest(_ reader: ArchiveReader, hexadecimal length: Int) throws -> String? {
        func run<Function: HashFunction>(_ function: Function) throws -> String {
            var function = function
            while true {
                let piece = try reader.read(upTo: 1 << 18)
                if piece.isEmpty { return Hex.encode(Array(function.finalize())) }
                function.update(data: piece)
            }
        }
        switch length {
        case 32: return try run(Insecure.MD5())
        case 40: return try run(Insecure.SHA1())
        case 64: return try run(SHA256())
        case 96: return try run(SHA384())
        case 128: return try run(SHA512())
        default: return nil
        }
    }

    /// Calls `body` for each member of the payload with its absolute path.
    func forEachPayloadFile(_ body: (String, ArchiveEntry, ArchiveReader) throws -> Void) throws {
        let reader = try ArchiveReader(region: region)
        while let entry = try reader.next() { try body("/" + entry.path, entry, reader) }
    }

    /// The bytes of files in the payload.
    ///
    /// - Parameters:
    ///   - wanted: Which paths.
    ///   - limit: Bytes that one file may have.
    public func payloadFiles(limit: Int, where wanted: (String) -> Bool) throws -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        try forEachPayloadFile { path, entry, reader in
            if case .file = entry.kind, wanted(path) { result[path] = try reader.readAll(limit: limit) }
        }
        return result
    }
}
