import Crypto
import NIOCore
import NIOPosix
import Testing

@testable import ObjectStore

@Suite struct MD5LanesTests {
    /// Numbers that are the same in each run.
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64 = 6

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    @Test func `streams of all lengths that are hashed side by side have the digests that each has alone`() async throws
    {
        let threads = NIOThreadPool(numberOfThreads: 2)
        threads.start()
        let lanes = MD5Lanes(threads)
        var numbers = Numbers()
        let lengths =
            [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129]
            + (0..<40).map { _ in
                Int.random(in: 0...300_000, using: &numbers)
            }
        let streams = lengths.map { length in
            var bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            var pieces: [ByteBuffer] = []
            while !bytes.isEmpty {
                let count = Int.random(in: 1...min(bytes.count, 150_000), using: &numbers)
                pieces.append(ByteBuffer(bytes: bytes[..<count]))
                bytes.removeFirst(count)
            }
            return pieces
        }
        await withTaskGroup(of: (Int, [UInt8]).self) { group in
            for (number, pieces) in streams.enumerated() {
                group.addTask {
                    let stream = LaneMD5()
                    for piece in pieces { await lanes.update(stream, piece) }
                    return (number, stream.finalize())
                }
            }
            for await (number, digest) in group {
                var expected = Insecure.MD5()
                for piece in streams[number] { piece.withUnsafeReadableBytes { expected.update(bufferPointer: $0) } }
                #expect(digest == Array(expected.finalize()), "\(lengths[number]) bytes")
            }
        }
        try await threads.shutdownGracefully()
    }

    @Test func `many puts at a time have their own entity tags and bytes`() async throws {
        try await Fixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<24 {
                    group.addTask {
                        let bytes = (0..<(200_000 + number * 7919)).map {
                            UInt8(truncatingIfNeeded: $0 &* (number + 3))
                        }
                        let record = try await fixture.put("key\(number)", bytes)
                        #expect(
                            record.etag
                                == Insecure.MD5.hash(data: bytes).map { byte in
                                    String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
                                }.joined())
                        #expect(try await fixture.get("key\(number)") == bytes)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.store.scrub(pause: .zero).damaged.isEmpty)
        }
    }
}
