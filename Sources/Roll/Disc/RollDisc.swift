public import Archive
import Posix
public import XML

/// A roll's disk as it lies in an image.
public struct RollDisc: Sendable {
    /// A package file on the disk.
    public struct PackageFile: Sendable {
        /// Path on the disk.
        public let path: String
        /// Its name, taken apart; nil if it has not the form.
        public let fileName: RPMFileName?
        /// Its directory entry.
        public let entry: DiscImage.Entry
        /// The package, or why it cannot be read.
        public let package: Result<RPMPackage, ArchiveError>
    }

    /// One roll on it: a directory `name/version/arch`.
    public struct Part: Sendable {
        /// `name/version/arch`, from the path of the description.
        public let directory: String
        /// The path of `roll-<name>.xml`.
        public let descriptionPath: String
        /// What it says; nil if it says too little.
        public let description: RollDescription?
        /// What is wrong with it.
        public let defects: [RollDescription.Defect]
        /// Why it cannot be read at all.
        public let failure: XMLError?
        /// Packages in `RedHat/RPMS` and `SRPMS`.
        public let packages: [PackageFile]
    }

    /// The image.
    public let image: DiscImage
    /// The image's file.
    public let path: String
    /// The rolls on it.
    public let parts: [Part]

    /// Reads an image: directories, descriptions and the headers of all packages.
    ///
    /// - Throws: `ArchiveError` if it is no disc.
    public init(path: String) throws {
        try self.init(DiscImage(FileRegion(path: path)), path: path)
    }

    /// Reads an image.
    public init(_ image: DiscImage, path: String) throws {
        self.image = image
        self.path = path
        var parts: [Part] = []
        for entry in image.entries where !entry.isDirectory {
            let name = FileSystem.name(entry.path)
            guard name.hasPrefix("roll-"), name.hasSuffix(".xml") else { continue }
            let directory = FileSystem.parent(entry.path)
            var description: RollDescription?
            var defects: [RollDescription.Defect] = []
            var failure: XMLError?
            let bytes = try image.content(entry).readAll(limit: 1 << 20)
            do throws(XMLError) {
                (description, defects) = try RollDescription.parse(bytes)
            } catch {
                failure = error
            }
            var packages: [PackageFile] = []
            for file in image.entries where !file.isDirectory && file.path.hasSuffix(".rpm") {
                guard file.path.hasPrefix(directory + "/") else { continue }
                let package = Result { () throws(ArchiveError) in try RPMPackage(try image.content(file)) }
                packages.append(
                    PackageFile(
                        path: file.path, fileName: RPMFileName(FileSystem.name(file.path)), entry: file,
                        package: package))
            }
            parts.append(
                Part(
                    directory: directory, descriptionPath: entry.path, description: description, defects: defects,
                    failure: failure, packages: packages.sorted { $0.path < $1.path }))
        }
        self.parts = parts
    }

    /// A file's text, if it is there.
    func text(_ path: String, limit: Int = 1 << 20) throws -> String? {
        guard let entry = image.entry(path) else { return nil }
        return String(decoding: try image.content(entry).readAll(limit: limit), as: UTF8.self)
    }

    /// The roll's own profile, from its kickstart package.
    ///
    /// - Throws: `RollError` if the disk holds no roll or no kickstart package.
    public func profile() throws -> RollProfile {
        guard let part = parts.first, let description = part.description else {
            throw RollError("\(path) holds no roll: there is no readable roll-<name>.xml on it.")
        }
        guard let file = part.packages.first(where: { $0.fileName?.kickstartRoll == description.name }) else {
            throw RollError(
                "\(path) has no package roll-\(description.name)-kickstart; if the roll has several disks, give disk1.")
        }
        return try RollProfile(package: file.package.get(), name: FileSystem.name(file.path))
    }
}
