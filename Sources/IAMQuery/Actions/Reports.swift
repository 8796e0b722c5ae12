import CloudModel
import QueryProtocol
import Signatures
import XML

/// The credential report.
enum Reports {
    static func generate(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        switch try await call.backend.generateCredentialReport(as: call.caller) {
        case .started:
            answer.element("State", "STARTED")
            answer.element("Description", "No report exists. Starting a new report generation task")
        case .complete: answer.element("State", "COMPLETE")
        }
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let report = try await call.backend.credentialReport(as: call.caller)
        answer.element("Content", Base64.encode(Array(report.content.utf8)))
        answer.element("ReportFormat", "text/csv")
        answer.element("GeneratedTime", report.generatedAt.inSeconds)
    }
}
