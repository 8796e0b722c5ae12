import AsyncHTTPClient
import CloudClient
import CloudController
import CloudModel
import Contracts
import Foundation
import ImageBundle
import NIOCore
import Posix

// Bundles of instances (BundleInstance): the node puts the copy of the disk into a bucket of the cloud's own; what comes
// out of it goes to the user's bucket by forms with his policy, which Walrus judges. Part by part: one is held in memory.

extension ImageObjects {
    /// Where nodes put copies of disks.
    private func staged(_ name: String) throws(CloudError) -> String {
        "mallee-bundling-" + (try attached().own.accountID) + "/" + name
    }

    func stagingURL(_ name: String, validFor seconds: Int) async throws(CloudError) -> String {
        let place = try staged(name)
        let client = try client(try attached().own)
        do {
            try await client.createBucket(String(place.prefix { $0 != "/" }))
        } catch {
            throw refusal(of: error, place)
        }
        return client.temporaryURL(place, validForSeconds: Int64(seconds), method: "PUT")
    }

    func discardStaged(_ name: String) async throws(CloudError) {
        let place = try staged(name)
        do {
            try await client(try attached().own).delete(place)
        } catch let error as CloudClientError where error.status == 404 {
            return
        } catch {
            throw refusal(of: error, place)
        }
    }

    func discardParts(of task: BundleTask) async throws(CloudError) {
        let client = try client(try attached().own)
        for part in 0..<task.parts {
            let place = "\(task.bucket)/\(task.prefix).part.\(part)"
            do {
                try await client.delete(place)
            } catch let error as CloudClientError where error.status == 404 || error.status == 403 {
                // The bucket is gone, or its owner has taken the cloud's permission: what lies there is his.
                continue
            } catch {
                throw refusal(of: error, place)
            }
        }
    }

    func storeBundle(
        _ task: BundleTask, machine: BundledImage, as owner: Caller,
        progress: @escaping @Sendable (_ parts: Int, _ percent: Int) async -> Bool
    ) async throws(BundlingFailure) {
        do {
            try await makeBundle(task, machine, owner, progress)
        } catch let error as BundlingFailure {
            throw error
        } catch let error as BundleError {
            throw .refused(.init(code: "Server.InternalError", message: error.description))
        } catch let error as CloudError {
            if error.isRetryable { throw .later(error) }
            throw .refused(.init(code: "Server.InternalError", message: "\(error)"))
        } catch {
            throw .later(refusal(of: error, task.id.value))
        }
    }

    private func makeBundle(
        _ task: BundleTask, _ machine: BundledImage, _ owner: Caller,
        _ progress: @Sendable (_ parts: Int, _ percent: Int) async -> Bool
    ) async throws {
        let trust = try bundleTrust()
        let certificates = try await trust.certificates(owner)
        let recipients = BundleMaker.Recipients(
            cloud: try await trust.cloudCertificate(), user: certificates.first, account: task.accountID)
        let own = try client(try attached().own)
        let place = try staged(task.id.value)
        let size: Int64
        let disk: HTTPClientResponse.Body
        do {
            size = try await own.head(place).size
            disk = try await own.stream(place)
        } catch let error as CloudClientError where error.status == 404 {
            throw BundlingFailure.refused(
                .init(code: "Server.InternalError", message: "The copy of the disk is gone from the object store."))
        }
        let name = task.prefix.split(separator: "/").last.map { String($0) } ?? task.prefix
        var maker = try BundleMaker(name: name, size: size)
        var received: Int64 = 0
        var parts = 0
        func upload() async throws {
            for part in maker.takeParts() {
                try await send(part.bytes, as: "\(task.prefix).part.\(parts)", task, own)
                parts += 1
                let percent = size == 0 ? 100 : Int(received * 100 / size)
                guard await progress(parts, percent) else { throw BundlingFailure.unwanted }
            }
        }
        for try await piece in disk {
            received += Int64(piece.readableBytes)
            try maker.append(Array(piece.readableBytesView))
            try await upload()
        }
        try maker.finish()
        try await upload()
        let key = try await trust.signer().key
        let manifest = try maker.manifest(
            machine: BundleMaker.Machine(
                architecture: machine.architecture ?? "x86_64", kernelID: machine.kernelID,
                ramdiskID: machine.ramdiskID),
            recipients: recipients, software: MalleeRelease.version,
            sign: { (text) throws(BundleError) in try BundleMaker.sign(text, key: key) })
        try await send(manifest, as: task.manifest, task, own)
    }

    private func send(_ bytes: [UInt8], as key: String, _ task: BundleTask, _ client: S3Client) async throws {
        do {
            try await client.post(
                task.bucket,
                fields: [
                    ("key", key), ("acl", "ec2-bundle-read"), ("AWSAccessKeyId", task.accessKeyID),
                    ("policy", task.uploadPolicy), ("signature", task.uploadPolicySignature),
                ], bytes: bytes)
        } catch let error as CloudClientError where (400..<500).contains(error.status) {
            throw BundlingFailure.refused(
                .init(
                    code: "Client." + (error.code.isEmpty ? "AccessDenied" : error.code),
                    message: "\(task.bucket)/\(key) could not be uploaded with the policy: \(error.message)"))
        }
    }
}
