import CloudModel
import Foundation
import Testing

@testable import CloudController

@Suite struct KeyPairTests {
    private struct Finished {
        var status: Int32
        var output: String
    }

    /// Runs ssh-keygen; nil where there is none.
    private func sshKeygen(_ arguments: [String]) throws -> Finished? {
        let path = "/usr/bin/ssh-keygen"
        guard FileManager.default.isExecutableFile(atPath: path) else { return nil }
        return try run(path, arguments)
    }

    private func run(_ path: String, _ arguments: [String]) throws -> Finished {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Finished(status: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
    }

    private func withFile<Answer>(_ text: String, _ body: (String) throws -> Answer) throws -> Answer {
        let path = NSTemporaryDirectory() + "mallee-key-" + UUID().uuidString
        // A leftover in the temporary directory harms nobody.
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(
            FileManager.default.createFile(
                atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]))
        return try body(path)
    }

    @Test(arguments: ["rsa", "ed25519"]) func aCreatedKeyBelongsToItsPublicHalf(type: String) async throws {
        let cloud = try await TestCloud.open(runs: false)
        let created = try await cloud.controller.createKeyPair(
            name: "my key", type: type, tags: [], dryRun: false, as: cloud.admin)
        #expect(created.keyPair.type == type)
        #expect(
            created.privateKey.hasPrefix(
                type == "rsa" ? "-----BEGIN RSA PRIVATE KEY-----" : "-----BEGIN OPENSSH PRIVATE KEY-----"))
        let stored = try await cloud.reopened(runs: false).controller.describeKeyPairs(
            DescribeRequest(names: ["my key"]), as: cloud.admin)
        #expect(stored.items == [created.keyPair])
        let derived = try withFile(created.privateKey + "\n") { try sshKeygen(["-y", "-f", $0]) }
        if let derived {
            #expect(derived.status == 0)
            let words = derived.output.split(whereSeparator: { $0 == " " || $0 == "\n" })
            #expect(Array(words.prefix(2)) == created.keyPair.publicKey.split(separator: " ").prefix(2).map { $0 })
        }
        let listed = try withFile(created.keyPair.publicKey + "\n") { try sshKeygen(["-l", "-E", "sha256", "-f", $0]) }
        if let listed, type == "ed25519" {
            // OpenSSH leaves out the padding that EC2 shows.
            let bare = created.keyPair.fingerprint.trimmingCharacters(in: CharacterSet(charactersIn: "="))
            #expect(listed.output.contains("SHA256:" + bare + " "))
        }
        if type == "rsa", FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl") {
            // EC2 User Guide: openssl pkcs8 -topk8 -nocrypt -outform DER | openssl sha1 -c
            let der = NSTemporaryDirectory() + "mallee-der-" + UUID().uuidString
            defer { try? FileManager.default.removeItem(atPath: der) }  // as above
            try withFile(created.privateKey) { path in
                let made = try run(
                    "/usr/bin/openssl",
                    ["pkcs8", "-in", path, "-topk8", "-nocrypt", "-outform", "DER", "-out", der])
                #expect(made.status == 0)
            }
            let digest = try run("/usr/bin/openssl", ["sha1", "-c", der])
            #expect(digest.output.contains(created.keyPair.fingerprint))
        }
    }

    @Test func importedKeysHaveTheFingerprintsThatEC2Shows() async throws {
        // Made with ssh-keygen; fingerprints with openssl pkey -pubin -outform DER | openssl md5 -c.
        let directory = NSTemporaryDirectory() + "mallee-keys-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }  // as above
        let cloud = try await TestCloud.open(runs: false)
        let rsa = directory + "/rsa"
        guard let made = try sshKeygen(["-q", "-t", "rsa", "-b", "3072", "-N", "", "-f", rsa]) else { return }
        #expect(made.status == 0)
        let line = try String(contentsOfFile: rsa + ".pub", encoding: .utf8)
        let pair = try await cloud.controller.importKeyPair(
            name: "line", material: Array(line.utf8), tags: [], dryRun: false, as: cloud.admin)
        #expect(pair.publicKey.split(separator: " ").prefix(2) == line.split(separator: " ").prefix(2))
        let pem = try #require(try sshKeygen(["-e", "-m", "PKCS8", "-f", rsa + ".pub"])).output
        let viaPEM = try await cloud.controller.importKeyPair(
            name: "pem", material: Array(pem.utf8), tags: [], dryRun: false, as: cloud.admin)
        let pkcs1 = try #require(try sshKeygen(["-e", "-m", "PEM", "-f", rsa + ".pub"])).output
        let viaPKCS1 = try await cloud.controller.importKeyPair(
            name: "pkcs1", material: Array(pkcs1.utf8), tags: [], dryRun: false, as: cloud.admin)
        let ssh2 = try #require(try sshKeygen(["-e", "-m", "RFC4716", "-f", rsa + ".pub"])).output
        let viaSSH2 = try await cloud.controller.importKeyPair(
            name: "ssh2", material: Array(ssh2.utf8), tags: [], dryRun: false, as: cloud.admin)
        let body = pem.split(separator: "\n").dropFirst().dropLast().joined()
        let der = [UInt8](try #require(Data(base64Encoded: body)))
        let viaDER = try await cloud.controller.importKeyPair(
            name: "der", material: der, tags: [], dryRun: false, as: cloud.admin)
        // What is not of the alphabet is skipped, and the owner sees what he has imported.
        let odd = line.prefix(40) + "\\" + line.dropFirst(40)
        let viaOdd = try await cloud.controller.importKeyPair(
            name: "odd", material: Array(odd.utf8), tags: [], dryRun: false, as: cloud.admin)
        #expect(viaOdd.importedText == String(odd))
        #expect(viaDER.importedText == nil)
        for other in [viaPEM, viaPKCS1, viaSSH2, viaDER, viaOdd] {
            #expect(other.fingerprint == pair.fingerprint)
            #expect(other.publicKey.split(separator: " ")[1] == pair.publicKey.split(separator: " ")[1])
        }
        if FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl") {
            let path = directory + "/der"
            #expect(FileManager.default.createFile(atPath: path, contents: Data(der)))
            #expect(try run("/usr/bin/openssl", ["md5", "-c", path]).output.contains(pair.fingerprint))
        }
        let madeEd = try sshKeygen(["-q", "-t", "ed25519", "-N", "", "-f", directory + "/ed"])
        #expect(madeEd?.status == 0)
        let edLine = try String(contentsOfFile: directory + "/ed.pub", encoding: .utf8)
        let ed = try await cloud.controller.importKeyPair(
            name: "ed", material: Array(edLine.utf8), tags: [], dryRun: false, as: cloud.admin)
        #expect(ed.type == "ed25519")
        let listed = try #require(try sshKeygen(["-l", "-f", directory + "/ed.pub"])).output
        #expect(listed.contains("SHA256:" + ed.fingerprint.replacingOccurrences(of: "=", with: "") + " "))
        let madeECDSA = try sshKeygen(["-q", "-t", "ecdsa", "-N", "", "-f", directory + "/ecdsa"])
        #expect(madeECDSA?.status == 0)
        let ecdsa = try String(contentsOfFile: directory + "/ecdsa.pub", encoding: .utf8)
        await #expect(throws: CloudError.self) {
            try await cloud.controller.importKeyPair(
                name: "ecdsa", material: Array(ecdsa.utf8), tags: [], dryRun: false, as: cloud.admin)
        }
        let secret = try String(contentsOfFile: directory + "/ed", encoding: .utf8)
        let refusal = await #expect(throws: CloudError.self) {
            try await cloud.controller.importKeyPair(
                name: "secret", material: Array(secret.utf8), tags: [], dryRun: false, as: cloud.admin)
        }
        let text = String(describing: refusal)
        #expect(text.contains("It is a private key"))
        #expect(!text.contains("b3BlbnNzaC1rZXk"))
    }

    @Test func damagedMaterialIsRefusedAndNeverTraps() throws {
        let keys = [try GeneratedKey.rsa(comment: "k"), GeneratedKey.ed25519(comment: "k")]
        var generator = SeededGenerator(seed: 42)
        var samples: [[UInt8]] = []
        for key in keys {
            let line = Array(key.publicKey.utf8)
            samples.append(line)
            samples.append(try PublicKey.read(line).der)
        }
        for round in 0..<6000 {
            var bytes = samples[round % samples.count]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1 where bytes.count > 1: bytes.remove(at: index)
                default: bytes = Array(bytes.prefix(max(1, index)))
                }
            }
            do throws(CloudError) {
                let key = try PublicKey.read(bytes)
                // What is taken can be written and read again.
                #expect(try PublicKey.read(Array(key.line(comment: "x").utf8)) == key)
                #expect(try PublicKey.read(key.der) == key)
            } catch {
                guard case .invalidValue = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
    }

    @Test func namesAreUniqueAndDeletionIsIdempotent() async throws {
        let cloud = try await TestCloud.open(runs: false)
        let controller = cloud.controller
        let made = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    do {
                        _ = try await controller.createKeyPair(
                            name: "same", type: "ed25519", tags: [], dryRun: false, as: cloud.admin)
                        return true
                    } catch {
                        #expect(error as? CloudError == .duplicate(.keyPair, "same"))
                        return false
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 1)
        let user = try await cloud.user("user")
        let theirs = try await controller.createKeyPair(
            name: "same", type: "ed25519", tags: [], dryRun: false, as: user)
        #expect(try await controller.deleteKeyPair(name: "same", id: nil, dryRun: false, as: cloud.admin) != nil)
        #expect(try await controller.deleteKeyPair(name: "same", id: nil, dryRun: false, as: cloud.admin) == nil)
        #expect(
            try await controller.deleteKeyPair(
                name: nil, id: theirs.keyPair.id.value, dryRun: false, as: user) == theirs.keyPair)
        await #expect(throws: CloudError.notFound(.keyPair, ["same"])) {
            try await controller.describeKeyPairs(DescribeRequest(names: ["same"]), as: user)
        }
        await #expect(throws: CloudError.self) {
            try await controller.createKeyPair(name: "", type: nil, tags: [], dryRun: false, as: user)
        }
        await #expect(throws: CloudError.self) {
            try await controller.createKeyPair(name: "x", type: "dsa", tags: [], dryRun: false, as: user)
        }
    }
}

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
