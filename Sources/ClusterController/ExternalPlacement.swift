public import Contracts
import Dispatch
import Foundation
public import Logging
import Posix

/// Asks a site's own program (the original's USER policy). It gets one JSON object on its standard input and answers
/// with one on its standard output:
///
///     {"instance": {"id": "i-…", "account": "…", "type": "m1.small", "cores": 1, "memoryMiB": 256, "diskGiB": 2,
///                   "architecture": "x86_64", "groups": ["default"]},
///      "nodes": [{"name": "compute-0-0", "state": "up", "freeCores": 8, "freeMemoryMiB": 16384,
///                 "freeDiskGiB": 100, "instances": 3, "fits": true}]}
///
///     {"node": "compute-0-0"}   or   {"node": null, "reason": "the lab's quota is used up"}
///
/// A program that takes longer than its time limit (the original's: 8 s) is killed, and like one that fails or
/// answers nonsense it places nothing: the reason says so.
public struct ExternalPlacement: PlacementPolicy {
    /// "USER".
    public let name = "USER"
    private let program: String
    private let arguments: [String]
    private let timeLimit: Duration
    private let logger: Logger

    /// `program`: absolute path.
    public init(program: String, arguments: [String] = [], timeLimit: Duration = .seconds(8), logger: Logger) {
        self.program = program
        self.arguments = arguments
        self.timeLimit = timeLimit
        self.logger = logger
    }

    private struct Question: Encodable {
        struct Instance: Encodable {
            var id, account, type, architecture: String
            var cores, memoryMiB, diskGiB: Int
            var groups: [String]
        }
        struct Node: Encodable {
            var name, state: String
            var freeCores, freeMemoryMiB, freeDiskGiB, instances: Int
            var fits: Bool
        }
        var instance: Instance
        var nodes: [Node]
    }

    private struct Answer: Decodable {
        var node: String?
        var reason: String?
    }

    /// The program's choice, if it names a node that is up and fits.
    public func choose(for instance: Contract.InstanceSpec, among candidates: [PlacementCandidate]) async
        -> PlacementDecision
    {
        let type = instance.instanceType
        let question = Question(
            instance: .init(
                id: instance.instanceId, account: instance.accountId, type: type.name,
                architecture: instance.architecture, cores: type.cores, memoryMiB: type.memoryMiB,
                diskGiB: type.diskTotalGiB, groups: instance.group.map { $0.groupName }),
            nodes: candidates.map {
                .init(
                    name: $0.name, state: $0.state.rawValue, freeCores: $0.freeCores, freeMemoryMiB: $0.freeMemoryMiB,
                    freeDiskGiB: $0.freeDiskGiB, instances: $0.instanceCount, fits: $0.fits(type))
            })
        do {
            let output = try await run(input: JSONEncoder().encode(question))
            let answer = try JSONDecoder().decode(Answer.self, from: output)
            guard let node = answer.node else {
                return .none(reason: answer.reason ?? "the placement program chose none")
            }
            guard let chosen = candidates.first(where: { $0.name == node }), chosen.state == .up, chosen.fits(type)
            else {
                return refuse("it chose \(node), which is not a node that is up and has room")
            }
            return .node(node)
        } catch {
            return refuse("\(error)")
        }
    }

    private func refuse(_ problem: String) -> PlacementDecision {
        logger.error(
            "The placement program failed; instances wait until it works.",
            metadata: ["program": "\(program)", "problem": "\(problem)"])
        return .none(reason: "the placement program \(program) failed: \(problem)")
    }

    private struct Failure: Error, CustomStringConvertible { var description: String }

    /// Runs the program on a thread of its own, since it blocks.
    private func run(input: Data) async throws -> Data {
        let program = program
        let arguments = arguments
        let limit = timeLimit.components.seconds * 1000 + timeLimit.components.attoseconds / 1_000_000_000_000_000
        let result = try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result {
                        try Command.run(program, arguments, input: Array(input), timeout: limit)
                    })
            }
        }
        guard result.isSuccess else {
            throw Failure(
                description: result.timedOut ? "it was killed after \(limit) ms" : "it failed: \(result.explanation)")
        }
        return Data(result.output)
    }
}
