import ArgumentParser
import CloudClient
import Crypto
import Foundation
import XML

/// The zip with which a user begins.
struct AccountCredentialsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credentials",
        abstract: "Make an access key and a certificate, and write them with everything a user needs into a zip.",
        discussion: """
            The zip holds eucarc for bash and zsh, the certificates, and configuration for aws, s3cmd and rclone. Its \
            secrets are nowhere else: hand it over and remove it.
              unzip -d ~/.mallee creds.zip && . ~/.mallee/eucarc
            """)

    @OptionGroup var options: AccountOptions
    @Option(name: .shortAndLong, help: "The file to write (mode 0600).", completion: .file(extensions: ["zip"]))
    var output: String
    @Option(help: "A user of the account (default: the account itself, which the original calls admin).")
    var user: String?
    @Option(help: "How many days the certificate is good, up to 3650 (default: two years).") var days: Int?
    @Flag(help: "If there are two keys or certificates already, delete the older ones.") var replace = false

    func validate() throws {
        if FileManager.default.fileExists(atPath: output) {
            throw ValidationError("\(output) exists already; remove it or choose another name.")
        }
    }

    func run() async throws {
        try await options.run { session in
            let account = try await session.find()
            let who = AccountSession.user(user)
            try await makeRoom(session, who, "ListAccessKeys", "AccessKeyMetadata", "AccessKeyId", "DeleteAccessKey")
            try await makeRoom(
                session, who, "ListSigningCertificates", "Certificates", "CertificateId", "DeleteSigningCertificate")
            let key = try await session.call("CreateAccessKey", who)?.child("AccessKey")
            let keyID = key?.value("AccessKeyId") ?? ""
            do {
                var parameters = who
                if let days { parameters.append((name: "Days", value: String(days))) }
                let made = try await session.call("CreateSigningCertificate", parameters)?.child("Certificate")
                let id = made?.value("CertificateId") ?? ""
                do {
                    let cloud = try await session.call("GetCloudCertificate")?.value("CertificateBody") ?? ""
                    var credentials = session.credentials
                    credentials.accessKeyID = keyID
                    credentials.secretKey = key?.value("SecretAccessKey") ?? ""
                    credentials.accountID = account.id
                    let certificate = made?.value("CertificateBody") ?? ""
                    try CredentialsArchive(
                        credentials: credentials, accountName: account.name, userName: user ?? "admin",
                        certificate: certificate, privateKey: made?.value("PrivateKey") ?? "",
                        fingerprint: String(CertificateRow.fingerprint(certificate).prefix(8)),
                        cloudCertificate: cloud
                    ).write(to: output)
                } catch {
                    try await session.call("DeleteSigningCertificate", who + [("CertificateId", id)])
                    throw error
                }
            } catch {
                try await session.call("DeleteAccessKey", who + [("AccessKeyId", keyID)])
                throw error
            }
            print(output)
        }
    }

    /// A user has two keys and two certificates at most.
    private func makeRoom(
        _ session: AccountSession, _ who: [(name: String, value: String)], _ list: String, _ element: String,
        _ identifier: String, _ delete: String
    ) async throws {
        let present = try await session.list(list, element, who)
        // Revoked certificates take no room.
        let counted = present.filter { $0.child("RevocationDate") == nil }
        guard counted.count >= 2 else { return }
        let ids = counted.map { $0.value(identifier) }
        guard replace else {
            throw CommandFailure(
                "\(user ?? options.account) has two already: \(ids.joined(separator: " ")). Delete one (`mallee account "
                    + "\(list == "ListAccessKeys" ? "key" : "certificate") delete`), or let --replace delete the older."
            )
        }
        let oldest = counted.min {
            ($0.value("CreateDate") + $0.value("UploadDate")) < ($1.value("CreateDate") + $1.value("UploadDate"))
        }
        guard let id = oldest?.value(identifier) else { return }
        try await session.call(delete, who + [(name: identifier, value: id)])
        print("\(id): deleted")
    }
}

/// A certificate as commands show it.
struct CertificateRow {
    let id: String
    let state: String
    let fingerprint: String
    let notAfter: String

    init(_ element: XMLElement) {
        id = element.value("CertificateId")
        state = element.child("RevocationDate") == nil ? element.value("Status") : "Revoked"
        fingerprint = Self.fingerprint(element.value("CertificateBody"))
        notAfter = element.value("NotAfter")
    }

    var line: String {
        "\(id)  \(state)" + (notAfter.isEmpty ? "" : "  until \(notAfter)") + "  sha256:\(fingerprint)"
    }

    /// SHA-256 of the first certificate of a PEM text, in hexadecimal; "" if there is none.
    static func fingerprint(_ pem: String) -> String {
        let body = pem.split(separator: "\n", omittingEmptySubsequences: true)
            .drop { !$0.hasPrefix("-----BEGIN") }.dropFirst().prefix { !$0.hasPrefix("-----END") }
        guard let der = Data(base64Encoded: body.joined()), !der.isEmpty else { return "" }
        return SHA256.hash(data: der).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
