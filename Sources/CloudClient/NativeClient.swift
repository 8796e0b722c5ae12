public import AsyncHTTPClient
import Foundation
public import JSON
import NIOCore
import NIOHTTP1
import Signatures

/// Calls of the native interface.
public struct NativeClient: Sendable {
    private let http: HTTPClient
    private let address: ServiceAddress
    private let signer: SigV4Signer

    /// A client of the cloud whose EC2 interface is at `ec2URL`: the native one is on the same listener.
    public init(http: HTTPClient, ec2URL: String, accessKeyID: String, secret: String, region: String)
        throws(CloudClientError)
    {
        self.http = http
        address = try ServiceAddress(ec2URL)
        signer = SigV4Signer(accessKeyID: accessKeyID, secret: secret, region: region, service: "mallee")
    }

    /// Calls an operation.
    ///
    /// - Parameters:
    ///   - path: below the base path, its segments each; they need no encoding.
    ///   - query: parameters.
    ///   - idempotencyKey: makes a repetition harmless.
    /// - Returns: the answer; null if it has no body.
    public func call(
        _ method: String, _ path: [String], query: [(name: String, value: String)] = [], body: JSONValue? = nil,
        idempotencyKey: String? = nil
    ) async throws -> JSONValue {
        let target = "/api/v1/" + path.map { PercentEncoding.encode($0) }.joined(separator: "/")
        let query = query.map { PercentEncoding.encode($0.name) + "=" + PercentEncoding.encode($0.value) }
            .sorted().joined(separator: "&")
        let bytes = body?.serializedBytes ?? []
        var headers = [(name: "host", value: address.host)]
        if body != nil { headers.append((name: "content-type", value: "application/json")) }
        if let idempotencyKey { headers.append((name: "idempotency-key", value: idempotencyKey)) }
        let signed = SignedRequest(method: method, path: target, query: query, headers: headers, body: bytes)
        let added = signer.headers(for: signed, now: Int64(Date().timeIntervalSince1970))
        var request = HTTPClientRequest(url: address.origin + target + (query.isEmpty ? "" : "?" + query))
        request.method = HTTPMethod(rawValue: method)
        for (name, value) in headers.dropFirst() + added { request.headers.add(name: name, value: value) }
        if body != nil { request.body = .bytes(ByteBuffer(bytes: bytes)) }
        let response: HTTPClientResponse
        let answer: ByteBuffer
        do {
            response = try await http.execute(request, timeout: .seconds(60))
            answer = try await response.body.collect(upTo: 64 << 20)
        } catch {
            throw CloudClientError(status: 0, code: "", message: "\(address.origin) does not answer: \(error)")
        }
        let status = Int(response.status.code)
        if answer.readableBytes == 0, (200..<300).contains(status) { return .null }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(Array(answer.readableBytesView), maximumBytes: 64 << 20)
        } catch {
            throw CloudClientError(status: status, code: "HTTP \(status)", message: "The answer is no JSON: \(error)")
        }
        if (200..<300).contains(status) { return value }
        let cure = value["cure"]?.text.map { " " + $0 } ?? ""
        throw CloudClientError(
            status: status, code: value["code"]?.text ?? "HTTP \(status)",
            message: (value["detail"]?.text ?? "") + cure)
    }

    /// All items of a list, page by page.
    public func items(_ path: [String], query: [(name: String, value: String)] = []) async throws -> [JSONValue] {
        var items: [JSONValue] = []
        var cursor: String?
        repeat {
            let page = try await call(
                "GET", path, query: query + (cursor.map { [(name: "cursor", value: $0)] } ?? []))
            items += page["items"]?.elements ?? []
            cursor = page["nextCursor"]?.text
        } while cursor != nil
        return items
    }
}
