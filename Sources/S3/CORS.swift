// Cross-origin resource sharing: the bucket's rules, a browser's preflight, and the headers of other answers.

internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Walrus
internal import XML

extension S3Call {
    private static let corsMethods: Set<String> = ["GET", "PUT", "HEAD", "POST", "DELETE"]

    func readCORS(_ bytes: [UInt8]) throws -> [CORSRule] {
        let root = try parse(bytes, root: "CORSConfiguration")
        let items = root.children("CORSRule")
        guard (1...100).contains(items.count) else {
            throw S3Error.malformed("A CORSConfiguration has 1 to 100 rules.")
        }
        return try items.map { item in
            func texts(_ name: String) -> [String] { item.children(name).map(\.trimmedText) }
            let methods = texts("AllowedMethod")
            let origins = texts("AllowedOrigin")
            guard !methods.isEmpty, !origins.isEmpty else {
                throw S3Error.malformed("A CORSRule has an AllowedMethod and an AllowedOrigin.")
            }
            for method in methods where !Self.corsMethods.contains(method) {
                throw S3Error(
                    .invalidRequest,
                    "Found unsupported HTTP method in CORS config. Unsupported method is \(method)")
            }
            for pattern in origins + texts("AllowedHeader") where pattern.filter({ $0 == "*" }).count > 1 {
                throw S3Error(.invalidRequest, "\(pattern) can not have more than one wildcard.")
            }
            return CORSRule(
                id: text(item, "ID"), origins: origins, methods: methods, headers: texts("AllowedHeader"),
                exposed: texts("ExposeHeader"), maxAge: try integer(item, "MaxAgeSeconds"))
        }
    }

    func writeCORS(_ rules: [CORSRule]) -> Response {
        xml("CORSConfiguration") { writer in
            for rule in rules {
                writer.element("CORSRule") { writer in
                    if let id = rule.id { writer.element("ID", id) }
                    for value in rule.methods { writer.element("AllowedMethod", value) }
                    for value in rule.origins { writer.element("AllowedOrigin", value) }
                    for value in rule.headers { writer.element("AllowedHeader", value) }
                    for value in rule.exposed { writer.element("ExposeHeader", value) }
                    if let age = rule.maxAge { writer.element("MaxAgeSeconds", age) }
                }
            }
        }
    }

    /// Answers a browser that asks what it may send.
    func preflight() async throws -> Response {
        guard let origin = request.header("origin") else {
            throw S3Error(.badRequest, "Insufficient information. Origin request header needed.")
        }
        let wanted = request.header("access-control-request-method")
        guard let method = wanted, Self.corsMethods.contains(method) else {
            throw S3Error(.badRequest, "Invalid Access-Control-Request-Method: \(wanted ?? "null")")
        }
        let headers = (request.header("access-control-request-headers") ?? "").split(separator: ",")
            .map { String($0).trimmingXMLWhitespace() }.filter { !$0.isEmpty }
        guard let bucket = request.bucket, let rules = try await walrus.state(bucket).settings.cors,
            let rule = rules.first(where: { $0.matches(origin: origin, method: method, headers: headers) })
        else {
            throw S3Error(
                .accessForbidden,
                "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
                    + "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not "
                    + "whitelisted by the resource's CORS spec.",
                fields: [("Method", method), ("ResourceType", request.key == nil ? "BUCKET" : "OBJECT")])
        }
        var answer = HTTPFields()
        CORSHeaders.add(rule, origin: origin, to: &answer)
        if !headers.isEmpty { answer[text: "access-control-allow-headers"] = headers.joined(separator: ", ") }
        if let age = rule.maxAge { answer[text: "access-control-max-age"] = String(age) }
        return Response(status: .ok, headers: answer)
    }
}

enum CORSHeaders {
    static func add(_ rule: CORSRule, origin: String, to headers: inout HTTPFields) {
        let isForAll = rule.origins.contains("*")
        headers[text: "access-control-allow-origin"] = isForAll ? "*" : origin
        headers[text: "access-control-allow-methods"] = rule.methods.joined(separator: ", ")
        if !rule.exposed.isEmpty {
            headers[text: "access-control-expose-headers"] = rule.exposed.joined(separator: ", ")
        }
        if !isForAll { headers[text: "access-control-allow-credentials"] = "true" }
        headers[text: "vary"] = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
    }

    /// Adds what the bucket's rules say to the answer of a page's request.
    static func add(
        _ request: S3Request, _ caller: WalrusCaller, _ walrus: Walrus, to headers: inout HTTPFields
    ) async {
        // A preflight has said itself what is allowed.
        guard request.method != "OPTIONS", let origin = request.header("origin"), let bucket = request.bucket,
            headers[text: "access-control-allow-origin"] == nil
        else { return }
        let method = request.header("access-control-request-method") ?? request.method
        // A bucket that is not there has no rules; the answer says so itself.
        guard let rules = try? await walrus.state(caller, bucket).settings.cors,
            let rule = rules.first(where: { $0.matches(origin: origin, method: method, headers: []) })
        else { return }
        add(rule, origin: origin, to: &headers)
    }
}
