// Object lock: the bucket's configuration, retention and legal hold of objects, and their headers.

internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    func readObjectLock(_ bytes: [UInt8]) throws -> ObjectLockConfiguration {
        let root = try parse(bytes, root: "ObjectLockConfiguration")
        guard text(root, "ObjectLockEnabled") == "Enabled" else {
            throw S3Error.malformed("ObjectLockEnabled is Enabled.")
        }
        guard let rule = root.child("Rule") else { return ObjectLockConfiguration() }
        guard let retention = rule.child("DefaultRetention"), let name = text(retention, "Mode"),
            let mode = ObjectRetention.Mode(rawValue: name)
        else { throw S3Error.malformed("A Rule has a DefaultRetention with a Mode.") }
        let days = try integer(retention, "Days")
        let years = try integer(retention, "Years")
        guard (days == nil) != (years == nil) else {
            throw S3Error.malformed("DefaultRetention has either Days or Years.")
        }
        if let days, !(1...36_500).contains(days) {
            throw S3Error(.invalidRetentionPeriod, "Default retention period must be a positive integer value.")
        }
        if let years, !(1...100).contains(years) {
            throw S3Error(.invalidRetentionPeriod, "Default retention period must be a positive integer value.")
        }
        return ObjectLockConfiguration(mode: mode, days: days, years: years)
    }

    func writeObjectLock(_ lock: ObjectLockConfiguration) -> Response {
        xml("ObjectLockConfiguration") { writer in
            writer.element("ObjectLockEnabled", "Enabled")
            guard let mode = lock.mode else { return }
            writer.element("Rule") { writer in
                writer.element("DefaultRetention") { writer in
                    writer.element("Mode", mode.rawValue)
                    if let days = lock.days { writer.element("Days", days) }
                    if let years = lock.years { writer.element("Years", years) }
                }
            }
        }
    }

    var bypassesGovernance: Bool { request.header("x-amz-bypass-governance-retention")?.lowercased() == "true" }

    private func until(_ text: String) throws -> Int64 {
        guard let time = Timestamp.parseISO8601(text) else {
            throw S3Error.malformed("RetainUntilDate is no time of ISO 8601.")
        }
        guard time * 1000 > nowMilliseconds else {
            throw S3Error.argument(
                "x-amz-object-lock-retain-until-date", text, "The retain until date must be in the future!")
        }
        return time * 1000
    }

    /// Retention and hold that the headers of a new object name.
    func lockHeaders(_ write: inout WriteOptions) throws {
        let mode = request.header("x-amz-object-lock-mode")
        let date = request.header("x-amz-object-lock-retain-until-date")
        switch (mode, date) {
        case (nil, nil): break
        case (let mode?, let date?):
            guard let mode = ObjectRetention.Mode(rawValue: mode) else {
                throw S3Error.argument("x-amz-object-lock-mode", mode, "Unknown wormMode directive")
            }
            write.retention = ObjectRetention(mode: mode, until: try until(date))
        default:
            throw S3Error(
                .invalidArgument,
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
        }
        switch request.header("x-amz-object-lock-legal-hold")?.uppercased() {
        case nil: break
        case "ON": write.legalHold = true
        case "OFF": write.legalHold = false
        case let other?:
            throw S3Error.argument("x-amz-object-lock-legal-hold", other, "Legal Hold must be either of 'ON' or 'OFF'")
        }
    }

    func objectRetention(_ verb: DocumentVerb, _ bucket: String, _ key: String) async throws -> Response {
        guard verb == .put else {
            let object = try await walrus.objectLock(
                caller, .getObjectRetention, bucket: bucket, key: key, version: version)
            guard let retention = object.attributes.retention else {
                throw S3Error(
                    .noSuchObjectLockConfiguration,
                    "The specified object does not have a ObjectLock configuration", fields: [("Key", key)])
            }
            return xml("Retention") { writer in
                writer.element("Mode", retention.mode.rawValue)
                writer.element("RetainUntilDate", S3Clock.extended(retention.until))
            }
        }
        let bytes = try await document()
        _ = try await walrus.objectLock(caller, .putObjectRetention, bucket: bucket, key: key, version: version)
        let root = try parse(bytes, root: "Retention")
        var retention: ObjectRetention?
        if root.child("Mode") != nil || root.child("RetainUntilDate") != nil {
            guard let name = text(root, "Mode"), let mode = ObjectRetention.Mode(rawValue: name),
                let date = text(root, "RetainUntilDate")
            else { throw S3Error.malformed("Retention has a Mode and a RetainUntilDate.") }
            retention = ObjectRetention(mode: mode, until: try until(date))
        }
        try await walrus.putRetention(
            caller, bucket: bucket, key: key, version: version, retention, bypass: bypassesGovernance)
        return Response(status: .ok)
    }

    func objectLegalHold(_ verb: DocumentVerb, _ bucket: String, _ key: String) async throws -> Response {
        guard verb == .put else {
            let object = try await walrus.objectLock(
                caller, .getObjectLegalHold, bucket: bucket, key: key, version: version)
            let isOn = object.attributes.legalHold ?? false
            return xml("LegalHold") { $0.element("Status", isOn ? "ON" : "OFF") }
        }
        let bytes = try await document()
        _ = try await walrus.objectLock(caller, .putObjectLegalHold, bucket: bucket, key: key, version: version)
        let status = text(try parse(bytes, root: "LegalHold"), "Status")
        guard status == "ON" || status == "OFF" else { throw S3Error.malformed("Status is ON or OFF.") }
        try await walrus.putLegalHold(caller, bucket: bucket, key: key, version: version, status == "ON")
        return Response(status: .ok)
    }

    func objectDocument(
        _ verb: DocumentVerb, _ document: ObjectDocument, _ bucket: String, _ key: String
    ) async throws -> Response {
        switch document {
        case .acl: return verb == .get ? try await getObjectACL(bucket, key) : try await putObjectACL(bucket, key)
        case .attributes: return try await getObjectAttributes(bucket, key)
        case .retention: return try await objectRetention(verb, bucket, key)
        case .legalHold: return try await objectLegalHold(verb, bucket, key)
        case .tagging: return try await objectTagging(verb, bucket, key)
        }
    }
}
