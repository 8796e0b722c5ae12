// Event notifications: the configuration, and the messages that go to webhooks ("Event message structure" of the S3
// User Guide, version 2.1). The cloud has no topics or queues of its own: where S3 has an ARN of one, here stands the
// webhook's URL.

internal import Hummingbird
internal import JSON
internal import ObjectStore
internal import Walrus
internal import XML

/// Takes messages to where they belong. It must return soon; what it cannot deliver it may drop after its retries.
public protocol S3EventSink: Sendable {
    /// Sends a message to a webhook by POST.
    func deliver(_ message: [UInt8], to url: String) async
}

extension S3Call {
    private static let kinds = [
        ("TopicConfiguration", "Topic"), ("QueueConfiguration", "Queue"),
        ("CloudFunctionConfiguration", "CloudFunction"),
    ]

    func readNotification(_ bytes: [UInt8]) throws -> [NotificationRule] {
        let root = try parse(bytes, root: "NotificationConfiguration")
        if root.child("EventBridgeConfiguration") != nil {
            throw S3Error(.notImplemented, "EventBridge is not implemented; use a webhook's URL as topic.")
        }
        var rules: [NotificationRule] = []
        for (element, target) in Self.kinds {
            for item in root.children(element) {
                guard let url = text(item, target), url.hasPrefix("http://") || url.hasPrefix("https://") else {
                    throw S3Error.argument(
                        target, text(item, target) ?? "",
                        "Unable to validate the following destination configurations: it must be the URL of a webhook")
                }
                let events = item.children("Event").map(\.trimmedText)
                guard !events.isEmpty, events.allSatisfy({ $0.hasPrefix("s3:") }) else {
                    throw S3Error.argument("Event", events.first ?? "", "A value in Event is not an event of S3")
                }
                var prefix: String?
                var suffix: String?
                for rule in item.child("Filter")?.child("S3Key")?.children("FilterRule") ?? [] {
                    let value = rule.child("Value")?.text ?? ""
                    switch text(rule, "Name")?.lowercased() {
                    case "prefix": prefix = value
                    case "suffix": suffix = value
                    case let other:
                        throw S3Error.argument(
                            "FilterRule", other ?? "", "filter rule name must be either prefix or suffix")
                    }
                }
                rules.append(
                    NotificationRule(
                        id: text(item, "Id") ?? String(UInt64.random(in: 0...UInt64.max), radix: 36), kind: target,
                        endpoint: url, events: events, prefix: prefix, suffix: suffix))
            }
        }
        guard rules.count <= 100 else { throw S3Error.malformed("There are at most 100 notifications.") }
        return rules
    }

    func writeNotification(_ rules: [NotificationRule]) -> Response {
        xml("NotificationConfiguration") { writer in
            for rule in rules {
                writer.element(rule.kind + "Configuration") { writer in
                    writer.element("Id", rule.id)
                    writer.element(rule.kind, rule.endpoint)
                    for event in rule.events { writer.element("Event", event) }
                    guard rule.prefix != nil || rule.suffix != nil else { return }
                    writer.element("Filter") { writer in
                        writer.element("S3Key") { writer in
                            for (name, value) in [("prefix", rule.prefix), ("suffix", rule.suffix)] {
                                guard let value else { continue }
                                writer.element("FilterRule") { writer in
                                    writer.element("Name", name)
                                    writer.element("Value", value)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Tells whoever wants to know of an event (`ObjectCreated:Put`).
    func emit(_ event: String, _ bucket: String, _ key: String, _ object: ObjectRecord?) async {
        guard let events else { return }
        // The change is done: that its bucket went away meanwhile is no failure of it.
        guard let state = try? await walrus.state(caller, bucket), let rules = state.settings.notification else {
            return
        }
        for rule in rules where rule.matches(event: event, key: key) {
            await events.deliver(message(event, state, key, object, rule: rule.id), to: rule.endpoint)
        }
    }

    private func message(
        _ event: String, _ state: BucketState, _ key: String, _ object: ObjectRecord?, rule: String
    ) -> [UInt8] {
        var description: [JSONMember] = [JSONMember("key", .string(ListEncoding.encode(key)))]
        if let object {
            description.append(JSONMember("size", .integer(object.size)))
            description.append(JSONMember("eTag", .string(object.etag)))
            if state.record.versioning != .never {
                description.append(JSONMember("versionId", .string(object.versionID)))
            }
        }
        let time = nowMilliseconds
        description.append(JSONMember("sequencer", .string(String(time, radix: 16, uppercase: true))))
        let record = JSONValue.members(
            ("eventVersion", .string("2.1")), ("eventSource", .string("aws:s3")),
            ("awsRegion", .string(walrus.region(of: state.record))),
            ("eventTime", .string(S3Clock.extended(time))), ("eventName", .string(event)),
            ("userIdentity", .members(("principalId", .string(caller.principal?.accountID ?? "anonymous")))),
            ("requestParameters", .members(("sourceIPAddress", .string(caller.facts("aws:sourceip")?.first ?? "")))),
            ("responseElements", .members(("x-amz-request-id", .string(request.requestID)))),
            (
                "s3",
                .members(
                    ("s3SchemaVersion", .string("1.0")), ("configurationId", .string(rule)),
                    (
                        "bucket",
                        .members(
                            ("name", .string(state.record.name)),
                            ("ownerIdentity", .members(("principalId", .string(state.record.owner)))),
                            ("arn", .string("arn:aws:s3:::" + state.record.name)))
                    ), ("object", .object(description)))
            ))
        return JSONValue.members(("Records", .array([record]))).serializedBytes
    }
}
