// How one guest reaches its metadata: as its launch said, until the zone's network document says something else.

public import Contracts
import Posix

/// The options of one guest's metadata service.
public final class GuestMetadataOptions: @unchecked Sendable {
    // Guards `value`: the cloud replaces it while the guest asks.
    private let lock = Lock()
    private var value: Contract.MetadataOptions

    /// - Parameter value: those of the launch; nil for what is usual.
    public init(_ value: Contract.MetadataOptions? = nil) {
        self.value = value ?? GuestMetadataOptions.usual
    }

    /// What counts now.
    public var current: Contract.MetadataOptions { lock.withLock { value } }

    /// From now on these count.
    public func take(_ next: Contract.MetadataOptions) { lock.withLock { value = next } }

    private static let usual = Contract.MetadataOptions(tokensRequired: false, disabled: false)
}
