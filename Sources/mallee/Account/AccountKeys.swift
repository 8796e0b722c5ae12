import ArgumentParser
import Foundation
import XML

/// Options of commands about one of an account's users.
struct AccountUserOptions: ParsableArguments {
    @OptionGroup var options: AccountOptions
    @Option(help: "A user of the account (default: the account itself).") var user: String?

    var who: [(name: String, value: String)] { AccountSession.user(user) }
}

/// Access keys.
struct AccountKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Access keys of an account and its users.",
        subcommands: [Create.self, List.self, Enable.self, Disable.self, Delete.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an access key; id and secret are printed this once.")
        @OptionGroup var options: AccountUserOptions
        func run() async throws {
            try await options.options.run { session in
                let key = try await session.call("CreateAccessKey", options.who)?.child("AccessKey")
                print(key?.value("AccessKeyId") ?? "")
                print(key?.value("SecretAccessKey") ?? "")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the keys, without their secrets.")
        @OptionGroup var options: AccountUserOptions
        func run() async throws {
            try await options.options.run { session in
                for key in try await session.list("ListAccessKeys", "AccessKeyMetadata", options.who) {
                    print("\(key.value("AccessKeyId"))  \(key.value("Status"))  \(key.value("CreateDate"))")
                }
            }
        }
    }

    /// What takes a key's id.
    struct KeyOptions: ParsableArguments {
        @OptionGroup var options: AccountUserOptions
        @Argument(help: "The key's id.") var key: String

        func call(_ action: String, _ parameters: [(name: String, value: String)] = []) async throws {
            try await options.options.run { session in
                try await session.call(action, options.who + [(name: "AccessKeyId", value: key)] + parameters)
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a key work again.")
        @OptionGroup var options: KeyOptions
        func run() async throws { try await options.call("UpdateAccessKey", [("Status", "Active")]) }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Refuse a key until it is enabled.")
        @OptionGroup var options: KeyOptions
        func run() async throws { try await options.call("UpdateAccessKey", [("Status", "Inactive")]) }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a key for good.")
        @OptionGroup var options: KeyOptions
        func run() async throws { try await options.call("DeleteAccessKey") }
    }
}

/// Signing certificates.
struct AccountCertificateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificate", abstract: "Signing certificates of an account and its users.",
        subcommands: [
            Create.self, Upload.self, List.self, Enable.self, Disable.self, Revoke.self, Delete.self,
        ])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key and a certificate, signed by the cloud's authority for users.",
            discussion: "Writes NAME-pk.pem (0600) and NAME-cert.pem; the cloud keeps no copy of the key.")
        @OptionGroup var options: AccountUserOptions
        @Option(name: .shortAndLong, help: "Begin of the files' names, such as ./alice.", completion: .file())
        var output: String
        @Option(help: "How many days it is good, up to 3650 (default: two years).") var days: Int?

        func run() async throws {
            for suffix in ["-pk.pem", "-cert.pem"] where FileManager.default.fileExists(atPath: output + suffix) {
                throw CommandFailure("\(output)\(suffix) exists already; choose another --output.")
            }
            try await options.options.run { session in
                let days = days.map { [(name: "Days", value: String($0))] } ?? []
                let made = try await session.call("CreateSigningCertificate", options.who + days)?
                    .child("Certificate")
                for (suffix, name, mode) in [
                    ("-pk.pem", "PrivateKey", UInt32(0o600)), ("-cert.pem", "CertificateBody", 0o644),
                ] {
                    try InstalledFile.write(
                        output + suffix, made?.value(name) ?? "", .init(user: geteuid(), group: getegid(), mode: mode))
                }
                print(made?.value("CertificateId") ?? "")
            }
        }
    }

    struct Upload: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a certificate that the user made himself.")
        @OptionGroup var options: AccountUserOptions
        @Argument(help: "The certificate in PEM.", completion: .file()) var file: String
        func run() async throws {
            let pem = try String(contentsOfFile: file, encoding: .utf8)
            try await options.options.run { session in
                let taken = try await session.call(
                    "UploadSigningCertificate", options.who + [("CertificateBody", pem)])
                print(taken?.child("Certificate")?.value("CertificateId") ?? "")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the certificates.")
        @OptionGroup var options: AccountUserOptions
        func run() async throws {
            try await options.options.run { session in
                for certificate in try await session.list("ListSigningCertificates", "Certificates", options.who) {
                    print(CertificateRow(certificate).line)
                }
            }
        }
    }

    /// What takes a certificate's id.
    struct CertificateOptions: ParsableArguments {
        @OptionGroup var options: AccountUserOptions
        @Argument(help: "The certificate's id.") var certificate: String

        func call(_ action: String, _ parameters: [(name: String, value: String)] = []) async throws {
            try await options.options.run { session in
                try await session.call(
                    action, options.who + [(name: "CertificateId", value: certificate)] + parameters)
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a certificate work again.")
        @OptionGroup var options: CertificateOptions
        func run() async throws { try await options.call("UpdateSigningCertificate", [("Status", "Active")]) }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Refuse a certificate until it is enabled.")
        @OptionGroup var options: CertificateOptions
        func run() async throws { try await options.call("UpdateSigningCertificate", [("Status", "Inactive")]) }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Refuse a certificate for good.")
        @OptionGroup var options: CertificateOptions
        func run() async throws { try await options.call("RevokeSigningCertificate") }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a certificate from the list, too.")
        @OptionGroup var options: CertificateOptions
        func run() async throws { try await options.call("DeleteSigningCertificate") }
    }
}
