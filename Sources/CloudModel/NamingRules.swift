/// What names, descriptions and tags may be (EC2 API reference and User Guide).
public enum NamingRules {
    /// Most tags on one resource.
    public static let tagLimit = 50
    /// Most security groups of one account (EC2's quota for a region).
    public static let groupLimit = 2500
    /// Most key pairs of one account.
    public static let keyPairLimit = 5000
    /// Most groups of one instance.
    public static let groupsPerInstance = 16

    /// Refuses key pair names that EC2 refuses: empty, longer than 255 bytes, or not printable ASCII.
    public static func checkKeyPairName(_ name: String) throws(CloudError) {
        guard !name.isEmpty else { throw .missingParameter("KeyName") }
        guard name.utf8.count <= 255, isPrintableASCII(name) else {
            throw .invalidValue(
                parameter: "KeyName", value: String(name.prefix(64)),
                reason: "A key pair's name has 1 to 255 printable ASCII characters.")
        }
    }

    /// Refuses group names that EC2 refuses.
    public static func checkGroupName(_ name: String) throws(CloudError) {
        guard !name.isEmpty else { throw .missingParameter("GroupName") }
        guard name.utf8.count <= 255, isPrintableASCII(name) else {
            throw .invalidValue(
                parameter: "GroupName", value: String(name.prefix(64)),
                reason: "A security group's name has 1 to 255 printable ASCII characters.")
        }
        guard name != "default" else {
            throw .invalidValue(
                parameter: "GroupName", value: name, reason: "Cannot use reserved security group name: default")
        }
        guard !name.hasPrefix("sg-") else {
            throw .invalidValue(
                parameter: "GroupName", value: name,
                reason: "Invalid value '\(name)' for groupName. Group names may not be in the format sg-*.")
        }
    }

    /// Refuses group descriptions that EC2 refuses.
    public static func checkGroupDescription(_ text: String) throws(CloudError) {
        guard !text.isEmpty else { throw .missingParameter("GroupDescription") }
        guard text.utf8.count <= 255, isPrintableASCII(text) else {
            throw .invalidValue(
                parameter: "GroupDescription", value: String(text.prefix(64)),
                reason: "A security group's description has 1 to 255 printable ASCII characters.")
        }
    }

    /// Refuses image names that would make the listing unreadable; EC2's own rule (3 to 128 characters of a set) is
    /// wider here because locations serve as names too.
    public static func checkImageName(_ name: String) throws(CloudError) {
        guard !name.isEmpty, name.utf8.count <= 1024, !hasControlCharacters(name) else {
            throw .invalidValue(
                parameter: "Name", value: String(name.prefix(64)),
                reason: "An image's name has 1 to 1024 bytes and no control characters.")
        }
    }

    /// Refuses tags that EC2 refuses: too long, reserved, or a key twice.
    public static func checkTags(_ tags: [Tag]) throws(CloudError) {
        var keys = Set<String>()
        for tag in tags {
            guard !tag.key.isEmpty, tag.key.unicodeScalars.count <= 127 else {
                throw .invalidValue(
                    parameter: "Tag.Key", value: String(tag.key.prefix(64)),
                    reason: "Tag keys have 1 to 127 characters.")
            }
            guard tag.value.unicodeScalars.count <= 256 else {
                throw .invalidValue(
                    parameter: "Tag.Value", value: String(tag.value.prefix(64)),
                    reason: "Tag values have at most 256 characters; the value of '\(tag.key)' has "
                        + "\(tag.value.unicodeScalars.count).")
            }
            guard !tag.key.lowercased().hasPrefix("aws:") else {
                throw .invalidValue(
                    parameter: "Tag.Key", value: tag.key,
                    reason: "Tag keys starting with 'aws:' are reserved for internal use.")
            }
            guard !hasControlCharacters(tag.key), !hasControlCharacters(tag.value) else {
                throw .invalidValue(
                    parameter: "Tag", value: String(tag.key.prefix(64)), reason: "Tags have no control characters.")
            }
            guard keys.insert(tag.key).inserted else {
                throw .invalidValue(
                    parameter: "Tag.Key", value: tag.key,
                    reason: "Duplicate tag key '\(tag.key)' specified.")
            }
        }
        guard tags.count <= tagLimit else {
            throw .limitExceeded(.tag, limit: tagLimit, inUse: 0, requested: tags.count)
        }
    }

    /// `existing` with `added` set over it.
    ///
    /// - Throws: `limitExceeded` if there would be too many.
    public static func merge(_ added: [Tag], into existing: [Tag]) throws(CloudError) -> [Tag] {
        var result = existing
        for tag in added {
            if let index = result.firstIndex(where: { $0.key == tag.key }) {
                result[index] = tag
            } else {
                result.append(tag)
            }
        }
        // What the cloud itself has put on does not count.
        let own = result.count { !$0.key.hasPrefix("aws:") }
        guard own <= tagLimit else {
            throw .limitExceeded(
                .tag, limit: tagLimit, inUse: own - (result.count - existing.count),
                requested: result.count - existing.count)
        }
        return result
    }

    /// `existing` without those that `removed` names: a nil value takes the key whatever its value; none takes all.
    public static func remove(_ removed: [(key: String, value: String?)], from existing: [Tag]) -> [Tag] {
        existing.filter { tag in
            // What the cloud itself has put on stays.
            if tag.key.hasPrefix("aws:") { return true }
            return !removed.isEmpty
                && !removed.contains { $0.key == tag.key && ($0.value == nil || $0.value == tag.value) }
        }
    }

    private static func isPrintableASCII(_ text: String) -> Bool {
        text.utf8.allSatisfy { (32...126).contains($0) }
    }

    private static func hasControlCharacters(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
    }
}
