import AsyncHTTPClient
import CloudController
import CloudModel
import Foundation
import NIOCore
import NIOHTTP1

/// The service level agreement that a configuration names.
enum AgreementFile {
    /// The policy in a file.
    ///
    /// - Throws: `CommandFailure` with the file and the place in it.
    static func policy(_ path: String, http: HTTPClient) throws -> any AllocationPolicy {
        guard let json = FileManager.default.contents(atPath: path) else {
            throw CommandFailure("The service level agreement \(path) cannot be read.")
        }
        do throws(CloudError) {
            return try ServiceLevelAgreement(json: [UInt8](json)).policy { URLDecider(url: $0, http: http) }
        } catch {
            var reason = "\(error)"
            if case .invalidValue(_, _, let text) = error { reason = text }
            throw CommandFailure("\(path): \(reason)")
        }
    }
}

/// A site's own decider behind a URL: the question is POSTed, and the body of a 200 is the answer.
struct URLDecider: ExternalDecider {
    let url: String
    let http: HTTPClient
    var name: String { url }

    func answer(_ question: [UInt8], timeLimit: Int64) async throws -> [UInt8] {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: question))
        let response = try await http.execute(request, timeout: .milliseconds(timeLimit))
        guard response.status == .ok else {
            throw CommandFailure("It answered \(response.status.code).")
        }
        return Array(try await response.body.collect(upTo: 4 << 20).readableBytesView)
    }
}
