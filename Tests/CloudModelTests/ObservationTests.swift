import Testing

@testable import CloudModel

@Suite struct ObservationTests {
    private func report(_ state: InstanceState, _ generation: Int64, node: String = "n1") -> InstanceObservation {
        InstanceObservation(
            state: state, nodeName: node, generation: generation,
            stateChangedAt: Timestamp(milliseconds: 5), privateAddress: "10.0.0.1")
    }
    private func after(_ outcome: ObservationOutcome) throws -> Instance {
        guard case .changed(let instance) = outcome else {
            throw CloudError.internalError(message: "\(outcome)", detail: "")
        }
        return instance
    }

    @Test func aReportPlacesAndMovesAnInstance() throws {
        let pending = Samples.instance()
        let placed = try after(pending.applying(report(.pending, 0)))
        #expect(placed.nodeName == "n1")
        #expect(placed.state == .pending)
        #expect(placed.stateReason == pending.stateReason)
        let running = try after(placed.applying(report(.running, 1)))
        #expect(running.state == .running)
        #expect(running.stateReason == nil)
        #expect(running.stateChangedAt == Timestamp(milliseconds: 5))
        #expect(running.applying(report(.pending, 1)) == .ignored)
        #expect(running.applying(report(.running, 1)) == .ignored)
        guard case .unchanged(let same) = running.applying(report(.running, 2)) else {
            Issue.record("a new generation alone is no change")
            return
        }
        #expect(same.reportGeneration == 2)
    }

    @Test func whatTheOwnerEndedDoesNotComeBack() throws {
        var running = try after(Samples.instance().applying(report(.running, 1)))
        running = running.terminating(at: Timestamp(milliseconds: 9))
        #expect(running.state == .shuttingDown)
        guard case .unchanged = running.applying(report(.running, 2)) else {
            Issue.record("a running guest does not undo the wish to end it")
            return
        }
        let over = try after(running.applying(report(.terminated, 3)))
        #expect(over.stateReason?.code == "Client.UserInitiatedShutdown")
        #expect(over.applying(report(.running, 4)) == .mustEnd)
        #expect(over.applying(report(.terminated, 4)) == .ignored)
        #expect(over.terminating(at: Timestamp(milliseconds: 10)).stateChangedAt == over.stateChangedAt)
    }

    @Test func theEndHasTheNodesReasonOrAnHonestOne() throws {
        let running = try after(Samples.instance().applying(report(.running, 1)))
        var crash = report(.terminated, 2)
        crash.reason = StateReason(code: "Server.InternalError", message: "the guest crashed")
        #expect(try after(running.applying(crash)).stateReason == crash.reason)
        #expect(
            try after(running.applying(report(.terminated, 2))).stateReason?.code
                == "Client.InstanceInitiatedShutdown")
    }

    @Test func anotherNodeSpeaksOnlyForALivingInstance() throws {
        let running = try after(Samples.instance().applying(report(.running, 7)))
        #expect(running.applying(report(.terminated, 9, node: "n2")) == .ignored)
        let moved = try after(running.applying(report(.running, 1, node: "n2")))
        #expect(moved.nodeName == "n2")
        #expect(moved.reportGeneration == 1)
    }

    @Test func statesOnlyMoveAlongTheDiagram() {
        let allowed: Set<[InstanceState]> = [
            [.pending, .running], [.pending, .stopping], [.pending, .stopped], [.running, .stopping],
            [.running, .stopped], [.stopping, .stopped], [.stopped, .pending], [.stopped, .running],
            [.pending, .shuttingDown], [.running, .shuttingDown], [.stopping, .shuttingDown],
            [.stopped, .shuttingDown], [.pending, .terminated], [.running, .terminated], [.stopping, .terminated],
            [.stopped, .terminated], [.shuttingDown, .terminated],
        ]
        for from in InstanceState.allCases {
            for to in InstanceState.allCases where from != to {
                #expect(from.canBecome(to) == allowed.contains([from, to]), "\(from) to \(to)")
            }
        }
    }

    @Test func pagesAreCutByPosition() throws {
        let items = (0..<12).map { "p" + String(100 + $0) }
        var request = DescribeRequest(maxResults: 5)
        var seen: [String] = []
        repeat {
            let page = try Pagination(request, scope: "s").page(items, position: { $0 })
            seen += page.items
            request.nextToken = page.nextToken
        } while request.nextToken != nil
        #expect(seen == items)
        #expect(throws: CloudError.self) { try Pagination(DescribeRequest(ids: ["i"], maxResults: 5), scope: "s") }
        let token = try Pagination(DescribeRequest(), scope: "s").token(after: "ä/1")
        #expect(try Pagination(DescribeRequest(nextToken: token), scope: "s").after == "ä/1")
        #expect(throws: CloudError.invalidNextToken(token)) {
            try Pagination(DescribeRequest(nextToken: token), scope: "other")
        }
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<2000 {
            var bytes = Array(token.utf8)
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 32...126, using: &generator)
            let changed = String(decoding: bytes, as: UTF8.self)
            // Refused, or a position; never a trap.
            let after = try? Pagination(DescribeRequest(nextToken: changed), scope: "s").after
            #expect(after == nil || changed.utf8.count == token.utf8.count)
        }
    }
}
