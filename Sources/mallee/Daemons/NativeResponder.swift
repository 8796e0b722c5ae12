import CloudModel
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NativeAPI
import ServiceHost

/// Puts the native interface behind a listener: raw request in, bytes out.
struct NativeResponder: HTTPResponder {
    typealias Context = ServiceRequestContext
    let interface: NativeInterface
    /// Bodies are read up to one byte more, so that the interface can say that they are too large.
    let largestBody: Int

    func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        var headers = request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
        // HTTP/1.1's Host header arrives as the authority.
        if let authority = request.head.authority, !headers.contains(where: { $0.name == "host" }) {
            headers.append((name: "host", value: authority))
        }
        var body: [UInt8] = []
        for try await part in request.body {
            body.append(contentsOf: part.readableBytesView)
            if body.count > largestBody { break }
        }
        let answer = await interface.respond(
            to: NativeRequest(
                method: request.method.rawValue, path: String(PathDispatcher.path(of: request)),
                query: String(PathDispatcher.query(of: request)), headers: headers, body: body,
                sourceAddress: context.remoteAddress?.ipAddress ?? "", isSecure: try await context.isSecure()))
        var fields = HTTPFields()
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return Response(
            status: .init(code: answer.status), headers: fields,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
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
