// Encryption of contents at rest: AES-256-GCM in chunks, so that a range can be read without reading what lies before
// it and each chunk is known to be whole.
//
//   plain   | 64 KiB        | 64 KiB        | rest |
//   stored  | 64 KiB  | tag | 64 KiB  | tag | rest | tag |
//
// The nonce of a chunk is the content's id (8 bytes, random, never used again) and the chunk's number (4 bytes), so one
// key may serve all parts of an object.

internal import Crypto
internal import NIOCore

/// The key of one object.
public struct ContentKey: Sendable {
    private let key: SymmetricKey

    /// Bytes of a key.
    public static let length = 32

    /// - Parameter bytes: 32 bytes.
    public init(bytes: [UInt8]) { key = SymmetricKey(data: bytes) }

    /// A new random key.
    public static func random() -> (key: ContentKey, bytes: [UInt8]) {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return (ContentKey(bytes: bytes), bytes)
    }

    /// The object's key from a customer's key and the object's salt (HKDF with SHA-256, RFC 5869).
    public static func derived(fromCustomerKey bytes: [UInt8], salt: [UInt8]) -> ContentKey {
        ContentKey(
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: bytes), salt: salt, info: Array("mallee object".utf8),
                outputByteCount: length))
    }

    private init(_ key: SymmetricKey) { self.key = key }

    /// This key wraps another one: random nonce, ciphertext, tag.
    public func wrap(_ bytes: [UInt8]) throws(ObjectStoreError) -> [UInt8] {
        do {
            guard let sealed = try AES.GCM.seal(bytes, using: key).combined else {
                throw ObjectStoreError.failed("a key was not sealed")
            }
            return Array(sealed)
        } catch {
            throw .failed("a key was not wrapped: \(error)")
        }
    }

    /// The opposite of `wrap`.
    public func unwrap(_ bytes: [UInt8]) throws(ObjectStoreError) -> [UInt8] {
        do {
            return Array(try AES.GCM.open(try AES.GCM.SealedBox(combined: bytes), using: key))
        } catch {
            throw .undecipherable("the store's key does not open an object's key; is it the one it was stored with?")
        }
    }

    // MARK: Chunks

    static let chunk = 64 << 10
    static let tag = 16
    static let sealedChunk = Int64(chunk + tag)

    /// Stored bytes of so many plain ones.
    static func sealedSize(_ plain: Int64) -> Int64 { plain + (plain + Int64(chunk) - 1) / Int64(chunk) * Int64(tag) }

    private static func nonce(_ content: Int64, _ number: Int) throws -> AES.GCM.Nonce {
        var bytes = [UInt8]()
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: content >> shift)) }
        for shift in stride(from: 24, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
        return try AES.GCM.Nonce(data: bytes)
    }

    func seal(_ plain: UnsafeRawBufferPointer, content: Int64, number: Int) throws(ObjectStoreError) -> ByteBuffer {
        do {
            let box = try AES.GCM.seal(plain, using: key, nonce: Self.nonce(content, number))
            var buffer = ByteBufferAllocator().buffer(capacity: plain.count + Self.tag)
            buffer.writeBytes(box.ciphertext)
            buffer.writeBytes(box.tag)
            return buffer
        } catch {
            throw .failed("a chunk was not encrypted: \(error)")
        }
    }

    func open(
        _ sealed: UnsafeRawBufferPointer, content: Int64, number: Int, into buffer: inout ByteBuffer
    ) throws(ObjectStoreError) {
        do {
            let box = try AES.GCM.SealedBox(
                nonce: Self.nonce(content, number), ciphertext: sealed.dropLast(Self.tag),
                tag: sealed.suffix(Self.tag))
            buffer.writeBytes(try AES.GCM.open(box, using: key))
        } catch {
            throw .undecipherable("chunk \(number) of content \(content) does not open with the key")
        }
    }

    /// Opens stored chunks that lie one after the other.
    ///
    /// - Parameter first: number of the first of them within its content.
    func open(chunks: ByteBuffer, content: Int64, first: Int = 0) throws -> ByteBuffer {
        var plain = ByteBufferAllocator().buffer(capacity: chunks.readableBytes)
        try chunks.withUnsafeReadableBytes { bytes in
            var number = first
            for start in stride(from: 0, to: bytes.count, by: Int(Self.sealedChunk)) {
                let end = min(start + Int(Self.sealedChunk), bytes.count)
                try open(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<end]), content: content, number: number,
                    into: &plain)
                number += 1
            }
        }
        return plain
    }

    /// The stored chunks that hold a stretch of a content.
    struct Stretch {
        /// Number of the first of them.
        let first: Int
        /// Where they lie in the stored bytes.
        let stored: Range<Int64>
        private let inside: Int
        private let count: Int

        /// - Parameter size: bytes of the content, plain.
        init(at offset: Int64, count: Int, size: Int64) {
            let chunk = Int64(ContentKey.chunk)
            let first = offset / chunk
            let last = (offset + Int64(count) - 1) / chunk
            self.first = Int(first)
            self.count = count
            inside = Int(offset - first * chunk)
            let end = min((last + 1) * ContentKey.sealedChunk, ContentKey.sealedSize(size))
            stored = first * ContentKey.sealedChunk..<end
        }

        /// The stretch itself out of those chunks; nil if they are too few.
        func open(_ chunks: ByteBuffer, with key: ContentKey, content: Int64) throws -> ByteBuffer? {
            try key.open(chunks: chunks, content: content, first: first).getSlice(at: inside, length: count)
        }
    }
}
