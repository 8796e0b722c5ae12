import CloudModel
import QueryProtocol
import XML

/// The actions on key pairs.
enum KeyPairs {
    /// CreateKeyPair.
    static func create(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try call.parameters.refuse([
            UnofferedParameter("KeyFormat", accepting: ["pem"], "Keys are handed out as PEM; puttygen converts them.")
        ])
        let created = try await call.backend.createKeyPair(
            name: try call.parameters.required("KeyName"), type: call.parameters.text("KeyType"),
            tags: try call.parameters.tagSpecifications(for: "key-pair"), dryRun: try call.parameters.dryRun(),
            as: call.caller)
        answer.element("keyName", created.keyPair.name)
        answer.element("keyFingerprint", created.keyPair.fingerprint)
        answer.element("keyMaterial", created.privateKey)
        answer.element("keyPairId", created.keyPair.id.value)
        answer.tagSet(created.keyPair.tags)
    }

    /// ImportKeyPair.
    static func importKey(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let name = try call.parameters.required("KeyName")
        guard let material = try call.parameters.base64("PublicKeyMaterial") else {
            throw .missingParameter("PublicKeyMaterial")
        }
        let keyPair = try await call.backend.importKeyPair(
            name: name, material: material, tags: try call.parameters.tagSpecifications(for: "key-pair"),
            dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.element("keyName", keyPair.name)
        answer.element("keyFingerprint", keyPair.fingerprint)
        answer.element("keyPairId", keyPair.id.value)
        answer.tagSet(keyPair.tags)
    }

    /// DescribeKeyPairs.
    static func describe(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let withKey = try call.parameters.flag("IncludePublicKey") ?? false
        let page = try await call.backend.describeKeyPairs(
            try call.parameters.describeRequest(ids: "KeyPairId", names: "KeyName"), as: call.caller)
        answer.list("keySet", page.items) { writer, keyPair in
            writer.element("keyPairId", keyPair.id.value)
            writer.element("keyName", keyPair.name)
            writer.element("keyFingerprint", keyPair.fingerprint)
            writer.element("keyType", keyPair.type)
            writer.element("createTime", keyPair.createdAt.iso8601)
            if withKey { writer.element("publicKey", keyPair.importedText ?? keyPair.publicKey) }
            writer.tagSet(keyPair.tags)
        }
    }

    /// DeleteKeyPair. One that does not exist is no error.
    static func delete(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let name = call.parameters.text("KeyName")
        let id = call.parameters.text("KeyPairId")
        guard name != nil || id != nil else { throw .missingParameter("KeyName or KeyPairId") }
        let deleted = try await call.backend.deleteKeyPair(
            name: name, id: id, dryRun: try call.parameters.dryRun(), as: call.caller)
        answer.success()
        if let deleted { answer.element("keyPairId", deleted.id.value) }
    }
}
