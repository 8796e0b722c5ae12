/// A group of instances that are to run near each other.
///
/// Only EC2's strategy "cluster" exists: the instances of a group are in one zone, whose nodes share a network.
/// "spread" and "partition" would promise separate hosts and racks, which nobody here could keep.
public struct PlacementGroup: Hashable, Sendable, Codable {
    /// Its identifier.
    public var id: PlacementGroupID
    /// Owner's account.
    public var accountID: String
    /// Unique in the account.
    public var name: String
    /// When it was made.
    public var createdAt: Timestamp
    /// Tags.
    public var tags: [Tag]
    /// Makes a group.
    public init(id: PlacementGroupID, accountID: String, name: String, createdAt: Timestamp, tags: [Tag] = []) {
        self.id = id
        self.accountID = accountID
        self.name = name
        self.createdAt = createdAt
        self.tags = tags
    }
    /// EC2's name of what it does.
    public static let strategy = "cluster"
}

/// Placement groups: `pg-`.
public enum PlacementGroupKind: IdentifierKind {
    /// See `IdentifierKind`.
    public static let prefix = "pg"
    /// See `IdentifierKind`.
    public static let resource = ResourceKind.placementGroup
}
/// The identifier of a placement group.
public typealias PlacementGroupID = Identifier<PlacementGroupKind>

extension PlacementGroup: FilterableResource {
    /// See `FilterableResource`.
    public var filterableTags: [Tag] { tags }

    /// See `FilterableResource`.
    public static func filterAttribute(_ name: String) -> (@Sendable (PlacementGroup) -> [String])? {
        switch name {
        case "group-name": return { [$0.name] }
        case "group-id": return { [$0.id.value] }
        case "group-arn": return { ["arn:aws:ec2:*:\($0.accountID):placement-group/\($0.name)"] }
        case "state": return { _ in ["available"] }
        case "strategy": return { _ in [strategy] }
        case "spread-level": return { _ in [] }
        default: return nil
        }
    }
}
