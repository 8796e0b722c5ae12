public import CloudClient
public import Foundation
import NIOCore
import XML

/// Puts image files into Walrus and registers them.
public struct ImageImporter: Sendable {
    /// What kind of image a file becomes.
    public enum Kind: String, Sendable {
        case machine, kernel, ramdisk
    }

    /// How an image is registered.
    public struct Options: Sendable {
        /// Name of the image, unique among the owner's.
        public var name: String
        /// Free text.
        public var description: String?
        /// i386 or x86_64.
        public var architecture: String
        /// Default kernel.
        public var kernelID: String?
        /// Default ramdisk.
        public var ramdiskID: String?
        /// Kernel command line.
        public var kernelArguments: String?
        /// Launchable by every account.
        public var isPublic: Bool
        /// An id to keep (administrators only).
        public var requestedID: String?

        /// Options for a private x86_64 image.
        public init(
            name: String, description: String? = nil, architecture: String = "x86_64", kernelID: String? = nil,
            ramdiskID: String? = nil, kernelArguments: String? = nil, isPublic: Bool = false,
            requestedID: String? = nil
        ) {
            self.name = name
            self.description = description
            self.architecture = architecture
            self.kernelID = kernelID
            self.ramdiskID = ramdiskID
            self.kernelArguments = kernelArguments
            self.isPublic = isPublic
            self.requestedID = requestedID
        }
    }

    private let s3: S3Client
    private let ec2: EC2Client
    private let bucket: String
    private let scratch: URL
    private let progress: ImportProgress

    /// - Parameters:
    ///   - bucket: where the objects go; created when it is not there.
    ///   - scratch: a directory with room for a decompressed image.
    public init(s3: S3Client, ec2: EC2Client, bucket: String, scratch: URL, progress: @escaping ImportProgress) {
        self.s3 = s3
        self.ec2 = ec2
        self.bucket = bucket
        self.scratch = scratch
        self.progress = progress
    }

    /// Uploads a file and registers it; gives the image's id.
    ///
    /// - Throws: `ImageImportError` or `CloudClientError`; an object that could not be registered is removed again.
    public func run(_ file: URL, as kind: Kind, options: Options) async throws -> String {
        // A kernel or a ramdisk is loaded as it is: its compression is part of it.
        let source =
            kind == .machine
            ? try ImageSourceFile.open(file, scratch: scratch, progress: progress) : try Self.plain(file)
        defer { if source.isTemporary { try? FileManager.default.removeItem(at: source.file) } }  // scratch only
        try await s3.createBucket(bucket)
        let location = "\(bucket)/\(UUID().uuidString.lowercased())/\(file.lastPathComponent)"
        try await s3.put(
            location, size: source.size,
            body: FileChunks(
                file: source.file, size: source.size, step: "uploading \(options.name)", progress: progress))
        do {
            return try await register(location, kind, options)
        } catch {
            do { try await s3.delete(location) } catch let cleanup {
                throw ImageImportError("\(error) The object \(location) could not be removed either: \(cleanup)")
            }
            throw error
        }
    }

    private static func plain(_ file: URL) throws -> ImageSourceFile {
        guard let size = try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int64, size > 0 else {
            throw ImageImportError("\(file.path) cannot be read, or is empty.")
        }
        return ImageSourceFile(file: file, size: size, isTemporary: false)
    }

    private func register(_ location: String, _ kind: Kind, _ options: Options) async throws -> String {
        var parameters = [
            (name: "ImageLocation", value: location), (name: "Name", value: options.name),
            (name: "Architecture", value: options.architecture),
        ]
        func add(_ name: String, _ value: String?) {
            if let value { parameters.append((name: name, value: value)) }
        }
        add("Description", options.description)
        add("KernelId", options.kernelID)
        add("RamdiskId", options.ramdiskID)
        // Mallee's own parameters: EC2 has none for these.
        add("KernelArguments", options.kernelArguments)
        add("ImageId", options.requestedID)
        if kind != .machine { add("ImageType", kind.rawValue) }
        if options.isPublic { add("LaunchPermission.1.Group", "all") }
        let answer = try await ec2.call("RegisterImage", parameters)
        guard let id = answer.child("imageId")?.trimmedText, !id.isEmpty else {
            throw ImageImportError("The cloud registered \(location) and named no image id.")
        }
        return id
    }

    /// The caller's image of that name, if there is one.
    private func find(_ name: String) async throws -> String? {
        let known = try await ec2.call(
            "DescribeImages",
            [
                (name: "Owner.1", value: "self"), (name: "Filter.1.Name", value: "name"),
                (name: "Filter.1.Value.1", value: name),
            ])
        return known.child("imagesSet")?.child("item")?.child("imageId")?.trimmedText
    }

    /// Imports an empty disk for simulated nodes, which boot nothing, or finds it; gives its id.
    public func importBlank() async throws -> String {
        let name = "mallee-blank"
        if let id = try await find(name) { return id }
        let file = scratch.appendingPathComponent("\(name).img")
        try Data(count: 1 << 20).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }  // scratch only
        return try await run(
            file, as: .machine,
            options: Options(name: name, description: "An empty disk, for simulated nodes.", isPublic: true))
    }

    /// Imports the demo image, or finds it among the caller's images; gives the machine image's id.
    public func importDemo(_ build: @Sendable (ImportProgress) throws -> DemoImage) async throws -> String {
        let name = "mallee-demo"
        if let id = try await find(name) { return id }
        let demo = try build(progress)
        let kernel = try await run(
            demo.kernel, as: .kernel, options: Options(name: "\(name)-kernel", isPublic: true))
        let ramdisk = try await run(
            demo.ramdisk, as: .ramdisk, options: Options(name: "\(name)-ramdisk", isPublic: true))
        return try await run(
            demo.root, as: .machine,
            options: Options(
                name: name, description: "Small Linux with ssh, metadata and user data; log in as root.",
                kernelID: kernel, ramdiskID: ramdisk, kernelArguments: demo.kernelArguments, isPublic: true))
    }
}
