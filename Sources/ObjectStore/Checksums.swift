// The checksums that S3 clients may send: three CRCs (computed here) and two hashes (from Crypto).

internal import Crypto
internal import Foundation
internal import Signatures

/// An S3 checksum algorithm, by its name in the API.
public enum ChecksumAlgorithm: String, Sendable, CaseIterable, Codable {
    /// CRC-32 (ISO-HDLC).
    case crc32 = "CRC32"
    /// CRC-32C (Castagnoli).
    case crc32c = "CRC32C"
    /// CRC-64/NVME.
    case crc64nvme = "CRC64NVME"
    /// SHA-1.
    case sha1 = "SHA1"
    /// SHA-256.
    case sha256 = "SHA256"

    /// The header that carries it.
    public var headerName: String { "x-amz-checksum-" + rawValue.lowercased() }
    /// Length of the raw value in bytes.
    public var length: Int {
        switch self {
        case .crc32, .crc32c: 4
        case .crc64nvme: 8
        case .sha1: 20
        case .sha256: 32
        }
    }
}

/// A reflected CRC of up to 64 bits, eight bytes at a time ("slicing by 8").
struct CyclicRedundancyCheck: Sendable {
    private let table: [UInt64]
    private let mask: UInt64
    private let width: Int
    private var register: UInt64

    private init(table: [UInt64], width: Int) {
        self.table = table
        self.width = width
        mask = width == 64 ? .max : (1 << UInt64(width)) - 1
        register = mask
    }

    private static func makeTable(_ polynomial: UInt64) -> [UInt64] {
        var table = [UInt64](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt64(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1 }
            table[byte] = value
        }
        for slice in 1..<8 {
            for byte in 0..<256 {
                let previous = table[(slice - 1) * 256 + byte]
                table[slice * 256 + byte] = previous >> 8 ^ table[Int(previous & 255)]
            }
        }
        return table
    }

    private static let ieee = makeTable(0xEDB8_8320)
    private static let castagnoli = makeTable(0x82F6_3B78)
    private static let nvme = makeTable(0x9A6C_9329_AC4B_C9B5)

    static var crc32: CyclicRedundancyCheck { .init(table: ieee, width: 32) }
    static var crc32c: CyclicRedundancyCheck { .init(table: castagnoli, width: 32) }
    static var crc64nvme: CyclicRedundancyCheck { .init(table: nvme, width: 64) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = register
        var index = 0
        let count = bytes.count
        table.withUnsafeBufferPointer { t in
            while index + 8 <= count {
                let word = crc ^ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                crc =
                    t[1792 + Int(word & 255)] ^ t[1536 + Int(word >> 8 & 255)] ^ t[1280 + Int(word >> 16 & 255)]
                    ^ t[1024 + Int(word >> 24 & 255)] ^ t[768 + Int(word >> 32 & 255)]
                    ^ t[512 + Int(word >> 40 & 255)] ^ t[256 + Int(word >> 48 & 255)] ^ t[Int(word >> 56)]
                index += 8
            }
            while index < count {
                crc = crc >> 8 ^ t[Int((crc ^ UInt64(bytes[index])) & 255)]
                index += 1
            }
        }
        register = crc
    }

    /// Big-endian, as S3 encodes it.
    func finalize() -> [UInt8] {
        let value = (register ^ mask) & mask
        return stride(from: width - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt64($0)) }
    }
}

/// One running checksum of any algorithm.
enum RunningChecksum: Sendable {
    case crc(CyclicRedundancyCheck)
    case sha1(Insecure.SHA1)
    /// The writer computes SHA-256 by itself.
    case sharedSHA256

    init(_ algorithm: ChecksumAlgorithm) {
        switch algorithm {
        case .crc32: self = .crc(.crc32)
        case .crc32c: self = .crc(.crc32c)
        case .crc64nvme: self = .crc(.crc64nvme)
        case .sha1: self = .sha1(Insecure.SHA1())
        case .sha256: self = .sharedSHA256
        }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch self {
        case .crc(var crc):
            crc.update(bytes)
            self = .crc(crc)
        case .sha1(var hash):
            hash.update(bufferPointer: bytes)
            self = .sha1(hash)
        case .sharedSHA256: break
        }
    }

    func finalize(sha256: [UInt8]) -> [UInt8] {
        switch self {
        case .crc(let crc): crc.finalize()
        case .sha1(let hash): Array(hash.finalize())
        case .sharedSHA256: sha256
        }
    }
}

extension ChecksumAlgorithm {
    /// The checksum of bytes in memory, raw.
    public func checksum(of bytes: [UInt8]) -> [UInt8] {
        var running = RunningChecksum(self)
        bytes.withUnsafeBytes { running.update($0) }
        return running.finalize(sha256: self == .sha256 ? Array(SHA256.hash(data: bytes)) : [])
    }
}

extension CyclicRedundancyCheck {
    private typealias Matrix = [UInt64]

    private static func times(_ matrix: Matrix, _ vector: UInt64) -> UInt64 {
        var sum: UInt64 = 0
        var rest = vector
        while rest != 0 {
            sum ^= matrix[rest.trailingZeroBitCount]
            rest &= rest - 1
        }
        return sum
    }

    /// The check of two stretches from the check of each and the bytes of the second, without the bytes themselves:
    /// the first one's goes through as many zero bytes as the second has (by repeated squaring, as zlib does it).
    static func combine(_ first: UInt64, _ second: UInt64, bytes: Int64, polynomial: UInt64, width: Int) -> UInt64 {
        guard bytes > 0 else { return first }
        // One zero bit.
        var power: Matrix = [polynomial]
        for bit in 0..<(width - 1) { power.append(1 << UInt64(bit)) }
        for _ in 0..<3 { power = power.map { times(power, $0) } }
        var result = first
        var rest = bytes
        while rest > 0 {
            if rest & 1 == 1 { result = times(power, result) }
            power = power.map { times(power, $0) }
            rest >>= 1
        }
        return result ^ second
    }
}

extension ChecksumAlgorithm {
    /// The checksum of the whole from those of consecutive stretches; nil for a hash, which does not allow it.
    func combined(_ parts: [(bytes: [UInt8], size: Int64)]) -> [UInt8]? {
        let polynomial: UInt64
        switch self {
        case .crc32: polynomial = 0xEDB8_8320
        case .crc32c: polynomial = 0x82F6_3B78
        case .crc64nvme: polynomial = 0x9A6C_9329_AC4B_C9B5
        case .sha1, .sha256: return nil
        }
        let width = length * 8
        var value: UInt64 = 0
        for part in parts {
            let next = part.bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            value = CyclicRedundancyCheck.combine(
                value, next, bytes: part.size, polynomial: polynomial, width: width)
        }
        return stride(from: width - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt64($0)) }
    }
}

extension ObjectChecksum {
    /// Makes a checksum of a raw value.
    public init(algorithm: ChecksumAlgorithm, rawValue: [UInt8]) {
        self.init(algorithm: algorithm, value: Data(rawValue).base64EncodedString())
    }
}

extension ContentDigests {
    /// The digests of bytes in memory.
    public init(of bytes: [UInt8], checksum: ChecksumAlgorithm?) {
        self.init(
            size: Int64(bytes.count), md5: Array(Insecure.MD5.hash(data: bytes)),
            sha256: Array(SHA256.hash(data: bytes)),
            checksum: checksum?.checksum(of: bytes))
    }
}

extension ObjectRecord {
    /// The entity tag of an object of several parts: the MD5 of their MD5s, and how many they are.
    public static func etag(ofParts etags: [String]) -> String {
        var hash = Insecure.MD5()
        for etag in etags {
            let digits = Array(etag.utf8)
            let bytes = stride(from: 0, to: digits.count - 1, by: 2).map {
                UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16) ?? 0
            }
            hash.update(data: bytes)
        }
        return hexadecimal(hash.finalize()) + "-\(etags.count)"
    }
}
