// Carries out lifecycle rules. One pass looks at every bucket that has rules, in pages, and does what is due at the
// time it is given; passes may overlap with everything else, and repeating one does no harm.

internal import Logging
internal import ObjectStore

/// The background work of lifecycle rules.
public struct LifecycleWorker: Sendable {
    private let walrus: Walrus
    private let logger: Logger

    /// Makes the worker of a service.
    public init(_ walrus: Walrus) {
        self.walrus = walrus
        logger = Logger(label: "walrus.lifecycle")
    }

    /// What a pass did.
    public struct Outcome: Sendable, Equatable {
        /// Objects that got a delete marker or were deleted.
        public var expired = 0
        /// Versions and delete markers that were removed.
        public var removed = 0
        /// Uploads that were given up.
        public var aborted = 0

        /// Nothing done.
        public init() {}
    }

    /// Works until its task is cancelled, with 24 passes a day.
    public func run() async {
        let interval = Duration.milliseconds(walrus.configuration.lifecycleDay / 24)
        while !Task.isCancelled {
            do {
                let outcome = try await pass(now: walrus.clock())
                if outcome != Outcome() {
                    logger.info(
                        "Lifecycle rules were applied",
                        metadata: [
                            "expired": "\(outcome.expired)", "removed": "\(outcome.removed)",
                            "aborted": "\(outcome.aborted)",
                        ])
                }
                try await Task.sleep(for: interval)
            } catch is CancellationError {
                return
            } catch {
                logger.error("A lifecycle pass failed; the next one tries again", metadata: ["error": "\(error)"])
                do { try await Task.sleep(for: interval) } catch { return }
            }
        }
    }

    /// Does what is due at a time (milliseconds since 1970).
    public func pass(now: Int64) async throws -> Outcome {
        var outcome = Outcome()
        for bucket in try await walrus.backend.buckets(owner: nil)
        where bucket.settings[BucketSetting.lifecycle.rawValue] != nil {
            try Task.checkCancellation()
            do {
                try await pass(try walrus.state(bucket), now: now, &outcome)
            } catch ObjectStoreError.noSuchBucket {
                // Deleted meanwhile.
                continue
            }
        }
        return outcome
    }

    private func pass(_ state: BucketState, now: Int64, _ outcome: inout Outcome) async throws {
        let rules = (state.settings.lifecycle ?? []).filter(\.isEnabled)
        let bucket = state.record.name
        if rules.contains(where: { $0.abortUploadDays != nil }) {
            try await abortUploads(bucket, rules, now: now, &outcome)
        }
        guard rules.contains(where: { $0.actsOnVersions }) else { return }
        var query = ListQuery()
        var afterVersion = ""
        // The versions of one key come together, newest first; what is known of the key so far goes along.
        var walk = Walk()
        let day = walrus.configuration.lifecycleDay
        while true {
            let page = try await walrus.backend.versions(bucket: bucket, query, afterVersion: afterVersion)
            var doomed: [Deletion] = []
            for item in page.items {
                if let last = walk.endOfKey(before: item, rules: rules, day: day, now: now) { doomed.append(last) }
                if let deletion = try await walk.visit(item, rules, state, walrus, now: now) { doomed.append(deletion) }
            }
            if page.next == nil, let last = walk.endOfKey(before: nil, rules: rules, day: day, now: now) {
                doomed.append(last)
            }
            try await delete(doomed, bucket, now: now, &outcome)
            guard let next = page.next, let last = page.items.last else { return }
            query.after = next
            afterVersion = last.versionID
        }
    }

    private func delete(_ doomed: [Deletion], _ bucket: String, now: Int64, _ outcome: inout Outcome) async throws {
        guard !doomed.isEmpty else { return }
        let results = try await walrus.backend.delete(bucket: bucket, doomed) { record in
            try Walrus.checkLock(record.attributes, now: now, bypass: false)
        }
        for (deletion, result) in zip(doomed, results) {
            switch result {
            case .success: if deletion.version == nil { outcome.expired += 1 } else { outcome.removed += 1 }
            case .failure(WalrusError.locked), .failure(ObjectStoreError.preconditionFailed),
                .failure(ObjectStoreError.noSuchKey):
                // Kept by a lock, or changed since it was listed.
                break
            case .failure(let error): throw error
            }
        }
    }

    private func abortUploads(
        _ bucket: String, _ rules: [LifecycleRule], now: Int64, _ outcome: inout Outcome
    ) async throws {
        var query = ListQuery()
        var after = ""
        while true {
            let page = try await walrus.backend.uploads(bucket: bucket, query, afterUpload: after)
            for upload in page.items {
                let due = rules.contains { rule in
                    guard let days = rule.abortUploadDays, rule.filter.tags.isEmpty,
                        rule.filter.prefix.map({ upload.key.utf8.starts(with: $0.utf8) }) ?? true
                    else { return false }
                    return LifecycleRule.due(upload.initiated, days: days, day: walrus.configuration.lifecycleDay)
                        <= now
                }
                guard due else { continue }
                do {
                    try await walrus.backend.abortUpload(bucket: bucket, key: upload.key, upload: upload.id)
                    outcome.aborted += 1
                } catch ObjectStoreError.noSuchUpload {
                    // Ended meanwhile.
                    continue
                }
            }
            guard let next = page.next, let last = page.items.last else { return }
            query.after = next
            after = last.id
        }
    }
}

extension LifecycleRule {
    fileprivate var actsOnVersions: Bool {
        expirationDays != nil || expirationDate != nil || expiresDeleteMarker || noncurrentDays != nil
    }
}

/// A walk over versions in the order of a listing.
private struct Walk {
    private var key: String?
    /// When the version that follows was replaced: the time the one before was made.
    private var replaced: Int64 = 0
    private var noncurrent = 0
    /// A delete marker that is the newest, and whether an older version stays behind it.
    private var marker: ObjectRecord?
    private var staying = 0

    /// The deletion of the previous key's delete marker, if nothing else is left of the key and a rule wants it.
    mutating func endOfKey(
        before next: ObjectRecord?, rules: [LifecycleRule], day: Int64, now: Int64
    ) -> Deletion? {
        if let next, key.map({ $0.utf8.elementsEqual(next.key.utf8) }) ?? false { return nil }
        defer {
            key = next?.key
            noncurrent = 0
            marker = nil
            staying = 0
        }
        guard let marker, staying == 0 else { return nil }
        let wanted = rules.contains { rule in
            guard rule.filter.matches(key: marker.key, size: 0, tags: []) else { return false }
            let isOld = rule.expirationDays.map { LifecycleRule.due(marker.modified, days: $0, day: day) <= now }
            return rule.expiresDeleteMarker || isOld ?? false
        }
        return wanted ? Deletion(key: marker.key, version: marker.versionID) : nil
    }

    mutating func visit(
        _ listed: ObjectRecord, _ rules: [LifecycleRule], _ state: BucketState, _ walrus: Walrus, now: Int64
    ) async throws -> Deletion? {
        let day = walrus.configuration.lifecycleDay
        defer { replaced = listed.modified }
        var record = listed
        // A listing leaves tags out.
        if rules.contains(where: { !$0.filter.tags.isEmpty }), !listed.isDeleteMarker {
            do {
                record = try await walrus.backend.head(
                    bucket: state.record.name, key: listed.key, version: listed.versionID)
            } catch ObjectStoreError.noSuchVersion {
                return nil
            }
        }
        if listed.isLatest {
            if listed.isDeleteMarker {
                marker = listed
                return nil
            }
            let due = rules.compactMap { $0.expiry(of: record, day: day) }.min()
            guard let due, due <= now else { return nil }
            return Deletion(key: listed.key, etag: listed.etag)
        }
        noncurrent += 1
        let isDue = rules.contains { rule in
            guard let days = rule.noncurrentDays,
                rule.filter.matches(key: record.key, size: record.size, tags: record.attributes.tags ?? [])
            else { return false }
            return LifecycleRule.due(replaced, days: days, day: day) <= now && noncurrent > rule.noncurrentKept ?? 0
        }
        guard isDue else {
            staying += 1
            return nil
        }
        return Deletion(key: listed.key, version: listed.versionID)
    }
}
