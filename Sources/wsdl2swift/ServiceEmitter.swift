// Prints the protocols, dispatchers, clients and the text of a service.

struct ServiceEmitter {
    let service: Service
    let schema: Schema
    let model: Model

    private var name: String { schema.swiftName }

    private func swiftName(_ message: QName) -> String {
        guard let type = model.complexType(message) else { return message.local }
        return "\(model.schema(message.namespace)?.swiftName ?? name).\(type.swiftName)"
    }

    private func function(_ operation: Operation) -> String {
        SwiftNames.identifier(SwiftNames.lowerFirst(operation.name))
    }

    // MARK: Protocols and dispatchers

    func protocols() -> String {
        """

        extension \(name) {
        \(SwiftNames.comment(service.documentation + "\n\nBlocking: calls come from many threads.", indent: 4))\
            public protocol Service: AnyObject {
        \(requirements(isAsync: false))    }

            /// Answers one SOAP request.
            ///
            /// The operation is the one that the element in the body names; `soapAction`, the HTTP header's value, only
            /// helps to explain an unknown one. Whatever is in `body`, there is an answer.
            public static func dispatch(body: [UInt8], soapAction: String?, service: some Service) -> SOAPReply {
        \(dispatcher(isAsync: false))    }

            private static var operations: String {
                \(SwiftNames.literal(service.operations.map { $0.name }.joined(separator: ", ")))
            }
        }

        #if !hasFeature(Embedded)
        extension \(name) {
        \(SwiftNames.comment(service.documentation, indent: 4))\
            public protocol AsyncService: Sendable {
        \(requirements(isAsync: true))    }

            /// Answers one SOAP request, as the blocking `dispatch` does.
            public static func dispatch(
                body: [UInt8], soapAction: String?, service: some AsyncService
            ) async -> SOAPReply {
        \(dispatcher(isAsync: true))    }
        }
        #endif

        """
    }

    private func requirements(isAsync: Bool) -> String {
        var text = ""
        for operation in service.operations {
            let documentation = operation.documentation.isEmpty ? "\(operation.name)." : operation.documentation
            text += SwiftNames.comment(documentation, indent: 8)
            text += signature(operation, isAsync: isAsync) + "\n"
        }
        return text
    }

    private func signature(_ operation: Operation, isAsync: Bool) -> String {
        "func \(function(operation))(_ request: \(swiftName(operation.request))) \(isAsync ? "async " : "")"
            + "throws(ServiceFault) -> \(swiftName(operation.response))"
    }

    private func dispatcher(isAsync: Bool) -> String {
        let call = isAsync ? "try await" : "try"
        var text = """
            var operation: String?
            do throws(SOAPFault) {
                let call = try SOAP.content(of: body)
                guard call.namespace == \(name).namespace else {
                    throw SOAP.unknown(call, soapAction: soapAction, operations: operations)
                }
                switch call.localName {

            """
        for operation in service.operations {
            let literal = SwiftNames.literal(operation.name)
            text += """
                case \(SwiftNames.literal(operation.request.local)):
                    operation = \(literal)
                    let request = try SOAP.decoded(call, as: \(swiftName(operation.request)).self)
                    let response: \(swiftName(operation.response))
                    do throws(ServiceFault) { response = \(call) service.\(function(operation))(request) } catch {
                        throw SOAPFault(error)
                    }
                    return SOAP.reply(response, to: \(literal))

                """
        }
        text += """
            default: throw SOAP.unknown(call, soapAction: soapAction, operations: operations)
                }
            } catch {
                return SOAP.reply(error, to: operation)
            }

            """
        return text
    }

    // MARK: Clients

    func clients() -> String {
        """

        extension \(name) {
            /// A \(service.name) somewhere else, behind SOAP; blocking.
            public final class Client<Transport: SOAPTransport>: Service {
                private let transport: Transport

                /// Makes a client that sends its messages through `transport`.
                public init(transport: Transport) {
                    self.transport = transport
                }

        \(calls(isAsync: false))    }
        }

        extension \(name).Client: Sendable where Transport: Sendable {}

        #if !hasFeature(Embedded)
        extension \(name) {
            /// A \(service.name) somewhere else, behind SOAP.
            public struct AsyncClient: AsyncService {
                private let transport: any AsyncSOAPTransport

                /// Makes a client that sends its messages through `transport`.
                public init(transport: any AsyncSOAPTransport) {
                    self.transport = transport
                }

        \(calls(isAsync: true))    }
        }
        #endif

        """
    }

    private func calls(isAsync: Bool) -> String {
        var text: [String] = []
        for operation in service.operations {
            text.append(
                """
                /// Calls \(operation.name).
                public \(signature(operation, isAsync: isAsync)) {
                    let reply = try \(isAsync ? "await " : "")transport.call(
                        soapAction: \(SwiftNames.literal(operation.soapAction)), body: SOAP.envelope(request))
                    return try SOAP.response(reply, as: \(swiftName(operation.response)).self)
                }

                """)
        }
        return text.joined(separator: "\n")
    }

    // MARK: Text

    func text() -> String {
        let pieces = service.text.components(of: "location=\"\(service.location)\"")
        let (before, after) = (pieces.first ?? "", pieces.dropFirst().joined())
        // Relative to the service's own URL, so that whoever fetches ?wsdl finds the schemas at the same place.
        var head = SwiftNames.multilineLiteral(before)
        for location in service.imports {
            let parts = head.components(of: "schemaLocation=\"\(location)\"")
            head = parts.joined(separator: "schemaLocation=\"\\##(location)?xsd=\(location)\"")
        }
        let schemas = service.imports.map { location in
            let swift = model.schemas.first { $0.file == location }?.swiftName ?? name
            return "case \(SwiftNames.literal("xsd=" + location)): \(swift).schemaText\n"
        }
        return """
            import XML

            extension \(name) {
                /// The documents that describe the service, by the query of a GET to its URL: `wsdl` and what that
                /// imports. Returns nil for another query. `location` is the URL of the service without query.
                public static func description(query: String, location: String) -> String? {
                    switch query {
                    case "wsdl", "WSDL": wsdl(location: location)
                    \(schemas.joined())default: nil
                    }
                }

                /// The WSDL of the service that answers at the URL `location`.
                public static func wsdl(location url: String) -> String {
                    let location = XMLWriter.escapedAttribute(url)
                    return \(head) + "location=\\"" + location + \(SwiftNames.multilineLiteral("\"" + after))
                }
            }

            """
    }
}

extension String {
    /// The parts between occurrences of a separator.
    func components(of separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
