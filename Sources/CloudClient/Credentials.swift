public import Foundation

/// What a user needs to use the cloud, as it stands in an eucarc file.
public struct Credentials: Sendable, Equatable {
    /// URL of the EC2 service.
    public var ec2URL: String
    /// URL of the S3 service.
    public var s3URL: String
    /// Access key id.
    public var accessKeyID: String
    /// Secret key.
    public var secretKey: String
    /// Region that tools shall name.
    public var region: String
    /// Account id, 12 digits.
    public var accountID: String

    /// Makes credentials.
    public init(
        ec2URL: String, s3URL: String, accessKeyID: String, secretKey: String, region: String, accountID: String
    ) {
        self.ec2URL = ec2URL
        self.s3URL = s3URL
        self.accessKeyID = accessKeyID
        self.secretKey = secretKey
        self.region = region
        self.accountID = accountID
    }

    /// URL of IAM: the original's path, below which the cloud controller answers beside EC2.
    public var iamURL: String { service("Euare") }

    /// URL of STS.
    public var tokenURL: String { service("Tokens") }

    private func service(_ name: String) -> String {
        guard let scheme = ec2URL.range(of: "://") else { return ec2URL }
        let end = ec2URL[scheme.upperBound...].firstIndex(of: "/") ?? ec2URL.endIndex
        return ec2URL[..<end] + "/services/\(name)"
    }

    /// The names that the original's tools, euca2ools and today's AWS tools read, each with its value.
    public var variables: [(name: String, value: String)] {
        [
            ("EC2_URL", ec2URL), ("S3_URL", s3URL), ("EUARE_URL", iamURL), ("TOKEN_URL", tokenURL),
            ("EC2_ACCESS_KEY", accessKeyID), ("EC2_SECRET_KEY", secretKey),
            ("AWS_ACCESS_KEY_ID", accessKeyID), ("AWS_SECRET_ACCESS_KEY", secretKey), ("AWS_DEFAULT_REGION", region),
            // Without these, a tool would ask Amazon's services.
            ("AWS_ENDPOINT_URL_EC2", ec2URL), ("AWS_ENDPOINT_URL_S3", s3URL), ("AWS_ENDPOINT_URL_IAM", iamURL),
            ("AWS_ENDPOINT_URL_STS", tokenURL), ("EC2_USER_ID", accountID),
        ]
    }

    /// Writes an eucarc file that a shell can source; only its owner can read it.
    public func write(to file: URL) throws {
        var text = "# Source this file, then use any EC2 or S3 client: . \(file.lastPathComponent)\n"
        for (name, value) in variables { text += "export \(name)='\(value)'\n" }
        let temporary = file.deletingLastPathComponent().appendingPathComponent(".\(file.lastPathComponent).new")
        try? FileManager.default.removeItem(at: temporary)  // of a write that was interrupted; usually not there
        // Created with its mode, so that the secret is never readable by others, not even for a moment.
        guard
            FileManager.default.createFile(
                atPath: temporary.path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw CloudClientError(status: 0, code: "", message: "\(temporary.path) cannot be written.") }
        guard rename(temporary.path, file.path) == 0 else {
            throw CloudClientError(status: 0, code: "", message: "\(file.path) cannot be replaced.")
        }
    }

    /// Reads an eucarc file.
    ///
    /// - Throws: `CloudClientError` that names the file and the variable that is missing.
    public init(reading file: URL) throws {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            throw CloudClientError(
                status: 0, code: "",
                message:
                    "\(file.path) cannot be read. Start a cloud with `mallee up`, or name the file by --credentials.")
        }
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            var line = line[...]
            if line.hasPrefix("export ") { line = line.dropFirst(7) }
            guard let equals = line.firstIndex(of: "="), !line.hasPrefix("#") else { continue }
            values[String(line[..<equals])] = line[line.index(after: equals)...].trimmingCharacters(
                in: CharacterSet(charactersIn: "'\" "))
        }
        try self.init(variables: values, origin: file.path)
    }

    /// Takes the credentials from variables such as those of the environment.
    public init(variables: [String: String], origin: String) throws {
        func value(_ names: String...) throws -> String {
            for name in names { if let value = variables[name], !value.isEmpty { return value } }
            throw CloudClientError(status: 0, code: "", message: "\(origin) does not set \(names[0]).")
        }
        self.init(
            ec2URL: try value("EC2_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL"),
            s3URL: try value("S3_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
            accessKeyID: try value("EC2_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
            secretKey: try value("EC2_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"),
            region: variables["AWS_DEFAULT_REGION"] ?? "us-east-1", accountID: variables["EC2_USER_ID"] ?? "")
    }
}
