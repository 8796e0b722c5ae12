import BlockingHTTP
import Contracts
import Posix
import TLS
import Testing

@testable import NodeController

/// Values and helpers that the tests share.
enum Fixture {
    static func spec(
        _ id: String = "i-0123456789abcdef0", type: Contract.InstanceTypeSpec? = nil,
        image: Contract.Artifact? = nil, address: String? = "127.1.0.5", groups: [String] = ["sg-1"]
    ) -> Contract.InstanceSpec {
        var references: [Contract.GroupReference] = []
        for group in groups {
            references.append(Contract.GroupReference(groupId: group, groupName: "name-of-" + group))
        }
        return Contract.InstanceSpec(
            instanceId: id, reservationId: "r-0123456789abcdef0", accountId: "000000000001", launchIndex: 2,
            launchTime: 1_772_355_907_250, zone: "local-1a",
            instanceType: type
                ?? Contract.InstanceTypeSpec(name: "m1.small", cores: 1, memoryMiB: 128, diskGiB: 2),
            architecture: "x86_64",
            image: image
                ?? Contract.Artifact(
                    artifactId: "ami-1", url: "http://127.0.0.1:9/x", format: .raw, sizeBytes: 512,
                    sha256: String(repeating: "a", count: 64)),
            macAddress: "d0:0d:00:00:00:05", privateAddress: address, publicAddress: address,
            hostName: "ip-127-1-0-5.internal", keyName: "my-key", publicKey: "ssh-ed25519 AAAA me", group: references)
    }

    static func artifact(
        _ id: String, _ bytes: [UInt8], _ url: String, format: Contract.ImageFormat = .plain, sha256: String? = nil
    ) -> Contract.Artifact {
        Contract.Artifact(
            artifactId: id, url: url, format: format, sizeBytes: Int64(bytes.count),
            sha256: sha256 ?? Hex.encode(SHA256.digest(bytes)))
    }

    /// The i-th instance id.
    static func id(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return "i-" + String(repeating: "0", count: 17 - digits.count) + digits
    }

    /// Pseudo-random bytes that do not compress or repeat.
    static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count { result.append(UInt8(truncatingIfNeeded: generator.next())) }
        return result
    }

    /// Waits for a condition; records an issue and returns false after the time limit.
    @discardableResult
    static func wait(
        _ what: String, seconds: Int64 = 120, sourceLocation: SourceLocation = #_sourceLocation,
        until isTrue: () throws -> Bool
    ) rethrows -> Bool {
        let deadline = Deadline(after: seconds * 1000)
        while !deadline.isPast {
            if try isTrue() { return true }
            Thread.sleep(5)
        }
        Issue.record("waited \(seconds) s in vain: \(what)", sourceLocation: sourceLocation)
        return false
    }
}

struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

/// A directory that is removed with the object.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws { path = try FileSystem.temporaryDirectory("/tmp/mnode-") }

    deinit {
        do throws(PosixError) {
            try FileSystem.removeTree(path)
        } catch {
            Issue.record("\(error)")
        }
    }

    func file(_ name: String) -> String { FileSystem.join(path, name) }
}

/// A value that several threads change.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    var current: Value { lock.withLock { value } }

    @discardableResult
    func change<R>(_ body: (inout Value) -> R) -> R { lock.withLock { body(&value) } }
}

/// Serves bytes by path, counts requests, and can be told to misbehave.
final class StubStore: Sendable {
    struct State {
        var objects: [String: [UInt8]] = [:]
        var requests: [String] = []
        var ranges: [String] = []
        /// Answers this status for the next requests.
        var failures: [Int] = []
        /// Answers only so many bytes of the body, with the full length announced, then closes. Once each.
        var cuts: [Int] = []
        /// Waits so long before each answer.
        var delay: Milliseconds = 0
    }

    let state = Shared(State())
    private let listener: Listener
    private let isOver = Shared(false)

    /// A raw listener rather than the project's server, because it must be able to break the protocol.
    init() throws {
        listener = try Listener.tcp(address: "127.0.0.1", port: 0)
        try Thread.start(name: "stub") { [self] in
            while !isOver.current {
                do throws(PosixError) {
                    guard let socket = try listener.accept(timeout: nil) else { continue }
                    try Thread.start(name: "stub-conn") { [self] in serve(socket) }
                } catch {
                    if !isOver.current { Issue.record("\(error)") }
                    return
                }
            }
        }
    }

    func stop() {
        isOver.change { $0 = true }
        listener.close()
    }

    func url(_ path: String) -> String { "http://127.0.0.1:\(listener.port)\(path)" }

    func put(_ path: String, _ bytes: [UInt8]) { state.change { $0.objects[path] = bytes } }

    var count: Int { state.current.requests.count }

    private func serve(_ socket: Socket) {
        do throws(PosixError) {
            var text = ""
            while !text.hasSuffix("\r\n\r\n") {
                let bytes = try socket.read(4096, timeout: 120_000)
                if bytes.isEmpty { return }
                text += String(decoding: bytes, as: UTF8.self)
            }
            let lines = text.split(separator: "\r\n")
            let target = String(lines[0].split(separator: " ")[1])
            let path = String(target.split(separator: "?")[0])
            var from = 0
            for line in lines where line.lowercased().hasPrefix("range: bytes=") {
                from = Int(line.dropFirst(13).dropLast()) ?? 0
                state.change { $0.ranges.append(String(line)) }
            }
            let (status, body, cut, delay) = state.change { state -> (Int, [UInt8], Int?, Milliseconds) in
                state.requests.append(path)
                let delay = state.delay
                if !state.failures.isEmpty { return (state.failures.removeFirst(), [], nil, delay) }
                guard let object = state.objects[path] else { return (404, [], nil, delay) }
                let cut = state.cuts.isEmpty ? nil : state.cuts.removeFirst()
                return (from > 0 ? 206 : 200, Array(object[min(from, object.count)...]), cut, delay)
            }
            Thread.sleep(delay)
            var head = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.count)\r\nConnection: close\r\n"
            if status == 206 {
                head += "Content-Range: bytes \(from)-\(from + body.count - 1)/\(from + body.count)\r\n"
            }
            try socket.write(Array((head + "\r\n").utf8), timeout: 120_000)
            try socket.write(cut.map { Array(body.prefix($0)) } ?? body, timeout: 30_000)
            socket.shutdown()
        } catch {
            // The client may go away when it has seen enough.
            socket.shutdown()
        }
    }
}
