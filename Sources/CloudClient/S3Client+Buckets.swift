import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Signatures
import XML

// Whole buckets: for administrators who delete an account with what it holds.

extension S3Client {
    /// The names of the caller's buckets.
    public func buckets() async throws -> [String] {
        let root = try await document(.GET, "")
        return root.child("Buckets")?.children("Bucket").compactMap { $0.child("Name")?.text } ?? []
    }

    /// Removes all that is in a bucket, with every version and upload under way, and the bucket itself.
    public func deleteBucket(_ bucket: String) async throws {
        while true {
            let page = try await document(.GET, bucket, query: [("max-keys", "1000"), ("versions", "")])
            let versions = page.children("Version") + page.children("DeleteMarker")
            for version in versions {
                guard let key = version.child("Key")?.text else { continue }
                let id = version.child("VersionId")?.text ?? "null"
                _ = try await send(request(.DELETE, bucket + "/" + key, query: [("versionId", id)]))
            }
            if versions.isEmpty { break }
        }
        while true {
            let page = try await document(.GET, bucket, query: [("uploads", "")])
            let uploads = page.children("Upload")
            for upload in uploads {
                guard let key = upload.child("Key")?.text, let id = upload.child("UploadId")?.text else { continue }
                _ = try await send(request(.DELETE, bucket + "/" + key, query: [("uploadId", id)]))
            }
            if uploads.isEmpty { break }
        }
        _ = try await send(request(.DELETE, bucket))
    }

    private func document(_ method: HTTPMethod, _ location: String, query: [(String, String)] = []) async throws
        -> XMLElement
    {
        let response = try await send(request(method, location, query: query))
        let body = try await response.body.collect(upTo: 16 << 20)
        do {
            return try XMLElement.parse(Array(body.readableBytesView))
        } catch {
            throw CloudClientError(
                status: Int(response.status.code), code: "", message: "Walrus' answer is no XML: \(error)")
        }
    }
}
