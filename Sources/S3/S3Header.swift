internal import HTTPTypes
internal import ObjectStore
internal import Signatures

/// Header names that S3 has and HTTP has not.
enum S3Header {
    static let requestID = "x-amz-request-id"
    static let id2 = "x-amz-id-2"
    static let bucketRegion = "x-amz-bucket-region"
    static let checksumType = "x-amz-checksum-type"
    static let versionID = "x-amz-version-id"
    /// Not S3's: the SHA-256 of an object, where Walrus knows it; with a put, of whatever value, that it shall be kept.
    static let digest = "x-mallee-sha256"

    /// Headers that are kept with an object and given back.
    static let stored = [
        "cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires",
        storageClass,
    ]

    /// Kept where it is not STANDARD; all objects are stored alike.
    static let storageClass = "x-amz-storage-class"
}

enum S3Clock {
    static func seconds() -> Int64 { FileBackendConfiguration.systemClock() / 1000 }

    /// `2013-05-24T00:00:00.000Z` of milliseconds since 1970.
    static func extended(_ milliseconds: Int64) -> String {
        Timestamp.extended(milliseconds / 1000, milliseconds: milliseconds % 1000)
    }
}

extension HTTPFields {
    /// The value of a header that HTTPTypes has no name for. What is no valid name has no value and cannot be set.
    subscript(text name: String) -> String? {
        get { HTTPField.Name(name).flatMap { self[$0] } }
        set { if let name = HTTPField.Name(name) { self[name] = newValue } }
    }
}

extension ObjectAttributes {
    /// The storage class as it is shown.
    var storageClass: String { headers[S3Header.storageClass] ?? "STANDARD" }
}

extension ObjectRecord {
    /// The storage class as it is shown.
    var storageClass: String { attributes.storageClass }
}
