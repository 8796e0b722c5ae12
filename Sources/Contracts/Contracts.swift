// Contracts: the components' contracts, and what their generated Swift stands on.
//
// `wsdl/` holds the WSDL and schema files, `Generated/` the Swift that wsdl2swift makes from them (values, messages,
// service protocols, dispatchers, clients). Here lives the runtime of that code: reading and writing of simple
// values (`ContractValue`), SOAP 1.1 envelopes (`SOAP`), transports. Here do not live HTTP, TLS or any service.
//
// Reading fails with `ContractError`, which names the element; a dispatcher never fails but answers a SOAP fault; a
// client fails with `ServiceFault`, whatever went wrong.
public import XML

/// A message or value that does not follow its schema.
public struct ContractError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Names of the elements from the message's root to the one concerned.
    public private(set) var path: [String]
    /// What is wrong with it.
    public let message: String

    /// Makes an error about the element at `path`.
    public init(path: [String] = [], message: String) {
        self.path = path
        self.message = message
    }

    /// The same error, seen from the element around.
    func within(_ name: String) -> ContractError {
        ContractError(path: [name] + path, message: message)
    }

    /// The path and the message, for faults and logs.
    public var description: String { path.isEmpty ? message : path.joined(separator: "/") + ": " + message }
}

/// A message of a service: the one element in a SOAP body.
public protocol ContractMessage: Sendable {
    /// Local name of the element.
    static var element: String { get }
    /// Namespace of the element.
    static var namespace: String { get }
    /// The name to write it under; it has a prefix where the content is in another namespace.
    static var qualifiedName: String { get }
    /// Reads the content of the element.
    init(xml: XMLElement) throws(ContractError)
    /// Writes the element.
    func write(to writer: inout XMLWriter, as name: String)
}

/// Carries a SOAP message to a service and its answer back, blocking.
public protocol SOAPTransport: AnyObject {
    /// Posts an envelope and returns the envelope of the answer, be its status 200 or 500.
    ///
    /// `soapAction` comes without the quotes that the HTTP header needs. Throws `unavailable` if there is no answer.
    func call(soapAction: String, body: [UInt8]) throws(ServiceFault) -> [UInt8]
}

#if !hasFeature(Embedded)
    /// Carries a SOAP message to a service and its answer back.
    public protocol AsyncSOAPTransport: Sendable {
        /// Posts an envelope and returns the envelope of the answer, be its status 200 or 500.
        ///
        /// `soapAction` comes without the quotes that the HTTP header needs. Throws `unavailable` if there is no
        /// answer.
        func call(soapAction: String, body: [UInt8]) async throws(ServiceFault) -> [UInt8]
    }
#endif
