/// A QR code (ISO/IEC 18004): bytes with error correction of level L, in versions 1 to 20, which hold up to 858 bytes.
///
/// The seed of an MFA device is handed out as one, since that is what authenticator programs read.
struct QRCode {
    /// Modules on a side.
    let size: Int
    private var modules: [Bool]
    /// Modules that are no data.
    private var isFunction: [Bool]

    /// Error correction codewords of a block, and blocks, by version (table 9, level L).
    private static let correction: [(codewords: Int, blocks: Int)] = [
        (7, 1), (10, 1), (15, 1), (20, 1), (26, 1), (18, 2), (20, 2), (24, 2), (30, 2), (18, 4), (20, 4), (24, 4),
        (26, 4), (30, 4), (22, 6), (24, 6), (28, 6), (30, 6), (28, 7), (28, 8),
    ]

    /// Codewords of a version, of data and correction together.
    private static func codewords(_ version: Int) -> Int {
        var modules = (16 * version + 128) * version + 64
        if version >= 2 {
            let count = version / 7 + 2
            modules -= (25 * count - 10) * count - 55
            if version >= 7 { modules -= 36 }
        }
        return modules / 8
    }

    private static func dataCodewords(_ version: Int) -> Int {
        let (codewords, blocks) = correction[version - 1]
        return self.codewords(version) - codewords * blocks
    }

    /// Makes the smallest code that holds the bytes; nil if none does.
    init?(_ bytes: [UInt8]) {
        func overhead(_ version: Int) -> Int { version < 10 ? 2 : 3 }
        guard
            let version = (1...Self.correction.count).first(where: {
                bytes.count + overhead($0) <= Self.dataCodewords($0)
            })
        else { return nil }
        size = version * 4 + 17
        modules = [Bool](repeating: false, count: size * size)
        isFunction = modules
        drawFunctionPatterns(version)
        draw(Self.interleaved(Self.data(bytes, version), version))
        var best = (mask: 0, penalty: Int.max)
        for mask in 0..<8 {
            apply(mask)
            drawFormat(mask)
            let penalty = penalty
            if penalty < best.penalty { best = (mask, penalty) }
            apply(mask)
        }
        apply(best.mask)
        drawFormat(best.mask)
    }

    /// Whether a module is dark; what is outside of the code is not.
    func isDark(_ x: Int, _ y: Int) -> Bool {
        (0..<size).contains(x) && (0..<size).contains(y) && modules[y * size + x]
    }

    // MARK: Codewords

    /// Mode, length, bytes, padding.
    private static func data(_ bytes: [UInt8], _ version: Int) -> [UInt8] {
        var bits: [Bool] = []
        func append(_ value: Int, _ count: Int) {
            for bit in stride(from: count - 1, through: 0, by: -1) { bits.append(value >> bit & 1 == 1) }
        }
        append(4, 4)
        append(bytes.count, version < 10 ? 8 : 16)
        for byte in bytes { append(Int(byte), 8) }
        let capacity = dataCodewords(version) * 8
        append(0, min(4, capacity - bits.count))
        append(0, (8 - bits.count % 8) % 8)
        var pad = 0xEC
        while bits.count < capacity {
            append(pad, 8)
            pad ^= 0xEC ^ 0x11
        }
        return stride(from: 0, to: bits.count, by: 8).map { start in
            bits[start..<start + 8].reduce(UInt8(0)) { $0 << 1 | ($1 ? 1 : 0) }
        }
    }

    /// The blocks with their correction, a codeword of each in turn.
    private static func interleaved(_ data: [UInt8], _ version: Int) -> [UInt8] {
        let (count, blocks) = correction[version - 1]
        let total = codewords(version)
        let short = blocks - total % blocks
        let shortLength = total / blocks - count
        let divisor = divisor(count)
        var contents: [[UInt8]] = []
        var corrections: [[UInt8]] = []
        var start = 0
        for block in 0..<blocks {
            let end = start + shortLength + (block < short ? 0 : 1)
            contents.append(Array(data[start..<end]))
            corrections.append(remainder(data[start..<end], divisor))
            start = end
        }
        var result: [UInt8] = []
        for index in 0...shortLength { result += contents.filter { index < $0.count }.map { $0[index] } }
        for index in 0..<count { result += corrections.map { $0[index] } }
        return result
    }

    /// In the field of 256 elements modulo x⁸ + x⁴ + x³ + x² + 1.
    private static func product(_ x: UInt8, _ y: UInt8) -> UInt8 {
        var product: UInt8 = 0
        for bit in stride(from: 7, through: 0, by: -1) {
            product = product << 1 ^ (product >> 7) &* 0x1D
            product ^= (y >> UInt8(bit) & 1) &* x
        }
        return product
    }

    private static func divisor(_ degree: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: degree - 1) + [1]
        var root: UInt8 = 1
        for _ in 0..<degree {
            for index in 0..<degree {
                result[index] = product(result[index], root)
                if index + 1 < degree { result[index] ^= result[index + 1] }
            }
            root = product(root, 2)
        }
        return result
    }

    private static func remainder(_ data: ArraySlice<UInt8>, _ divisor: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: divisor.count)
        for byte in data {
            let factor = byte ^ result.removeFirst()
            result.append(0)
            for index in divisor.indices { result[index] ^= product(divisor[index], factor) }
        }
        return result
    }

    // MARK: Drawing

    private mutating func set(_ x: Int, _ y: Int, _ isDark: Bool) {
        modules[y * size + x] = isDark
        isFunction[y * size + x] = true
    }

    private mutating func drawFunctionPatterns(_ version: Int) {
        for index in 0..<size {
            set(6, index, index % 2 == 0)
            set(index, 6, index % 2 == 0)
        }
        for (x, y) in [(3, 3), (size - 4, 3), (3, size - 4)] { drawFinder(x, y) }
        let positions = Self.alignments(version, size)
        let last = positions.count - 1
        for (row, y) in positions.enumerated() {
            for (column, x) in positions.enumerated() {
                // Finders are in three corners.
                if (row, column) == (0, 0) || (row, column) == (0, last) || (row, column) == (last, 0) { continue }
                for down in -2...2 {
                    for right in -2...2 { set(x + right, y + down, max(abs(right), abs(down)) != 1) }
                }
            }
        }
        drawFormat(0)
        drawVersion(version)
    }

    private mutating func drawFinder(_ x: Int, _ y: Int) {
        for down in -4...4 {
            for right in -4...4 {
                let distance = max(abs(right), abs(down))
                guard (0..<size).contains(x + right), (0..<size).contains(y + down) else { continue }
                set(x + right, y + down, distance != 2 && distance != 4)
            }
        }
    }

    private static func alignments(_ version: Int, _ size: Int) -> [Int] {
        guard version > 1 else { return [] }
        let count = version / 7 + 2
        let step = (version * 4 + count * 2 + 1) / (count * 2 - 2) * 2
        return [6] + (0..<count - 1).map { size - 7 - $0 * step }.reversed()
    }

    /// Level and mask, with their own correction (BCH 15,5), twice.
    private mutating func drawFormat(_ mask: Int) {
        // Level L is 01.
        let data = 1 << 3 | mask
        var remainder = data
        for _ in 0..<10 { remainder = remainder << 1 ^ (remainder >> 9) * 0x537 }
        let bits = (data << 10 | remainder) ^ 0x5412
        func bit(_ index: Int) -> Bool { bits >> index & 1 == 1 }
        for index in 0...5 { set(8, index, bit(index)) }
        set(8, 7, bit(6))
        set(8, 8, bit(7))
        set(7, 8, bit(8))
        for index in 9..<15 { set(14 - index, 8, bit(index)) }
        for index in 0..<8 { set(size - 1 - index, 8, bit(index)) }
        for index in 8..<15 { set(8, size - 15 + index, bit(index)) }
        set(8, size - 8, true)
    }

    /// The version, with its own correction (Golay 18,6), twice.
    private mutating func drawVersion(_ version: Int) {
        guard version >= 7 else { return }
        var remainder = version
        for _ in 0..<12 { remainder = remainder << 1 ^ (remainder >> 11) * 0x1F25 }
        let bits = version << 12 | remainder
        for index in 0..<18 {
            let isDark = bits >> index & 1 == 1
            set(size - 11 + index % 3, index / 3, isDark)
            set(index / 3, size - 11 + index % 3, isDark)
        }
    }

    /// Codewords in columns of two, from the right, up and down in turn.
    private mutating func draw(_ codewords: [UInt8]) {
        var index = 0
        var right = size - 1
        while right >= 1 {
            if right == 6 { right = 5 }
            for step in 0..<size {
                for column in 0..<2 {
                    let x = right - column
                    let isUpward = (right + 1) & 2 == 0
                    let y = isUpward ? size - 1 - step : step
                    guard !isFunction[y * size + x], index < codewords.count * 8 else { continue }
                    modules[y * size + x] = codewords[index / 8] >> UInt8(7 - index % 8) & 1 == 1
                    index += 1
                }
            }
            right -= 2
        }
    }

    /// Inverts by one of the eight masks; twice is as before.
    private mutating func apply(_ mask: Int) {
        for y in 0..<size {
            for x in 0..<size where !isFunction[y * size + x] {
                let inverts =
                    switch mask {
                    case 0: (x + y) % 2 == 0
                    case 1: y % 2 == 0
                    case 2: x % 3 == 0
                    case 3: (x + y) % 3 == 0
                    case 4: (x / 3 + y / 2) % 2 == 0
                    case 5: x * y % 2 + x * y % 3 == 0
                    case 6: (x * y % 2 + x * y % 3) % 2 == 0
                    default: ((x + y) % 2 + x * y % 3) % 2 == 0
                    }
                if inverts { modules[y * size + x].toggle() }
            }
        }
    }

    /// How hard it is to read (7.8.3.1): the mask with the least is taken.
    private var penalty: Int {
        var penalty = 0
        for line in 0..<size {
            penalty += Self.penalty(of: modules[line * size..<(line + 1) * size].map { $0 })
            penalty += Self.penalty(of: (0..<size).map { modules[$0 * size + line] })
        }
        for y in 0..<size - 1 {
            for x in 0..<size - 1 {
                let isDark = modules[y * size + x]
                if isDark == modules[y * size + x + 1], isDark == modules[(y + 1) * size + x],
                    isDark == modules[(y + 1) * size + x + 1]
                {
                    penalty += 3
                }
            }
        }
        let dark = modules.count { $0 }
        return penalty + abs(dark * 20 - modules.count * 10) / modules.count * 10
    }

    /// Long runs, and what looks like a finder.
    private static func penalty(of line: [Bool]) -> Int {
        var penalty = 0
        var run = 0
        for index in line.indices {
            run = index > 0 && line[index] == line[index - 1] ? run + 1 : 1
            if run == 5 { penalty += 3 } else if run > 5 { penalty += 1 }
        }
        let finder = [true, false, true, true, true, false, true]
        for start in 0...line.count - 11 {
            let piece = line[start..<start + 11]
            if piece.elementsEqual(finder + [false, false, false, false])
                || piece.elementsEqual([false, false, false, false] + finder)
            {
                penalty += 40
            }
        }
        return penalty
    }
}
