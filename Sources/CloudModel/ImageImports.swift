/// The import of a disk in Walrus as an image, which goes on after the request was answered. EC2: ImportImage.
///
///     active ──▶ completed
///       ├──────▶ failed      (EC2 shows it as deleted, with the reason)
///       └──────▶ cancelled   (EC2 shows it as deleted)
public struct ImageImport: Hashable, Sendable, Codable {
    /// See the diagram.
    public enum State: String, Sendable, Codable { case active, completed, failed, cancelled }

    /// Its identifier.
    public var id: ImageImportID
    /// Who asked: the image is his, and the object is read with his permissions.
    public var accountID: String
    /// See `accountID`.
    public var userName: String
    /// See `accountID`.
    public var accessKeyID: String
    /// Free text.
    public var description: String?
    /// i386 or x86_64.
    public var architecture: String
    /// "bucket/key" of the disk.
    public var location: String
    /// raw or qcow2, in the letters of the request.
    public var format: String
    /// See `State`.
    public var state: State
    /// Why it failed, or was cancelled.
    public var message: String?
    /// The image, when it is completed.
    public var imageID: ImageID?
    /// Size of the disk that a guest sees, in bytes, when it is completed.
    public var sizeBytes: Int64?
    /// When it was asked for.
    public var createdAt: Timestamp
    /// When it came to its end.
    public var endedAt: Timestamp?
    /// Tags of the task; the image gets them, too.
    public var tags: [Tag]

    /// Makes an import that is to be done.
    public init(
        id: ImageImportID, of caller: Caller, description: String?, architecture: String, location: String,
        format: String, createdAt: Timestamp, tags: [Tag]
    ) {
        self.id = id
        accountID = caller.accountID
        userName = caller.userName
        accessKeyID = caller.accessKeyID
        self.description = description
        self.architecture = architecture
        self.location = location
        self.format = format
        state = .active
        self.createdAt = createdAt
        self.tags = tags
    }

    /// EC2's word for the state.
    public var status: String {
        switch state {
        case .active: "active"
        case .completed: "completed"
        case .failed, .cancelled: "deleted"
        }
    }

    /// Most imports of one account that are active at the same time (EC2's quota is 20).
    public static let activeLimit = 20
}

/// Imports of images: `import-ami-`.
public enum ImageImportKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "import-ami"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.imageImport
}
/// The identifier of an import.
public typealias ImageImportID = Identifier<ImageImportKind>

extension ImageImport: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (ImageImport) -> [String])? {
        switch name {
        case "task-state": return { [$0.status] }
        default: return nil
        }
    }
}

/// ImportImage, in the cloud's own terms.
public struct ImportImageRequest: Hashable, Sendable {
    /// "bucket/key" of the disk in Walrus.
    public var location: String
    /// RAW or QCOW2 in any letters.
    public var format: String
    /// i386 or x86_64; nil for x86_64.
    public var architecture: String?
    /// Free text.
    public var description: String?
    /// Makes it idempotent.
    public var clientToken: String?
    /// Tags.
    public var tags: [Tag]
    /// Only check.
    public var dryRun: Bool
    /// Makes a request.
    public init(
        location: String, format: String, architecture: String? = nil, description: String? = nil,
        clientToken: String? = nil, tags: [Tag] = [], dryRun: Bool = false
    ) {
        self.location = location
        self.format = format
        self.architecture = architecture
        self.description = description
        self.clientToken = clientToken
        self.tags = tags
        self.dryRun = dryRun
    }
}

/// Imports of images.
public protocol ImageImportBackend: Sendable {
    /// Records the import, which is then carried out. EC2: ImportImage.
    func importImage(_ request: ImportImageRequest, as caller: Caller) async throws(CloudError) -> ImageImport
    /// EC2: DescribeImportImageTasks.
    func describeImageImports(_ request: DescribeRequest, as caller: Caller) async throws(CloudError)
        -> Page<ImageImport>
    /// The import as it was, and as it is. EC2: CancelImportTask.
    func cancelImageImport(id: String, reason: String?, dryRun: Bool, as caller: Caller) async throws(CloudError)
        -> (previous: ImageImport, current: ImageImport)
}
