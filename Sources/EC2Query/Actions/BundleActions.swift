import CloudModel
import Foundation
import QueryProtocol
import XML

/// The actions on bundle tasks.
enum Bundles {
    /// BundleInstance.
    static func start(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let task = try await call.backend.bundleInstance(
            BundleInstanceRequest(
                instanceID: try parameters.required("InstanceId"),
                bucket: try parameters.required("Storage.S3.Bucket"),
                prefix: try parameters.required("Storage.S3.Prefix"),
                accessKeyID: try parameters.required("Storage.S3.AWSAccessKeyId"),
                uploadPolicy: signedPolicy(try parameters.required("Storage.S3.UploadPolicy")),
                uploadPolicySignature: try parameters.required("Storage.S3.UploadPolicySignature"),
                dryRun: try parameters.dryRun()),
            as: call.caller)
        answer.open("bundleInstanceTask")
        answer.bundleTask(task)
        answer.close()
    }

    /// The policy as it was signed, in Base64. Clients whose model says that the parameter is bytes put what already is
    /// Base64 into Base64 once more.
    private static func signedPolicy(_ text: String) -> String {
        guard let once = Data(base64Encoded: text), let twice = Data(base64Encoded: once),
            (try? JSONSerialization.jsonObject(with: twice)) is [String: Any]  // it was Base64 by accident
        else { return text }
        return String(decoding: once, as: UTF8.self)
    }

    /// DescribeBundleTasks.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let tasks = try await call.backend.describeBundleTasks(
            try call.parameters.describeRequest(ids: "BundleId"), as: call.caller)
        answer.list("bundleInstanceTasksSet", tasks) { writer, task in writer.bundleTask(task) }
    }

    /// CancelBundleTask.
    static func cancel(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let task = try await call.backend.cancelBundleTask(
            id: try call.parameters.required("BundleId"), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.open("bundleInstanceTask")
        answer.bundleTask(task)
        answer.close()
    }
}

extension XMLWriter {
    /// Policy and signature are not shown: they grant uploads.
    fileprivate mutating func bundleTask(_ task: BundleTask) {
        element("instanceId", task.instanceID.value)
        element("bundleId", task.id.value)
        element("state", task.state.rawValue)
        element("startTime", task.startTime.iso8601)
        element("updateTime", task.updateTime.iso8601)
        open("storage")
        open("S3")
        element("bucket", task.bucket)
        element("prefix", task.prefix)
        close()
        close()
        element("progress", "\(task.progress)%")
        if let failure = task.failure {
            open("error")
            element("code", failure.code)
            element("message", failure.message)
            close()
        }
    }
}
