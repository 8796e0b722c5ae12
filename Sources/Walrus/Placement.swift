// Where buckets keep their contents, and their move to where they belong: a reconciler. What is to be done is what the
// store says lies in the wrong place, so nothing is lost of it by a restart.

internal import Logging
public import ObjectStore
internal import Synchronization

/// A back end whose contents may lie in more than one place.
public protocol PlacingBackend: ObjectBackend {
    /// What of a bucket lies in the wrong place.
    func moveState(bucket: String) async throws -> MoveState
    /// Moves it.
    func moveContents(bucket: String, progress: @Sendable (MoveOutcome) -> Void) async throws -> MoveOutcome
    /// Whether there is more than the one place.
    var hasRemote: Bool { get }
}

extension FileBackend: PlacingBackend {}

/// A bucket's contents, as an administrator sees them.
public struct BucketPlace: Sendable {
    /// The bucket's name.
    public var bucket: String
    /// Its owner.
    public var owner: String
    /// Where contents go, and what is yet to be moved there.
    public var state: MoveState
    /// Why the move does not get on, if it does not.
    public var problem: String?
}

/// What the mover says, and how it is told that there is something to do.
public final class MoveBoard: Sendable {
    private let problems = Mutex<[String: String]>([:])
    private let wakes: AsyncStream<Void>
    private let entrance: AsyncStream<Void>.Continuation

    init() { (wakes, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func wake() { entrance.yield() }

    func problem(_ bucket: String) -> String? { problems.withLock { $0[bucket] } }

    func note(_ bucket: String, _ problem: String?) { problems.withLock { $0[bucket] = problem } }

    /// Moves what lies in the wrong place, until its task is cancelled: when it is woken, and after a failure again.
    public func run(_ backend: any PlacingBackend) async {
        let logger = Logger(label: "walrus.mover")
        entrance.yield()
        for await _ in wakes {
            guard backend.hasRemote else { continue }
            while await pass(backend, logger) {
                // What failed may succeed later.
                do { try await Task.sleep(for: .seconds(10)) } catch { return }
            }
        }
    }

    /// - Returns: whether something is left that may succeed later.
    private func pass(_ backend: any PlacingBackend, _ logger: Logger) async -> Bool {
        var isLeft = false
        do {
            for bucket in try await backend.buckets(owner: nil) {
                if Task.isCancelled { return false }
                do {
                    let state = try await backend.moveState(bucket: bucket.name)
                    guard state.contents > 0 else {
                        note(bucket.name, nil)
                        continue
                    }
                    logger.info(
                        "The contents of a bucket are moved",
                        metadata: [
                            "bucket": "\(bucket.name)", "to": "\(state.place.rawValue)",
                            "contents": "\(state.contents)",
                            "bytes": "\(state.bytes)",
                        ])
                    let outcome = try await backend.moveContents(bucket: bucket.name, progress: { _ in })
                    note(bucket.name, outcome.damaged.first)
                    for problem in outcome.damaged {
                        logger.error("A content cannot be moved; restore it", metadata: ["cause": "\(problem)"])
                    }
                    logger.info(
                        "The contents of a bucket were moved",
                        metadata: [
                            "bucket": "\(bucket.name)", "contents": "\(outcome.moved)", "bytes": "\(outcome.bytes)",
                        ])
                } catch ObjectStoreError.noSuchBucket {
                    note(bucket.name, nil)
                } catch {
                    if !(error is CancellationError) {
                        isLeft = true
                        note(bucket.name, "\(error)")
                        logger.warning(
                            "A bucket's contents cannot be moved now",
                            metadata: ["bucket": "\(bucket.name)", "error": "\(error)"])
                    }
                }
            }
        } catch {
            logger.error("The buckets cannot be listed", metadata: ["error": "\(error)"])
            return true
        }
        return isLeft && !Task.isCancelled
    }
}

extension Walrus {
    private func placing(_ caller: WalrusCaller) throws -> any PlacingBackend {
        guard caller.principal?.isAdministrator == true else { throw WalrusError.accessDenied }
        guard let backend = backend as? any PlacingBackend else { throw WalrusError.noRemoteStore }
        return backend
    }

    /// All buckets with where their contents lie; for administrators.
    public func places(_ caller: WalrusCaller) async throws -> [BucketPlace] {
        let backend = try placing(caller)
        var places: [BucketPlace] = []
        for bucket in try await backend.buckets(owner: nil) {
            do {
                places.append(
                    BucketPlace(
                        bucket: bucket.name, owner: bucket.owner,
                        state: try await backend.moveState(bucket: bucket.name), problem: moves.problem(bucket.name)))
            } catch ObjectStoreError.noSuchBucket {
                continue  // deleted since it was listed
            }
        }
        return places
    }

    /// Says where the contents of buckets belong (none: of all), and begins to move them; for administrators.
    public func setPlace(_ caller: WalrusCaller, buckets: [String], to place: ContentPlace) async throws {
        let backend = try placing(caller)
        guard place == .files || backend.hasRemote else { throw WalrusError.noRemoteStore }
        let names = buckets.isEmpty ? try await backend.buckets(owner: nil).map(\.name) : buckets
        // All are there before any is changed.
        for name in buckets { _ = try await backend.bucket(name) }
        for name in names {
            do {
                try await backend.changeBucket(
                    name, versioning: nil, settings: [ContentPlace.setting: place.rawValue], check: { _ in })
            } catch ObjectStoreError.noSuchBucket where buckets.isEmpty {
                continue
            }
            moves.note(name, nil)
        }
        moves.wake()
    }
}
