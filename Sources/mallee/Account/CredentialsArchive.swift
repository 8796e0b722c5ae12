import Archive
import CloudClient
import Foundation
import Posix

/// What a user gets to use the cloud: the original's `euca2-<user>-x509.zip`, and configuration for today's tools.
///
///     unzip -d ~/.mallee creds.zip && . ~/.mallee/eucarc
struct CredentialsArchive {
    /// The user's access key and where the cloud answers.
    var credentials: Credentials
    var accountName: String
    var userName: String
    /// PEM of the user.
    var certificate: String
    var privateKey: String
    /// The first digits of the certificate's SHA-256, which tell the files of several certificates apart.
    var fingerprint: String
    /// PEM of the cloud and of the authority for users' certificates.
    var cloudCertificate: String

    /// User names may hold characters that a shell or a file system takes amiss.
    private var safeUser: String {
        String(userName.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" })
    }
    private var stem: String { "euca2-\(safeUser)-\(fingerprint)" }

    /// Names and contents, in the order of the original.
    var files: [(name: String, text: String)] {
        [
            ("eucarc", eucarc), ("iamrc", iamrc), ("cloud-cert.pem", cloudCertificate),
            ("\(stem)-pk.pem", privateKey), ("\(stem)-cert.pem", certificate), ("aws-config", awsConfiguration),
            ("s3cfg", s3cmdConfiguration), ("rclone.conf", rcloneConfiguration),
        ]
    }

    // MARK: The files

    private static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }

    /// The original's variables, those of its later releases as far as the service is there, and those
    /// that today's tools read. For bash, zsh, and any shell whose current directory is that of the files.
    private var eucarc: String {
        let plain: [(String, String)] = [
            ("S3_URL", credentials.s3URL), ("EC2_URL", credentials.ec2URL), ("EUARE_URL", credentials.iamURL),
            ("TOKEN_URL", credentials.tokenURL), ("EC2_ACCESS_KEY", credentials.accessKeyID),
            ("EC2_SECRET_KEY", credentials.secretKey), ("AWS_ACCESS_KEY", credentials.accessKeyID),
            ("AWS_SECRET_KEY", credentials.secretKey), ("EC2_USER_ID", credentials.accountID),
            ("EC2_ACCOUNT_NUMBER", credentials.accountID), ("EC2_ACCOUNT_NAME", accountName),
            ("AWS_ACCESS_KEY_ID", credentials.accessKeyID), ("AWS_SECRET_ACCESS_KEY", credentials.secretKey),
            ("AWS_DEFAULT_REGION", credentials.region), ("AWS_ENDPOINT_URL_EC2", credentials.ec2URL),
            ("AWS_ENDPOINT_URL_S3", credentials.s3URL), ("AWS_ENDPOINT_URL_IAM", credentials.iamURL),
            ("AWS_ENDPOINT_URL_STS", credentials.tokenURL),
        ]
        let placed: [(String, String)] = [
            ("EC2_PRIVATE_KEY", "\(stem)-pk.pem"), ("EC2_CERT", "\(stem)-cert.pem"),
            ("EUCALYPTUS_CERT", "cloud-cert.pem"), ("AWS_CREDENTIAL_FILE", "iamrc"), ("S3CMD_CONFIG", "s3cfg"),
            ("RCLONE_CONFIG", "rclone.conf"),
        ]
        var text = """
            # To set up the environment: . /path/to/eucarc
            if [ -n "${BASH_VERSION:-}" ]; then
                EUCA_KEY_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
            elif [ -n "${ZSH_VERSION:-}" ]; then
                eval 'EUCA_KEY_DIR=${${(%):-%x}:A:h}'
            else
                EUCA_KEY_DIR=$(pwd)
            fi
            export EUCA_KEY_DIR

            """
        for (name, value) in plain { text += "export \(name)=\(Self.quoted(value))\n" }
        for (name, file) in placed { text += "export \(name)=\"${EUCA_KEY_DIR}/\(file)\"\n" }
        text += """
            alias ec2-bundle-image="ec2-bundle-image --cert ${EC2_CERT} --privatekey ${EC2_PRIVATE_KEY} --user ${EC2_USER_ID} --ec2cert ${EUCALYPTUS_CERT}"
            alias ec2-upload-bundle="ec2-upload-bundle -a ${EC2_ACCESS_KEY} -s ${EC2_SECRET_KEY} --url ${S3_URL} --ec2cert ${EUCALYPTUS_CERT}"

            """
        return text
    }

    private var iamrc: String {
        "AWSAccessKeyId=\(credentials.accessKeyID)\nAWSSecretKey=\(credentials.secretKey)\n"
    }

    private var awsConfiguration: String {
        """
        # AWS_CONFIG_FILE=aws-config aws ec2 describe-instances
        [default]
        region = \(credentials.region)
        aws_access_key_id = \(credentials.accessKeyID)
        aws_secret_access_key = \(credentials.secretKey)
        services = mallee
        s3 =
            addressing_style = path

        [services mallee]
        ec2 =
            endpoint_url = \(credentials.ec2URL)
        s3 =
            endpoint_url = \(credentials.s3URL)
        iam =
            endpoint_url = \(credentials.iamURL)
        sts =
            endpoint_url = \(credentials.tokenURL)

        """
    }

    private var s3cmdConfiguration: String {
        let isSecure = credentials.s3URL.hasPrefix("https:")
        let host = String(credentials.s3URL.split(separator: "/").dropFirst().first ?? "")
        return """
            # s3cmd -c s3cfg ls
            [default]
            access_key = \(credentials.accessKeyID)
            secret_key = \(credentials.secretKey)
            host_base = \(host)
            host_bucket = \(host)
            bucket_location = \(credentials.region)
            use_https = \(isSecure ? "True" : "False")

            """
    }

    private var rcloneConfiguration: String {
        """
        # rclone --config rclone.conf ls mallee:
        [mallee]
        type = s3
        provider = Other
        access_key_id = \(credentials.accessKeyID)
        secret_access_key = \(credentials.secretKey)
        region = \(credentials.region)
        endpoint = \(credentials.s3URL)
        force_path_style = true

        """
    }

    // MARK: Writing

    /// Writes the archive; its owner alone can read it, at every moment. What was there is replaced.
    func write(to path: String) throws {
        let (file, temporary) = try FileSystem.temporaryFile(beside: path)
        do {
            try file.close()
            // The file is there with its rights; libarchive only empties it.
            let archive = try ArchiveWriter(path: temporary, format: .zip)
            let now = Int64(Date().timeIntervalSince1970)
            for (name, text) in files {
                let bytes = Array(text.utf8)
                try archive.add(
                    ArchiveEntry(path: name, kind: .file, permissions: 0o600, size: Int64(bytes.count), modified: now),
                    bytes: bytes)
            }
            try archive.close()
            try FileSystem.rename(temporary, to: path)
        } catch {
            try? FileSystem.remove(temporary, ifPresent: true)  // the error that matters is at hand
            throw error
        }
    }
}
