import NodeController
import Testing

struct NodeConfigurationTests {
    private let base = "STATE_DIR=/tmp/x\nALLOW_PLAIN_HTTP=Y\n"

    private func parse(_ text: String) throws -> (NodeConfiguration, [String]) {
        var warnings: [String] = []
        let configuration = try NodeConfiguration(text: text) { warnings.append($0) }
        return (configuration, warnings)
    }

    @Test func `values are read as a shell reads them`() throws {
        let (configuration, warnings) = try parse(
            """
            # comment
              export NODE_NAME='a b # c'   # end
            STATE_DIR="/var/\\"x\\"/\\$y"
            LISTEN_PORT=0
            CLUSTER_ENDPOINT="https://h:8774/services/ClusterController"
            HYPERVISOR="qemu"\r
            ALLOW_PLAIN_HTTP="Y"

            MAX_CORES="8"
            MEM_OVERCOMMIT="1.5"
            SOMETHING_ELSE=1
            LOGLEVEL=DEBUG
            """)
        #expect(configuration.nodeName == "a b # c")
        #expect(configuration.stateDirectory == "/var/\"x\"/$y")
        #expect(configuration.listenPort == 0)
        #expect(configuration.clusterEndpoint == "https://h:8774/services/ClusterController")
        #expect(configuration.hypervisor == .qemu)
        #expect(configuration.maxCores == 8)
        #expect(configuration.memoryOvercommit == 1.5)
        #expect(configuration.logLevel == .debug)
        #expect(warnings == ["line 11: unknown key SOMETHING_ELSE; it has no effect"])
    }

    @Test(arguments: [
        "NODE_NAME", "=x", "NODE NAME=x", "NODE_NAME=\"x", "NODE_NAME=a b", "LISTEN_PORT=65536", "LISTEN_PORT=x",
        "HYPERVISOR=vmware", "LOGLEVEL=loud", "CORES_OVERCOMMIT=0", "CORES_OVERCOMMIT=1.", "CORES_OVERCOMMIT=1.2345",
        "CORES_OVERCOMMIT=101", "ALLOW_PLAIN_HTTP=perhaps", "TLS_CERT=/x", "STATE_DIR=relative", "NETWORK_MODE=MANAGED",
        "STATE_DIR=/" + String(repeating: "x", count: 60), "ALLOW_PLAIN_HTTP=N", "SIMULATED_NODES=-1",
    ])
    func `bad lines are refused with their cure`(line: String) {
        #expect(throws: NodeConfiguration.Invalid.self) { try parse(base + line) }
    }

    @Test func `simulated nodes need no state directory`() throws {
        let (configuration, _) = try parse("ALLOW_PLAIN_HTTP=y\nSIMULATED_NODES=1000")
        #expect(configuration.simulatedNodes == 1000)
        #expect(throws: NodeConfiguration.Invalid.self) { try parse("ALLOW_PLAIN_HTTP=y") }
    }

    @Test func `an enrolling node keeps its identity below its state, or where it is told`() throws {
        let enrolling = "ENROLMENT_ENDPOINT=https://f:8777/services/Enrolment\nSTATE_DIR=/s\n"
        let node = try NodeConfiguration(text: enrolling) { _ in }
        #expect(node.identityDirectory == "/s/identity" && node.usesIdentity && node.usesTLS)
        #expect(node.tlsCertificate == "/s/identity/component.crt" && node.tlsKey == "/s/identity/component.key")
        #expect(node.tlsAuthority == "/s/identity/ca.crt")
        #expect(node.enrolmentSecretFile == "/etc/mallee/enrolment.secret")
        #expect(node.authorityFingerprintFile == "/etc/mallee/authority.fingerprint")
        let elsewhere = try NodeConfiguration(text: enrolling + "IDENTITY_DIR=/i\nENROLMENT_SECRET_FILE=/k\n") { _ in }
        #expect(elsewhere.tlsKey == "/i/component.key" && elsewhere.enrolmentSecretFile == "/k")
        let byHand = try NodeConfiguration(text: "STATE_DIR=/s\nIDENTITY_DIR=/i\n") { _ in }
        #expect(byHand.usesTLS && byHand.enrolmentEndpoint == nil)
        for bad in ["TLS_CERT=/a\nTLS_KEY=/b\nTLS_CA=/c", "AUTHORITY_FINGERPRINT=sha256:12", "IDENTITY_DIR=here"] {
            #expect(throws: NodeConfiguration.Invalid.self) {
                try NodeConfiguration(text: enrolling + bad) { _ in }
            }
        }
        #expect(throws: NodeConfiguration.Invalid.self) {
            try NodeConfiguration(text: "ENROLMENT_ENDPOINT=https://f/\nSIMULATED_NODES=3") { _ in }
        }
    }

    @Test func `factors are exact`() throws {
        for (text, value) in [("0.1", 0.1), ("1", 1), ("2.5", 2.5), ("1.05", 1.05), ("100", 100)] {
            #expect(try parse(base + "DISK_OVERCOMMIT=" + text).0.diskOvercommit == value)
        }
    }

    @Test func `no text breaks the parser`() {
        var generator = SeededGenerator(seed: 5)
        let pieces = [
            "NODE_NAME", "=", "\"", "'", "\\", "\n", " ", "#", "x", "export ", "é", "\u{0}", "LISTEN_PORT", "9",
        ]
        var accepted = 0
        for _ in 0..<5_000 {
            var text = base
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                text += pieces.randomElement(using: &generator) ?? ""
            }
            if (try? parse(text)) != nil { accepted += 1 }  // refusing is as good as accepting here
        }
        #expect(accepted > 0)
    }
}

struct NodeLogTests {
    @Test func `secrets of URLs are not shown`() {
        for (url, shown) in [
            ("http://h:1/b/k?X-Amz-Signature=abc", "http://h:1/b/k"), ("http://u:p@h/x#f", "http://h/x"),
            ("https://h/a@b?x", "https://h/a@b"), ("nothing", "nothing"), ("", ""),
        ] {
            #expect(NodeLog.redacted(url) == shown)
        }
    }
}
