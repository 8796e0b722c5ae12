internal import NIOCore

/// Takes the one file out of a tar archive that arrives in pieces.
///
///     header ──regular──────────────────────────> data ──> trailer
///       │ └────sparse──> (more of the map)* ──────> data
///       └──names, extended headers──> skipped ──> header
///
/// Regular files, and the sparse ones of GNU tar's own format, which `tar -S` of the EC2 AMI tools makes.
struct TarImage {
    private enum State {
        case header
        /// Further blocks of a sparse file's map.
        case map
        /// Data of an entry that is not the file: so many bytes are left.
        case skipped(Int64)
        case data
        case trailer
    }

    /// A stretch of a sparse file that is in the archive.
    private struct Stretch {
        var offset: Int64
        var size: Int64
    }

    private static let block = 512
    /// Bytes of one piece that is given.
    private static let chunk: Int64 = 256 << 10
    private static let mostStretches = 1_000_000

    private let size: Int64
    private var state = State.header
    private var input = ByteBuffer()
    private var stretches: [Stretch] = []
    private var stretch = 0
    /// Bytes of the image that were given.
    private var given: Int64 = 0

    /// - Parameter size: bytes that the file must have.
    init(size: Int64) { self.size = size }

    mutating func append(_ bytes: [UInt8]) throws(BundleError) {
        if case .trailer = state { return }
        input.discardReadBytes()
        input.writeBytes(bytes)
    }

    /// The file's next bytes; nil when more of the archive is needed or the file is complete.
    mutating func next() throws(BundleError) -> ByteBuffer? {
        while true {
            switch state {
            case .header:
                guard let block = input.readBytes(length: Self.block) else { return nil }
                try read(header: block)
            case .map:
                guard let block = input.readBytes(length: Self.block) else { return nil }
                try take(map: block[..<504], count: 21)
                if block[504] == 0 { try beginData() }
            case .skipped(let count):
                let length = Int(min(count, Int64(input.readableBytes)))
                input.moveReaderIndex(forwardBy: length)
                state = count == Int64(length) ? .header : .skipped(count - Int64(length))
                if count > Int64(length) { return nil }
            case .data:
                guard given < size else {
                    state = .trailer
                    return nil
                }
                return data()
            case .trailer: return nil
            }
        }
    }

    private mutating func data() -> ByteBuffer? {
        // A hole up to the next stretch, or to the end.
        let place = stretch < stretches.count ? stretches[stretch] : Stretch(offset: size, size: 0)
        if given < place.offset {
            let count = min(place.offset - given, Self.chunk)
            given += count
            return ByteBuffer(repeating: 0, count: Int(count))
        }
        let left = place.offset + place.size - given
        let count = Int(min(left, Self.chunk, Int64(input.readableBytes)))
        guard count > 0, let slice = input.readSlice(length: count) else { return nil }
        given += Int64(count)
        if Int64(count) == left { stretch += 1 }
        return slice
    }

    private mutating func beginData() throws(BundleError) {
        // Empty stretches only mark the end.
        stretches.removeAll { $0.size == 0 }
        var end: Int64 = 0
        for stretch in stretches {
            guard stretch.offset >= end, stretch.offset <= size, stretch.size <= size - stretch.offset else {
                throw .damaged("The map of the sparse image in the bundle's archive is not in order.")
            }
            end = stretch.offset + stretch.size
        }
        state = .data
    }

    private mutating func read(header block: [UInt8]) throws(BundleError) {
        guard block.contains(where: { $0 != 0 }) else {
            throw .damaged("The bundle's archive holds no file.")
        }
        let sum = block.indices.reduce(0) {
            $0 + ((148..<156).contains($1) ? 32 : Int($1 < block.count ? block[$1] : 0))
        }
        guard let said = Self.number(block[148..<156]), said == Int64(sum) else {
            throw .damaged("What the bundle unpacks to is no tar archive: the checksum of its header is wrong.")
        }
        guard let length = Self.number(block[124..<136]) else {
            throw .damaged("The bundle's archive names no size of its file.")
        }
        let padded = (length + Int64(Self.block) - 1) / Int64(Self.block) * Int64(Self.block)
        switch block[156] {
        case UInt8(ascii: "0"), 0:
            try check(length)
            stretches = [Stretch(offset: 0, size: length)]
            try beginData()
        case UInt8(ascii: "S"):
            guard let real = Self.number(block[483..<495]) else {
                throw .damaged("The bundle's archive names no size of its sparse file.")
            }
            try check(real)
            try take(map: block[386..<482], count: 4)
            if block[482] == 0 { try beginData() } else { state = .map }
        // Long names, and what extended headers add to a name, are of no interest; a directory has no bytes.
        case UInt8(ascii: "L"), UInt8(ascii: "K"), UInt8(ascii: "g"), UInt8(ascii: "5"):
            guard padded <= 1 << 20 else { throw .damaged("The bundle's archive holds an overlong header.") }
            state = padded == 0 ? .header : .skipped(padded)
        case UInt8(ascii: "x"):
            guard padded <= 1 << 20 else { throw .damaged("The bundle's archive holds an overlong header.") }
            state = padded == 0 ? .header : .skipped(padded)
        case let other:
            throw .damaged("The bundle's archive holds something other than a file (type \(other)).")
        }
    }

    private func check(_ length: Int64) throws(BundleError) {
        guard length == size else {
            throw .damaged("The image in the bundle's archive has \(length) bytes; the manifest says \(size).")
        }
    }

    private mutating func take(map: ArraySlice<UInt8>, count: Int) throws(BundleError) {
        for index in 0..<count {
            let start = map.startIndex + index * 24
            guard map[start] != 0 else { continue }
            guard let offset = Self.number(map[start..<start + 12]),
                let size = Self.number(map[start + 12..<start + 24]),
                stretches.count < Self.mostStretches
            else { throw .damaged("The map of the sparse image in the bundle's archive cannot be read.") }
            stretches.append(Stretch(offset: offset, size: size))
        }
    }

    /// A number in octal digits or, with the highest bit set, in base 256.
    private static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first else { return nil }
        if first & 0x80 != 0 {
            var value = Int64(first & 0x3F)
            guard first & 0x40 == 0 else { return nil }
            for byte in field.dropFirst() {
                guard value < 1 << 54 else { return nil }
                value = value << 8 | Int64(byte)
            }
            return value
        }
        var value: Int64 = 0
        var hasDigit = false
        for byte in field {
            switch byte {
            case 48...55:
                guard value < 1 << 59 else { return nil }
                value = value << 3 | Int64(byte - 48)
                hasDigit = true
            case 0, 32: if hasDigit { return value }
            default: return nil
            }
        }
        return hasDigit ? value : nil
    }

    /// Throws unless the file is complete.
    func finish() throws(BundleError) {
        guard case .trailer = state, given == size else {
            throw .damaged("The image in the bundle ends after \(given) bytes; the manifest says \(size).")
        }
    }
}
