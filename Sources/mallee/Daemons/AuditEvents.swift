import CloudModel
import EC2Query
import IAMQuery
import NativeAPI
import S3
import ServiceHost
import XML

// What each interface tells of a change, as a line of the audit. Requests of nobody (no signature, or a wrong one) are
// left out where they changed nothing, since anybody could fill the disk with them; the services' logs have them.
extension AuditLog {
    /// EC2.
    func record(_ seen: EC2Observation) {
        guard seen.errorCode != "DryRunOperation" else { return }
        record(
            .ec2, seen.action, by: seen.caller, isReading: seen.isReading, requestID: seen.requestID,
            source: seen.sourceAddress, resources: seen.resources, status: seen.status, code: seen.errorCode)
    }

    /// The native interface.
    func record(_ seen: NativeObservation) {
        record(
            .native, seen.operation, by: seen.caller, isReading: seen.isReading, requestID: seen.requestID,
            source: seen.sourceAddress, resources: seen.resources, status: seen.status, code: seen.problem)
    }

    /// IAM and STS.
    func record(_ seen: IAMObservation) {
        record(
            seen.service == .sts ? .sts : .iam, seen.action, by: seen.caller, isReading: seen.isReading,
            requestID: seen.requestID, source: seen.sourceAddress, resources: seen.resources, status: seen.status,
            code: seen.errorCode)
    }

    /// What somebody known asked for, unless it only reads.
    private func record(
        _ interface: AuditEvent.Interface, _ action: String?, by caller: Caller?, isReading: Bool, requestID: String,
        source: String, resources: [String], status: Int, code: String?
    ) {
        guard let caller, let action, !isReading else { return }
        record(
            AuditEvent(
                interface: interface, action: action, requestID: requestID, principal: caller.arn,
                account: caller.accountID, credential: caller.accessKeyID, source: source, resources: resources,
                result: .init(status: status, code: code), status: status, code: code))
    }

    /// S3.
    func record(_ change: S3Change) {
        guard change.account != nil || change.status < 400 else { return }
        var resources: [String] = []
        if let bucket = change.bucket {
            resources = ["arn:aws:s3:::" + bucket + (change.key.map { "/" + $0 } ?? "")]
        }
        record(
            AuditEvent(
                interface: .s3, action: change.operation, requestID: change.requestID,
                principal: change.account.map { change.user ?? "arn:aws:iam::\($0):root" } ?? "anonymous",
                account: change.account ?? "", source: change.address, resources: resources,
                result: .init(status: change.status, code: change.error), status: change.status, code: change.error))
    }

    /// Calls between components: what administrators order (`client:` certificates) and certificates that are signed.
    /// What the cloud controller asks of a cluster controller follows from a request that has its own line.
    func record(_ seen: SOAPObservation) {
        guard let operation = seen.operation, let caller = seen.caller.component,
            caller.role == .client || operation == "SignNode",
            !["Describe", "Get", "List"].contains(where: { operation.hasPrefix($0) })
        else { return }
        record(
            AuditEvent(
                interface: .contract, action: operation, requestID: seen.requestID, principal: caller.description,
                credential: seen.caller.serial ?? "", source: seen.caller.address ?? "",
                resources: Self.names(in: seen.request), result: seen.status < 400 ? .done : .failed,
                status: seen.status))
    }

    /// The values of elements directly below the operation whose names say that they name something.
    private static func names(in envelope: [UInt8]) -> [String] {
        // What was answered was an envelope; if it was none, there is nothing to name.
        guard let root = try? XMLElement.parse(envelope), let operation = root.child("Body")?.children.first else {
            return []
        }
        return operation.children.filter { element in
            ["nodeName", "name", "instanceId", "zone"].contains(element.localName) && element.children.isEmpty
        }.map(\.text)
    }
}

/// Puts what Walrus tells into the audit log.
struct AuditedChanges: S3ChangeObserver {
    let log: AuditLog

    func observed(_ change: S3Change) async { log.record(change) }
}
