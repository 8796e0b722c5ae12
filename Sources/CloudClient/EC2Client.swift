public import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Signatures
public import XML

/// EC2 Query calls.
public struct EC2Client: Sendable {
    private let http: HTTPClient
    private let address: ServiceAddress
    private let signer: SigV4Signer

    /// A client of the service at `url`.
    public init(http: HTTPClient, url: String, accessKeyID: String, secret: String, region: String)
        throws(CloudClientError)
    {
        self.http = http
        address = try ServiceAddress(url)
        signer = SigV4Signer(accessKeyID: accessKeyID, secret: secret, region: region, service: "ec2")
    }

    /// Calls an action and gives the root element of its answer.
    public func call(_ action: String, _ parameters: [(name: String, value: String)] = []) async throws -> XMLElement {
        let all = [(name: "Action", value: action), (name: "Version", value: "2016-11-15")] + parameters
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
        let error = root.child("Errors")?.child("Error")
        throw CloudClientError(
            status: status, code: error?.child("Code")?.text ?? "HTTP \(status)",
            message: error?.child("Message")?.text ?? "")
    }
}
