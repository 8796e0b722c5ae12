/// Pictures of two colours as PNG (RFC 2083), not compressed: they are small.
enum PNG {
    /// A code with the quiet zone of four modules around it.
    ///
    /// - Parameter scale: pixels on the side of a module.
    static func image(of code: QRCode, scale: Int) -> [UInt8] {
        let side = (code.size + 8) * scale
        var rows: [UInt8] = []
        for y in 0..<code.size + 8 {
            var row = [UInt8](repeating: 0xFF, count: (side + 7) / 8)
            for x in 0..<code.size + 8 where code.isDark(x - 4, y - 4) {
                for pixel in x * scale..<(x + 1) * scale { row[pixel / 8] &= ~(0x80 >> UInt8(pixel % 8)) }
            }
            // Each begins with the kind of its filter: none.
            for _ in 0..<scale { rows += [0] + row }
        }
        let bytes = bigEndian(side)
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
            // One bit of grey.
            + chunk("IHDR", bytes + bytes + [1, 0, 0, 0, 0]) + chunk("IDAT", stored(rows)) + chunk("IEND", [])
    }

    private static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    private static func chunk(_ kind: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(kind.utf8) + data
        return bigEndian(data.count) + body + bigEndian(Int(checksum(body)))
    }

    /// Zlib's form (RFC 1950) with blocks as they are (RFC 1951, 3.2.4).
    private static func stored(_ data: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [0x78, 0x01]
        var rest = data[...]
        repeat {
            let piece = rest.prefix(65_535)
            rest = rest.dropFirst(piece.count)
            let length = piece.count
            result.append(rest.isEmpty ? 1 : 0)
            result += [UInt8(length & 255), UInt8(length >> 8), UInt8(~length & 255), UInt8(~length >> 8 & 255)]
            result += piece
        } while !rest.isEmpty
        var low = 1
        var high = 0
        for byte in data {
            low = (low + Int(byte)) % 65_521
            high = (high + low) % 65_521
        }
        return result + bigEndian(high << 16 | low)
    }

    /// CRC-32.
    private static func checksum(_ data: [UInt8]) -> UInt32 {
        var register: UInt32 = 0xFFFF_FFFF
        for byte in data {
            register ^= UInt32(byte)
            for _ in 0..<8 { register = register >> 1 ^ (register & 1) &* 0xEDB8_8320 }
        }
        return ~register
    }
}
