// Gets a node its identity, however long that takes.
//
//     looking ──complete, right name and authority──────────────────────────▶ done
//        │                                                        ▲
//        │ none, or of another cloud                              │ issued, written
//        ▼                                                        │
//     asking ──────────────────────────────────────────────────────
//      │   ▲ failed: later, slower each time; the files are read anew, since the secret may come by 411 meanwhile
//      └───┘ pending approval: after the server's time, with the same key
//
// A node that has an identity never asks again by itself, also when it was superseded or removed: two hosts of one
// name would throw each other out for ever. Whoever wants it back removes the identity's directory.

import Contracts
public import Posix
import TLS

/// Enrols one node.
public final class Enroller: @unchecked Sendable {
    /// What it needs to know.
    public struct Settings: Sendable {
        /// The name for the certificate.
        public var nodeName: String
        /// Where the node will be reached; nil leaves that to the server.
        public var address: String?
        /// URL of the zone's enrolment service; nil uses only an identity that is there.
        public var endpoint: String?
        /// Holds the secret: 64 hexadecimal digits.
        public var secretFile: String
        /// The authority's fingerprint; nil reads it from the file.
        public var fingerprint: String?
        /// Holds the fingerprint in its first line.
        public var fingerprintFile: String
        /// Where the identity is kept.
        public var directory: String
        /// Pause after the first failure; doubled after each further one.
        public var firstRetry: Milliseconds = 1_000
        /// Pause at most.
        public var lastRetry: Milliseconds = 30_000

        /// The settings that a configuration makes.
        ///
        /// - Parameter hostName: what the node is called if the configuration does not say.
        public init?(_ configuration: NodeConfiguration, hostName: String) {
            guard let directory = configuration.identityDirectory else { return nil }
            nodeName = configuration.nodeName.isEmpty ? hostName : configuration.nodeName
            let own = configuration.advertisedAddress
            address = own.isEmpty ? Settings.specific(configuration.listenAddress) : own
            endpoint = configuration.enrolmentEndpoint
            secretFile = configuration.enrolmentSecretFile
            fingerprint = configuration.authorityFingerprint
            fingerprintFile = configuration.authorityFingerprintFile
            self.directory = directory
        }

        private static func specific(_ address: String) -> String? {
            address == "0.0.0.0" || address == "::" || address.isEmpty ? nil : address
        }
    }

    private let settings: Settings
    private let log: NodeLog
    // Guards `isStopped`.
    private let lock = Lock()
    private let change = Condition()
    private var isStopped = false

    /// An enroller that has not begun.
    public init(settings: Settings, log: NodeLog) {
        self.settings = settings
        self.log = log
    }

    /// Whether there is an identity that can be used as it is.
    public func isEnrolled() throws(PosixError) -> Bool {
        guard case .complete(let name, let known) = try files.state() else { return false }
        guard settings.endpoint != nil else { return true }
        // Without a fingerprint nobody says that the identity is another cloud's.
        if let wanted = configuredFingerprint(), wanted != known {
            log.warning(
                "the identity in \(settings.directory) is of the authority \(AuthorityFingerprint.text(known)), and this "
                    + "host is told to trust \(AuthorityFingerprint.text(wanted)); the node enrols anew")
            return false
        }
        if name != "node:" + settings.nodeName {
            log.warning(
                "the identity in \(settings.directory) is of \(name), and this node is called \(settings.nodeName); "
                    + "it enrols anew")
            return false
        }
        return true
    }

    /// Enrols; returns when that is done (true), or after `stop` (false). Blocks meanwhile.
    public func run() -> Bool {
        var failures = 0
        var last = ""
        while !lock.withLock({ isStopped }) {
            let pause: Milliseconds
            do throws(EnrolmentFailure) {
                guard let wait = try attempt() else { return true }
                if last != "pending" {
                    log.warning(
                        "node \(settings.nodeName) waits for the administrator's approval: "
                            + "`mallee node approve \(settings.nodeName)` on the frontend")
                    last = "pending"
                }
                failures = 0
                pause = wait
            } catch {
                failures += 1
                let line = explain(error)
                // Once in a while is enough while nothing changes.
                if line != last || failures % 20 == 0 { log.error(line) }
                last = line
                var time = settings.firstRetry
                for _ in 1..<max(failures, 2) where failures > 1 && time < settings.lastRetry { time *= 2 }
                time = min(time, settings.lastRetry)
                // Half to all of it, so that many nodes do not come back in the same instant.
                pause = time / 2 + Milliseconds.random(in: 0...max(1, time / 2))
            }
            rest(pause)
        }
        return false
    }

    /// Ends `run` soon; a call under way is waited for.
    public func stop() {
        lock.withLock { isStopped = true }
        change.broadcast()
    }

    private func rest(_ time: Milliseconds) {
        let deadline = Deadline(after: time)
        lock.lock()
        defer { lock.unlock() }
        while !isStopped, !deadline.isPast { _ = change.wait(lock, timeout: deadline.remaining) }
    }

    // MARK: Parts

    private var files: NodeIdentityFiles { NodeIdentityFiles(directory: settings.directory) }

    /// Asks once: nil when done, otherwise when to ask again.
    private func attempt() throws(EnrolmentFailure) -> Milliseconds? {
        guard let endpoint = settings.endpoint else {
            throw EnrolmentFailure(
                "there is no identity in \(settings.directory) (component.key, component.crt, ca.crt): set "
                    + "ENROLMENT_ENDPOINT, or bring one from `mallee certificate`")
        }
        let secret = try readSecret()
        let fingerprint = try readFingerprint()
        let key = try ownKey()
        let outcome = try EnrolmentClient.attempt(
            EnrolmentRequest(
                endpoint: endpoint, nodeName: settings.nodeName, address: settings.address, key: key, secret: secret,
                authorityFingerprint: fingerprint))
        switch outcome {
        case .pendingApproval(let time): return time
        case .issued(let certificate, let authority, let serverTime):
            try write { () throws(PosixError) in
                try files.complete(certificate: certificate, authority: authority)
            }
            let skew = (Clock.now - serverTime) / 1000
            log.info("enrolled as node \(settings.nodeName); the identity is in \(settings.directory)")
            if skew > 60 || skew < -60 {
                log.warning(
                    "this host's clock is \(skew < 0 ? -skew : skew) s \(skew < 0 ? "behind" : "ahead of") the cluster "
                        + "controller's; set it by NTP")
            }
            return nil
        }
    }

    /// The key that was begun with, so that an approval stays good over restarts; or a new one.
    private func ownKey() throws(EnrolmentFailure) -> [UInt8] {
        var state = NodeIdentityFiles.State.absent
        try write { () throws(PosixError) in state = try files.state() }
        if case .keyOnly(let key) = state { return key }
        let key: [UInt8]
        do throws(TLSError) {
            key = try ComponentKey.create()
        } catch {
            throw EnrolmentFailure(error.message)
        }
        try write { () throws(PosixError) in try files.begin(key: key) }
        return key
    }

    private func write(_ body: () throws(PosixError) -> Void) throws(EnrolmentFailure) {
        do throws(PosixError) {
            try body()
        } catch {
            throw EnrolmentFailure("the identity cannot be kept: \(error)")
        }
    }

    private func readSecret() throws(EnrolmentFailure) -> [UInt8] {
        let file = settings.secretFile
        let text: String
        do throws(PosixError) {
            text = try FileSystem.readText(file, limit: 4096)
        } catch {
            throw EnrolmentFailure(
                "the enrolment secret is missing: \(error); fetch it from the frontend (on Rocks: 411get --all)")
        }
        guard let secret = Enroller.secret(text) else {
            throw EnrolmentFailure(
                "\(file) is not an enrolment secret of 64 hexadecimal digits; fetch it from the frontend (on Rocks: 411get "
                    + "--all)")
        }
        return secret
    }

    /// The 32 bytes of 64 hexadecimal digits; comment lines, as 411 writes them, do not count.
    static func secret(_ text: String) -> [UInt8]? {
        var found: [UInt8]?
        for line in Array(text.utf8).split(separator: 0x0A) {
            var line = line
            while let last = line.last, last <= 0x20 { line.removeLast() }
            while let first = line.first, first <= 0x20 { line.removeFirst() }
            if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
            guard found == nil, line.count == 64, let bytes = Hex.decode(String(decoding: line, as: UTF8.self)) else {
                return nil
            }
            found = bytes
        }
        return found
    }

    private func configuredFingerprint() -> [UInt8]? {
        do throws(EnrolmentFailure) {
            return try readFingerprint()
        } catch {
            return nil
        }
    }

    private func readFingerprint() throws(EnrolmentFailure) -> [UInt8] {
        if let text = settings.fingerprint, let known = AuthorityFingerprint.parse(text) { return known }
        let file = settings.fingerprintFile
        let text: String
        do throws(PosixError) {
            text = try FileSystem.readText(file, limit: 4096)
        } catch {
            throw EnrolmentFailure(
                "the authority's fingerprint is missing: \(error); set AUTHORITY_FINGERPRINT, or fetch the file from the "
                    + "frontend (on Rocks: 411get --all)")
        }
        if let known = AuthorityFingerprint.find(in: text) { return known }
        throw EnrolmentFailure(
            "\(file) holds no fingerprint (sha256: and 64 hexadecimal digits); fetch it from the frontend (on Rocks: 411get "
                + "--all)")
    }

    private func explain(_ failure: EnrolmentFailure) -> String {
        let start = "node \(settings.nodeName) cannot enrol: "
        switch failure.refusal {
        case .secret:
            return start + "the enrolment secret is wrong: compare \(settings.secretFile) with the frontend's "
                + "/etc/mallee/enrolment.secret (on Rocks: 411get --all). \(failure)"
        default: return start + failure.description
        }
    }
}
