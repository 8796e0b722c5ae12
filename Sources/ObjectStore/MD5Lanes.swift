// MD5 of bodies that arrive at the same time, in the lanes of vector registers (`CMD5`). S3's entity tags are MD5s, and a
// single one is the slowest step of a put, since none of its steps can begin before the one before has ended.

internal import CMD5
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// The MD5 of one stream that shares lanes with others. Whoever has it waits for each update before the next, which is why
/// it is safe to hand between threads.
final class LaneMD5: @unchecked Sendable {
    fileprivate let state: UnsafeMutablePointer<UInt32>
    /// Less than a block.
    private var rest: [UInt8] = []
    private var length: UInt64 = 0

    init() {
        state = .allocate(capacity: 4)
        cmd5_begin(state)
    }

    deinit { state.deallocate() }

    /// Takes in the beginning of `bytes` up to a block's end, and keeps what its last whole block leaves.
    ///
    /// - Returns: the whole blocks between.
    fileprivate func take(_ bytes: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer> {
        length += UInt64(bytes.count)
        var middle = bytes[...]
        if !rest.isEmpty {
            let missing = min(64 - rest.count, middle.count)
            rest += middle.prefix(missing)
            middle = middle.dropFirst(missing)
            if rest.count == 64 {
                cmd5_blocks(state, rest, 1)
                rest = []
            }
        }
        let end = middle.endIndex - middle.count % 64
        rest += middle[end...]
        return middle[..<end]
    }

    /// The digest. Nothing may follow.
    func finalize() -> [UInt8] {
        // RFC 1321, 3.1 and 3.2: a one, noughts up to eight bytes before a block's end, and the length in bits.
        let bits = length &* 8
        rest.append(0x80)
        rest += [UInt8](repeating: 0, count: (120 - rest.count % 64) % 64)
        rest += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
        cmd5_blocks(state, rest, rest.count / 64)
        return (0..<16).map { UInt8(truncatingIfNeeded: state[$0 / 4] >> (8 * UInt32($0 % 4))) }
    }
}

/// Hashes whatever waits, up to eight streams at a time:
///
///     idle ──update()──> draining ──nothing waits──> idle
///                         │  ^
///                         └──┘ take up to eight, hash them side by side, answer
final class MD5Lanes: Sendable {
    private struct Job: Sendable {
        var stream: LaneMD5
        var bytes: ByteBuffer
        var done: CheckedContinuation<Void, Never>
    }

    private struct State {
        var waiting: [Job] = []
        var isDraining = false
    }

    private let threads: NIOThreadPool
    private let state = Mutex(State())

    init(_ threads: NIOThreadPool) { self.threads = threads }

    /// Takes bytes in, on an I/O thread.
    func update(_ stream: LaneMD5, _ bytes: ByteBuffer) async {
        await withCheckedContinuation { done in
            let isFirst = state.withLock { state in
                state.waiting.append(Job(stream: stream, bytes: bytes, done: done))
                defer { state.isDraining = true }
                return !state.isDraining
            }
            // A pool that ends runs it all the same: nobody must wait for ever.
            if isFirst { threads.submit { _ in self.drain() } }
        }
    }

    private func drain() {
        while true {
            let jobs = state.withLock { state in
                let jobs = Array(state.waiting.prefix(Int(CMD5_LANES)))
                state.waiting.removeFirst(jobs.count)
                if jobs.isEmpty { state.isDraining = false }
                return jobs
            }
            if jobs.isEmpty { return }
            Self.hash(jobs[...], [])
            for job in jobs { job.done.resume() }
        }
    }

    private struct Lane {
        var state: UnsafeMutablePointer<UInt32>
        var blocks: Slice<UnsafeRawBufferPointer>
    }

    /// Opens one buffer after the other, so that all are there at the same time.
    private static func hash(_ jobs: ArraySlice<Job>, _ lanes: [Lane]) {
        guard let job = jobs.first else { return hash(lanes) }
        job.bytes.withUnsafeReadableBytes { bytes in
            hash(jobs.dropFirst(), lanes + [Lane(state: job.stream.state, blocks: job.stream.take(bytes))])
        }
    }

    private static func hash(_ all: [Lane]) {
        var lanes = all.filter { !$0.blocks.isEmpty }
        while let first = lanes.first {
            let count = lanes.map(\.blocks.count).min() ?? 0
            if lanes.count == 1 {
                first.blocks.withMemoryRebound(to: UInt8.self) { cmd5_blocks(first.state, $0.baseAddress, count / 64) }
            } else {
                hashTogether(lanes, count)
            }
            for index in lanes.indices { lanes[index].blocks = lanes[index].blocks.dropFirst(count) }
            lanes.removeAll { $0.blocks.isEmpty }
        }
    }

    /// Hashes the first `count` bytes of two to eight lanes.
    private static func hashTogether(_ lanes: [Lane], _ count: Int) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4) { unused in
            unused.initialize(repeating: 0)
            var states: [UnsafeMutablePointer<UInt32>?] = []
            var bytes: [UnsafePointer<UInt8>?] = []
            for index in 0..<Int(CMD5_LANES) {
                let lane = lanes[index < lanes.count ? index : 0]
                states.append(index < lanes.count ? lane.state : unused.baseAddress)
                let start = UnsafeRawBufferPointer(rebasing: lane.blocks).baseAddress
                bytes.append(start?.assumingMemoryBound(to: UInt8.self))
            }
            cmd5_lanes(&states, &bytes, count / 64)
        }
    }
}
