import QueryProtocol

/// Which resources a request and its answer speak of, for the audit: ids, and values of parameters that are names.
/// Never any other value, since those may be secret.
enum Mentions {
    /// Parameters whose values name resources.
    private static let names: Set<String> = [
        "KeyName", "GroupName", "PublicIp", "ImageLocation", "LaunchTemplateName", "ResourceId", "Bucket",
        "SourceSecurityGroupName", "InstanceType", "RegionName", "ZoneName",
    ]
    private static let most = 200

    /// Without repetition; the request's first.
    static func of(_ parameters: Parameters, answer: [UInt8]) -> [String] {
        var found: [String] = []
        var seen: Set<String> = []
        func add(_ text: String) {
            if found.count < most, seen.insert(text).inserted { found.append(text) }
        }
        func walk(_ node: ParameterNode, _ name: String) {
            if let value = node.value, isID(value.utf8) || names.contains(name) { add(Parameters.shortened(value)) }
            for (key, child) in node.children.sorted(by: { $0.key < $1.key }) {
                walk(child, key.utf8.allSatisfy { (48...57).contains($0) } ? name : key)
            }
        }
        walk(parameters.node, "")
        // Text between tags that is an id and nothing else.
        var start: Int?
        for (index, byte) in answer.enumerated() {
            if byte == UInt8(ascii: ">") {
                start = index + 1
            } else if byte == UInt8(ascii: "<"), let from = start {
                let text = answer[from..<index]
                if isID(text) { add(String(decoding: text, as: UTF8.self)) }
                start = nil
                if found.count == most { break }
            }
        }
        return found
    }

    /// `i-0123456789abcdef0`: small letters, a dash, 8 or 17 hexadecimal digits.
    private static func isID(_ text: some BidirectionalCollection<UInt8>) -> Bool {
        guard (10...40).contains(text.count), let dash = text.lastIndex(of: UInt8(ascii: "-")) else { return false }
        let digits = text[text.index(after: dash)...]
        guard digits.count == 8 || digits.count == 17 else { return false }
        return digits.allSatisfy { (48...57).contains($0) || (97...102).contains($0) } && dash != text.startIndex
            && text[..<dash].allSatisfy { (97...122).contains($0) || $0 == UInt8(ascii: "-") }
    }
}
