public import CloudModel
import Foundation
import Logging

// Bundling of instances: the requests. `BundleWork` carries them out.

extension CloudController {
    /// Records the task, which is then carried out. EC2: BundleInstance.
    public func bundleInstance(_ request: BundleInstanceRequest, as caller: Caller) async throws(CloudError)
        -> BundleTask
    {
        try authorise(caller, "BundleInstance")
        try Self.check(request)
        let now = configuration.now()
        let task = try await mutate { (view) throws(CloudError) in
            guard let instance = try self.owned([request.instanceID], as: caller).first?.value else {
                throw .notFound(.instance, [request.instanceID])
            }
            guard instance.state == .running, instance.intent != .terminate else {
                throw .incorrectState(
                    .instance, instance.id.value, state: instance.state.rawValue, operation: "BundleInstance")
            }
            if let other = view.bundledInstances[instance.id] {
                throw .inUse(.bundleTask, instance.id.value, by: other.value)
            }
            if request.dryRun { throw .dryRunSucceeded }
            let task = BundleTask(id: .random(), instanceID: instance.id, of: caller, request, at: now)
            var mutation = Mutation()
            mutation.create(.bundleTask(task))
            return (mutation, task)
        }
        wakeBundles()
        logger.info(
            "instance to be bundled",
            metadata: [
                "request": "\(caller.requestID)", "instance": "\(task.instanceID)", "bundle": "\(task.id)",
                "bucket": "\(task.bucket)",
            ])
        return task
    }

    /// The caller's tasks, oldest first; ended ones for a while. EC2: DescribeBundleTasks.
    public func describeBundleTasks(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> [BundleTask]
    {
        try authorise(caller, "DescribeBundleTasks")
        let filters = try FilterMatcher<BundleTask>(request.filters)
        var tasks: [BundleTask] = []
        if request.ids.isEmpty { tasks = view.bundleTasks.records(of: caller.accountID).map(\.value) }
        for text in Set(request.ids) { tasks.append(try bundleTask(text, as: caller).value) }
        if request.dryRun { throw .dryRunSucceeded }
        return tasks.filter(filters.matches).sorted { ($0.startTime, $0.id) < ($1.startTime, $1.id) }
    }

    /// Has a task cancelled; its node may take a moment. EC2: CancelBundleTask.
    public func cancelBundleTask(id: String, dryRun: Bool, as caller: Caller) async throws(CloudError) -> BundleTask {
        try authorise(caller, "CancelBundleTask")
        let task = try await mutate { (_) throws(CloudError) in
            let stored = try self.bundleTask(id, as: caller)
            guard stored.value.state.isActive else {
                throw .incorrectState(
                    .bundleTask, stored.value.id.value, state: stored.value.state.rawValue,
                    operation: "CancelBundleTask")
            }
            if dryRun { throw .dryRunSucceeded }
            var task = stored.value
            var mutation = Mutation()
            if task.state != .cancelling {
                task.move(to: .cancelling, at: configuration.now())
                mutation.update(.bundleTask(task), revision: stored.revision)
            }
            return (mutation, task)
        }
        bundleNews.insert(task.id)
        wakeBundles()
        return task
    }

    private func bundleTask(_ text: String, as caller: Caller) throws(CloudError) -> Stored<BundleTask> {
        guard let id = BundleTaskID(text) else { throw .malformedID(.bundleTask, text) }
        guard let stored = view.bundleTasks[id], caller.isAdministrator || stored.value.accountID == caller.accountID
        else { throw .notFound(.bundleTask, [text]) }
        return stored
    }

    /// The form of what is given; whether the policy allows the uploads is for Walrus to say.
    private static func check(_ request: BundleInstanceRequest) throws(CloudError) {
        let bucket = request.bucket.utf8
        guard (3...255).contains(bucket.count),
            bucket.allSatisfy({ byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains(byte)
            })
        else {
            throw .invalidValue(
                parameter: "Storage.S3.Bucket", value: request.bucket, reason: "That is no name of a bucket.")
        }
        let prefix = request.prefix
        guard (1...512).contains(prefix.utf8.count), !prefix.hasSuffix("/"), !prefix.hasPrefix("/"),
            !prefix.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }),
            !prefix.split(separator: "/", omittingEmptySubsequences: false).contains(where: {
                $0.isEmpty || $0 == "." || $0 == ".."
            })
        else {
            throw .invalidValue(
                parameter: "Storage.S3.Prefix", value: prefix,
                reason: "A prefix is the beginning of the names of objects: 1 to 512 printable bytes, and not a folder."
            )
        }
        guard let policy = Data(base64Encoded: request.uploadPolicy),
            // What is no JSON is refused like what is no Base64.
            let object = try? JSONSerialization.jsonObject(with: policy), object is [String: Any]
        else {
            throw .invalidValue(
                parameter: "Storage.S3.UploadPolicy", value: "",
                reason: "The upload policy is no JSON document in Base64, as S3's form uploads take it.")
        }
        guard let signature = Data(base64Encoded: request.uploadPolicySignature), signature.count == 20 else {
            throw .invalidValue(
                parameter: "Storage.S3.UploadPolicySignature", value: "",
                reason: "The signature is the Base64 of the HMAC-SHA1 of the policy (in Base64) with the secret key.")
        }
    }
}
