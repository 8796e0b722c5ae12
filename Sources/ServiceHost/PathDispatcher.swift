public import Hummingbird
import HummingbirdCore
import NIOCore

/// Sends a request to one of several responders by its path, without decoding or normalising it: below a service's
/// path everything belongs to that service (S3 keys may contain `//`, `..` and `%2F`).
///
///     PathDispatcher(
///         routes: [.prefix("/services/Walrus", s3), .exact("/", ec2), .prefix("/services/compute", ec2)],
///         fallback: s3)
public struct PathDispatcher: EventLoopResponder {
    /// A path and who answers it.
    public struct Route: Sendable {
        let path: String
        let isExact: Bool
        let responder: PlacedResponder

        /// This path and everything below it: `/a` is for `/a`, `/a/`, `/a/b`, not for `/ab`.
        public static func prefix(_ path: String, _ responder: any HTTPResponder<ServiceRequestContext>) -> Route {
            let bare = path.hasSuffix("/") ? String(path.dropLast()) : path
            return Route(path: bare, isExact: false, responder: PlacedResponder(responder))
        }

        /// Exactly this path.
        public static func exact(_ path: String, _ responder: any HTTPResponder<ServiceRequestContext>) -> Route {
            Route(path: path, isExact: true, responder: PlacedResponder(responder))
        }

        func matches(_ target: Substring) -> Bool {
            if isExact { return target.utf8.elementsEqual(path.utf8) }
            guard target.utf8.starts(with: path.utf8) else { return false }
            let rest = target.utf8.dropFirst(path.utf8.count)
            return rest.isEmpty || rest.first == UInt8(ascii: "/")
        }
    }

    private let routes: [Route]
    private let fallback: PlacedResponder

    /// - Parameters:
    ///   - routes: the longest path that matches wins, whatever their order; an exact one before a prefix.
    ///   - fallback: answers everything else.
    public init(routes: [Route], fallback: any HTTPResponder<ServiceRequestContext> = NotFoundResponder()) {
        self.routes = routes.sorted {
            ($0.path.utf8.count, $0.isExact ? 1 : 0) > ($1.path.utf8.count, $1.isExact ? 1 : 0)
        }
        self.fallback = PlacedResponder(fallback)
    }

    /// Passes the request on.
    public func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        let path = Self.path(of: request)
        let route = routes.first { $0.matches(path) }
        return try await (route?.responder ?? fallback).respond(to: request, context: context)
    }

    /// The path as it was sent, still percent-encoded, without query; also from an absolute target (RFC 9112, 3.2.2).
    public static func path(of request: Request) -> Substring {
        var target = Substring(request.head.path ?? "/")
        if target.utf8.first != UInt8(ascii: "/"),
            let scheme = ["http://", "https://"].first(where: { target.lowercased().hasPrefix($0) })
        {
            target = target.dropFirst(scheme.count).drop { $0 != "/" && $0 != "?" }
        }
        let end = target.utf8.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
        let path = target[..<(end ?? target.endIndex)]
        return path.isEmpty ? "/" : path
    }

    /// The query as it was sent, without the question mark; "" if there is none.
    public static func query(of request: Request) -> Substring {
        let target = request.head.path ?? "/"
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return "" }
        let query = target[target.utf8.index(after: mark)...]
        return query[..<(query.utf8.firstIndex(of: UInt8(ascii: "#")) ?? query.endIndex)]
    }
}

/// Answers 404 with a line that says which path is not served here.
public struct NotFoundResponder: HTTPResponder {
    /// For every listener that serves nothing else.
    public init() {}

    /// 404.
    public func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        // Bounded, and as text/plain: what the client sent is not interpreted by a browser.
        let path = PathDispatcher.path(of: request).prefix(200)
        return Response(plainText: "Nothing is served at \(path) here.\n", status: .notFound)
    }
}

/// Answers whether a daemon works: 200 `ok`, or 503 with the reason. GET or HEAD, by anybody.
public struct HealthResponder: HTTPResponder {
    private let problem: @Sendable () async -> String?

    /// - Parameter problem: nil when all is well, otherwise a line for the operator, without secrets.
    public init(problem: @escaping @Sendable () async -> String? = { nil }) {
        self.problem = problem
    }

    /// 200 or 503.
    public func respond(to request: Request, context: ServiceRequestContext) async throws -> Response {
        guard let problem = await problem() else { return Response(plainText: "ok\n", status: .ok) }
        return Response(plainText: problem + "\n", status: .serviceUnavailable)
    }
}

extension Response {
    init(plainText: String, status: HTTPResponse.Status) {
        self.init(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: plainText)))
    }
}
