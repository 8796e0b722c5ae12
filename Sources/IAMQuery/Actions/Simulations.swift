import CloudModel
import QueryProtocol
import XML

/// What policies say of requests that nobody makes.
enum Simulations {
    /// All are decided before the first page is answered, and the cloud has other things to do.
    private static let mostDecisions = 1000

    private static func question(_ call: IAMCall) throws(CloudError) -> PolicySimulation {
        let parameters = call.parameters
        let actions = parameters.list("ActionNames.member")
        guard !actions.isEmpty else { throw .missingParameter("ActionNames") }
        for action in actions {
            let parts = action.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && !$0.contains("*") }) else {
                throw .invalidValue(
                    parameter: "PolicyInputList", value: Parameters.shortened(action),
                    reason: "Invalid Action: \(Parameters.shortened(action)) is no service:Action without wildcards.")
            }
        }
        let resources = parameters.list("ResourceArns.member")
        guard actions.count * max(1, resources.count) <= mostDecisions else {
            throw .invalidCombination("Ask about at most \(mostDecisions) pairs of an action and a resource at a time.")
        }
        var simulation = PolicySimulation(actions: actions, resources: resources.isEmpty ? ["*"] : resources)
        simulation.policies = parameters.list("PolicyInputList.member")
        let boundaries = parameters.list("PermissionsBoundaryPolicyInputList.member")
        guard boundaries.count <= 1 else {
            throw .invalidCombination("There can be one permissions boundary at most.")
        }
        simulation.boundary = boundaries.first
        simulation.resourcePolicy = call.text("ResourcePolicy")
        simulation.caller = call.text("CallerArn")
        for entry in parameters.structures("ContextEntries.member") {
            let name = try entry.required("ContextKeyName").lowercased()
            simulation.context[name] = entry.list("ContextKeyValues.member")
        }
        return simulation
    }

    private static func answer(
        _ simulation: PolicySimulation, _ call: IAMCall, _ answer: inout XMLWriter
    ) async throws(CloudError) {
        let decisions = try await call.backend.simulate(simulation, as: call.caller)
        let results = decisions.enumerated().map { (position: String($0.offset), decision: $0.element) }
        try call.page(results, position: { $0.position }, &answer) { answer, page in
            answer.members("EvaluationResults", page) { writer, item in
                let decision = item.decision
                writer.element("EvalActionName", decision.action)
                writer.element("EvalResourceName", decision.resource)
                writer.element("EvalDecision", decision.outcome.rawValue)
                writer.members("MatchedStatements", decision.matches) { writer, match in
                    writer.element("SourcePolicyId", match.policy)
                    writer.element("SourcePolicyType", match.kind)
                }
                writer.members("MissingContextValues", decision.missingKeys)
                if let isWithin = decision.isWithinBoundary {
                    writer.open("PermissionsBoundaryDecisionDetail")
                    writer.element("AllowedByPermissionsBoundary", isWithin)
                    writer.close()
                }
            }
        }
    }

    static func custom(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let simulation = try question(call)
        guard !simulation.policies.isEmpty else { throw .missingParameter("PolicyInputList") }
        try await self.answer(simulation, call, &answer)
    }

    static func principal(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let source = try call.required("PolicySourceArn")
        var simulation = try question(call)
        simulation.source = source
        try await self.answer(simulation, call, &answer)
    }

    static func customKeys(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let policies = call.parameters.list("PolicyInputList.member")
        guard !policies.isEmpty else { throw .missingParameter("PolicyInputList") }
        answer.members(
            "ContextKeyNames", try await call.backend.contextKeys(source: nil, policies: policies, as: call.caller))
    }

    static func principalKeys(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let keys = try await call.backend.contextKeys(
            source: call.required("PolicySourceArn"), policies: call.parameters.list("PolicyInputList.member"),
            as: call.caller)
        answer.members("ContextKeyNames", keys)
    }
}
