import CloudModel
import JSON
import QueryProtocol

/// One operation: all that routes, checks and document need to know of it.
struct Operation: Sendable {
    /// Who may call it. The back end authorises besides.
    enum Authorization: Sendable { case anyone, user, administrator }

    /// A parameter in the query or the headers.
    struct Parameter: Sendable {
        enum Place: String, Sendable { case query, header }
        var name: String
        var place: Place = .query
        var schema: Schema
        var description: String
    }

    /// What a success looks like.
    struct Success: Sendable {
        var status: Int
        /// Nil for no body.
        var schema: Schema?
        var description: String
    }

    var method: String
    /// Below the base path, with `{name}` for what differs.
    var path: String
    /// Its id in the document; stable.
    var id: String
    var summary: String
    var tag: String
    var authorization = Authorization.user
    var parameters: [Parameter] = []
    /// Nil if it takes none.
    var body: Schema?
    var success: Success
    /// Statuses of errors besides those that every operation may have.
    var errors: Set<Int> = []
    /// Nil for an answer without body.
    var handler: @Sendable (NativeCall) async throws(CloudError) -> JSONValue?

    /// The names in the path.
    var pathNames: [String] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    }

    /// Every status that it may answer.
    var statuses: Set<Int> {
        var all = errors.union([success.status, 414])
        if authorization == .anyone { return all }
        all.formUnion([400, 401, 403, 422, 500, 503])
        if !pathNames.isEmpty { all.insert(404) }
        if body != nil { all.formUnion([413, 415]) }
        return all
    }

    /// All operations, in the order of the document.
    static let all: [Operation] =
        [openAPI] + StatusOperations.all + InstanceOperations.all + ImageOperations.all + KeyPairOperations.all
        + SecurityGroupOperations.all + AllocationOperations.all

    private static let openAPI = Operation(
        method: "GET", path: "/openapi.json", id: "getDocument", summary: "This document.", tag: "Interface",
        authorization: .anyone,
        success: Success(status: 200, schema: .map(.object([])), description: "The OpenAPI document."),
        handler: { _ in nil })
}

extension Operation.Parameter {
    /// Size of a page.
    static func limit(_ range: ClosedRange<Int64> = 5...1000) -> Operation.Parameter {
        Operation.Parameter(
            name: "limit", schema: .integer(range), description: "Most items of the page; without it, all.")
    }
    /// Where a page begins.
    static let cursor = Operation.Parameter(
        name: "cursor", schema: .text(1...4096), description: "The nextCursor of the page before.")
}

/// Finds the operation of a request.
enum Router {
    /// - Throws: 404 if no operation has the path, 405 if none has the method.
    static func route(_ method: String, _ path: String, _ operations: [Operation]) throws(Problem)
        -> (Operation, [String: String])
    {
        guard path.utf8.starts(with: NativeInterface.basePath.utf8) else { throw notFound() }
        let rest = path.dropFirst(NativeInterface.basePath.count)
        guard let segments = decoded(rest) else { throw notFound() }
        var allowed: [String] = []
        for operation in operations {
            guard let names = match(operation.path, segments) else { continue }
            if operation.method == method { return (operation, names) }
            allowed.append(operation.method)
        }
        if allowed.isEmpty { throw notFound() }
        var problem = Problem(
            405, "method-not-allowed", "Method not allowed", "There is no \(method.prefix(20)) of this resource.",
            cure: nil)
        problem.allowed = allowed.sorted().joined(separator: ", ")
        throw problem
    }

    private static func notFound() -> Problem {
        Problem(
            404, "not-found", "Not found", "There is no such resource.",
            cure: "\(NativeInterface.basePath)/openapi.json names all that there are.")
    }

    /// The segments of a path; nil if one is no text.
    private static func decoded(_ path: Substring) -> [String]? {
        var segments: [String] = []
        for part in path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst() {
            guard let text = Query.text(part, plusIsSpace: false) else { return nil }
            segments.append(text)
        }
        return segments
    }

    private static func match(_ template: String, _ segments: [String]) -> [String: String]? {
        let parts = template.split(separator: "/")
        guard parts.count == segments.count else { return nil }
        var names: [String: String] = [:]
        for (part, segment) in zip(parts, segments) {
            if part.hasPrefix("{") {
                guard !segment.isEmpty else { return nil }
                names[String(part.dropFirst().dropLast())] = segment
            } else if part != segment {
                return nil
            }
        }
        return names
    }
}

/// Reads a query string.
enum Query {
    /// Percent-decoded UTF-8; nil for anything else.
    static func text(_ bytes: some Collection<UInt8>, plusIsSpace: Bool) -> String? {
        var decoded: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    return nil
                }
                decoded.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: decoded.append(UInt8(ascii: " "))
            default: decoded.append(byte)
            }
        }
        guard let text = String(validating: decoded, as: UTF8.self) else { return nil }
        return text
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }

    /// The parameters in their order; nil if something cannot be decoded.
    static func parameters(_ query: String) -> [(name: String, value: String)]? {
        var parameters: [(name: String, value: String)] = []
        for part in query.utf8.split(separator: UInt8(ascii: "&")) {
            let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = text(pair[0], plusIsSpace: true),
                let value = text(pair.count > 1 ? pair[1] : part.suffix(0), plusIsSpace: true)
            else { return nil }
            parameters.append((name, value))
        }
        return parameters
    }
}

/// A call of an operation whose parameters and body have the form that the table says.
struct NativeCall: Sendable {
    let caller: Caller
    let backend: any CloudBackend
    private let path: [String: String]
    private let parameters: [String: String]
    /// The body; null if the operation takes none.
    let body: JSONValue

    /// What stands for a name in a path has at most so many characters.
    static let longestName = 200

    init(
        operation: Operation, path: [String: String], request: QueryRequest, caller: Caller,
        backend: any CloudBackend, largestBody: Int
    ) throws(Problem) {
        self.caller = caller
        self.backend = backend
        self.path = path
        for (name, value) in path where value.unicodeScalars.count > Self.longestName {
            throw .invalid([
                SchemaViolation(pointer: "path/" + name, detail: "It must have 1 to \(Self.longestName) characters.")
            ])
        }
        parameters = try Self.parameters(operation, request)
        body = try Self.body(operation, request, largestBody)
    }

    private static func parameters(_ operation: Operation, _ request: QueryRequest) throws(Problem)
        -> [String: String]
    {
        guard let query = Query.parameters(request.query) else {
            throw .invalid([SchemaViolation(pointer: "query", detail: "It is not percent-encoded UTF-8.")])
        }
        var values: [String: String] = [:]
        var wrong: [SchemaViolation] = []
        // Those of a presigned URL belong to the signature.
        for (name, value) in query where !name.lowercased().hasPrefix("x-amz-") {
            guard let parameter = operation.parameters.first(where: { $0.name == name && $0.place == .query }) else {
                wrong.append(
                    SchemaViolation(pointer: "query/" + String(name.prefix(64)), detail: "It is not known."))
                continue
            }
            guard values.updateValue(value, forKey: name) == nil else {
                wrong.append(SchemaViolation(pointer: "query/" + name, detail: "It is given twice."))
                continue
            }
            wrong += violations(parameter, value)
        }
        for parameter in operation.parameters where parameter.place == .header {
            let given = request.headers.filter { $0.name.lowercased() == parameter.name.lowercased() }
            guard let value = given.first?.value else { continue }
            values[parameter.name] = value
            wrong += violations(parameter, value)
        }
        guard wrong.isEmpty else { throw .invalid(Array(wrong.prefix(20))) }
        return values
    }

    private static func violations(_ parameter: Operation.Parameter, _ text: String) -> [SchemaViolation] {
        let value: JSONValue
        switch parameter.schema {
        case .integer: value = Int64(text).map { .integer($0) } ?? .string(text)
        case .boolean: value = text == "true" ? .bool(true) : text == "false" ? .bool(false) : .string(text)
        default: value = .string(text)
        }
        return parameter.schema.violations(in: value, components: [:]).map {
            SchemaViolation(pointer: "\(parameter.place.rawValue)/\(parameter.name)", detail: $0.detail)
        }
    }

    private static func body(_ operation: Operation, _ request: QueryRequest, _ largest: Int) throws(Problem)
        -> JSONValue
    {
        guard let schema = operation.body else { return .null }
        guard request.body.count <= largest else {
            throw Problem(
                413, "body-too-large", "Body too large", "The body is longer than the \(largest) bytes that are read.",
                cure: nil)
        }
        let type = (request.header("content-type") ?? "").lowercased().prefix { $0 != ";" && $0 != " " }
        guard type == "application/json" else {
            throw Problem(
                415, "unsupported-media-type", "Unsupported media type",
                "The body's Content-Type is not application/json.", cure: "Send JSON.")
        }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(request.body, maximumDepth: 32, maximumBytes: largest)
        } catch {
            throw .invalid([SchemaViolation(pointer: "", detail: "It is no JSON: \(error).")])
        }
        let wrong = schema.violations(in: value, components: Shapes.components)
        guard wrong.isEmpty else { throw .invalid(wrong) }
        return value
    }

    // MARK: What handlers read

    /// A name of the path.
    func path(_ name: String) -> String { path[name] ?? "" }
    /// A parameter; nil if it is absent.
    func parameter(_ name: String) -> String? { parameters[name] }
    /// A text of the body.
    func text(_ name: String) -> String? { body[name]?.text }
    /// A whole number of the body.
    func integer(_ name: String) -> Int? { body[name]?.int64.flatMap { Int(exactly: $0) } }
    /// A truth value of the body.
    func flag(_ name: String) -> Bool { body[name]?.boolean ?? false }
    /// Texts of the body.
    func texts(_ name: String) -> [String] { body[name]?.elements?.compactMap { $0.text } ?? [] }
    /// The tags of the body.
    var tags: [Tag] { (body["tags"]?.objectMembers ?? []).map { Tag(key: $0.name, value: $0.value.text ?? "") } }

    /// A describe call with the page that is asked for.
    ///
    /// - Parameter filters: names of parameters and the EC2 filters that they are.
    func describe(_ filters: [(parameter: String, filter: String)] = []) -> DescribeRequest {
        var request = DescribeRequest(
            maxResults: parameter("limit").flatMap { Int($0) }, nextToken: parameter("cursor"))
        for (name, filter) in filters {
            if let value = parameter(name) {
                // Values are taken as they are, not as patterns.
                let literal = value.unicodeScalars.map { "*?\\".unicodeScalars.contains($0) ? "\\\($0)" : String($0) }
                request.filters.append(Filter(name: filter, values: [literal.joined()]))
            }
        }
        return request
    }
}
