import CloudModel
import Hummingbird
import Logging
import NativeAPI
import ServiceHost

/// Puts the native interface behind a listener: raw request in, bytes out.
struct NativeResponder: HTTPResponder {
    typealias Context = ServiceRequestContext
    let interface: NativeInterface
    /// Bodies are read up to one byte more, so that the interface can say that they are too large.
    let largestBody: Int

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        let query = try await QueryExchange.request(request, context, largestBody: largestBody)
        return QueryExchange.response(await interface.respond(to: query))
    }
}

extension NativeObservation {
    /// One line of the log.
    func log(to logger: Logger) {
        var metadata: Logger.Metadata = [
            "request": "\(requestID)", "operation": "\(operation ?? "-")", "status": "\(status)",
            "account": "\(caller?.accountID ?? "-")", "from": "\(sourceAddress)", "ms": "\(milliseconds)",
        ]
        if let problem { metadata["error"] = "\(problem)" }
        if let message { metadata["message"] = "\(message)" }
        if let internalDetail {
            metadata["detail"] = "\(internalDetail)"
            logger.error("native request failed", metadata: metadata)
        } else {
            logger.debug("native request", metadata: metadata)
        }
    }
}
