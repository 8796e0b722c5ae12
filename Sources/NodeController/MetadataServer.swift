import BlockingHTTP
import Posix

/// Serves the metadata of one guest on a Unix socket of its own: whoever reaches it is that guest.
final class MetadataServer: Sendable {
    private let server: HTTPServer

    /// Where the socket of a guest is, given the instance's directory.
    static func socketPath(_ directory: String) -> String { FileSystem.join(directory, "metadata.sock") }

    /// Opens the socket and starts to serve. Only the owner of the process may connect.
    init(path: String, service: MetadataService, log: NodeLog, context: NodeLog.Context) throws(PosixError) {
        var options = HTTPServer.Options()
        // A guest's own requests wait for each other rather than for those of other guests.
        options.threads = 4
        options.queue = 16
        options.limits.bodyBytes = 4096
        options.limits.headerBytes = 16 << 10
        options.limits.idleTime = 15_000
        options.limits.bodyTime = 15_000
        options.onError = { problem in log.debug("metadata: \(problem)", context) }
        let handler = HTTPClosureHandler { request in MetadataServer.answer(request, service) }
        server = HTTPServer(listener: try Listener.unix(path: path), handler: handler, options: options)
        try server.start()
    }

    /// Closes the socket and removes it.
    func stop() { server.stop(grace: 500) }

    private static func answer(_ request: HTTPRequest, _ service: MetadataService) -> HTTPResponse {
        let answer = service.respond(
            MetadataService.Request(
                method: request.method, target: request.target, token: request.headers["X-aws-ec2-metadata-token"],
                tokenSeconds: request.headers["X-aws-ec2-metadata-token-ttl-seconds"],
                isForwarded: request.headers["X-Forwarded-For"] != nil),
            now: Clock.monotonic)
        var headers = HTTPHeaders([("Content-Type", answer.contentType), ("Server", "EC2ws")])
        for header in answer.headers { headers.add(header.name, header.value) }
        return HTTPResponse(status: answer.status, headers: headers, body: answer.body)
    }
}
