// The form of the files of `FileRecords`: the contract's own messages, with what only the node knows around them.
//
//   <instance-record version="1" phase="running" handle="qemu i-… …" correlation="…">
//     <RunInstanceResponse xmlns="urn:mallee:contract:node:1"> … the report as it was … </RunInstanceResponse>
//   </instance-record>
//
// A later version of this software may add attributes; it must go on reading these.

import Contracts
import XML

enum RecordCodec {
    private static let element = "instance-record"
    private static let networkElement = "network-record"
    private static let credentialsElement = "credentials-record"
    private static let version = "1"

    // MARK: Instances

    static func encode(_ record: InstanceRecord) -> [UInt8] {
        var attributes = [(name: "version", value: version), (name: "phase", value: record.phase.rawValue)]
        if let handle = record.handle { attributes.append((name: "handle", value: handle)) }
        if let correlation = record.correlation { attributes.append((name: "correlation", value: correlation)) }
        let machine = InstanceMachine(
            phase: record.phase, generation: record.generation, stateChangedAt: record.stateChangedAt,
            reason: record.reason)
        let report = Contract.InstanceReport(
            instanceId: record.spec.instanceId, state: machine.state, reason: record.reason, nodeName: "",
            generation: record.generation, stateChangedAt: record.stateChangedAt, spec: record.spec)
        return document(element, attributes, NodeContract.RunInstanceResponse(instance: report))
    }

    static func decodeRecord(_ bytes: [UInt8]) throws(RecordError) -> InstanceRecord {
        let root = try root(bytes, element)
        guard let phase = InstanceMachine.Phase(rawValue: root.attribute("phase") ?? "") else {
            throw RecordError("its phase is not known")
        }
        let report = try message(root, as: NodeContract.RunInstanceResponse.self).instance
        return InstanceRecord(
            spec: report.spec, correlation: root.attribute("correlation"), phase: phase,
            generation: report.generation, stateChangedAt: report.stateChangedAt, reason: report.reason,
            handle: root.attribute("handle"))
    }

    // MARK: The network document

    static func encode(_ network: Contract.NetworkDocument) -> [UInt8] {
        document(
            networkElement, [(name: "version", value: version)],
            NodeContract.BroadcastNetworkInfoRequest(network: network))
    }

    static func decodeNetwork(_ bytes: [UInt8]) throws(RecordError) -> Contract.NetworkDocument {
        try message(try root(bytes, networkElement), as: NodeContract.BroadcastNetworkInfoRequest.self).network
    }

    // MARK: Credentials

    static func encode(_ credentials: Contract.InstanceCredentials) -> [UInt8] {
        document(
            credentialsElement, [(name: "version", value: version)],
            NodeContract.SetInstanceCredentialsRequest(credentials: credentials))
    }

    static func decodeCredentials(_ bytes: [UInt8]) throws(RecordError) -> Contract.InstanceCredentials {
        try message(try root(bytes, credentialsElement), as: NodeContract.SetInstanceCredentialsRequest.self)
            .credentials
    }

    // MARK: All

    private static func document<Message: ContractMessage>(
        _ name: String, _ attributes: [(name: String, value: String)], _ message: Message
    ) -> [UInt8] {
        var writer = XMLWriter()
        writer.open(name, attributes)
        message.write(to: &writer, as: Message.qualifiedName)
        writer.close()
        return writer.bytes
    }

    private static func root(_ bytes: [UInt8], _ name: String) throws(RecordError) -> XMLElement {
        let root: XMLElement
        do throws(XMLError) {
            root = try XMLElement.parse(bytes)
        } catch {
            throw RecordError("it is damaged: \(error)")
        }
        guard root.localName == name else { throw RecordError("it is no \(name)") }
        guard root.attribute("version") == version else {
            throw RecordError(
                "it was written by another version of this software (\(root.attribute("version") ?? "none"))")
        }
        return root
    }

    private static func message<Message: ContractMessage>(
        _ root: XMLElement, as type: Message.Type
    ) throws(RecordError) -> Message {
        guard let child = root.child(Message.element, namespace: Message.namespace) else {
            throw RecordError("the element \(Message.element) is missing")
        }
        do throws(ContractError) {
            return try Message(xml: child)
        } catch {
            throw RecordError("it is damaged: \(error)")
        }
    }
}
