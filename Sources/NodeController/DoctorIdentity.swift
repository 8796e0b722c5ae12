// The node's key, certificate and authority, and what it needs to get them.

import Posix
import TLS

/// The files of a node's identity.
struct DoctorIdentity {
    let certificate: String
    let key: String
    let authority: String
}

extension NodeDoctor {
    private static let month: Milliseconds = 30 * 86_400_000

    /// - Returns: the files, if they can be used.
    func checkIdentity(_ configuration: NodeConfiguration, _ report: inout DoctorReport) -> DoctorIdentity? {
        if configuration.enrolmentEndpoint != nil { checkEnrolment(configuration, &report) }
        guard let certificate = configuration.tlsCertificate, let key = configuration.tlsKey,
            let authority = configuration.tlsAuthority
        else {
            report.warn(
                "certificates", "ALLOW_PLAIN_HTTP is set: whoever reaches the port can run and end instances.",
                cure: "Enrol the node (ENROLMENT_ENDPOINT), or set TLS_CERT, TLS_KEY and TLS_CA.")
            return nil
        }
        let files = DoctorIdentity(certificate: certificate, key: key, authority: authority)
        if configuration.enrolmentEndpoint != nil, !FileSystem.exists(certificate) {
            report.warn(
                "certificates", "\(certificate) is not there: this node has not enrolled yet.",
                cure: "Start mallee-node; if it waits for approval, `mallee node approve` it on the frontend.")
            return nil
        }
        return checkFiles(files, configuration, &report) ? files : nil
    }

    private func checkFiles(
        _ files: DoctorIdentity, _ configuration: NodeConfiguration, _ report: inout DoctorReport
    ) -> Bool {
        let again = "Restore it, or remove the three files and enrol again (restart mallee-node)."
        var contents: [[UInt8]] = []
        for path in [files.certificate, files.key, files.authority] {
            do throws(PosixError) {
                contents.append(try FileSystem.read(path, limit: 1 << 20))
            } catch {
                report.fail("certificates", "\(error).", cure: error.isNotFound ? again : "Run this as root.")
                return false
            }
        }
        checkSecret("certificates", files.key, &report)
        do throws(TLSError) {
            let (name, _) = try ComponentKey.check(
                certificate: contents[0], key: contents[1], authority: contents[2])
            let expected = "node:" + nodeName(configuration)
            if name != expected {
                report.fail(
                    "certificates", "\(files.certificate) is that of \(name), but this node is \(expected).",
                    cure: "Set NODE_NAME to the certificate's name, or remove the certificate and enrol again.")
            }
        } catch {
            report.fail("certificates", "\(files.certificate): \(error).", cure: again)
            return false
        }
        guard let facts = CertificateFacts.parse(pem: contents[0]),
            let authority = CertificateFacts.parse(pem: contents[2])
        else {
            report.fail("certificates", "\(files.certificate) or \(files.authority) is damaged.", cure: again)
            return false
        }
        checkTimes(
            from: max(facts.notBefore, authority.notBefore), to: min(facts.notAfter, authority.notAfter),
            configuration, files.certificate, &report)
        return true
    }

    private func checkTimes(
        from begin: Milliseconds, to end: Milliseconds, _ configuration: NodeConfiguration, _ path: String,
        _ report: inout DoctorReport
    ) {
        let now = Clock.now
        let until = String(Timestamp.format(end).prefix(10))
        if now < begin || now > end {
            let message =
                (now < begin ? "they are not valid yet" : "they ended on \(until)")
                + " by this host's clock, \(Timestamp.format(now))"
            let cure =
                now < begin
                ? "Set the clock, and run chronyd or ntpd."
                : "Check the clock; if it is right, remove them and enrol again (restart mallee-node)."
            // A node that enrolled does not judge by its clock, but others may.
            if configuration.usesIdentity {
                report.warn("certificates", message + ".", cure: cure)
            } else {
                report.fail("certificates", message + ": no connection is made.", cure: cure)
            }
        } else if now + NodeDoctor.month > end {
            report.warn(
                "certificates", "they end on \(until).", cure: "Remove them and enrol again (restart mallee-node).")
        } else {
            report.ok("certificates", "\(path) is signed by the cloud's authority, valid until \(until).")
        }
    }

    func nodeName(_ configuration: NodeConfiguration) -> String {
        if !configuration.nodeName.isEmpty { return configuration.nodeName }
        do throws(PosixError) {
            return try Host.name()
        } catch {
            return ""
        }
    }

    /// Secret, shape and authority of the enrolment; nothing of the secret is told.
    private func checkEnrolment(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        let hand = "Get it from the frontend (on Rocks: 411get --all), then restart mallee-node."
        let path = configuration.enrolmentSecretFile
        do throws(PosixError) {
            if Enroller.secret(try FileSystem.readText(path, limit: 4096)) != nil {
                report.ok("enrolment", "\(path) holds a secret.")
            } else {
                report.fail("enrolment", "\(path) does not hold 64 hexadecimal digits.", cure: hand)
            }
            checkSecret("enrolment", path, &report)
        } catch {
            report.fail("enrolment", "\(error).", cure: error.isNotFound ? hand : "Run this as root.")
        }
        // The configuration was read, so that a fingerprint in there has the right form.
        if configuration.authorityFingerprint != nil {
            report.ok("enrolment", "AUTHORITY_FINGERPRINT names the cloud's authority.")
            return
        }
        let file = configuration.authorityFingerprintFile
        do throws(PosixError) {
            if AuthorityFingerprint.find(in: try FileSystem.readText(file, limit: 4096)) != nil {
                report.ok("enrolment", "\(file) names the cloud's authority.")
            } else {
                report.fail(
                    "enrolment", "\(file) is not sha256: and 64 hexadecimal digits: this node cannot know its cloud.",
                    cure: "Copy it from the frontend.")
            }
        } catch {
            report.fail("enrolment", "\(error).", cure: "Copy /etc/mallee/authority.fingerprint from the frontend.")
        }
    }

    /// A file that only its owner may read.
    private func checkSecret(_ check: String, _ path: String, _ report: inout DoctorReport) {
        do throws(PosixError) {
            let status = try FileSystem.status(path)
            if status.permissions & 0o077 != 0 {
                report.fail(
                    check, "\(path) can be read or changed by other users.", cure: "Run chmod 600 \(path) as root.")
            }
        } catch {
            report.fail(check, "\(error).", cure: "Run this as root.")
        }
    }
}
