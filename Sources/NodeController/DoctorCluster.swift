// Whether the cluster controller can be reached: by TCP, by TLS, and what its clock says.

import BlockingHTTP
import Posix
import TLS

extension NodeDoctor {
    /// A host of the same network answers in milliseconds; this is for one that is not there.
    private static let patience: Milliseconds = 5_000

    func checkCluster(
        _ configuration: NodeConfiguration, _ identity: DoctorIdentity?, _ report: inout DoctorReport
    ) {
        if identity == nil, let endpoint = configuration.enrolmentEndpoint {
            checkReach("enrolment", "ENROLMENT_ENDPOINT", endpoint, &report)
        }
        guard let endpoint = configuration.clusterEndpoint else {
            report.fail(
                "cluster", "CLUSTER_ENDPOINT is not set: the node registers nowhere.",
                cure: "Set it to https://FRONTEND:8774/services/ClusterController.")
            return
        }
        guard checkReach("cluster", "CLUSTER_ENDPOINT", endpoint, &report), let url = HTTPURL(endpoint) else { return }
        var options = HTTPClient.Options()
        options.connectTime = NodeDoctor.patience
        options.idleTime = NodeDoctor.patience
        options.totalTime = NodeDoctor.patience * 2
        options.kept = 0
        options.serverNamePrefix = SOAPClusterLink.serverNamePrefix
        if url.scheme == .https {
            // Without a certificate there is nobody to be: the node has to enrol first.
            guard let identity else { return }
            do throws(TLSError) {
                options.tls = try TLSContext.client(
                    certificate: identity.certificate, key: identity.key, authority: identity.authority,
                    ignoresTimes: configuration.usesIdentity)
            } catch {
                report.fail("cluster", "no TLS: \(error).", cure: "Enrol the node again (see certificates above).")
                return
            }
        }
        ask(url, options, &report)
    }

    private func ask(_ url: HTTPURL, _ options: HTTPClient.Options, _ report: inout DoctorReport) {
        var health = url
        health.target = "/healthz"
        let client = HTTPClient(options: options)
        let sent = Clock.now
        do throws(HTTPClientError) {
            let answer = try client.call("GET", health.description)
            let received = Clock.now
            if answer.status == 200 {
                report.ok("cluster", "\(url.hostField) answers\(url.scheme == .https ? " over TLS" : "").")
            } else {
                report.warn(
                    "cluster", "\(url.hostField) answers with status \(answer.status).",
                    cure: "Run `mallee doctor` on the frontend.")
            }
            report.compareClock(with: url.host, date: answer.headers["Date"], sent: sent, received: received)
        } catch {
            report.fail(
                "cluster", "\(error).",
                cure: "If the certificate is refused, compare the clocks and enrol the node again; otherwise run "
                    + "`mallee doctor` on the frontend.")
        }
    }

    // MARK: Images

    /// Any answer will do: what may be fetched is decided with each instance.
    func checkWalrus(_ configuration: NodeConfiguration, _ report: inout DoctorReport) {
        guard let address = configuration.walrusURL, configuration.hypervisor != .simulated else { return }
        let starter = "mallee-walrus"
        guard checkReach("images", "WALRUS_URL", address, &report, service: starter) else { return }
        var options = HTTPClient.Options()
        options.connectTime = NodeDoctor.patience
        options.idleTime = NodeDoctor.patience
        options.totalTime = NodeDoctor.patience * 2
        options.kept = 0
        do throws(HTTPClientError) {
            let answer = try HTTPClient(options: options).call("GET", address)
            if answer.status >= 500 {
                report.fail(
                    "images", "Walrus at \(address) answers with status \(answer.status): no image can be fetched.",
                    cure: "Run `mallee doctor` on the frontend; its walrus.log says more.")
            } else {
                report.ok("images", "Walrus answers at \(address).")
            }
        } catch {
            report.fail(
                "images", "\(error): no image can be fetched.",
                cure: "Correct WALRUS_URL, or start \(starter) on the frontend.")
        }
    }

    /// Whether the host of a URL can be resolved and takes connections.
    @discardableResult
    private func checkReach(
        _ check: String, _ key: String, _ endpoint: String, _ report: inout DoctorReport,
        service: String = "mallee-cluster"
    ) -> Bool {
        guard let url = HTTPURL(endpoint), url.scheme != .unix else {
            report.fail(check, "\(key) is no URL.", cure: "Write it as https://HOST:PORT/PATH.")
            return false
        }
        do throws(PosixError) {
            _ = try HostNetwork.addresses(of: url.host)
        } catch {
            report.fail(
                check, "\(url.host) has no address: \(error.reason).",
                cure: "Correct \(key), or add the host to /etc/hosts or DNS.")
            return false
        }
        do throws(PosixError) {
            let socket = try Socket.connect(host: url.host, port: url.port, timeout: NodeDoctor.patience)
            socket.shutdown()
            if check == "enrolment" { report.ok(check, "\(url.hostField) takes connections.") }
            return true
        } catch {
            let refused = error.errno == PosixError.connectionRefused
            report.fail(
                check, "\(error).",
                cure: refused
                    ? "Start \(service) there (`mallee doctor` on the frontend tells more)."
                    : "Check cable and route, and that the frontend's firewall lets port \(url.port) in.")
            return false
        }
    }
}
