import CloudModel
import QueryProtocol
import Signatures
import XML

// What an owner does with an image that is to be used no longer, or for ever.
extension Images {
    /// EnableImageDeprecation.
    static func deprecate(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let text = try call.parameters.required("DeprecateAt")
        guard let seconds = Signatures.Timestamp.parseISO8601(text) else {
            throw .invalidValue(
                parameter: "DeprecateAt", value: Parameters.shortened(text),
                reason: "Value (\(Parameters.shortened(text))) for parameter DeprecateAt is invalid. It must be a date "
                    + "and time in ISO 8601.")
        }
        try await modify(call, .deprecation(CloudModel.Timestamp(milliseconds: seconds * 1000)))
        answer.success()
    }

    /// DisableImageDeprecation.
    static func undeprecate(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await modify(call, .deprecation(nil))
        answer.success()
    }

    /// DisableImage.
    static func disable(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await modify(call, .disabled(true))
        answer.success()
    }

    /// EnableImage.
    static func enable(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await modify(call, .disabled(false))
        answer.success()
    }

    /// EnableImageDeregistrationProtection. Here, EC2 answers with a word.
    static func protect(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try call.parameters.refuse([
            UnofferedParameter("WithCooldown", accepting: ["false"], "Protection ends when it is taken away.")
        ])
        try await modify(call, .deregistrationProtection(true))
        answer.element("return", "enabled-without-cooldown")
    }

    /// DisableImageDeregistrationProtection.
    static func unprotect(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await modify(call, .deregistrationProtection(false))
        answer.element("return", "disabled")
    }

    private static func modify(_ call: Call, _ change: ImageChange) async throws(CloudError) {
        try await call.backend.modifyImage(
            id: try call.parameters.required("ImageId"), change, dryRun: try call.parameters.dryRun(),
            as: call.caller)
    }
}
