public import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Signatures
public import XML

/// Calls of a Query service: EC2, IAM or STS.
public struct QueryClient: Sendable {
    private let http: HTTPClient
    private let address: ServiceAddress
    private let signer: SigV4Signer
    private let version: String

    /// A client of the service at `url`, whose API has this version.
    public init(
        http: HTTPClient, url: String, service: String, version: String, accessKeyID: String, secret: String,
        region: String
    ) throws(CloudClientError) {
        self.http = http
        self.version = version
        address = try ServiceAddress(url)
        signer = SigV4Signer(accessKeyID: accessKeyID, secret: secret, region: region, service: service)
    }

    /// A client of IAM at the cloud of these credentials.
    public static func iam(http: HTTPClient, _ credentials: Credentials) throws(CloudClientError) -> QueryClient {
        try QueryClient(
            http: http, url: credentials.iamURL, service: "iam", version: "2010-05-08",
            accessKeyID: credentials.accessKeyID, secret: credentials.secretKey, region: credentials.region)
    }

    /// Calls an action and gives the root element of its answer.
    @discardableResult
    public func call(_ action: String, _ parameters: [(name: String, value: String)] = []) async throws -> XMLElement {
        let all = [(name: "Action", value: action), (name: "Version", value: version)] + parameters
        let form = all.map { PercentEncoding.encode($0.name) + "=" + PercentEncoding.encode($0.value) }
            .joined(separator: "&")
        let path = address.path + "/"
        let signed = SignedRequest(
            method: "POST", path: path,
            headers: [
                (name: "host", value: address.host),
                (name: "content-type", value: "application/x-www-form-urlencoded; charset=utf-8"),
            ], body: Array(form.utf8))
        let added = signer.headers(for: signed, now: Int64(Date().timeIntervalSince1970))
        var request = HTTPClientRequest(url: address.origin + path)
        request.method = .POST
        for (name, value) in signed.headers.dropFirst() + added { request.headers.add(name: name, value: value) }
        request.body = .bytes(ByteBuffer(string: form))
        let response: HTTPClientResponse
        let body: ByteBuffer
        do {
            response = try await http.execute(request, timeout: .seconds(60))
            body = try await response.body.collect(upTo: 64 << 20)
        } catch {
            throw CloudClientError(status: 0, code: "", message: "\(address.origin) does not answer: \(error)")
        }
        let status = Int(response.status.code)
        guard let root = try? XMLElement.parse(Array(body.readableBytesView)) else {
            throw CloudClientError(status: status, code: "HTTP \(status)", message: "The answer is no XML.")
        }
        if status == 200 { return root }
        let error = root.child("Errors")?.child("Error") ?? root.child("Error")
        throw CloudClientError(
            status: status, code: error?.child("Code")?.text ?? "HTTP \(status)",
            message: error?.child("Message")?.text ?? "")
    }

    /// All members of a list that comes in pages, as IAM's do.
    public func list(_ action: String, _ list: String, _ parameters: [(name: String, value: String)] = [])
        async throws -> [XMLElement]
    {
        var members: [XMLElement] = []
        var marker: String?
        while true {
            let page = marker.map { [(name: "Marker", value: $0)] } ?? []
            let result = try await call(action, parameters + page).child(action + "Result")
            members += result?.child(list)?.children("member") ?? []
            marker = result?.child("Marker")?.text
            guard result?.child("IsTruncated")?.text == "true", marker != nil else { return members }
        }
    }
}
