public import Posix

extension HTTPClient {
    /// Downloads into a file, and goes on where an earlier try ended if the server still has the same version: its
    /// ETag (or date) is kept in `path` + ".etag" until the file is complete. After an error the part remains.
    ///
    /// `limit` bounds the file's size in bytes; `progress` gets bytes done and, if known, bytes in all, and may throw
    /// to end the download. Returns the size. Statuses other than 200 and 206 are `.status` errors.
    public func download(
        _ url: String, to path: String, headers: HTTPHeaders = HTTPHeaders(), limit: Int64 = .max,
        progress: (_ done: Int64, _ total: Int64?) throws(PosixError) -> Void = { _, _ throws(PosixError) in }
    ) throws(HTTPClientError) -> Int64 {
        guard let parsed = HTTPURL(url) else {
            throw HTTPClientError(.badURL, url, "not a URL of the form http://host:port/path or https://…")
        }
        let part = try Part(path, url)
        var fields = headers
        if let validator = part.validator {
            fields["Range"] = "bytes=\(part.done)-"
            fields["If-Range"] = validator
        }
        var refused: Int?
        try stream(
            "GET", parsed, headers: fields,
            onHead: { head throws(PosixError) in
                switch head.status {
                case 206 where part.validator != nil: try part.resume(head)
                case 200: try part.restart(head)
                default: refused = head.status
                }
                if let total = part.total, total > limit { throw Self.tooLarge(url) }
            },
            onPiece: { piece throws(PosixError) in
                if refused != nil { return }
                if part.done + Int64(piece.count) > limit { throw Self.tooLarge(url) }
                try part.write(piece)
                try progress(part.done, part.total)
            })
        if let refused {
            // 416: what is here is no beginning of what is there now.
            if refused == 416 { try part.discard() }
            throw HTTPClientError(
                .status(refused), url, "the server answered \(refused) \(HTTPResponse.reason(refused))")
        }
        if let total = part.total, part.done != total {
            throw HTTPClientError(.interrupted, url, "only \(part.done) of \(total) bytes came")
        }
        try part.complete()
        return part.done
    }

    private static func tooLarge(_ url: String) -> PosixError {
        PosixError(errno: PosixError.tooLarge, operation: "take as much as the server sends from", detail: url)
    }
}

/// A file that is being downloaded, and the note beside it of which version it is.
private final class Part {
    private let url: String
    private let file: File
    private let notePath: String
    /// What proves that the server still has the version of which some is here; nil when nothing usable is.
    let validator: String?
    /// Bytes that are here.
    private(set) var done: Int64 = 0
    /// Bytes in all, if the server tells.
    private(set) var total: Int64?

    init(_ path: String, _ url: String) throws(HTTPClientError) {
        self.url = url
        notePath = path + ".etag"
        do throws(PosixError) {
            var known: String?
            if let status = try FileSystem.statusIfPresent(path), status.size > 0,
                try FileSystem.statusIfPresent(path + ".etag") != nil
            {
                known = try FileSystem.readText(path + ".etag", limit: 4096)
                done = status.size
            }
            validator = known
            file = try File(path, [.write, .create])
        } catch {
            throw HTTPClientError(.refusedByTaker, url, error.description, cause: error)
        }
    }

    func resume(_ head: HTTPResponseHead) throws(PosixError) {
        guard let range = ContentRange(head.headers["Content-Range"]), range.first == done else {
            throw PosixError(errno: PosixError.protocolViolation, operation: "resume at \(done)", detail: url)
        }
        total = range.total
        try file.seek(done)
    }

    /// A first part, or the server has another version by now.
    func restart(_ head: HTTPResponseHead) throws(PosixError) {
        done = 0
        total = head.contentLength
        try FileSystem.remove(notePath, ifPresent: true)
        try file.truncate(to: 0)
        try file.seek(0)
        // A weak ETag does not prove that the bytes are the same (RFC 9110, 13.1.5).
        if let tag = head.headers["ETag"], tag.utf8.first == 0x22 {
            try FileSystem.write(notePath, text: tag, permissions: 0o600)
        } else if let date = head.headers["Last-Modified"] {
            try FileSystem.write(notePath, text: date, permissions: 0o600)
        }
    }

    func write(_ piece: UnsafeRawBufferPointer) throws(PosixError) {
        try file.write(piece)
        done += Int64(piece.count)
    }

    func discard() throws(HTTPClientError) {
        do throws(PosixError) {
            try FileSystem.remove(notePath, ifPresent: true)
            try file.truncate(to: 0)
        } catch {
            throw HTTPClientError(.refusedByTaker, url, error.description, cause: error)
        }
    }

    func complete() throws(HTTPClientError) {
        do throws(PosixError) {
            try file.synchronize()
            try file.close()
            try FileSystem.remove(notePath, ifPresent: true)
        } catch {
            throw HTTPClientError(.refusedByTaker, url, error.description, cause: error)
        }
    }
}

/// "bytes 0-99/100" (RFC 9110, 14.4).
struct ContentRange {
    let first: Int64
    let last: Int64
    let total: Int64?

    init?(_ text: String?) {
        guard let text, text.hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int64(String(ends[0])), let last = Int64(String(ends[1])), first >= 0,
            first <= last
        else { return nil }
        self.first = first
        self.last = last
        if parts[1] == "*" {
            total = nil
        } else {
            guard let all = Int64(String(parts[1])), all > last else { return nil }
            total = all
        }
    }
}
