import Foundation
import Posix
import Secrets
import ServiceHost

// Certificates, keys, the enrolment secret: present, belonging together, closed to others, valid.
extension FrontEndDoctor {
    private static let month: TimeInterval = 30 * 86400

    mutating func checkTrust(_ components: [Component]) {
        let cloud = components.first { $0.name == "cloud" }?.file
        let directory = cloud?.optional("AUTHORITY_DIR") ?? InstalledLayout.authority
        let authority = checkAuthority(directory)
        var places = components.compactMap { component in
            component.file.optional("IDENTITY_DIR").map { (component.service, $0) }
        }
        if cloud != nil { places.append(("`mallee node`", InstalledLayout.administrator)) }
        if let cloud { checkSecretsKey(cloud) }
        for (user, place) in places { checkIdentity(place, of: user, authority) }
        if let cluster = components.first(where: { $0.name == "cluster" })?.file {
            checkSecret(cluster, authority)
        }
    }

    /// Without making one, as opening an authority that is not there would.
    private mutating func checkAuthority(_ directory: String) -> CloudAuthority? {
        let path = layout.path(directory)
        guard FileSystem.exists(path + "/ca.crt"), FileSystem.exists(path + "/ca.key") else {
            report.fail(
                "certificates", "the cloud's authority is not in \(directory), so that no node can enrol.",
                cure: geteuid() == 0
                    ? "Restore it from a backup; on a new front end run `mallee init`." : "Run this as root.")
            return nil
        }
        checkMode(path + "/ca.key", "certificates")
        do {
            let authority = try CloudAuthority.open(directory: path)
            report.ok("certificates", "the cloud's authority is in \(directory).")
            return authority
        } catch {
            report.fail("certificates", "\(error)", cure: "Restore \(directory) from a backup.")
            return nil
        }
    }

    /// Whether it is the store's, the cloud controller says when it starts.
    private mutating func checkSecretsKey(_ cloud: ConfigurationFile) {
        guard let state = cloud.optional("STATE_DIR") else { return }
        let path = cloud.optional("SECRETS_KEY_FILE") ?? FileSystem.join(state, CloudDaemon.secretsFile)
        do throws(SecretsError) {
            if let key = try SecretKeyFile(path: layout.path(path)).read()?.first {
                report.ok("secrets", "\(path) has the key \(key.id), which wraps the secrets in the store.")
            } else if FileSystem.exists(layout.path(FileSystem.join(state, "cloud.db"))) {
                report.fail(
                    "secrets", "the key file \(path) is missing, or you may not look.",
                    cure: geteuid() == 0
                        ? "If the cloud controller has run with this release before, restore it from a backup; otherwise "
                            + "start mallee-cloud, which makes it." : "Run this as root.")
            }
        } catch {
            report.fail(
                "secrets", error.description, cure: geteuid() == 0 ? "See the message." : "Run this as root.")
        }
    }

    private mutating func checkIdentity(_ directory: String, of user: String, _ authority: CloudAuthority?) {
        let path = layout.path(directory)
        do {
            let identity = try ComponentIdentity.load(directory: path)
            checkMode(path + "/component.key", "certificates")
            guard let authority else { return }
            do {
                _ = try authority.verify(identity.certificatePEM)
            } catch {
                report.fail(
                    "certificates", "the certificate of \(user) in \(directory): \(error)",
                    cure:
                        "Check the clock; if it is right, move \(directory) away, run `mallee init` and restart \(user)."
                )
                return
            }
            if (try? authority.verify(identity.certificatePEM, now: Date() + Self.month)) == nil {
                report.warn(
                    "certificates", "the certificate of \(user) in \(directory) ends within 30 days.",
                    cure: "Run `mallee init`, which renews it, and restart \(user).")
            } else {
                report.ok("certificates", "\(user) is \(identity.name), signed by the cloud's authority.")
            }
        } catch {
            report.fail(
                "certificates", "\(error)",
                cure: geteuid() == 0 ? "Run `mallee init`, then restart \(user)." : "Run this as root.")
        }
    }

    private mutating func checkSecret(_ cluster: ConfigurationFile, _ authority: CloudAuthority?) {
        guard let file = cluster.optional("ENROLMENT_SECRET_FILE") else {
            report.warn(
                "enrolment", "ENROLMENT_SECRET_FILE is not set in \(cluster.path): nodes cannot enrol.",
                cure: "Run `mallee init`.")
            return
        }
        do {
            let own = try FileSystem.readText(layout.path(file), limit: 4096)
            let handedOut = try FileSystem.readText(layout.path(InstalledLayout.enrolmentSecret), limit: 4096)
            checkMode(layout.path(file), "enrolment")
            checkMode(layout.path(InstalledLayout.enrolmentSecret), "enrolment")
            if own.trimmingCharacters(in: .whitespacesAndNewlines)
                == handedOut.trimmingCharacters(in: .whitespacesAndNewlines)
            {
                report.ok("enrolment", "the cluster controller and the nodes have the same secret.")
            } else {
                report.fail(
                    "enrolment", "\(file) and \(InstalledLayout.enrolmentSecret) differ: no node can enrol.",
                    cure: "Remove the wrong one, run `mallee init` and restart mallee-cluster.")
            }
        } catch {
            report.fail("enrolment", "\(error).", cure: geteuid() == 0 ? "Run `mallee init`." : "Run this as root.")
        }
        guard let authority else { return }
        do {
            let line = try FileSystem.readText(layout.path(InstalledLayout.fingerprint), limit: 4096)
            let known = try authority.fingerprint()
            if line.trimmingCharacters(in: .whitespacesAndNewlines) != known {
                report.fail(
                    "enrolment", "\(InstalledLayout.fingerprint) is of another authority: no node trusts this cloud.",
                    cure: "Remove it, run `mallee init`, and hand the new one out to the nodes.")
            }
        } catch {
            report.fail("enrolment", "\(error).", cure: "Run `mallee init`.")
        }
    }

    /// A file that only its owner may read.
    private mutating func checkMode(_ path: String, _ check: String) {
        do {
            if try FileSystem.status(path).permissions & 0o077 != 0 {
                report.fail(check, "\(path) can be read or changed by other users.", cure: "Run chmod 600 \(path).")
            }
        } catch {
            report.fail(check, "\(error).", cure: "Run this as root.")
        }
    }
}
