internal import Crypto
public import NIOCore
internal import Signatures

/// The image in a bundle, as a stream of its bytes:
///
///     parts ──SHA-1──> ciphertext ──AES──> gzip ──inflate──┬──> tar ──> image
///                                                          └──SHA-1
///
/// It holds a few buffers, whatever the image's size. The last bytes are given only when everything was checked: whoever
/// gets as many bytes as the manifest says has the image that was bundled. Anything else ends in a `BundleError`.
public struct BundleImage<Body: AsyncSequence>: AsyncSequence, Sendable where Body.Element == ByteBuffer {
    /// See `AsyncSequence`.
    public typealias Element = ByteBuffer

    private let manifest: BundleManifest
    private let cipher: BundleCipher
    private let open: @Sendable (BundleManifest.Part) async throws -> Body

    /// - Parameter open: the bytes of a part's object. What it throws passes through.
    public init(
        manifest: BundleManifest, cipher: BundleCipher,
        open: @escaping @Sendable (BundleManifest.Part) async throws -> Body
    ) {
        self.manifest = manifest
        self.cipher = cipher
        self.open = open
    }

    /// See `AsyncSequence`.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            manifest: manifest, open: open, decryptor: BlockDecryptor(cipher), archive: TarImage(size: manifest.size),
            archiveDigest: RunningDigest(manifest.digest.algorithm))
    }

    /// See `AsyncSequence`.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let manifest: BundleManifest
        fileprivate let open: @Sendable (BundleManifest.Part) async throws -> Body
        fileprivate var decryptor: BlockDecryptor
        fileprivate var archive: TarImage
        fileprivate var archiveDigest: RunningDigest
        private let inflater = Inflater()
        private var part = 0
        private var body: Body.AsyncIterator?
        private var partDigest = RunningDigest(.sha1)
        private var received: Int64 = 0
        private var unpacked: Int64 = 0
        private var hasAllParts = false
        /// Given with the next call, when more is known to follow or all is known to be right.
        private var held: ByteBuffer?
        private var isOver = false

        fileprivate init(
            manifest: BundleManifest, open: @escaping @Sendable (BundleManifest.Part) async throws -> Body,
            decryptor: BlockDecryptor, archive: TarImage, archiveDigest: RunningDigest
        ) {
            self.manifest = manifest
            self.open = open
            self.decryptor = decryptor
            self.archive = archive
            self.archiveDigest = archiveDigest
        }

        /// See `AsyncIteratorProtocol`.
        public mutating func next() async throws -> ByteBuffer? {
            while !isOver {
                if let buffer = try archive.next() {
                    guard let former = held else {
                        held = buffer
                        continue
                    }
                    held = buffer
                    return former
                }
                if let bytes = try inflater.next() {
                    unpacked += Int64(bytes.count)
                    // What a tar archive adds to one file: headers, a map of holes, padding to a record.
                    guard unpacked <= manifest.size + 64 << 20 else {
                        throw BundleError.damaged(
                            "The bundle unpacks to more than the manifest's size, \(manifest.size).")
                    }
                    archiveDigest.update(bytes)
                    try archive.append(bytes)
                } else if hasAllParts {
                    try finish()
                } else {
                    try await receive()
                }
            }
            defer { held = nil }
            return held
        }

        /// Takes in some bytes of the parts.
        private mutating func receive() async throws {
            guard part < manifest.parts.count else {
                guard received == manifest.bundledSize else {
                    throw BundleError.damaged(
                        "The parts have \(received) bytes together; the manifest says \(manifest.bundledSize).")
                }
                hasAllParts = true
                inflater.append(try decryptor.finish())
                return
            }
            let wanted = manifest.parts[part]
            if body == nil {
                body = try await open(wanted).makeAsyncIterator()
                partDigest = RunningDigest(wanted.digest.algorithm)
            }
            if let buffer = try await body?.next() {
                received += Int64(buffer.readableBytes)
                let bytes = Array(buffer.readableBytesView)
                partDigest.update(bytes)
                inflater.append(try decryptor.append(bytes))
            } else {
                let found = partDigest.finalize()
                guard found == wanted.digest.bytes else {
                    throw BundleError.damaged(
                        "Part \(part) of the bundle, \(wanted.name), is damaged: its \(wanted.digest.algorithm.rawValue) "
                            + "is \(hexadecimal(found)); the manifest says \(hexadecimal(wanted.digest.bytes)). "
                            + "Upload it again.")
                }
                body = nil
                part += 1
            }
        }

        private mutating func finish() throws {
            try inflater.finish()
            try archive.finish()
            let found = archiveDigest.finalize()
            guard found == manifest.digest.bytes else {
                throw BundleError.damaged(
                    "The image in the bundle is not the one that was bundled: its archive's "
                        + "\(manifest.digest.algorithm.rawValue) is \(hexadecimal(found)); the manifest says "
                        + "\(hexadecimal(manifest.digest.bytes)).")
            }
            isOver = true
        }
    }
}

/// A digest of bytes that arrive in pieces.
struct RunningDigest {
    private enum State {
        case sha1(Insecure.SHA1)
        case sha256(SHA256)
    }

    private var state: State

    init(_ algorithm: BundleManifest.DigestAlgorithm) {
        switch algorithm {
        case .sha1: state = .sha1(Insecure.SHA1())
        case .sha256: state = .sha256(SHA256())
        }
    }

    mutating func update(_ bytes: [UInt8]) {
        switch state {
        case .sha1(var hash):
            hash.update(data: bytes)
            state = .sha1(hash)
        case .sha256(var hash):
            hash.update(data: bytes)
            state = .sha256(hash)
        }
    }

    func finalize() -> [UInt8] {
        switch state {
        case .sha1(let hash): Array(hash.finalize())
        case .sha256(let hash): Array(hash.finalize())
        }
    }
}
