import BlockingHTTP
import Posix
import TLS
import Testing

/// A directory of its own for one test, removed when the test lets go of it.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws { path = try FileSystem.temporaryDirectory("/tmp/mallee-http-test-") }

    deinit {
        // What is left in /tmp after a failure harms nobody.
        try? FileSystem.removeTree(path)
    }

    func callAsFunction(_ name: String) -> String { FileSystem.join(path, name) }
}

/// A value that several threads may set and read.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private let change = Condition()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func get() -> Value { lock.withLock { value } }

    func update(_ body: (inout Value) -> Void) {
        lock.withLock { body(&value) }
        change.broadcast()
    }

    /// Waits until the value is so; false after ten seconds.
    func wait(_ condition: (Value) -> Bool) -> Bool {
        let deadline = Deadline(after: 120_000)
        lock.lock()
        defer { lock.unlock() }
        while !condition(value) {
            if deadline.isPast { return false }
            change.wait(lock, timeout: deadline.remaining)
        }
        return true
    }
}

/// A stream that gives prepared bytes in pieces of random size and remembers what is written to it.
final class ScriptedStream: ByteStream, @unchecked Sendable {
    // Used by one thread at a time.
    private var input: ArraySlice<UInt8>
    private var random: SeededGenerator
    private(set) var written: [UInt8] = []

    init(_ input: [UInt8], seed: UInt64 = 1) {
        self.input = input[...]
        random = SeededGenerator(seed: seed)
    }

    convenience init(_ text: String) { self.init(Array(text.utf8)) }

    var peerAddress: String { "192.0.2.1:1" }
    var peerCommonName: String? { nil }
    var descriptor: Int32 { -1 }
    var hasBufferedInput: Bool { false }
    var text: String { String(decoding: written, as: UTF8.self) }

    func read(into buffer: UnsafeMutableRawBufferPointer, timeout: Milliseconds?) throws(PosixError) -> Int {
        let count = min(input.count, buffer.count, Int.random(in: 1...40, using: &random))
        for index in 0..<count { buffer[index] = input[input.startIndex + index] }
        input = input.dropFirst(count)
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, timeout: Milliseconds?) throws(PosixError) { written += bytes }
    func shutdown() {}
}

/// The same numbers every time (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// A server on a free port that stops with the test.
final class TestServer: @unchecked Sendable {
    let server: HTTPServer
    var url: String { "http://127.0.0.1:\(server.port)" }

    init(
        _ options: HTTPServer.Options = .init(), listener: Listener? = nil,
        _ body: @escaping @Sendable (HTTPRequest) -> HTTPResponse
    ) throws {
        server = HTTPServer(
            listener: try listener ?? Listener.tcp(address: "127.0.0.1", port: 0), handler: HTTPClosureHandler(body),
            options: options)
        try server.start()
    }

    deinit { server.stop(grace: 2000) }
}

/// Says what it was asked.
@Sendable func echo(_ request: HTTPRequest) -> HTTPResponse {
    var response = HTTPResponse(status: 200, body: request.body)
    response.headers["X-Request"] = "\(request.method) \(request.path) \(request.query ?? "-")"
    response.headers["X-Peer"] = request.peerCommonName
    return response
}

/// Keys and certificates of a test's own authority, made by the openssl program.
struct Certificates {
    let scratch: ScratchDirectory
    var authority: String { scratch("ca.pem") }

    init() throws {
        scratch = try ScratchDirectory()
        try makeAuthority("ca")
    }

    func makeAuthority(_ name: String) throws {
        try run([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            scratch("\(name).key"), "-out", scratch("\(name).pem"), "-days", "2", "-subj", "/CN=\(name)",
        ])
    }

    /// A certificate of this common name for 127.0.0.1 and localhost.
    func issue(_ name: String, by authority: String = "ca", days: Int = 1) throws {
        try run([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", scratch("\(name).key"),
            "-out", scratch("\(name).csr"), "-subj", "/O=test/CN=\(name)",
        ])
        try FileSystem.write(scratch("ext"), text: "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        try run([
            "x509", "-req", "-in", scratch("\(name).csr"), "-CA", scratch("\(authority).pem"), "-CAkey",
            scratch("\(authority).key"), "-CAcreateserial", "-out", scratch("\(name).pem"), "-days", "\(days)",
            "-extfile", scratch("ext"),
        ])
    }

    private func run(_ arguments: [String]) throws {
        let result = try Command.run("openssl", arguments)
        try #require(result.isSuccess, "openssl \(arguments[0]): \(result.explanation)")
    }

    func server(_ name: String, authority: String = "ca", verify: Bool = true) throws -> TLSContext {
        try .server(
            certificate: scratch("\(name).pem"), key: scratch("\(name).key"), authority: scratch("\(authority).pem"),
            verifyPeer: verify)
    }

    func client(_ name: String?, authority: String = "ca") throws -> TLSContext {
        try .client(
            certificate: name.map { scratch("\($0).pem") }, key: name.map { scratch("\($0).key") },
            authority: scratch("\(authority).pem"))
    }
}
