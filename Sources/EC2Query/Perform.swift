public import CloudModel
import QueryProtocol

/// Why an action was not performed, as Query would say it.
public struct EC2Failure: Error, Sendable, Equatable {
    /// EC2's code.
    public let code: String
    /// HTTP status of the Query interface; 500 and above if the caller is not to blame.
    public let status: Int
    /// For people.
    public let message: String
    /// Not sent; see `EC2Observation.internalDetail`.
    public let detail: String?

    init(_ fault: EC2Fault) {
        code = fault.code
        status = fault.status
        message = fault.message
        detail = fault.detail
    }

    /// An error of the cloud as EC2 says it.
    public init(_ error: CloudError) { self.init(EC2Fault(error)) }
}

// The door for interfaces that authenticate and read requests in another way, such as SOAP.
extension EC2Interface {
    /// Performs an action for a caller who has been authenticated, exactly as a Query request would.
    ///
    /// - Parameters:
    ///   - action: name of the action.
    ///   - parameters: names and values of the Query interface, such as `InstanceId.1`; each name once.
    ///   - version: of the API, a date; the answer is in its form.
    ///   - caller: with the id of the request.
    ///   - path: of the request, for the original's extensions.
    ///   - observation: learns what the action concerns.
    /// - Returns: the document that Query would answer, whose root element is `ACTIONResponse`.
    /// - Throws: what Query would answer as an error document.
    public func perform(
        _ action: String, parameters: [(name: String, value: String)], version: String, caller: Caller, path: String,
        observation: inout EC2Observation
    ) async throws(EC2Failure) -> [UInt8] {
        do throws(EC2Fault) {
            guard let version = APIVersion(parameter: version) else { throw .unknownVersion(version) }
            var root = ParameterNode()
            for parameter in parameters {
                let parts = parameter.name.split(separator: ".", omittingEmptySubsequences: false)
                root.insert(parameter.value, at: parts[...])
            }
            return try await perform(
                action, Parameters(path: "", node: root), version, caller, path: path, observation: &observation)
        } catch {
            throw EC2Failure(error)
        }
    }

    /// What is said about an action that another interface does not offer: that only Query does, that the cloud does
    /// not, or that there is none.
    public static func failure(forUnofferedAction name: String) -> EC2Failure {
        if EC2Action.named(name) != nil || EmptyList.named(name) != nil {
            return EC2Failure(
                EC2Fault(
                    "UnsupportedOperation",
                    "The action \(name) is not offered in this way; its version of the API is offered by Query requests."
                ))
        }
        return EC2Failure(KnownActions.names.contains(name) ? .unofferedAction(name) : .unknownAction(name))
    }
}

extension EC2Observation {
    /// Makes a line, to be completed when the answer is ready.
    public init(requestID: String, sourceAddress: String, status: Int) {
        self.init(
            requestID: requestID, sourceAddress: sourceAddress, status: status, milliseconds: 0, responseBytes: 0,
            isReading: true, resources: [])
    }
}
