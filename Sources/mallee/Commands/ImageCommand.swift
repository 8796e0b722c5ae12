import ArgumentParser
import AsyncHTTPClient
import CloudClient
import Foundation
import ImageImport
import NIOPosix

/// Images from files.
struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Import images.", subcommands: [ImageImportCommand.self, ImageDemoCommand.self])
}

/// Which cloud a command talks to.
struct CloudOptions: ParsableArguments {
    @OptionGroup var state: StateOption

    @Option(help: "eucarc file of the cloud (default: the one in the state directory, then the environment).")
    var credentials: String?

    func load() throws -> Credentials {
        if let credentials { return try Credentials(reading: URL(fileURLWithPath: credentials)) }
        if state.stateDir == nil,
            let fromEnvironment = try? Credentials(
                variables: ProcessInfo.processInfo.environment, origin: "the environment")
        {
            return fromEnvironment
        }
        return try Credentials(reading: state.directory.eucarc)
    }
}

extension ImageImporter {
    /// Runs `body` with an importer for the cloud that the credentials name.
    static func with<Result: Sendable>(
        _ credentials: Credentials, bucket: String, scratch: URL, bar: ProgressBar,
        _ body: (ImageImporter) async throws -> Result
    ) async throws -> Result {
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        do {
            let importer = ImageImporter(
                s3: try S3Client(
                    http: http, url: credentials.s3URL, accessKeyID: credentials.accessKeyID,
                    secret: credentials.secretKey, region: credentials.region),
                ec2: try EC2Client(
                    http: http, url: credentials.ec2URL, accessKeyID: credentials.accessKeyID,
                    secret: credentials.secretKey, region: credentials.region),
                bucket: bucket, scratch: scratch, progress: { bar.show($0, $1, $2) })
            let result = try await body(importer)
            bar.finish()
            try await http.shutdown()
            return result
        } catch {
            bar.finish()
            try await http.shutdown()
            throw error
        }
    }
}

/// One file becomes one image.
struct ImageImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract:
            "Upload a disk image (raw, qcow2, or either compressed by gzip, xz, bzip2, zstd or lz4) and register it.")

    @OptionGroup var cloud: CloudOptions

    @Argument(help: "The disk image.", completion: .file())
    var file: String

    @Option(help: "Name of the image, unique among yours.")
    var name: String

    @Option(help: "Free text.")
    var description: String?

    @Option(help: "i386 or x86_64.")
    var arch = "x86_64"

    @Option(help: "Kernel file, or the aki- id of a registered one, for images that do not boot by themselves.")
    var kernel: String?

    @Option(help: "Ramdisk file, or the ari- id of a registered one.")
    var ramdisk: String?

    @Option(help: "Kernel command line.")
    var kernelArguments: String?

    @Option(help: "Bucket for the bytes; created when it is not there.")
    var bucket = "images"

    @Option(help: "The ami- id that the image shall have (administrators only).")
    var id: String?

    @Flag(help: "Every account may launch it.")
    var `public` = false

    func run() async throws {
        let credentials = try cloud.load()
        let result = try await ImageImporter.with(
            credentials, bucket: bucket, scratch: FileManager.default.temporaryDirectory, bar: ProgressBar()
        ) { importer in
            func component(_ given: String?, _ prefix: String, _ kind: ImageImporter.Kind) async throws -> String? {
                guard let given else { return nil }
                if given.hasPrefix(prefix), !FileManager.default.fileExists(atPath: given) { return given }
                return try await importer.run(
                    URL(fileURLWithPath: given), as: kind,
                    options: .init(name: "\(name)-\(kind.rawValue)", architecture: arch, isPublic: `public`))
            }
            let kernelID = try await component(kernel, "aki-", .kernel)
            let ramdiskID = try await component(ramdisk, "ari-", .ramdisk)
            return try await importer.run(
                URL(fileURLWithPath: file), as: .machine,
                options: .init(
                    name: name, description: description, architecture: arch, kernelID: kernelID,
                    ramdiskID: ramdiskID, kernelArguments: kernelArguments, isPublic: `public`, requestedID: id))
        }
        print(result)
    }
}

/// The demo image.
struct ImageDemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Build a small Linux from the distribution's kernel, busybox and dropbear, and register it.")

    @OptionGroup var cloud: CloudOptions

    @Option(
        help: """
            Only build it, into this directory: for a cloud without access to the distribution's packages. Import it \
            there with `mallee image import`, whose options are printed.
            """, completion: .directory)
    var output: String?

    func run() async throws {
        if let output {
            let bar = ProgressBar()
            let image = try DemoImage.build(in: URL(fileURLWithPath: output)) { bar.show($0, $1, $2) }
            bar.finish()
            print(
                "mallee image import \(image.root.path) --name mallee-demo --kernel \(image.kernel.path) "
                    + "--ramdisk \(image.ramdisk.path) --kernel-arguments '\(image.kernelArguments)'")
            return
        }
        let credentials = try cloud.load()
        let directory = cloud.state.directory.demo
        let id = try await ImageImporter.with(
            credentials, bucket: "images", scratch: FileManager.default.temporaryDirectory, bar: ProgressBar()
        ) { importer in
            try await importer.importDemo { try DemoImage.build(in: directory, progress: $0) }
        }
        print(id)
    }
}
