import ArgumentParser
import CloudClient
import Foundation
import XML

/// What an account holds besides its users, keys and settings.
struct AccountHoldings: Sendable {
    var instances: [String] = []
    var images: [String] = []
    var buckets: [String] = []

    var isEmpty: Bool { instances.isEmpty && images.isEmpty && buckets.isEmpty }

    /// As an administrator sees it. Buckets are seen by their owner only, with a key that exists for this moment.
    static func of(_ account: AccountRow, _ session: AccountSession, withBuckets: Bool) async throws -> AccountHoldings
    {
        var found = AccountHoldings()
        let ec2 = try EC2Client(
            http: session.http, url: session.credentials.ec2URL, accessKeyID: session.credentials.accessKeyID,
            secret: session.credentials.secretKey, region: session.credentials.region)
        let instances = try await ec2.call("DescribeInstances", [("InstanceId.1", "verbose")])
        for reservation in instances.child("reservationSet")?.children("item") ?? []
        where reservation.value("ownerId") == account.id {
            for instance in reservation.child("instancesSet")?.children("item") ?? []
            where instance.child("instanceState")?.value("name") != "terminated" {
                found.instances.append(instance.value("instanceId"))
            }
        }
        let images = try await ec2.call("DescribeImages", [("ImageId.1", "verbose")])
        for image in images.child("imagesSet")?.children("item") ?? []
        where image.value("imageOwnerId") == account.id { found.images.append(image.value("imageId")) }
        if withBuckets {
            try await asOwner(session) { s3 in found.buckets = try await s3.buckets() }
        }
        return found
    }

    /// Runs `body` with a key of the account that is deleted afterwards.
    static func asOwner(_ session: AccountSession, _ body: (S3Client) async throws -> Void) async throws {
        let key = try await session.call("CreateAccessKey")?.child("AccessKey")
        let id = key?.value("AccessKeyId") ?? ""
        do {
            let s3 = try S3Client(
                http: session.http, url: session.credentials.s3URL, accessKeyID: id,
                secret: key?.value("SecretAccessKey") ?? "", region: session.credentials.region)
            try await body(s3)
        } catch {
            try await session.call("DeleteAccessKey", [("AccessKeyId", id)])
            throw error
        }
        try await session.call("DeleteAccessKey", [("AccessKeyId", id)])
    }
}

struct AccountDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete an account with its users, groups, keys and settings.",
        discussion: """
            Refuses, with a list, as long as the account has instances, images or buckets, and says which option does \
            away with them. Nothing of it comes back.
            """)

    @OptionGroup var options: AccountOptions
    @Flag(help: "Terminate its instances first.") var terminateInstances = false
    @Flag(help: "Deregister its images first.") var deregisterImages = false
    @Flag(help: "Delete its buckets, with everything in them, first.") var deleteBuckets = false

    /// How long instances may take to end.
    private static let patience: Duration = .seconds(300)

    func run() async throws {
        try await options.run { session in
            let account = try await session.find()
            guard !account.isAdministrator else {
                throw CommandFailure("The account \(account.name) administers the cloud and stays.")
            }
            if !account.isEnabled {
                throw CommandFailure(
                    "The account \(account.name) is disabled, so what it has cannot be looked at. Enable it first: "
                        + "mallee account enable \(account.name)")
            }
            let holdings = try await AccountHoldings.of(account, session, withBuckets: true)
            try check(holdings, account)
            try await clear(holdings, account, session)
            try await session.iam.call("DeleteAccount", [("AccountName", account.id), ("Recursive", "true")])
            print("\(account.name) (\(account.id)): deleted")
        }
    }

    private func check(_ holdings: AccountHoldings, _ account: AccountRow) throws {
        var lines: [String] = []
        func add(_ kind: String, _ found: [String], _ option: String, _ isAllowed: Bool) {
            guard !found.isEmpty, !isAllowed else { return }
            let more = found.count > 20 ? " and \(found.count - 20) more" : ""
            lines.append("  \(kind): \(found.prefix(20).joined(separator: " "))\(more)  (\(option))")
        }
        add("instances", holdings.instances, "--terminate-instances", terminateInstances)
        add("images", holdings.images, "--deregister-images", deregisterImages)
        add("buckets", holdings.buckets, "--delete-buckets", deleteBuckets)
        guard lines.isEmpty else {
            throw CommandFailure(
                "The account \(account.name) is not empty:\n\(lines.joined(separator: "\n"))\n"
                    + "Nothing was deleted. Say so by these options, or let its users do it.")
        }
    }

    private func clear(_ holdings: AccountHoldings, _ account: AccountRow, _ session: AccountSession) async throws {
        let ec2 = try EC2Client(
            http: session.http, url: session.credentials.ec2URL, accessKeyID: session.credentials.accessKeyID,
            secret: session.credentials.secretKey, region: session.credentials.region)
        for id in holdings.instances {
            // Protection against termination was for users' mistakes, not against this.
            try await ec2.call(
                "ModifyInstanceAttribute", [("InstanceId", id), ("DisableApiTermination.Value", "false")])
            try await ec2.call("TerminateInstances", [("InstanceId.1", id)])
            print("\(id): terminated")
        }
        let start = ContinuousClock.now
        var left = holdings.instances
        while !left.isEmpty {
            left = try await AccountHoldings.of(account, session, withBuckets: false).instances
            guard start.duration(to: .now) < Self.patience else {
                throw CommandFailure(
                    "\(left.joined(separator: " ")) did not end in time; say the same again when they have.")
            }
            if !left.isEmpty { try await Task.sleep(for: .milliseconds(500)) }
        }
        for id in holdings.images {
            try await ec2.call("DeregisterImage", [("ImageId", id)])
            print("\(id): deregistered")
        }
        guard !holdings.buckets.isEmpty else { return }
        try await AccountHoldings.asOwner(session) { s3 in
            for bucket in holdings.buckets {
                try await s3.deleteBucket(bucket)
                print("\(bucket): deleted")
            }
        }
    }
}
