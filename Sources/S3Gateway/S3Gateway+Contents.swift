internal import AsyncHTTPClient
internal import Crypto
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
public import ObjectStore
internal import Signatures
internal import XML

extension S3Gateway {
    /// See `RemoteContents`.
    public func put(
        _ name: String, size: Int64, digests: RemoteDigests?, source: @escaping RemoteSource
    ) async throws {
        try await claim()
        if size <= configuration.partSize {
            let digests = if let digests { digests } else { try await Self.digests(of: 0..<size, source) }
            try await putWhole(path(key(name)), 0..<size, digests, source)
        } else {
            try await putInParts(name, size: size, source: source)
        }
    }

    private static func digests(
        of range: Range<Int64>, _ source: @escaping RemoteSource
    ) async throws -> RemoteDigests {
        var md5 = Insecure.MD5()
        var sha256 = SHA256()
        for try await buffer in SourceStream(source: source, range: range) {
            buffer.withUnsafeReadableBytes {
                md5.update(bufferPointer: $0)
                sha256.update(bufferPointer: $0)
            }
        }
        return RemoteDigests(md5: Array(md5.finalize()), sha256: Array(sha256.finalize()))
    }

    private func putWhole(
        _ path: String, _ range: Range<Int64>, _ digests: RemoteDigests, _ source: @escaping RemoteSource
    ) async throws {
        let answer = try await send(.PUT, path, body: .stream(source, range, digests: digests))
        try compare(answer.etag, digests, path)
    }

    /// The entity tag of one piece that is not encrypted at rest is its MD5; other tags say nothing.
    private func compare(_ etag: String?, _ digests: RemoteDigests, _ path: String) throws(ObjectStoreError) {
        guard let etag, etag.utf8.count == 32, etag.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else {
            return
        }
        guard etag.lowercased() == hexadecimal(digests.md5) else {
            throw .unavailable(
                "the S3 store \(configuration.endpoint) stored other bytes at \(path) than were sent: their MD5 is \(etag), "
                    + "not \(hexadecimal(digests.md5))")
        }
    }

    private func putInParts(_ name: String, size: Int64, source: @escaping RemoteSource) async throws {
        let path = path(key(name))
        let begun = try await send(.POST, path, query: "uploads=")
        // What cannot be read names no upload either.
        guard let id = try? XMLElement.parse(begun.body).child("UploadId")?.trimmedText, !id.isEmpty else {
            throw refusal(begun, "begin an upload")
        }
        do {
            // At most 10,000 parts.
            let partSize = max(configuration.partSize, (size + 9999) / 10_000)
            var writer = XMLWriter(declaration: false)
            writer.open("CompleteMultipartUpload")
            var number = 1
            var offset: Int64 = 0
            while offset < size {
                let range = offset..<min(offset + partSize, size)
                let digests = try await Self.digests(of: range, source)
                let answer = try await send(
                    .PUT, path, query: "partNumber=\(number)&uploadId=\(PercentEncoding.encode(id))",
                    body: .stream(source, range, digests: digests))
                try compare(answer.etag, digests, path)
                writer.open("Part")
                writer.element("PartNumber", number)
                writer.element("ETag", "\"" + (answer.etag ?? hexadecimal(digests.md5)) + "\"")
                writer.close()
                number += 1
                offset = range.upperBound
            }
            writer.close()
            let list = writer.bytes
            _ = try await send(
                .POST, path, query: "uploadId=\(PercentEncoding.encode(id))",
                headers: [("content-type", "application/xml")],
                body: .bytes(list, digests: Self.digests(list)))
        } catch {
            // The store drops it by its own rules if this fails too.
            _ = try? await send(.DELETE, path, query: "uploadId=\(PercentEncoding.encode(id))", accept: [404])
            throw error
        }
    }

    /// See `RemoteContents`.
    public func open(_ name: String, range: Range<Int64>) async throws -> (any RemoteBody)? {
        let body = GatewayBody(self, path: path(key(name)), range: range)
        return try await body.begin() ? body : nil
    }

    /// See `RemoteContents`.
    public func remove(_ name: String) async throws {
        try await claim()
        _ = try await send(.DELETE, path(key(name)), accept: [404])
    }

    /// See `RemoteContents`.
    public func list(after: String) async throws -> [RemoteEntry] {
        let prefix = configuration.prefix + "contents/"
        var query = "list-type=2&max-keys=1000&prefix=\(PercentEncoding.encode(prefix))"
        if !after.isEmpty { query += "&start-after=\(PercentEncoding.encode(prefix + after))" }
        let answer = try await send(.GET, path(nil), query: query)
        let root: XMLElement
        do throws(XMLError) {
            root = try XMLElement.parse(answer.body)
        } catch {
            throw ObjectStoreError.failed("The S3 store \(configuration.endpoint) answered no listing: \(error)")
        }
        return try root.children("Contents").map { element in
            guard let key = element.child("Key")?.text, key.hasPrefix(prefix),
                let size = element.child("Size").flatMap({ Int64($0.trimmedText) }),
                let modified = (element.child("LastModified")?.trimmedText).flatMap(Self.milliseconds)
            else {
                throw ObjectStoreError.failed(
                    "The S3 store \(configuration.endpoint) answered a listing without key, size or date.")
            }
            return RemoteEntry(name: String(key.dropFirst(prefix.count)), size: size, modified: modified)
        }
    }

    /// ISO 8601, with or without parts of a second.
    static func milliseconds(_ text: String) -> Int64? {
        let whole = text.split(separator: ".").first.map(String.init) ?? text
        // No date at all: `list` refuses the answer.
        let date = try? Date(whole.hasSuffix("Z") ? whole : whole + "Z", strategy: .iso8601)
        return date.map { Int64($0.timeIntervalSince1970 * 1000) }
    }
}

/// A content on its way in; asks anew for what is left when the connection breaks.
///
/// Used by one reader, who awaits each call before the next: that is why its iterator may be kept in it.
private final class GatewayBody: RemoteBody, @unchecked Sendable {
    private let gateway: S3Gateway
    private let path: String
    private var offset: Int64
    private let end: Int64
    private var iterator: HTTPClientResponse.Body.AsyncIterator?

    init(_ gateway: S3Gateway, path: String, range: Range<Int64>) {
        self.gateway = gateway
        self.path = path
        offset = range.lowerBound
        end = range.upperBound
    }

    /// False if there is no such content.
    func begin() async throws -> Bool {
        guard offset < end else { return true }
        let start = offset
        let last = end - 1
        let gateway = gateway
        let path = path
        let response = try await gateway.repeated("GET \(path)") { () -> HTTPClientResponse? in
            let response = try await gateway.execute(
                .GET, path, headers: [(name: "range", value: "bytes=\(start)-\(last)")])
            switch response.status.code {
            case 206: return response
            case 404: return nil
            case 200 where start == 0: return response
            default:
                // The status says enough if the text does not arrive.
                let bytes = (try? await Array(response.body.collect(upTo: 1 << 16).readableBytesView)) ?? []
                let root = try? XMLElement.parse(bytes)
                throw gateway.failure(
                    .init(
                        status: Int(response.status.code), etag: nil, body: bytes,
                        code: root?.child("Code")?.trimmedText ?? ""), .GET)
            }
        }
        guard let response else { return false }
        iterator = response.body.makeAsyncIterator()
        return true
    }

    func next() async throws -> ByteBuffer? {
        var failures = 0
        while offset < end {
            do {
                if let buffer = try await iterator?.next() {
                    guard buffer.readableBytes > 0 else { continue }
                    let taken = Int(min(Int64(buffer.readableBytes), end - offset))
                    offset += Int64(taken)
                    return buffer.getSlice(at: buffer.readerIndex, length: taken)
                }
            } catch let error as CancellationError {
                throw error
            } catch {
                failures += 1
                if failures >= gateway.configuration.attempts {
                    throw ObjectStoreError.unavailable(
                        "the S3 store \(gateway.configuration.endpoint) breaks off \(path) at byte \(offset): \(error)")
                }
                try await reopen()
                continue
            }
            // The end before all was there.
            failures += 1
            if failures >= gateway.configuration.attempts {
                throw ObjectStoreError.unavailable(
                    "the S3 store \(gateway.configuration.endpoint) ends \(path) at byte \(offset), before its end")
            }
            try await reopen()
        }
        iterator = nil
        return nil
    }

    private func reopen() async throws {
        iterator = nil
        guard try await begin() else {
            throw ObjectStoreError.failed("\(path) vanished from the S3 store while it was read")
        }
    }
}
