import CloudModel
import JSON

/// Key pairs.
enum KeyPairOperations {
    private static let tag = "Key pairs"

    static let all: [Operation] = [
        Operation(
            method: "GET", path: "/key-pairs", id: "listKeyPairs", summary: "The account's key pairs.", tag: tag,
            parameters: [.limit(), .cursor],
            success: .init(status: 200, schema: Shapes.page("KeyPair"), description: "A page."), handler: list),
        Operation(
            method: "POST", path: "/key-pairs", id: "makeKeyPair",
            summary: "Makes a key pair and hands its private half out once; or imports the public half of one.",
            tag: tag, body: .named("MakeKeyPair"),
            success: .init(status: 201, schema: .named("KeyPair"), description: "The key pair."), errors: [409],
            handler: make),
        Operation(
            method: "GET", path: "/key-pairs/{name}", id: "getKeyPair", summary: "One key pair.", tag: tag,
            success: .init(status: 200, schema: .named("KeyPair"), description: "The key pair."), handler: get),
        Operation(
            method: "DELETE", path: "/key-pairs/{name}", id: "deleteKeyPair",
            summary: "Deletes a key pair; instances keep the key that they were launched with.", tag: tag,
            success: .init(status: 204, schema: nil, description: "It is deleted."), handler: delete),
    ]

    private static func list(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        Shapes.page(try await call.backend.describeKeyPairs(call.describe(), as: call.caller)) { $0.json() }
    }

    private static func make(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let name = call.text("name") ?? ""
        guard let publicKey = call.text("publicKey") else {
            let made = try await call.backend.createKeyPair(
                name: name, type: call.text("type"), tags: call.tags, dryRun: false, as: call.caller)
            return made.keyPair.json(privateKey: made.privateKey)
        }
        guard call.text("type") == nil else {
            throw .invalidCombination("The type of an imported key pair follows from its public key.")
        }
        return try await call.backend.importKeyPair(
            name: name, material: Array(publicKey.utf8), tags: call.tags, dryRun: false, as: call.caller
        ).json()
    }

    private static func get(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let page = try await call.backend.describeKeyPairs(
            DescribeRequest(names: [call.path("name")]), as: call.caller)
        guard let pair = page.items.first else { throw .notFound(.keyPair, [call.path("name")]) }
        return pair.json()
    }

    private static func delete(_ call: NativeCall) async throws(CloudError) -> JSONValue? {
        let gone = try await call.backend.deleteKeyPair(
            name: call.path("name"), id: nil, dryRun: false, as: call.caller)
        guard gone != nil else { throw .notFound(.keyPair, [call.path("name")]) }
        return nil
    }
}
