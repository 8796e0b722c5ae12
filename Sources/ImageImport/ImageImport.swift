// ImageImport: how images come into the cloud from an administrator's files.
//
// Here: opening raw, qcow2 and compressed files as one stream, uploading them to Walrus by S3, registering them by
// EC2 Query, and building the demo image from the distribution's packages. Not here: what the cloud controller checks
// at registration. Failing: `ImageImportError`, with cause and cure. A failed import leaves no registered image.

/// Why an image could not be made or imported.
public struct ImageImportError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Cause and cure.
    public let description: String
    /// Makes an error.
    public init(_ description: String) { self.description = description }
}

/// Told how far a step is: what, bytes done, bytes in all (nil when unknown).
public typealias ImportProgress = @Sendable (_ step: String, _ done: Int64, _ total: Int64?) -> Void
