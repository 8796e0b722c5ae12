import CloudModel
import QueryProtocol
import Signatures
import XML

/// A request that was read, authenticated and let through, on its way to its handler.
struct IAMCall: Sendable {
    let parameters: Parameters
    /// On whose behalf; the account may be another one that an administrator acts for.
    let caller: Caller
    let backend: any IdentityBackend
    /// The cloud's region.
    let region: String

    /// The value of a parameter that must be there.
    func required(_ name: String) throws(CloudError) -> String { try parameters.required(name) }

    func text(_ name: String) -> String? { parameters.text(name) }

    var path: String { text("Path") ?? "/" }

    var tags: [Tag] {
        get throws(CloudError) {
            var tags: [Tag] = []
            for entry in parameters.structures("Tags.member") {
                tags.append(Tag(key: try entry.required("Key"), value: entry.raw("Value") ?? ""))
            }
            return tags
        }
    }

    /// The page of a list that the request asks for, and what tells the client whether there is more.
    ///
    /// - Parameter position: unique, and the order of `items`.
    func page<Item>(
        _ items: [Item], position: (Item) -> String, _ answer: inout XMLWriter,
        _ write: (inout XMLWriter, [Item]) throws(CloudError) -> Void
    ) throws(CloudError) {
        let most = try parameters.integer("MaxItems") ?? 100
        guard (1...1000).contains(most) else {
            throw .invalidValue(
                parameter: "maxItems", value: String(most),
                reason: "1 validation error detected: Value '\(most)' at 'maxItems' failed to satisfy constraint: "
                    + "Member must have value between 1 and 1000")
        }
        var rest = items[...]
        if let marker = text("Marker") {
            guard let bytes = Base64.decode(marker),
                let last = items.firstIndex(where: { Array(position($0).utf8) == bytes })
            else {
                throw .invalidValue(
                    parameter: "Marker", value: Parameters.shortened(marker),
                    reason: "Invalid Marker.")
            }
            rest = items[(last + 1)...]
        }
        let page = rest.prefix(most)
        try write(&answer, Array(page))
        let hasMore = page.count < rest.count
        answer.element("IsTruncated", hasMore ? "true" : "false")
        if hasMore, let last = page.last { answer.element("Marker", Base64.encode(Array(position(last).utf8))) }
    }
}

/// Percent-encoding of documents, as IAM sends them (RFC 3986).
enum DocumentEncoding {
    static func encode(_ text: String) -> String {
        var encoded: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                encoded.append(byte)
            default:
                encoded.append(UInt8(ascii: "%"))
                encoded.append(digits[Int(byte >> 4)])
                encoded.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}

/// Times as IAM writes them: whole seconds.
extension CloudModel.Timestamp {
    var inSeconds: String { String(iso8601.prefix(19)) + "Z" }
}
