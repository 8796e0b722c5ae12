/// Why a back end refuses.
public enum ObjectStoreError: Error, Sendable, Equatable {
    /// There is no such bucket.
    case noSuchBucket(String)
    /// The name is taken, by this owner.
    case bucketExists(owner: String)
    /// The bucket still holds objects.
    case bucketNotEmpty(String)
    /// There is no such object.
    case noSuchKey(String)
    /// There is no such version of the object.
    case noSuchVersion(key: String, version: String)
    /// The version is a delete marker: the object counts as deleted.
    case isDeleteMarker(key: String, version: String, isNamed: Bool, modified: Int64)
    /// There is no such upload (any more).
    case noSuchUpload(String)
    /// A part that completion names is not there or has another entity tag.
    case invalidPart(number: Int)
    /// The parts are not in ascending order.
    case invalidPartOrder
    /// A part that is not the last is too small.
    case partTooSmall(number: Int, size: Int64, minimum: Int64)
    /// The body ended early or went on too long.
    case incompleteBody(expected: Int64, received: Int64)
    /// The checksum of the whole is not the announced one.
    case contentMismatch(String)
    /// The parts have another size together than was announced.
    case sizeMismatch(announced: Int64, computed: Int64)
    /// The object is encrypted and its key was not given, or the bytes do not belong to the key.
    case undecipherable(String)
    /// The condition of a write does not hold.
    case preconditionFailed
    /// Too little space is left; nothing was changed.
    case insufficientStorage(needed: Int64, free: Int64)
    /// The store behind this one cannot be reached, or serves nobody now; nothing was changed. The text is for the log.
    case unavailable(String)
    /// The store is not as it should be or the disk fails. The text is for the log, not for the caller.
    case failed(String)

    /// Whether the same call may succeed later without anybody changing it.
    public var isRetryable: Bool {
        switch self {
        case .insufficientStorage, .unavailable, .failed: true
        case .noSuchBucket, .bucketExists, .bucketNotEmpty, .noSuchKey, .noSuchVersion, .isDeleteMarker,
            .noSuchUpload, .invalidPart, .invalidPartOrder, .partTooSmall, .incompleteBody, .contentMismatch,
            .sizeMismatch, .undecipherable, .preconditionFailed:
            false
        }
    }
}
