import JSON

/// Writes the OpenAPI document of a table of operations.
enum APIDocument {
    static func make(_ operations: [Operation], components: [String: Schema]) -> JSONValue {
        var paths: [JSONMember] = []
        for operation in operations {
            let member = JSONMember(operation.method.lowercased(), describe(operation))
            if let index = paths.firstIndex(where: { $0.name == operation.path }) {
                paths[index].value = .object((paths[index].value.objectMembers ?? []) + [member])
            } else {
                paths.append(JSONMember(operation.path, .object([member])))
            }
        }
        let schemas = components.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value.document) }
        return .members(
            ("openapi", .string("3.1.0")),
            (
                "info",
                .members(
                    ("title", .string("Mallee")), ("version", .string("1")),
                    (
                        "description",
                        .string(
                            "The native interface of a Mallee cloud: the same instances, images, key pairs and security "
                                + "groups as its EC2 interface. Errors are problem details (RFC 9457) whose `code` is "
                                + "stable. Every answer has the id of its request in the header X-Request-Id, which "
                                + "stands in the cloud's logs.")
                    )
                )
            ), ("servers", .array([.members(("url", .string(NativeInterface.basePath)))])),
            ("security", .array([.members(("signature", .array([]))), .members(("session", .array([])))])),
            ("paths", .object(paths)),
            (
                "components",
                .members(
                    ("schemas", .object(schemas)), ("responses", .members(("Problem", problem))),
                    (
                        "securitySchemes",
                        .members(
                            (
                                "signature",
                                .members(
                                    ("type", .string("apiKey")), ("in", .string("header")),
                                    ("name", .string("Authorization")),
                                    (
                                        "description",
                                        .string(
                                            "AWS Signature Version 4 with an access key of the cloud; service "
                                                + "\"mallee\", any region. The body's SHA-256 must be signed.")
                                    ), ("x-amazon-apigateway-authtype", .string("awsSigv4"))
                                )
                            ),
                            (
                                "session",
                                .members(
                                    ("type", .string("http")), ("scheme", .string("bearer")),
                                    ("description", .string("A session, where the cloud offers them."))
                                )
                            )
                        )
                    )
                )
            )
        )
    }

    private static let requestID: JSONValue = .members(
        ("description", .string("The request's id, as it stands in the cloud's logs.")),
        ("schema", .members(("type", .string("string")))))

    private static let problem: JSONValue = .members(
        ("description", .string("Why not; see `code`.")), ("headers", .members(("X-Request-Id", requestID))),
        (
            "content",
            .members(("application/problem+json", .members(("schema", Schema.named("Problem").document))))
        ))

    private static func describe(_ operation: Operation) -> JSONValue {
        var members = [
            JSONMember("operationId", .string(operation.id)), JSONMember("summary", .string(operation.summary)),
            JSONMember("tags", .strings([operation.tag])),
        ]
        if operation.authorization == .anyone { members.append(JSONMember("security", .array([]))) }
        if operation.authorization == .administrator {
            members.append(JSONMember("description", .string("For administrators of the cloud only.")))
        }
        var parameters: [JSONValue] = operation.pathNames.map { name in
            .members(
                ("name", .string(name)), ("in", .string("path")), ("required", .bool(true)),
                ("schema", Schema.text(1...NativeCall.longestName).document))
        }
        for parameter in operation.parameters {
            parameters.append(
                .members(
                    ("name", .string(parameter.name)), ("in", .string(parameter.place.rawValue)),
                    ("description", .string(parameter.description)), ("schema", parameter.schema.document)))
        }
        if !parameters.isEmpty { members.append(JSONMember("parameters", .array(parameters))) }
        if let body = operation.body {
            members.append(
                JSONMember(
                    "requestBody",
                    .members(
                        ("required", .bool(true)),
                        ("content", .members(("application/json", .members(("schema", body.document)))))
                    )))
        }
        var responses: [JSONMember] = []
        for status in operation.statuses.sorted() {
            if status == operation.success.status {
                var success = [
                    JSONMember("description", .string(operation.success.description)),
                    JSONMember("headers", .members(("X-Request-Id", requestID))),
                ]
                if let schema = operation.success.schema {
                    let document: JSONValue =
                        operation.authorization == .anyone
                        ? .members(("type", .string("object"))) : schema.document
                    success.append(
                        JSONMember(
                            "content", .members(("application/json", .members(("schema", document))))))
                }
                responses.append(JSONMember(String(status), .object(success)))
            } else {
                responses.append(
                    JSONMember(
                        String(status), .members(("$ref", .string("#/components/responses/Problem")))))
            }
        }
        members.append(JSONMember("responses", .object(responses)))
        return .object(members)
    }
}
