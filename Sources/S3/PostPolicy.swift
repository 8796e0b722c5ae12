// The policy of a browser's upload ("POST policy" of the S3 API Reference).

internal import JSON
internal import Signatures

/// What a form must hold.
struct PostPolicy: Sendable {
    private enum Condition: Sendable {
        case equal(String, String)
        case startsWith(String, String)
    }

    private let conditions: [Condition]
    /// The bytes that the file may have.
    let sizes: ClosedRange<Int64>?
    /// Seconds since 1970.
    let expiration: Int64

    init(_ bytes: [UInt8]) throws(S3Error) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(bytes, maximumDepth: 8)
        } catch {
            throw Self.invalid("Invalid JSON.")
        }
        guard let text = value["expiration"]?.text else { throw Self.invalid("Policy missing expiration.") }
        guard text.contains("T"), text.hasSuffix("Z"), let expiration = Timestamp.parseISO8601(text) else {
            throw Self.invalid("Invalid 'expiration' value: '\(text)'")
        }
        self.expiration = expiration
        guard let items = value["conditions"]?.elements else { throw Self.invalid("Policy missing conditions.") }
        var conditions: [Condition] = []
        var sizes: ClosedRange<Int64>?
        for item in items {
            if let members = item.objectMembers {
                for member in members {
                    guard let text = member.value.text else {
                        throw Self.invalid("Invalid Simple-Condition: value must be a string.")
                    }
                    conditions.append(.equal(member.name.lowercased(), text))
                }
                continue
            }
            guard let list = item.elements, list.count == 3, let kind = list[0].text?.lowercased() else {
                throw Self.invalid("Invalid Condition.")
            }
            switch kind {
            case "content-length-range":
                func number(_ value: JSONValue) -> Int64? { value.int64 ?? value.text.flatMap { Int64($0) } }
                guard let low = number(list[1]), let high = number(list[2]), low >= 0, low <= high else {
                    throw Self.invalid("Invalid content-length-range.")
                }
                sizes = low...high
            case "eq", "starts-with":
                guard let name = list[1].text, name.hasPrefix("$"), let text = list[2].text else {
                    throw Self.invalid("Invalid Condition: a field is named with a dollar sign.")
                }
                let field = name.dropFirst().lowercased()
                conditions.append(kind == "eq" ? .equal(field, text) : .startsWith(field, text))
            default: throw Self.invalid("Invalid Condition: \(kind)")
            }
        }
        guard !conditions.isEmpty || sizes != nil else { throw Self.invalid("Policy has no conditions.") }
        self.conditions = conditions
        self.sizes = sizes
    }

    private static func invalid(_ what: String) -> S3Error {
        S3Error(
            .invalidPolicyDocument,
            "The content of the form does not meet the conditions specified in the policy document: " + what)
    }

    private static func failed(_ what: String) -> S3Error {
        S3Error(.accessDenied, "Invalid according to Policy: " + what)
    }

    /// Fields that no condition needs to name.
    private static let free: Set<String> = [
        "policy", "signature", "x-amz-signature", "awsaccesskeyid", "file", "submit",
    ]

    /// Throws if the form does not hold what it must, or more.
    func check(_ fields: [String: String], now: Int64) throws(S3Error) {
        guard now < expiration else { throw Self.failed("Policy expired.") }
        var named: Set<String> = []
        for condition in conditions {
            switch condition {
            case .equal(let name, let value):
                named.insert(name)
                guard fields[name] == value else {
                    throw Self.failed("Policy Condition failed: [\"eq\", \"$\(name)\", \"\(value)\"]")
                }
            case .startsWith(let name, let value):
                named.insert(name)
                guard (fields[name] ?? "").utf8.starts(with: value.utf8) else {
                    throw Self.failed("Policy Condition failed: [\"starts-with\", \"$\(name)\", \"\(value)\"]")
                }
            }
        }
        for name in fields.keys.sorted()
        where !named.contains(name) && !Self.free.contains(name) && !name.hasPrefix("x-ignore-")
            && !name.hasPrefix("x-amz-checksum-") && name != "bucket"
        {
            throw Self.failed("Extra input fields: \(name)")
        }
    }
}
