import CloudModel
import QueryProtocol
import XML

/// The actions on instance profiles of instances.
enum InstanceProfiles {
    /// The profile that a request names; nil for none.
    static func selector(_ parameters: Parameters) -> ProfileSelector? {
        let selector = ProfileSelector(
            arn: parameters.text("IamInstanceProfile.Arn"), name: parameters.text("IamInstanceProfile.Name"))
        return selector == ProfileSelector() ? nil : selector
    }

    private static func required(_ parameters: Parameters) throws(CloudError) -> ProfileSelector {
        guard let selector = selector(parameters) else { throw .missingParameter("IamInstanceProfile") }
        return selector
    }

    /// AssociateIamInstanceProfile.
    static func associate(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        answer.association(
            try await call.backend.associateProfile(
                try required(parameters), with: try parameters.required("InstanceId"), dryRun: try parameters.dryRun(),
                as: call.caller))
    }

    /// DescribeIamInstanceProfileAssociations.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let page = try await call.backend.describeProfileAssociations(
            try call.parameters.describeRequest(ids: "AssociationId"), as: call.caller)
        answer.list("iamInstanceProfileAssociationSet", page.items) { writer, described in
            writer.elements(of: described)
        }
        answer.nextToken(page.nextToken)
    }

    /// ReplaceIamInstanceProfileAssociation.
    static func replace(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        answer.association(
            try await call.backend.replaceProfileAssociation(
                try parameters.required("AssociationId"), with: try required(parameters),
                dryRun: try parameters.dryRun(), as: call.caller))
    }

    /// DisassociateIamInstanceProfile.
    static func disassociate(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        answer.association(
            try await call.backend.disassociateProfile(
                try call.parameters.required("AssociationId"), dryRun: try call.parameters.dryRun(), as: call.caller))
    }
}

extension XMLWriter {
    fileprivate mutating func association(_ described: DescribedProfileAssociation) {
        open("iamInstanceProfileAssociation")
        elements(of: described)
        close()
    }

    fileprivate mutating func elements(of described: DescribedProfileAssociation) {
        element("associationId", described.association.id.value)
        element("instanceId", described.instanceID.value)
        iamInstanceProfile(described.association)
        element("state", described.association.state.rawValue)
        element("timestamp", described.association.since.iso8601)
    }
}
