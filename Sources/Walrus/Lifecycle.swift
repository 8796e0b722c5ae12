// Lifecycle rules ("Managing the lifecycle of objects" of the S3 User Guide): what they say of an object at a time.

public import ObjectStore

/// One rule.
public struct LifecycleRule: Sendable, Codable, Equatable {
    /// Which objects; all that is given must hold.
    public struct Filter: Sendable, Codable, Equatable {
        /// Keys that begin so.
        public var prefix: String?
        /// Objects with all of these tags.
        public var tags: [ObjectTag]
        /// Objects larger than so many bytes.
        public var largerThan: Int64?
        /// Objects smaller than so many bytes.
        public var smallerThan: Int64?
        /// How it was written: an old rule has its prefix beside, not inside, a filter.
        public var isLegacy: Bool
        /// Whether the conditions stand inside an `And`.
        public var isAnd: Bool

        /// Makes a filter.
        public init(
            prefix: String? = nil, tags: [ObjectTag] = [], largerThan: Int64? = nil, smallerThan: Int64? = nil,
            isLegacy: Bool = false, isAnd: Bool = false
        ) {
            self.prefix = prefix
            self.tags = tags
            self.largerThan = largerThan
            self.smallerThan = smallerThan
            self.isLegacy = isLegacy
            self.isAnd = isAnd
        }

        /// Whether an object is meant.
        public func matches(key: String, size: Int64, tags present: [ObjectTag]) -> Bool {
            (prefix.map { key.utf8.starts(with: $0.utf8) } ?? true) && tags.allSatisfy { present.contains($0) }
                && (largerThan.map { size > $0 } ?? true) && (smallerThan.map { size < $0 } ?? true)
        }
    }

    /// Its name.
    public var id: String
    /// Whether it is in force.
    public var isEnabled: Bool
    /// Which objects.
    public var filter: Filter
    /// The newest version is deleted so many days after it was made,
    public var expirationDays: Int?
    /// or at this time (milliseconds since 1970),
    public var expirationDate: Int64?
    /// or, if it is a delete marker, when nothing else is left.
    public var expiresDeleteMarker: Bool
    /// Whether the document said "false" of that, which is shown again.
    public var sparesDeleteMarker: Bool?
    /// Older versions are removed so many days after they were replaced,
    public var noncurrentDays: Int?
    /// but so many of them are kept.
    public var noncurrentKept: Int?
    /// Uploads are given up after so many days.
    public var abortUploadDays: Int?

    /// Makes a rule.
    public init(
        id: String, isEnabled: Bool, filter: Filter, expirationDays: Int? = nil, expirationDate: Int64? = nil,
        expiresDeleteMarker: Bool = false, noncurrentDays: Int? = nil, noncurrentKept: Int? = nil,
        abortUploadDays: Int? = nil
    ) {
        self.id = id
        self.isEnabled = isEnabled
        self.filter = filter
        self.expirationDays = expirationDays
        self.expirationDate = expirationDate
        self.expiresDeleteMarker = expiresDeleteMarker
        self.noncurrentDays = noncurrentDays
        self.noncurrentKept = noncurrentKept
        self.abortUploadDays = abortUploadDays
    }

    /// When something that began then is due: so many days later, at the next midnight (UTC) as S3 counts. A day
    /// shortened for a trial has no midnight.
    static func due(_ start: Int64, days: Int, day: Int64) -> Int64 {
        let end = start + Int64(days) * day
        return day == 86_400_000 ? (end + day - 1) / day * day : end
    }

    /// When the newest version of an object expires by this rule (milliseconds since 1970); nil if it does not.
    public func expiry(of record: ObjectRecord, day: Int64) -> Int64? {
        guard isEnabled, !record.isDeleteMarker,
            filter.matches(key: record.key, size: record.size, tags: record.attributes.tags ?? [])
        else { return nil }
        if let expirationDate { return expirationDate }
        return expirationDays.map { Self.due(record.modified, days: $0, day: day) }
    }
}

extension BucketState {
    /// When an object expires and by which rule; nil if none says so.
    public func expiry(of record: ObjectRecord, day: Int64) -> (at: Int64, rule: String)? {
        (settings.lifecycle ?? []).compactMap { rule in
            rule.expiry(of: record, day: day).map { (at: $0, rule: rule.id) }
        }.min { $0.at < $1.at }
    }
}
