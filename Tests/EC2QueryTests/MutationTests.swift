import CloudModel
import EC2Query
import QueryProtocol
import Signatures
import Testing
import XML

/// Requests of real clients and of every action, changed at random and signed anew: none may crash, hang or be answered
/// with an error of the server.
@Suite struct MutationTests {
    private static let recorded: [[UInt8]] =
        [
            ClientRequests.runInstances, ClientRequests.describeInstances, ClientRequests.authorizeIngress,
            ClientRequests.importKeyPair, ClientRequests.version2Post,
        ].map(\.body)
        + [Array(ClientRequests.version2Get.query.utf8)]
        + ActionTests.cases.map { example in
            Array(
                ([("Action", example.action)] + example.parameters)
                    .map { PercentEncoding.encode($0.0) + "=" + PercentEncoding.encode($0.1) }
                    .joined(separator: "&").utf8)
        }

    // Ten seeds of a thousand.
    @Test(arguments: Array(1...10) as [UInt64]) func `ten thousand mutations are answered`(seed: UInt64) async {
        let cloud = TestCloud(isAdministrator: true)
        var generator = SeededGenerator(seed: seed &* 7919)
        for _ in 0..<1000 {
            var body = Self.recorded[Int.random(in: 0..<Self.recorded.count, using: &generator)]
            for _ in 0..<Int.random(in: 1...4, using: &generator) { Self.mutate(&body, using: &generator) }
            // Half of them with a good signature, so that they get past it.
            var request = TestCloud.signed(body)
            if Bool.random(using: &generator) { Self.mutate(&request.body, using: &generator) }
            let answer = await cloud.send(request)
            let failed = answer.root?.localName == "Response"
            #expect(answer.root != nil && (failed || answer.root?.localName.hasSuffix("Response") == true))
            #expect(
                answer.status < 500, "\(answer.code ?? "") to \(String(decoding: request.body, as: UTF8.self))")
            #expect((answer.status == 200) == !failed)
        }
    }

    private static func mutate(_ body: inout [UInt8], using generator: inout SeededGenerator) {
        var pieces = body.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).map(Array.init)
        let piece = Int.random(in: 0..<max(1, pieces.count), using: &generator)
        let position = body.isEmpty ? 0 : Int.random(in: 0..<body.count, using: &generator)
        switch Int.random(in: 0..<9, using: &generator) {
        case 0 where !body.isEmpty: body[position] = UInt8.random(in: 0...255, using: &generator)
        case 1 where !body.isEmpty: body.remove(at: position)
        case 2: body.insert(UInt8.random(in: 0...255, using: &generator), at: position)
        case 3 where !pieces.isEmpty:
            pieces.remove(at: piece)
            body = Array(pieces.joined(separator: [UInt8(ascii: "&")]))
        case 4 where !pieces.isEmpty:
            pieces.append(pieces[piece])
            body = Array(pieces.joined(separator: [UInt8(ascii: "&")]))
        case 5:
            pieces.shuffle(using: &generator)
            body = Array(pieces.joined(separator: [UInt8(ascii: "&")]))
        case 6 where !pieces.isEmpty:
            let name = pieces[piece].prefix { $0 != UInt8(ascii: "=") }
            let values = [
                "", "-1", "99999999999999999999", "true", "%00", "%F0%9F%8C%B3", "*", "<x>", "1e9", "..", "a.b",
            ]
            let value = values[Int.random(in: 0..<values.count, using: &generator)]
            pieces[piece] = name + Array("=\(value)".utf8)
            body = Array(pieces.joined(separator: [UInt8(ascii: "&")]))
        case 7 where !pieces.isEmpty:
            let value = pieces[piece].drop { $0 != UInt8(ascii: "=") }
            let suffixes = [".1", ".Value", ".999999999", ".", "..1", ".-1", ".N"]
            let suffix = suffixes[Int.random(in: 0..<suffixes.count, using: &generator)]
            pieces[piece] = pieces[piece].prefix { $0 != UInt8(ascii: "=") } + Array(suffix.utf8) + value
            body = Array(pieces.joined(separator: [UInt8(ascii: "&")]))
        default: body += body.prefix(Int.random(in: 0...body.count, using: &generator))
        }
    }
}
