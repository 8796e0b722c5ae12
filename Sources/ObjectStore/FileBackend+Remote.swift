internal import Crypto
internal import Foundation
internal import GRDB
internal import Glibc
internal import NIOCore
internal import NIOPosix

extension FileBackend {
    /// The remote store, or the reason why there is none.
    func requireRemote() throws(ObjectStoreError) -> any RemoteContents {
        guard let contents = remote.contents else {
            throw .unavailable("the bucket's contents go to a remote store, and none is configured")
        }
        return contents
    }

    /// Sends a body that was received, and checked, to the remote store. What is answered for is there; nothing half.
    ///
    /// It is received into a file first: so the client's pace holds no connection of the remote store, a failed attempt
    /// can be repeated, and nothing is sent whose checksum is wrong.
    func deliver(_ received: Received, isPlain: Bool) async throws -> Received {
        guard case .file(let id) = received.stored else { return received }
        do {
            let contents = try requireRemote()
            guard let size = try await threads.blocking({ [directory] in try directory.size(id) }) else {
                throw ObjectStoreError.failed("\(directory.path(id)) vanished while it was received")
            }
            // The bytes of an encrypted object are hashed once more, which is nothing for an event loop.
            try await withTaskExecutorPreference(globalConcurrentExecutor) {
                try await contents.put(
                    RemoteName.name(id), size: size,
                    digests: isPlain
                        ? RemoteDigests(md5: received.digests.md5, sha256: received.digests.sha256) : nil,
                    source: localSource(id))
            }
        } catch {
            try await threads.blocking { [directory] in directory.remove(id) }
            throw error
        }
        try await threads.blocking { [directory] in directory.remove(id) }
        var delivered = received
        delivered.stored = .file(id.elsewhere)
        return delivered
    }

    /// The bytes of a local file for the remote store.
    func localSource(_ id: Int64) -> RemoteSource {
        { [threads, directory] offset, count in
            try await threads.blocking { try directory.stored(id, at: offset, count: count) }
        }
    }

    /// What an audit of the remote store found.
    public struct RemoteAudit: Sendable, Equatable {
        /// Contents that the remote store has.
        public var contents: Int64 = 0
        /// Contents of which the index knew nothing any more, and which were removed.
        public var removed: Int64 = 0
        /// Contents that the index names and the remote store lacks.
        public var missing: [String] = []
    }

    /// Compares the remote store's listing with the index: removes what nothing names and is older than a day (younger
    /// ones may be on their way in), and says what is missing.
    public func auditRemote(olderThan age: Int64 = 86_400_000) async throws -> RemoteAudit {
        let contents = try requireRemote()
        var audit = RemoteAudit()
        var after = ""
        let limit = configuration.clock() - age
        while true {
            try Task.checkCancellation()
            // The index first: what it names now must be in a listing that is made afterwards.
            let from = after
            let named = try await index.read { try Self.remoteNames(after: from, $0) }
            let page = try await contents.list(after: after)
            let isLast = page.isEmpty
            let upTo = page.last?.name
            let listed = Set(page.map(\.name))
            for name in named where upTo == nil || name <= (upTo ?? "") {
                if !listed.contains(name), let id = RemoteName.id(name), try await isNamed(id) {
                    audit.missing.append(name)
                }
            }
            for entry in page {
                audit.contents += 1
                guard let id = RemoteName.id(entry.name), entry.modified < limit, try await !isNamed(id) else {
                    continue
                }
                try await contents.remove(entry.name)
                audit.removed += 1
            }
            if isLast { return audit }
            after = upTo ?? ""
        }
    }

    private func isNamed(_ id: Int64) async throws -> Bool {
        try await index.read { try ObjectIndex.isNamed(id, $0) }
    }

    /// Names of remote contents after one, in order. Enough for a page of a listing and more.
    private static func remoteNames(after: String, _ database: Database) throws -> [String] {
        // Ids are negative: the larger the name, the smaller the id.
        let bound = after.isEmpty ? 0 : RemoteName.id(after) ?? 0
        return try Int64.fetchAll(
            database,
            sql: """
                SELECT id FROM (
                    SELECT content AS id FROM object WHERE layout = 1 AND content < :bound UNION
                    SELECT content FROM version WHERE layout = 1 AND content < :bound UNION
                    SELECT file FROM piece WHERE file < :bound UNION
                    SELECT file FROM part WHERE file < :bound
                ) ORDER BY id DESC LIMIT 5000
                """, arguments: ["bound": bound]
        ).map(RemoteName.name).filter { $0 > after }
    }
}
