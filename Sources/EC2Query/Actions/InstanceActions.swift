import CloudModel
import QueryProtocol
import Signatures
import XML

extension Instances {
    /// DescribeInstances.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest(ids: "InstanceId")
        let page = try await call.backend.describeInstances(request, as: call.caller)
        answer.reserve(page.items.reduce(0) { $0 + $1.instances.count } * XMLWriter.usualInstance)
        answer.open("reservationSet")
        var networks = NetworkMarkup()
        for reservation in page.items {
            answer.open("item")
            answer.reservation(
                reservation, version: call.version, withGroups: call.tellsGroupsOfReservations, &networks)
            answer.close()
        }
        answer.close()
        answer.nextToken(page.nextToken)
    }

    /// DescribeInstanceStatus.
    static func describeStatus(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest(ids: "InstanceId")
        let includeAll = try call.parameters.flag("IncludeAllInstances") ?? false
        let page = try await call.backend.describeInstanceStatus(request, includeAll: includeAll, as: call.caller)
        answer.list("instanceStatusSet", page.items) { writer, instance in
            writer.element("instanceId", instance.id.value)
            writer.element("availabilityZone", instance.zone)
            writer.element("availabilityZoneId", AvailabilityZone.zoneID(name: instance.zone))
            writer.events(of: instance)
            writer.state("instanceState", instance.state)
            writer.reachability("systemStatus", of: instance)
            writer.reachability("instanceStatus", of: instance)
        }
        answer.nextToken(page.nextToken)
    }

    /// TerminateInstances. `Force` and `SkipOsShutdown` change nothing: the guest's virtual machine is ended.
    static func terminate(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let transitions = try await call.backend.terminateInstances(
            ids: try instanceIDs(call), dryRun: try call.parameters.dryRun(), as: call.caller)
        let current = call.version.saysShutdownState ? "shutdownState" : "currentState"
        answer.list("instancesSet", transitions) { writer, transition in
            writer.element("instanceId", transition.id.value)
            writer.state(current, transition.current)
            writer.state("previousState", transition.previous)
        }
    }

    /// The instances that a request names, of which there must be one.
    static func instanceIDs(_ call: Call) throws(CloudError) -> [String] {
        let ids = call.parameters.list("InstanceId")
        guard !ids.isEmpty else { throw .invalidCombination("No instances specified") }
        return ids
    }

    /// RebootInstances.
    static func reboot(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.rebootInstances(
            ids: try instanceIDs(call), dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
    }

    /// GetConsoleOutput. Old clients send the id as a list of one.
    static func consoleOutput(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let ids = try call.parameters.requiredList("InstanceId")
        guard ids.count == 1 else { throw .invalidCombination("GetConsoleOutput takes one InstanceId") }
        let output = try await call.backend.consoleOutput(
            id: ids[0], dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.element("instanceId", output.id.value)
        answer.element("timestamp", output.timestamp.iso8601)
        answer.element("output", Base64.encode(output.output))
    }
}

extension XMLWriter {
    /// The end of the instance's lease, as the retirement that EC2 announces.
    fileprivate mutating func events(of instance: Instance) {
        open("eventsSet")
        if instance.state != .terminated, instance.state != .shuttingDown, let lease = instance.options?.lease {
            open("item")
            retirement(lease, of: instance.id)
            close()
        }
        close()
    }

    /// The elements of the event.
    mutating func retirement(_ lease: Lease, of id: InstanceID) {
        element("instanceEventId", Lease.eventID(of: id))
        element("code", "instance-retirement")
        element("description", Lease.eventDescription)
        element("notBefore", lease.endsAt.iso8601)
        element("notBeforeDeadline", lease.latest.iso8601)
    }

    /// What is known of a guest from outside: whether its virtual machine runs.
    fileprivate mutating func reachability(_ name: String, of instance: Instance) {
        open(name)
        if instance.state == .running {
            element("status", "ok")
            open("details")
            open("item")
            element("name", "reachability")
            element("status", "passed")
            close()
            close()
        } else {
            element("status", "not-applicable")
        }
        close()
    }
}
