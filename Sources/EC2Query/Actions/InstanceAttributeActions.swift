import CloudModel
import QueryProtocol
import Signatures
import XML

extension Instances {
    /// What DescribeInstanceAttribute and its relatives call an attribute, and what a change of it takes.
    private static let attributes: Set<String> = [
        "instanceType", "kernel", "ramdisk", "userData", "disableApiTermination", "disableApiStop",
        "instanceInitiatedShutdownBehavior", "rootDeviceName", "blockDeviceMapping", "productCodes", "sourceDestCheck",
        "groupSet", "ebsOptimized", "sriovNetSupport", "enaSupport", "enclaveOptions",
    ]

    /// DescribeInstanceAttribute.
    static func describeAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.parameters.required("InstanceId")
        let name = try call.parameters.attribute(among: attributes)
        let (instance, userData) = try await call.backend.instanceWithUserData(
            id: id, dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.element("instanceId", instance.id.value)
        switch name {
        case "instanceType": answer.value(name, instance.type.name)
        case "kernel": answer.value(name, instance.kernelID?.value)
        case "ramdisk": answer.value(name, instance.ramdiskID?.value)
        case "userData": answer.value(name, userData.map { Base64.encode($0) })
        case "disableApiTermination": answer.value(name, flag(instance.options?.isProtectedFromTermination))
        case "disableApiStop": answer.value(name, flag(instance.options?.isProtectedFromStop))
        case "instanceInitiatedShutdownBehavior": answer.value(name, "terminate")
        case "rootDeviceName": answer.value(name, instance.rootDeviceName)
        // A guest sends and receives only by its own address.
        case "sourceDestCheck": answer.value(name, "true")
        case "ebsOptimized", "enaSupport": answer.value(name, "false")
        case "sriovNetSupport": answer.value(name, nil)
        case "groupSet":
            // EC2 tells the identifiers only.
            answer.list(name, instance.groups) { writer, group in writer.element("groupId", group.id.value) }
        case "enclaveOptions":
            answer.open(name)
            answer.element("enabled", false)
            answer.close()
        default: answer.element(name)
        }
    }

    private static func flag(_ value: Bool?) -> String { value == true ? "true" : "false" }

    /// ModifyInstanceAttribute, in today's form (`DisableApiTermination.Value`) and the old one (`Attribute`, `Value`).
    static func modifyAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let id = try parameters.required("InstanceId")
        var named: [(name: String, value: String)] = []
        for (parameter, attribute) in modifiable {
            if let value = parameters.raw(parameter + ".Value") ?? parameters.text(parameter) {
                named.append((attribute, value))
            }
        }
        if parameters.text("Attribute") != nil {
            let name = try parameters.attribute(among: attributes)
            if name != "groupSet" || parameters.text("Value") != nil {
                named.append((name, try parameters.required("Value")))
            }
        }
        let groups = parameters.list("GroupId")
        if !groups.isEmpty { named.append(("groupSet", "")) }
        if parameters.node(at: "BlockDeviceMapping") != nil { named.append(("blockDeviceMapping", "")) }
        guard let only = named.first else {
            throw .missingParameter("an attribute to change, such as DisableApiTermination.Value")
        }
        guard named.count == 1 else {
            throw .invalidCombination(
                "Fields for multiple attribute types specified: " + named.map(\.name).joined(separator: ", "))
        }
        let change = try change(only.name, to: only.value, groups: groups.isEmpty ? [only.value] : groups)
        try await call.backend.modifyInstance(
            id: id, change.map { [$0] } ?? [], dryRun: try parameters.dryRun(), as: call.caller)
        answer.success()
    }

    private static let modifiable = [
        ("InstanceType", "instanceType"), ("Kernel", "kernel"), ("Ramdisk", "ramdisk"), ("UserData", "userData"),
        ("DisableApiTermination", "disableApiTermination"), ("DisableApiStop", "disableApiStop"),
        ("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior"),
        ("SourceDestCheck", "sourceDestCheck"), ("EbsOptimized", "ebsOptimized"), ("EnaSupport", "enaSupport"),
        ("SriovNetSupport", "sriovNetSupport"),
    ]

    /// The change that a value asks for; nil if it is so anyway.
    private static func change(_ name: String, to value: String, groups: [String]) throws(CloudError)
        -> InstanceChange?
    {
        switch name {
        case "disableApiTermination": return .terminationProtection(try bool(name, value))
        case "disableApiStop": return .stopProtection(try bool(name, value))
        case "groupSet": return .groups(groups)
        case "instanceType", "kernel", "ramdisk", "userData": return .whileStopped(name)
        case "instanceInitiatedShutdownBehavior":
            if value == "terminate" { return nil }
            guard value == "stop" else {
                throw .invalidValue(
                    parameter: "InstanceInitiatedShutdownBehavior", value: Parameters.shortened(value),
                    reason: "Value (\(Parameters.shortened(value))) for parameter "
                        + "instanceInitiatedShutdownBehavior is invalid. It can be stop or terminate.")
            }
            throw .unsupported("An instance with its root on instance storage terminates when its guest shuts down.")
        case "sourceDestCheck":
            if try !bool(name, value) {
                throw .unsupported("An instance sends and receives only by its own address; the check stays on.")
            }
            return nil
        case "ebsOptimized", "enaSupport":
            if try bool(name, value) {
                throw .unsupported("The attribute '\(name)' cannot be switched on in this cloud.")
            }
            return nil
        default:
            throw .unsupported("The attribute '\(name)' of an instance cannot be changed.")
        }
    }

    private static func bool(_ name: String, _ value: String) throws(CloudError) -> Bool {
        switch value.lowercased() {
        case "true", "1": return true
        case "false", "0": return false
        default:
            throw .invalidValue(
                parameter: name, value: Parameters.shortened(value),
                reason: "Value (\(Parameters.shortened(value))) for parameter \(name) is invalid. "
                    + "It must be true or false.")
        }
    }

    /// ResetInstanceAttribute.
    static func resetAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.parameters.required("InstanceId")
        let name = try call.parameters.attribute(among: attributes)
        let changes: [InstanceChange]
        switch name {
        case "kernel", "ramdisk": changes = [.whileStopped(name)]
        // It is on, and cannot be anything else.
        case "sourceDestCheck": changes = []
        default:
            throw .invalidValue(
                parameter: "Attribute", value: name,
                reason: "Value (\(name)) for parameter attribute is invalid. Only kernel, ramdisk and sourceDestCheck "
                    + "can be reset.")
        }
        try await call.backend.modifyInstance(
            id: id, changes, dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// MonitorInstances.
    static func monitor(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await setMonitoring(call, enabled: true, &answer)
    }

    /// UnmonitorInstances.
    static func unmonitor(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await setMonitoring(call, enabled: false, &answer)
    }

    private static func setMonitoring(_ call: Call, enabled: Bool, _ answer: inout XMLWriter)
        async throws(CloudError)
    {
        let instances = try await call.backend.monitorInstances(
            ids: try call.parameters.requiredList("InstanceId"), enabled: enabled,
            dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.list("instancesSet", instances) { writer, instance in
            writer.element("instanceId", instance.id.value)
            writer.open("monitoring")
            writer.element("state", instance.isMonitored ? "enabled" : "disabled")
            writer.close()
        }
    }

    /// StartInstances.
    static func start(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await stopOrStart(call, start: true, &answer)
    }

    /// StopInstances.
    static func stop(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await stopOrStart(call, start: false, &answer)
    }

    private static func stopOrStart(_ call: Call, start: Bool, _ answer: inout XMLWriter) async throws(CloudError) {
        let transitions = try await call.backend.stopOrStartInstances(
            ids: try instanceIDs(call), start: start,
            dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.list("instancesSet", transitions) { writer, transition in
            writer.element("instanceId", transition.id.value)
            writer.state("currentState", transition.current)
            writer.state("previousState", transition.previous)
        }
    }

    /// GetPasswordData: what a Windows guest has written to its console, encrypted with the instance's key pair, between
    /// `<Password>` and `</Password>`; empty for others, as in EC2.
    static func passwordData(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let output = try await call.backend.consoleOutput(
            id: try call.parameters.required("InstanceId"), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.element("instanceId", output.id.value)
        answer.element("timestamp", output.timestamp.iso8601)
        answer.element("passwordData", password(in: output.output) ?? "")
    }

    /// The Base64 text of the last password in a console's output.
    static func password(in output: [UInt8]) -> String? {
        let start = Array("<Password>".utf8)
        let end = Array("</Password>".utf8)
        guard var position = last(start, in: output[...]) else { return nil }
        position += start.count
        guard let length = first(end, in: output[position...]) else { return nil }
        let text = output[position..<length].filter { $0 > 32 }
        let isBase64 = text.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 43 || $0 == 47
                || $0 == 61
        }
        return isBase64 && !text.isEmpty ? String(decoding: text, as: UTF8.self) : nil
    }

    private static func first(_ pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        bytes.indices.first { bytes[$0...].starts(with: pattern) }
    }

    private static func last(_ pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        bytes.indices.last { bytes[$0...].starts(with: pattern) }
    }

    /// ModifyInstanceEventStartTime.
    static func modifyEventStartTime(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let id = try parameters.required("InstanceId")
        let event = try parameters.required("InstanceEventId")
        let text = try parameters.required("NotBefore")
        guard let seconds = Signatures.Timestamp.parseISO8601(text) else {
            throw .invalidValue(
                parameter: "NotBefore", value: Parameters.shortened(text),
                reason: "Value (\(Parameters.shortened(text))) for parameter NotBefore is invalid. It must be a date "
                    + "and time in ISO 8601.")
        }
        let instance = try await call.backend.extendLease(
            of: id, event: event, to: CloudModel.Timestamp(milliseconds: seconds * 1000),
            dryRun: try parameters.dryRun(), as: call.caller)
        answer.open("event")
        if let lease = instance.options?.lease { answer.retirement(lease, of: instance.id) }
        answer.close()
    }

    private static let statusReasons: Set<String> = [
        "instance-stuck-in-state", "unresponsive", "not-accepting-credentials", "password-not-available",
        "performance-network", "performance-instance-store", "performance-ebs-volume", "performance-other", "other",
    ]

    /// ReportInstanceStatus. The times change nothing: the log has its own.
    static func reportStatus(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let ids = try parameters.requiredList("InstanceId")
        let status = try parameters.required("Status")
        guard status == "ok" || status == "impaired" else {
            throw .invalidValue(
                parameter: "Status", value: Parameters.shortened(status),
                reason: "Value (\(Parameters.shortened(status))) for parameter status is invalid. It can be ok or "
                    + "impaired.")
        }
        let reasons = try parameters.requiredList("ReasonCode")
        for reason in reasons where !statusReasons.contains(reason) {
            throw .invalidValue(
                parameter: "ReasonCode", value: Parameters.shortened(reason),
                reason: "Value (\(Parameters.shortened(reason))) for parameter reasonCode is invalid. It can be "
                    + statusReasons.sorted().joined(separator: ", ") + ".")
        }
        let description = parameters.text("Description")
        guard description?.utf8.count ?? 0 <= 1024 else {
            throw .invalidValue(
                parameter: "Description", value: "", reason: "The description has at most 1024 bytes.")
        }
        try await call.backend.reportInstanceStatus(
            InstanceStatusReport(
                ids: ids, isImpaired: status == "impaired", reasons: reasons, description: description),
            dryRun: try parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// ConfirmProductInstance: whether an instance has a product code, and none does.
    static func confirmProduct(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.parameters.required("InstanceId")
        _ = try call.parameters.required("ProductCode")
        _ = try await call.backend.describeInstances(
            DescribeRequest(ids: [id], dryRun: try call.parameters.dryRun()), as: call.caller)
        answer.element("return", false)
    }

    /// DescribeInstanceCreditSpecifications: no type of this cloud has CPU credits, so that no instance has a
    /// specification.
    static func creditSpecifications(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest(ids: "InstanceId")
        _ = try await call.backend.describeInstances(request, as: call.caller)
        answer.element("instanceCreditSpecificationSet")
    }
}

extension XMLWriter {
    /// An attribute: `<name><value>…</value></name>`, or an empty element.
    mutating func value(_ name: String, _ value: String?) {
        open(name)
        if let value { element("value", value) }
        close()
    }
}
