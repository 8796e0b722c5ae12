internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    func readLifecycle(_ bytes: [UInt8]) throws -> [LifecycleRule] {
        let root = try parse(bytes, root: "LifecycleConfiguration")
        let items = root.children("Rule")
        guard (1...1000).contains(items.count) else {
            throw S3Error.malformed("A LifecycleConfiguration has 1 to 1000 rules.")
        }
        var ids: Set<String> = []
        return try items.map { item in
            let rule = try readRule(item)
            guard ids.insert(rule.id).inserted else {
                throw S3Error.argument("ID", rule.id, "Rule ID must be unique. Found same ID for more than one rule")
            }
            return rule
        }
    }

    private func readRule(_ item: XMLElement) throws -> LifecycleRule {
        guard let status = text(item, "Status"), ["Enabled", "Disabled"].contains(status) else {
            throw S3Error.malformed("Status is Enabled or Disabled.")
        }
        let id = text(item, "ID").flatMap { $0.isEmpty ? nil : $0 } ?? Self.randomID()
        guard id.unicodeScalars.count <= 255 else {
            throw S3Error.argument("ID", id, "ID length should not exceed allowed limit of 255")
        }
        var rule = LifecycleRule(id: id, isEnabled: status == "Enabled", filter: try readFilter(item))
        if let expiration = item.child("Expiration") {
            rule.expirationDays = try days(expiration, "Days")
            rule.expirationDate = try date(expiration)
            rule.expiresDeleteMarker = try boolean(expiration, "ExpiredObjectDeleteMarker")
            if !rule.expiresDeleteMarker, expiration.child("ExpiredObjectDeleteMarker") != nil {
                rule.sparesDeleteMarker = true
            }
            let count = [rule.expirationDays != nil, rule.expirationDate != nil, rule.expiresDeleteMarker]
                .filter { $0 }.count
            guard count + (rule.sparesDeleteMarker == true ? 1 : 0) == 1 else {
                throw S3Error.malformed("Expiration has one of Days, Date and ExpiredObjectDeleteMarker.")
            }
        }
        if let noncurrent = item.child("NoncurrentVersionExpiration") {
            rule.noncurrentDays = try days(noncurrent, "NoncurrentDays")
            rule.noncurrentKept = try integer(noncurrent, "NewerNoncurrentVersions")
            guard rule.noncurrentDays != nil else {
                throw S3Error.malformed("NoncurrentVersionExpiration has NoncurrentDays.")
            }
        }
        if let abort = item.child("AbortIncompleteMultipartUpload") {
            rule.abortUploadDays = try days(abort, "DaysAfterInitiation")
        }
        try refuseTransitions(item)
        guard
            rule.expirationDays != nil || rule.expirationDate != nil || item.child("Expiration") != nil
                || rule.noncurrentDays != nil || rule.abortUploadDays != nil
        else { throw S3Error(.invalidRequest, "At least one action needs to be specified in a rule.") }
        return rule
    }

    /// Midnight, in milliseconds since 1970; nil if there is no `Date`.
    private func date(_ element: XMLElement) throws -> Int64? {
        guard let date = text(element, "Date") else { return nil }
        guard let time = Timestamp.parseISO8601(date) ?? Timestamp.parseISO8601(date + "T00:00:00Z") else {
            throw S3Error.malformed("Date is no date of ISO 8601.")
        }
        guard time % 86_400 == 0 else { throw S3Error.argument("Date", date, "'Date' must be at midnight GMT") }
        return time * 1000
    }

    private func refuseTransitions(_ item: XMLElement) throws {
        let transitions = item.children("Transition") + item.children("NoncurrentVersionTransition")
        for transition in transitions {
            _ = try date(transition)
            guard text(transition, "StorageClass") != nil else {
                throw S3Error.malformed("A transition has a StorageClass.")
            }
        }
        guard transitions.isEmpty else {
            throw S3Error(.notImplemented, "Transitions between storage classes are not implemented.")
        }
    }

    private func days(_ element: XMLElement, _ name: String) throws -> Int? {
        guard let days = try integer(element, name) else { return nil }
        guard (1...100_000).contains(days) else {
            throw S3Error.argument(name, String(days), "'\(name)' for a lifecycle action must be a positive integer")
        }
        return days
    }

    private static func randomID() -> String {
        String(UInt64.random(in: 0...UInt64.max), radix: 36) + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    }

    private func readFilter(_ item: XMLElement) throws -> LifecycleRule.Filter {
        if item.child("Filter") != nil, item.child("Prefix") != nil {
            throw S3Error.malformed("A Rule has a Filter or a Prefix, not both.")
        }
        guard let filter = item.child("Filter") else {
            guard let prefix = item.child("Prefix")?.text else {
                throw S3Error.malformed("A Rule has a Filter or a Prefix.")
            }
            return LifecycleRule.Filter(prefix: prefix, isLegacy: true)
        }
        let and = filter.child("And")
        guard and == nil || filter.children.count == 1 else {
            throw S3Error.malformed("A Filter has conditions or an And of them, not both.")
        }
        let inner = and ?? filter
        func size(_ name: String) throws -> Int64? {
            guard let text = text(inner, name) else { return nil }
            guard let size = Int64(text), size >= 0 else { throw S3Error.malformed("\(name) is not a size.") }
            return size
        }
        return LifecycleRule.Filter(
            prefix: inner.child("Prefix")?.text,
            tags: try Tags.check(
                inner.children("Tag").map {
                    ObjectTag(key: $0.child("Key")?.text ?? "", value: $0.child("Value")?.text ?? "")
                }, most: 10),
            largerThan: try size("ObjectSizeGreaterThan"), smallerThan: try size("ObjectSizeLessThan"),
            // S3 wants several in an And; others take them without, and some clients rely on that.
            isAnd: and != nil || filter.children.count > 1)
    }

    func writeLifecycle(_ rules: [LifecycleRule]) -> Response {
        xml("LifecycleConfiguration") { writer in
            for rule in rules {
                writer.element("Rule") { writer in
                    writer.element("ID", rule.id)
                    self.writeFilter(rule.filter, &writer)
                    writer.element("Status", rule.isEnabled ? "Enabled" : "Disabled")
                    let namesMarker = rule.expiresDeleteMarker || rule.sparesDeleteMarker == true
                    if rule.expirationDays != nil || rule.expirationDate != nil || namesMarker {
                        writer.element("Expiration") { writer in
                            if let days = rule.expirationDays { writer.element("Days", days) }
                            if let date = rule.expirationDate { writer.element("Date", S3Clock.extended(date)) }
                            if namesMarker {
                                writer.element("ExpiredObjectDeleteMarker", rule.expiresDeleteMarker)
                            }
                        }
                    }
                    if let days = rule.noncurrentDays {
                        writer.element("NoncurrentVersionExpiration") { writer in
                            writer.element("NoncurrentDays", days)
                            if let kept = rule.noncurrentKept { writer.element("NewerNoncurrentVersions", kept) }
                        }
                    }
                    if let days = rule.abortUploadDays {
                        writer.element("AbortIncompleteMultipartUpload") {
                            $0.element("DaysAfterInitiation", days)
                        }
                    }
                }
            }
        }
    }

    private func writeFilter(_ filter: LifecycleRule.Filter, _ writer: inout XMLWriter) {
        if filter.isLegacy {
            writer.element("Prefix", filter.prefix ?? "")
            return
        }
        writer.open("Filter")
        if filter.isAnd { writer.open("And") }
        if let prefix = filter.prefix { writer.element("Prefix", prefix) }
        for tag in filter.tags {
            writer.element("Tag") { writer in
                writer.element("Key", tag.key)
                writer.element("Value", tag.value)
            }
        }
        if let size = filter.largerThan { writer.element("ObjectSizeGreaterThan", size) }
        if let size = filter.smallerThan { writer.element("ObjectSizeLessThan", size) }
        if filter.isAnd { writer.close() }
        writer.close()
    }
}
