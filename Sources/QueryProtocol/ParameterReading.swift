package import CloudModel
import Signatures

// Typed access to parameters. An empty value of an optional parameter counts as absent, since many tools send such.
extension Parameters {
    /// Full name of a parameter below this place, for messages.
    package func name(_ relative: String) -> String { path.isEmpty ? relative : path + "." + relative }

    /// The node at a dotted name; nil if no parameter is there or below.
    package func node(at relative: String) -> ParameterNode? {
        // Bytes, not characters, and most names have one part: every action asks for dozens of parameters.
        guard relative.utf8.contains(UInt8(ascii: ".")) else { return node.children[relative] }
        var current = node
        for part in relative.utf8.split(separator: UInt8(ascii: ".")) {
            guard let next = current.children[String(Substring(part))] else { return nil }
            current = next
        }
        return current
    }

    /// The value as it was sent, possibly empty.
    package func raw(_ relative: String) -> String? { node(at: relative)?.value }

    /// The value; nil if absent or empty.
    package func text(_ relative: String) -> String? {
        guard let value = raw(relative), !value.isEmpty else { return nil }
        return value
    }

    /// The value of a parameter that must be there.
    package func required(_ relative: String) throws(CloudError) -> String {
        guard let value = text(relative) else { throw .missingParameter(name(relative)) }
        return value
    }

    /// A decimal number.
    package func integer(_ relative: String) throws(CloudError) -> Int? {
        guard let value = text(relative) else { return nil }
        // Int() takes a leading plus, which a form decodes to a blank anyway.
        guard let number = Int(value), number.magnitude <= UInt(Int32.max) else {
            throw .invalidValue(
                parameter: name(relative), value: Self.shortened(value),
                reason: "Value (\(Self.shortened(value))) for parameter \(name(relative)) is invalid. "
                    + "It must be an integer.")
        }
        return number
    }

    /// A decimal number that must be there.
    package func requiredInteger(_ relative: String) throws(CloudError) -> Int {
        guard let number = try integer(relative) else { throw .missingParameter(name(relative)) }
        return number
    }

    /// `true` or `false`, in any case, or 1 or 0 (XML Schema's boolean).
    package func flag(_ relative: String) throws(CloudError) -> Bool? {
        guard let value = text(relative) else { return nil }
        switch value.lowercased() {
        case "true", "1": return true
        case "false", "0": return false
        default:
            throw .invalidValue(
                parameter: name(relative), value: Self.shortened(value),
                reason: "Value (\(Self.shortened(value))) for parameter \(name(relative)) is invalid. "
                    + "It must be true or false.")
        }
    }

    /// The name that `Attribute` gives, one of those that the resource has.
    package func attribute(among known: Set<String>) throws(CloudError) -> String {
        let name = try required("Attribute")
        guard known.contains(name) else {
            throw .invalidValue(
                parameter: "Attribute", value: Self.shortened(name),
                reason: "Value (\(Self.shortened(name))) for parameter attribute is invalid. Unknown attribute.")
        }
        return name
    }

    /// Base64 of any bytes. White space is skipped (MIME encoders break lines), and a blank counts as the plus that
    /// some old tools forget to percent-encode.
    package func base64(_ relative: String) throws(CloudError) -> [UInt8]? {
        guard let value = text(relative) else { return nil }
        var plain: [UInt8] = []
        plain.reserveCapacity(value.utf8.count)
        for byte in value.utf8 where byte != 0x0A && byte != 0x0D && byte != 0x09 {
            plain.append(byte == 0x20 ? UInt8(ascii: "+") : byte)
        }
        guard let bytes = Base64.decode(String(decoding: plain, as: UTF8.self)) else {
            throw .invalidValue(
                parameter: name(relative), value: Self.shortened(value),
                reason: "The value of the parameter \(name(relative)) is not Base64.")
        }
        return bytes
    }

    /// What is at NAME.1, NAME.2, … in the order of the numbers.
    package func structures(_ relative: String) -> [Parameters] {
        guard let list = node(at: relative), !list.children.isEmpty else { return [] }
        var numbered: [(Int, String, ParameterNode)] = []
        for (key, child) in list.children {
            if let number = Int(key), number >= 0 { numbered.append((number, key, child)) }
        }
        numbered.sort { ($0.0, $0.1) < ($1.0, $1.1) }
        return numbered.map { Parameters(path: name(relative) + "." + $0.1, node: $0.2) }
    }

    /// The values NAME.1, NAME.2, …; a plain NAME counts as a list of one, which some tools send.
    package func list(_ relative: String, keepingEmpty: Bool = false) -> [String] {
        guard let found = node(at: relative) else { return [] }
        var values = structures(relative).compactMap(\.node.value)
        if values.isEmpty, let only = found.value { values = [only] }
        return keepingEmpty ? values : values.filter { !$0.isEmpty }
    }

    /// A list that must have a member.
    package func requiredList(_ relative: String) throws(CloudError) -> [String] {
        let values = list(relative)
        guard !values.isEmpty else { throw .missingParameter(name(relative)) }
        return values
    }

    /// `Filter.N.Name` and `Filter.N.Value.M`.
    package func filters(_ list: String = "Filter") throws(CloudError) -> [Filter] {
        var filters: [Filter] = []
        for entry in structures(list) {
            let values = entry.list("Value", keepingEmpty: true)
            guard !values.isEmpty else { throw .missingParameter(entry.name("Value")) }
            filters.append(Filter(name: try entry.required("Name"), values: values))
        }
        return filters
    }

    /// `Tag.N.Key` and `Tag.N.Value`. A tag may have no value, which is the empty one.
    package func tags() throws(CloudError) -> [Tag] {
        var tags: [Tag] = []
        for entry in structures("Tag") {
            tags.append(Tag(key: try entry.required("Key"), value: entry.raw("Value") ?? ""))
        }
        return tags
    }

    /// The tags of `TagSpecification.N` for one type of resource.
    ///
    /// - Parameter absent: types of resources of which the action makes none here, so that their tags go nowhere.
    package func tagSpecifications(for resource: String, absent: Set<String> = []) throws(CloudError) -> [Tag] {
        var tags: [Tag] = []
        for entry in structures("TagSpecification") {
            guard let type = entry.text("ResourceType") else {
                throw .invalidValue(
                    parameter: entry.name("ResourceType"), value: "",
                    reason: "Tag specification resource type must have a value")
            }
            if absent.contains(type) { continue }
            guard type == resource else {
                throw .invalidValue(
                    parameter: entry.name("ResourceType"), value: Self.shortened(type),
                    reason: "'\(Self.shortened(type))' is not a valid taggable resource type for this operation; "
                        + "'\(resource)' is.")
            }
            tags += try entry.tags()
        }
        return tags
    }

    /// What most describe calls take.
    ///
    /// - Parameters:
    ///   - ids: name of the list of identifiers, if the action has one.
    ///   - names: name of the list of names, if the action has one.
    package func describeRequest(ids: String? = nil, names: String? = nil) throws(CloudError) -> DescribeRequest {
        DescribeRequest(
            ids: ids.map { list($0) } ?? [], names: names.map { list($0) } ?? [], filters: try filters(),
            maxResults: try integer("MaxResults"), nextToken: text("NextToken"), dryRun: try dryRun())
    }

    /// Whether the request is only a question whether it would be allowed.
    package func dryRun() throws(CloudError) -> Bool { try flag("DryRun") ?? false }
}
