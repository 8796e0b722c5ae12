import ArgumentParser
import CloudClient
import Foundation
import XML

/// Users of an account.
struct AccountUserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Users of an account.",
        subcommands: [Create.self, List.self, Delete.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a user. He may do nothing until he gets a policy.")
        @OptionGroup var options: AccountOptions
        @Argument(help: "The user's name.") var name: String
        @Option(help: "A managed policy to attach, such as AdministratorAccess or an ARN; may be repeated.")
        var policy: [String] = []

        func run() async throws {
            try await options.run { session in
                let user = try await session.call("CreateUser", [("UserName", name)])?.child("User")
                for policy in policy {
                    let arn = policy.hasPrefix("arn:") ? policy : "arn:aws:iam::aws:policy/\(policy)"
                    try await session.call("AttachUserPolicy", [("UserName", name), ("PolicyArn", arn)])
                }
                print(user?.value("Arn") ?? "")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the users.")
        @OptionGroup var options: AccountOptions
        func run() async throws {
            try await options.run { session in
                for user in try await session.list("ListUsers", "Users") {
                    print("\(user.value("UserName"))  \(user.value("Arn"))  \(user.value("CreateDate"))")
                }
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a user with his keys, certificates, policies and memberships.")
        @OptionGroup var options: AccountOptions
        @Argument(help: "The user's name.") var name: String

        func run() async throws {
            try await options.run { session in
                let who = AccountSession.user(name)
                for key in try await session.list("ListAccessKeys", "AccessKeyMetadata", who) {
                    try await session.call("DeleteAccessKey", who + [("AccessKeyId", key.value("AccessKeyId"))])
                }
                for certificate in try await session.list("ListSigningCertificates", "Certificates", who) {
                    try await session.call(
                        "DeleteSigningCertificate", who + [("CertificateId", certificate.value("CertificateId"))])
                }
                for policy in try await session.list("ListUserPolicies", "PolicyNames", who) {
                    try await session.call("DeleteUserPolicy", who + [("PolicyName", policy.text)])
                }
                for policy in try await session.list("ListAttachedUserPolicies", "AttachedPolicies", who) {
                    try await session.call("DetachUserPolicy", who + [("PolicyArn", policy.value("PolicyArn"))])
                }
                for group in try await session.list("ListGroupsForUser", "Groups", who) {
                    try await session.call("RemoveUserFromGroup", who + [("GroupName", group.value("GroupName"))])
                }
                do {
                    try await session.call("DeleteLoginProfile", who)
                } catch let error as CloudClientError where error.code == "NoSuchEntity" {
                    // He has no password.
                }
                try await session.call("DeleteUser", who)
            }
        }
    }
}

/// Policies of the account itself, which bind all of its users.
struct AccountPolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Policies that administrators of the cloud put on an account or on a user.",
        subcommands: [Put.self, List.self, Show.self, Delete.self])

    /// On whom a policy lies.
    struct Place: ParsableArguments {
        @OptionGroup var options: AccountOptions
        @Option(help: "A user of the account (default: the account and all of its users).") var user: String?

        func call(_ verb: String, _ parameters: [(name: String, value: String)], _ session: AccountSession)
            async throws -> String?
        {
            if let user {
                return try await session.call("\(verb)UserPolicy", [("UserName", user)] + parameters)?
                    .child("PolicyDocument")?.text
            }
            let action = "\(verb)AccountPolicy"
            return try await session.iam.call(action, [("AccountName", options.account)] + parameters)
                .child(action + "Result")?.child("PolicyDocument")?.text
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add or replace a policy.")
        @OptionGroup var place: Place
        @Argument(help: "The policy's name.") var name: String
        @Argument(help: "Its document: a file in JSON.", completion: .file()) var file: String
        func run() async throws {
            let document = try String(contentsOfFile: file, encoding: .utf8)
            try await place.options.run { session in
                _ = try await place.call("Put", [("PolicyName", name), ("PolicyDocument", document)], session)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the policies' names.")
        @OptionGroup var place: Place
        func run() async throws {
            try await place.options.run { session in
                let names =
                    if let user = place.user {
                        try await session.list("ListUserPolicies", "PolicyNames", [("UserName", user)])
                    } else {
                        try await session.iam.list(
                            "ListAccountPolicies", "PolicyNames", [("AccountName", place.options.account)])
                    }
                for name in names { print(name.text) }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a policy's document.")
        @OptionGroup var place: Place
        @Argument(help: "The policy's name.") var name: String
        func run() async throws {
            try await place.options.run { session in
                let document = try await place.call("Get", [("PolicyName", name)], session) ?? ""
                print(document.removingPercentEncoding ?? document)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a policy.")
        @OptionGroup var place: Place
        @Argument(help: "The policy's name.") var name: String
        func run() async throws {
            try await place.options.run { session in
                _ = try await place.call("Delete", [("PolicyName", name)], session)
            }
        }
    }
}
