import CryptoExtras
import Foundation
import ImageBundle
import NIOCore
import Testing

@Suite struct BundleTests {
    private static func noise(_ count: Int, seed: UInt64 = 7) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    @Test(arguments: [0, 1, 511, 512, 513, 10_000, 300_000])
    func `an image comes out of its bundle as it went in`(size: Int) async throws {
        let image = Self.noise(size)
        var fixture = BundleFixture(image: image)
        fixture.partSize = max(size / 3, 100)
        #expect(try await fixture.make().image() == image)
    }

    @Test(arguments: [0, 1, 15, 16, 512, 10_000, 300_000])
    func `a bundle of the cloud's own has the image, for cloud and user, signed`(size: Int) async throws {
        let image = Self.noise(size)
        var maker = try BundleMaker(name: "disk & more", size: Int64(size), partSize: 100_000)
        var parts: [String: [UInt8]] = [:]
        // Pieces of all lengths.
        var place = 0
        var step = 1
        while place < size {
            try maker.append(Array(image[place..<min(place + step, size)]))
            place += step
            step = step * 3 % 40_009 + 1
            for part in maker.takeParts() { parts[part.name] = part.bytes }
        }
        try maker.finish()
        for part in maker.takeParts() { parts[part.name] = part.bytes }
        let certificate = try BundleFixture.certificate(of: BundleFixture.user)
        let document = try maker.manifest(
            machine: .init(architecture: "i386", kernelID: "aki-12345678"),
            recipients: .init(
                cloud: try BundleFixture.certificate(of: BundleFixture.cloud), user: certificate,
                account: "123456789012"),
            software: "1"
        ) { (text) throws(BundleError) in
            try BundleMaker.sign(text, key: BundleFixture.user.pemRepresentation)
        }
        let manifest = try BundleManifest(document)
        #expect(manifest.name == "disk & more" && manifest.user == "123456789012" && manifest.architecture == "i386")
        #expect(manifest.kernelID == "aki-12345678" && manifest.ramdiskID == nil && manifest.size == size)
        #expect(manifest.parts.count == parts.count)
        #expect(parts.values.allSatisfy { $0.count <= 100_000 })
        try manifest.verifySignature(certificates: [certificate])
        #expect(throws: BundleError.self) {
            try manifest.verifySignature(certificates: [BundleFixture.certificate(of: BundleFixture.cloud)])
        }
        let made = BundleFixture.Made(manifest: document, parts: parts)
        #expect(try await made.image() == image)
    }

    @Test func `a bundle of another size than announced is not made`() throws {
        var long = try BundleMaker(name: "disk", size: 3)
        #expect(throws: BundleError.self) { try long.append([1, 2, 3, 4]) }
        var short = try BundleMaker(name: "disk", size: 3)
        try short.append([1, 2])
        #expect(throws: BundleError.self) { try short.finish() }
    }

    @Test func `a manifest says what the image is and what it needs`() throws {
        var fixture = BundleFixture(image: Self.noise(10))
        fixture.kernelID = "eki-12345678"
        let manifest = try BundleManifest(fixture.make().manifest)
        #expect(manifest.kind == .machine)
        #expect(manifest.kernelID == "eki-12345678")
        #expect(manifest.architecture == "x86_64")
        #expect(manifest.size == 10)
        fixture.kernelID = "true"
        #expect(try BundleManifest(fixture.make().manifest).kind == .kernel)
        #expect(try BundleManifest(fixture.make().manifest).kernelID == nil)
        fixture.kernelID = nil
        fixture.type = "ramdisk"
        #expect(try BundleManifest(fixture.make().manifest).kind == .ramdisk)
        fixture.type = "toaster"
        #expect(throws: BundleError.self) { try BundleManifest(fixture.make().manifest) }
    }

    @Test func `the signature is the user's, also of a manifest that was made readable afterwards`() throws {
        let own = try BundleFixture.certificate(of: BundleFixture.user)
        let other = try BundleFixture.certificate(of: BundleFixture.cloud)
        let fixture = BundleFixture(image: Self.noise(10))
        for readable in [false, true] {
            let manifest = try BundleManifest(fixture.make(readable: readable).manifest)
            try manifest.verifySignature(certificates: [other, own])
            #expect(throws: BundleError.self) { try manifest.verifySignature(certificates: [other]) }
            #expect(throws: BundleError.self) { try manifest.verifySignature(certificates: []) }
        }
        let text = String(decoding: try fixture.make().manifest, as: UTF8.self)
        let changed = try BundleManifest(Array(text.replacingOccurrences(of: "<size>10<", with: "<size>11<").utf8))
        #expect(throws: BundleError.self) { try changed.verifySignature(certificates: [own]) }
    }

    @Test func `what is read is what was signed, not a decoy beside it`() throws {
        let made = try BundleFixture(image: Self.noise(10)).make()
        let text = String(decoding: made.manifest, as: UTF8.self)
        let decoy = text.replacingOccurrences(
            of: "<manifest>",
            with: "<manifest><machine_configuration><architecture>i386</architecture></machine_configuration>")
        let manifest = try BundleManifest(Array(decoy.utf8))
        let own = try BundleFixture.certificate(of: BundleFixture.user)
        // The decoy is what is read, and then it is also what the signature has to cover.
        #expect(manifest.architecture == "i386")
        #expect(throws: BundleError.self) { try manifest.verifySignature(certificates: [own]) }
    }

    @Test func `a bundle for another cloud is refused with the cure`() throws {
        let manifest = try BundleManifest(BundleFixture(image: Self.noise(10)).make().manifest)
        do {
            _ = try CloudKey(pem: BundleFixture.user.pemRepresentation).unwrap(manifest)
            Issue.record("another key opened it")
        } catch {
            #expect("\(error)".contains("--ec2cert"))
        }
    }

    @Test func `a damaged part is named, with what was expected and what was found`() async throws {
        var made = try BundleFixture(image: Self.noise(5000)).make()
        made.parts["disk.img.part.2"]?[100] ^= 1
        do {
            _ = try await made.image()
            Issue.record("damage went unnoticed")
        } catch let error as BundleError {
            #expect("\(error)".contains("Part 2 of the bundle, disk.img.part.2"))
        }
        made = try BundleFixture(image: Self.noise(5000)).make()
        made.parts["disk.img.part.0"] = []
        await #expect(throws: BundleError.self) { try await made.image() }
    }

    @Test func `nothing of a wrong size or digest is given to its end`() async throws {
        var fixture = BundleFixture(image: Self.noise(5000))
        for wrong: Int64 in [4999, 5001, 0] {
            fixture.manifestSize = wrong
            let made = try fixture.make()
            await #expect(throws: BundleError.self) { try await made.image() }
        }
        // The archive changes, and with it every part's digest, but not the archive's.
        fixture.manifestSize = nil
        let honest = try fixture.make()
        var other = BundleFixture(image: Self.noise(5000, seed: 8))
        other.name = fixture.name
        let forged = try other.make()
        let digest = { (bytes: [UInt8]) -> Substring in
            String(decoding: bytes, as: UTF8.self).split(separator: "<digest algorithm=\"SHA1\">")[1].prefix(40)
        }
        let text = String(decoding: forged.manifest, as: UTF8.self).replacingOccurrences(
            of: digest(forged.manifest), with: digest(honest.manifest))
        let made = BundleFixture.Made(manifest: Array(text.utf8), parts: forged.parts)
        var given = 0
        do {
            for try await buffer in try made.stream(BundleFixture.cloudKey) { given += buffer.readableBytes }
            Issue.record("a forged image was accepted")
        } catch let error as BundleError {
            #expect("\(error)".contains("not the one that was bundled"))
        }
        #expect(given < 5000)
    }

    @Test(arguments: [1, 3, 4, 5, 26, 60])
    func `sparse images of tar -S come out with their holes`(count: Int) async throws {
        let stretches = (0..<count).map { (offset: $0 * 2048 + 512, bytes: Self.noise(1024, seed: UInt64($0 + 1))) }
        let size = count * 2048 + 700
        var image = [UInt8](repeating: 0, count: size)
        for stretch in stretches { image.replaceSubrange(stretch.offset..<stretch.offset + 1024, with: stretch.bytes) }
        var fixture = BundleFixture(image: image)
        fixture.archive = Tar.sparse(name: "disk.img", size: size, stretches + [(offset: size, bytes: [])])
        #expect(try await fixture.make().image() == image)
    }

    @Test func `an empty last part, as some tools write, is fine`() async throws {
        let image = Self.noise(3000)
        var fixture = BundleFixture(image: image)
        fixture.trailingParts = [[]]
        #expect(try await fixture.make().image() == image)
    }

    @Test func `an archive that holds no file, or a link, is refused`() async throws {
        var fixture = BundleFixture(image: Self.noise(600))
        fixture.archive = [UInt8](repeating: 0, count: 1024)
        let empty = try fixture.make()
        await #expect(throws: BundleError.self) { try await empty.image() }
        fixture.archive = Array("no tar at all".utf8) + [UInt8](repeating: 32, count: 2000)
        let text = try fixture.make()
        await #expect(throws: BundleError.self) { try await text.image() }
    }

    @Test func `names of parts stay beside the manifest`() throws {
        let text = String(decoding: try BundleFixture(image: Self.noise(10)).make().manifest, as: UTF8.self)
        for name in ["../x", "a/b", "..", ".", "a\u{7F}b"] {
            let changed = text.replacingOccurrences(of: "<filename>disk.img.part.0<", with: "<filename>\(name)<")
            #expect(throws: BundleError.self, "\(name)") { try BundleManifest(Array(changed.utf8)) }
        }
    }

    @Test func `no manifest and no archive, however damaged, does more than fail`() async throws {
        var state: UInt64 = 42
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        let good = try BundleFixture(image: Self.noise(400)).make()
        for _ in 0..<1500 {
            var bytes = good.manifest
            for _ in 0...random(4) {
                let place = random(bytes.count)
                switch random(4) {
                case 0: bytes[place] = UInt8(random(256))
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8(random(256)), at: place)
                default: bytes.removeSubrange(place..<min(place + random(200), bytes.count))
                }
                if bytes.isEmpty { bytes = [60] }
            }
            do throws(BundleError) {
                let manifest = try BundleManifest(bytes)
                #expect(!manifest.parts.isEmpty)
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        let archive = Tar.sparse(
            name: "a", size: 9000, [(0, Self.noise(512)), (2048, Self.noise(512)), (4096, Self.noise(100))])
        for _ in 0..<150 {
            var fixture = BundleFixture(image: [UInt8](repeating: 1, count: 9000))
            var bytes = archive
            for _ in 0...random(3) { bytes[random(600)] = UInt8(random(256)) }
            fixture.archive = bytes
            do {
                #expect(try await fixture.make().image().count == 9000)
            } catch is BundleError {}
        }
    }
}
