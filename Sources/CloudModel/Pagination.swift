/// How describe calls are cut into pages.
///
/// The order of the resources is stable and every resource has a position (a text that sorts as the resources do);
/// a token carries the position of the last one handed out and a fingerprint of the request, so that pages neither
/// skip nor repeat what was there throughout, and a token is refused with another request than its own. Tokens hold no
/// secret and grant nothing: what a page shows is authorised anew.
public struct Pagination: Sendable {
    /// Largest page; nil for everything.
    public let maxResults: Int?
    /// Only resources after this position.
    public let after: String?
    private let fingerprint: String

    /// Reads the paging parameters of a request.
    ///
    /// - Parameters:
    ///   - bounds: what MaxResults may be. EC2 takes 5 to 1000 for most actions and refuses others.
    ///   - identifiers: what EC2's message calls the list of identifiers.
    ///   - scope: the action and what else distinguishes requests (owner, flags).
    public init(
        _ request: DescribeRequest, bounds: ClosedRange<Int> = 5...1000, identifiers: String = "idSet",
        scope: String
    )
        throws(CloudError)
    {
        if let maxResults = request.maxResults {
            guard bounds.contains(maxResults) else {
                throw .invalidValue(
                    parameter: "MaxResults", value: String(maxResults),
                    reason: "Value (\(maxResults)) for parameter maxResults is invalid. "
                        + "Expecting a value between \(bounds.lowerBound) and \(bounds.upperBound).")
            }
            guard request.ids.isEmpty else {
                throw .invalidCombination(
                    "The parameter \(identifiers) cannot be used with the parameter maxResults")
            }
        }
        var hash = FNV1a()
        hash.add(scope)
        for id in request.ids { hash.add("i", id) }
        for name in request.names { hash.add("n", name) }
        for filter in request.filters {
            hash.add("f", filter.name)
            for value in filter.values { hash.add("v", value) }
        }
        fingerprint = hash.text
        maxResults = request.maxResults
        if let token = request.nextToken {
            guard let position = Self.position(in: token, fingerprint: fingerprint) else {
                throw .invalidNextToken(token)
            }
            after = position
        } else {
            after = nil
        }
    }

    /// The token for the page after the resource at `position`.
    public func token(after position: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in "1:\(fingerprint):\(position)".utf8 {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Cuts the page out of `items`, which are in the order of their positions.
    public func page<Element: Sendable>(_ items: [Element], position: (Element) -> String) -> Page<Element> {
        var start = 0
        if let after {
            // Binary search for the first item beyond the position.
            var low = 0
            var high = items.count
            while low < high {
                let middle = (low + high) / 2
                if position(items[middle]) <= after { low = middle + 1 } else { high = middle }
            }
            start = low
        }
        guard let maxResults, items.count - start > maxResults else {
            return Page(items: start == 0 ? items : Array(items[start...]))
        }
        let slice = items[start..<(start + maxResults)]
        return Page(items: Array(slice), nextToken: slice.last.map { token(after: position($0)) })
    }

    /// Cuts the page out of `items`, which it puts in the order in which they were made.
    public func page<Element: Sendable>(
        oldestFirst items: [Element], made: (Element) -> Timestamp, id: (Element) -> String
    ) -> Page<Element> {
        let placed = items.map { item in
            let digits = String(max(0, made(item).milliseconds))
            return (
                position: String(repeating: "0", count: max(0, 16 - digits.utf8.count)) + digits + id(item), item: item
            )
        }.sorted { $0.position < $1.position }
        let page = page(placed, position: { $0.position })
        return Page(items: page.items.map(\.item), nextToken: page.nextToken)
    }

    private static func position(in token: String, fingerprint: String) -> String? {
        let bytes = Array(token.utf8)
        guard bytes.count % 2 == 0, bytes.count <= 4096 else { return nil }
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count / 2)
        for index in stride(from: 0, to: bytes.count, by: 2) {
            guard let high = nibble(bytes[index]), let low = nibble(bytes[index + 1]) else { return nil }
            plain.append(high << 4 | low)
        }
        let prefix = Array("1:\(fingerprint):".utf8)
        guard plain.starts(with: prefix) else { return nil }
        return String(validating: plain[prefix.count...], as: UTF8.self)
    }

    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

/// FNV-1a, 64 bits: tells requests apart; no protection against anybody.
struct FNV1a {
    private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ parts: String...) {
        for part in parts {
            for byte in part.utf8 { add(byte) }
            add(0)
        }
    }

    private mutating func add(_ byte: UInt8) {
        hash ^= UInt64(byte)
        hash &*= 0x100_0000_01B3
    }

    var text: String { String(hash, radix: 16) }
}
