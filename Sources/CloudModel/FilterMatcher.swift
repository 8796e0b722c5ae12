/// A resource whose attributes EC2's filters can ask for.
public protocol FilterableResource: Sendable {
    /// How to read the values of the attribute that the filter `name` is about; nil if EC2 knows no such filter for
    /// this resource. An attribute that a private cloud has no notion of has no values, so that nothing matches.
    static func filterAttribute(_ name: String) -> (@Sendable (Self) -> [String])?
    /// For the filters `tag:KEY`, `tag-key`, `tag-value` and `tag`.
    var filterableTags: [Tag] { get }
}

/// The filters of one describe call, read once and then applied to each resource.
///
/// A resource passes if, for every filter, any of the attribute's values matches any of the filter's.
public struct FilterMatcher<Resource: FilterableResource>: Sendable {
    private struct Compiled: Sendable {
        var values: @Sendable (Resource) -> [String]
        var patterns: [WildcardPattern]
    }
    private let filters: [Compiled]

    /// Reads the filters.
    ///
    /// - Throws: `invalidValue` for a name that EC2 does not know for the resource, or more than 200 values
    ///   (the API's limit).
    public init(_ filters: [Filter]) throws(CloudError) {
        var compiled: [Compiled] = []
        compiled.reserveCapacity(filters.count)
        for filter in filters {
            guard filter.values.count <= 200 else {
                throw .invalidValue(
                    parameter: "Filter", value: filter.name,
                    reason: "The filter '\(filter.name)' has \(filter.values.count) values; 200 are allowed")
            }
            let values: @Sendable (Resource) -> [String]
            if let attribute = Self.tagAttribute(filter.name) {
                values = attribute
            } else if let attribute = Resource.filterAttribute(filter.name) {
                values = attribute
            } else {
                throw .invalidValue(
                    parameter: "Filter", value: filter.name, reason: "The filter '\(filter.name)' is invalid")
            }
            compiled.append(Compiled(values: values, patterns: filter.values.map(WildcardPattern.init)))
        }
        self.filters = compiled
    }

    /// Whether there is nothing to filter.
    public var isEmpty: Bool { filters.isEmpty }

    /// Whether `resource` passes all filters.
    public func matches(_ resource: Resource) -> Bool {
        for filter in filters {
            let values = filter.values(resource)
            let passes = values.contains { value in
                filter.patterns.contains { $0.matches(value) }
            }
            if !passes { return false }
        }
        return true
    }

    private static func tagAttribute(_ name: String) -> (@Sendable (Resource) -> [String])? {
        if name.hasPrefix("tag:") {
            let key = String(name.dropFirst(4))
            return { resource in resource.filterableTags.filter { $0.key == key }.map(\.value) }
        }
        // A resource with attributes of this name (DescribeTags) answers them itself.
        if Resource.filterAttribute(name) != nil { return nil }
        switch name {
        case "tag-key", "tag": return { $0.filterableTags.map(\.key) }
        case "tag-value": return { $0.filterableTags.map(\.value) }
        default: return nil
        }
    }
}
