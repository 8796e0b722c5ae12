/// Makes and checks disk images. The simulated driver's make no files at all.
public protocol DiskImages: AnyObject, Sendable {
    /// Reads the header of an image that somebody gave us, without trusting it.
    ///
    /// - Parameter format: what it is said to be; nil to find out.
    /// - Throws: `invalidImage` if it is damaged, not of that format, or refers to other files (backing file, external data
    ///   file: it would make a guest read any file of the host); `notFound`; `timedOut`; `notInstalled`.
    func inspect(path: String, format: DiskFormat?) throws(HypervisorError) -> DiskImageFacts

    /// Makes a copy-on-write disk over a base image that is never written to.
    ///
    /// - Parameters:
    ///   - base: absolute path of the image below; it was inspected before.
    ///   - baseFormat: its format.
    ///   - path: the new qcow2 file; an existing file is an error.
    ///   - sizeBytes: size that the guest sees; the base's own size if that is larger or this is nil.
    /// - Throws: `insufficientResources` if the disk is full; `invalidImage`; `failed`.
    func createOverlay(base: String, baseFormat: DiskFormat, path: String, sizeBytes: Int64?)
        throws(HypervisorError)

    /// Makes an empty sparse disk.
    ///
    /// - Throws: `insufficientResources` if the disk is full; `failed`.
    func createEmpty(path: String, format: DiskFormat, sizeBytes: Int64) throws(HypervisorError)

    /// Makes one file of a disk of ours and all that lies below it, sparse where the disk is empty. Nobody may write to
    /// the disk meanwhile.
    ///
    /// - Parameters:
    ///   - path: the disk; it may have backing files, since it was made here.
    ///   - format: its format.
    ///   - target: the new file; an existing file is an error. It is a qcow2 image of QEMU's disks, and a raw one of
    ///     simulated disks. Nothing is left of it after an error.
    ///   - isCancelled: asked every now and then; when true, the call ends with `unavailable`.
    /// - Throws: `insufficientResources` if the file system is full; `notFound`, `invalidImage`, `timedOut`, `failed`.
    func flatten(path: String, format: DiskFormat, to target: String, isCancelled: () -> Bool)
        throws(HypervisorError)

    /// Checks the internal consistency of an image; raw images have none.
    ///
    /// - Throws: `invalidImage` with what is wrong.
    func check(path: String, format: DiskFormat) throws(HypervisorError)
}

/// What an image's header says.
public struct DiskImageFacts: Sendable, Equatable {
    /// Layout of the file.
    public var format: DiskFormat
    /// Size of the disk that a guest sees, in bytes.
    public var virtualSizeBytes: Int64
    /// Space that the file takes on the host, in bytes.
    public var actualSizeBytes: Int64

    /// Creates facts.
    public init(format: DiskFormat, virtualSizeBytes: Int64, actualSizeBytes: Int64) {
        self.format = format
        self.virtualSizeBytes = virtualSizeBytes
        self.actualSizeBytes = actualSizeBytes
    }
}
