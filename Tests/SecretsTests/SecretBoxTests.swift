import Foundation
import Posix
import Testing

@testable import Secrets

@Suite struct SecretBoxTests {
    @Test("What was sealed is opened, and is not what it was")
    func roundTrip() throws {
        let box = SecretBox(current: SecretKey())
        for length in [0, 1, 15, 16, 17, 4096] {
            let plain = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
            let sealed = try box.seal(plain, name: "/keys/A")
            #expect(sealed.count == length + SecretBox.overhead)
            #expect(SecretBox.keyID(of: sealed) == box.current.id)
            #expect(try box.open(sealed, name: "/keys/A") == plain)
            #expect(try box.seal(plain, name: "/keys/A") != sealed, "every sealing has a nonce of its own")
        }
    }

    @Test("A plain value is given back as it is")
    func plain() throws {
        let document = Array("{\"v\":1}".utf8)
        #expect(SecretBox.keyID(of: document) == nil)
        #expect(try SecretBox(current: SecretKey()).open(document, name: "x") == document)
    }

    @Test("Any change of any bit, another name and another key are noticed")
    func tampering() throws {
        let box = SecretBox(current: SecretKey())
        let sealed = try box.seal(Array("secret".utf8), name: "/keys/A")
        for index in sealed.indices {
            for bit in [0, 3, 7] {
                var changed = sealed
                changed[index] ^= 1 << bit
                // A changed mark makes it a plain value, which is not the secret either.
                if index < 4 {
                    #expect(try box.open(changed, name: "/keys/A") == changed)
                } else {
                    #expect(throws: SecretsError.damaged("/keys/A")) { try box.open(changed, name: "/keys/A") }
                }
            }
        }
        #expect(throws: SecretsError.damaged("/keys/B")) { try box.open(sealed, name: "/keys/B") }
        #expect(throws: SecretsError.damaged("/keys/A")) {
            try SecretBox(current: SecretKey()).open(sealed, name: "/keys/A")
        }
    }

    @Test("An older key opens, the current one seals")
    func older() throws {
        let first = SecretBox(current: SecretKey())
        let sealed = try first.seal([1, 2, 3], name: "n")
        let second = first.replacing(current: SecretKey())
        #expect(try second.open(sealed, name: "n") == [1, 2, 3])
        #expect(SecretBox.keyID(of: try second.seal([1], name: "n")) == second.current.id)
    }

    @Test("A key never shows itself")
    func description() throws {
        let key = SecretKey()
        #expect("\(key)" == "key \(key.id)")
        #expect(SecretKey(bytes: [1, 2, 3]) == nil)
    }
}

@Suite struct SecretKeyFileTests {
    private func scratch() throws -> String { try FileSystem.temporaryDirectory("/tmp/mallee-secrets-") }

    @Test("The file is its owner's, and has what was written")
    func roundTrip() throws {
        let directory = try scratch()
        defer { try? FileSystem.removeTree(directory) }
        let file = SecretKeyFile(path: directory + "/secrets.key")
        #expect(try file.read() == nil)
        #expect(try file.createIfAbsent())
        #expect(try !file.createIfAbsent())
        let made = try #require(try file.read())
        #expect(made.count == 1)
        #expect(try FileSystem.status(file.path).permissions == 0o600)
        let keys = [SecretKey()] + made
        try file.write(keys)
        #expect(try file.read() == keys)
        #expect(try FileSystem.list(directory) == ["secrets.key"])
    }

    @Test("A file that others can read is refused, with the cure")
    func mode() throws {
        let directory = try scratch()
        defer { try? FileSystem.removeTree(directory) }
        let file = SecretKeyFile(path: directory + "/secrets.key")
        try file.createIfAbsent()
        try FileSystem.setPermissions(file.path, 0o640)
        let error = try #require(throws: SecretsError.self) { try file.read() }
        #expect(error == .keyFileOpen(path: file.path, mode: 0o640))
        #expect(error.description.contains("chmod 600"))
    }

    @Test("A directory in its place and a missing directory are said")
    func notAFile() throws {
        let directory = try scratch()
        defer { try? FileSystem.removeTree(directory) }
        #expect(throws: SecretsError.file(path: directory, cause: "it is not an ordinary file")) {
            try SecretKeyFile(path: directory).read()
        }
        #expect(throws: SecretsError.self) { try SecretKeyFile(path: directory + "/no/such").write([SecretKey()]) }
    }

    @Test("A damaged file is refused whatever the damage is")
    func damage() throws {
        let directory = try scratch()
        defer { try? FileSystem.removeTree(directory) }
        let file = SecretKeyFile(path: directory + "/secrets.key")
        let keys = [SecretKey(), SecretKey()]
        try file.write(keys)
        let good = try FileSystem.read(file.path)
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<2000 {
            var text = good
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: text[Int.random(in: text.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            case 1: text.removeLast(Int.random(in: 1...text.count, using: &generator))
            default:
                text.insert(
                    UInt8.random(in: 0...255, using: &generator), at: text.indices.randomElement(using: &generator) ?? 0
                )
            }
            do throws(SecretsError) {
                // Damage in a comment, or a lost second line, leaves keys that are right.
                let read = try SecretKeyFile.parse(String(decoding: text, as: UTF8.self), path: "p")
                #expect(read.allSatisfy(keys.contains))
            } catch {
                guard case .keyFileDamaged = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
    }
}

struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
