import CloudModel
import Logging

// What takes too long for a request: images of bundles are put together, and imports carried out. One at a time, oldest
// first; what a crash interrupts is done again, and what cannot be done is said in the image's or the import's record.
//
//   image:  pending ──▶ available        import: see `ImageImport`
//              └──────▶ failed

extension CloudController {
    /// Something is to be prepared.
    func wakeImages() { imageWork?.yield() }

    /// Prepares whatever is to be prepared each time that it is woken, until the task is cancelled.
    func prepareImages(_ wakes: AsyncStream<Void>) async {
        for await _ in wakes {
            do throws(CloudError) {
                while let work = nextPreparation(), !Task.isCancelled {
                    switch work {
                    case .bundle(let image): try await prepare(image)
                    case .imported(let task): try await carryOut(task)
                    }
                }
            } catch {
                logger.warning("images cannot be prepared; it will be tried again", metadata: ["error": "\(error)"])
            }
        }
    }

    private enum Preparation {
        case bundle(Image)
        case imported(ImageImport)
        var since: Timestamp {
            switch self {
            case .bundle(let image): image.createdAt
            case .imported(let task): task.createdAt
            }
        }
    }

    private func nextPreparation() -> Preparation? {
        let bundles = view.images.byID.values.filter { $0.value.state == .pending && $0.value.isBundle }
            .map { Preparation.bundle($0.value) }
        let imports = view.imageImports.byID.values.filter { $0.value.state == .active }
            .map { Preparation.imported($0.value) }
        return (bundles + imports).min { $0.since < $1.since }
    }

    /// - Throws: only what may be otherwise later.
    private func prepare(_ image: Image) async throws(CloudError) {
        var done = image
        do throws(CloudError) {
            let made = try await images.unbundle(manifest: image.location, of: image.accountID)
            let found = try ImageInspection.inspect(
                leading: made.object.leading, sizeBytes: made.object.sizeBytes, as: image.kind,
                location: image.location)
            done.object = made.location
            done.format = found.format
            done.sizeBytes = made.object.sizeBytes
            done.virtualSizeBytes = found.virtualSizeBytes
            done.sha256 = made.object.sha256
            done.state = .available
        } catch {
            if error.isRetryable { throw error }
            done.state = .failed
            done.failure = Self.reason(error)
        }
        let result = done
        let isKept = try await mutate { view in
            guard let stored = view.images[image.id], stored.value.state == .pending else { return (Mutation(), false) }
            // What was changed meanwhile (tags, permissions) stays.
            var kept = stored.value
            kept.object = result.object
            kept.format = result.format
            kept.sizeBytes = result.sizeBytes
            kept.virtualSizeBytes = result.virtualSizeBytes
            kept.sha256 = result.sha256
            kept.state = result.state
            kept.failure = result.failure
            var mutation = Mutation()
            mutation.update(.image(kept), revision: stored.revision)
            return (mutation, true)
        }
        if !isKept, let object = result.object { try await images.discard(location: object) }
        logger.info(
            "image of a bundle prepared",
            metadata: [
                "image": "\(image.id)", "state": "\(result.state.rawValue)", "reason": "\(result.failure ?? "")",
            ])
    }

    /// - Throws: only what may be otherwise later.
    private func carryOut(_ task: ImageImport) async throws(CloudError) {
        var caller = Caller(
            accountID: task.accountID, userName: task.userName, isAdministrator: false, accessKeyID: task.accessKeyID,
            requestID: task.id.value, sourceAddress: "")
        // A user's import reads with his permissions; of a session only its name is known, which allows nothing.
        if !Self.isReserved(task.userName) {
            let user = view.identities.users.named(task.userName, of: task.accountID)?.value
            caller.identity = .user(name: task.userName, path: user?.path ?? "/")
            caller.userID = user?.id ?? ""
        }
        var image: Image?
        var failure: String?
        do throws(CloudError) {
            let object = try await images.inspect(location: task.location, as: caller)
            let found = try ImageInspection.inspect(
                leading: object.leading, sizeBytes: object.sizeBytes, as: .machine, location: task.location)
            guard found.format.rawValue == task.format.lowercased() else {
                throw .invalidValue(
                    parameter: "DiskContainer.Format", value: task.format,
                    reason: "The disk is \(found.format.rawValue), not \(task.format).")
            }
            image = Image(
                id: .random(.machine), accountID: task.accountID, name: task.id.value, description: task.description,
                architecture: task.architecture, location: task.location, format: found.format,
                sizeBytes: object.sizeBytes, virtualSizeBytes: found.virtualSizeBytes, sha256: object.sha256,
                createdAt: configuration.now(), tags: task.tags)
        } catch {
            if error.isRetryable { throw error }
            failure = Self.reason(error)
        }
        let made = image
        let reason = failure
        try await mutate { view in
            guard let stored = view.imageImports[task.id], stored.value.state == .active else {
                return (Mutation(), ())
            }
            var ended = stored.value
            ended.endedAt = configuration.now()
            var mutation = Mutation()
            if let made {
                ended.state = .completed
                ended.imageID = made.id
                ended.sizeBytes = made.virtualSizeBytes
                mutation.create(.image(made))
            } else {
                ended.state = .failed
                ended.message = "ClientError: " + (reason ?? "")
            }
            mutation.update(.imageImport(ended), revision: stored.revision)
            return (mutation, ())
        }
        logger.info(
            "image import ended",
            metadata: [
                "import": "\(task.id)", "image": "\(made?.id.value ?? "")", "reason": "\(reason ?? "")",
            ])
    }

    /// What an error says to the one whose image it is.
    private static func reason(_ error: CloudError) -> String {
        switch error {
        case .invalidValue(_, _, let reason): reason
        case .unsupported(let text), .invalidCombination(let text), .notPermitted(let text): text
        case .unauthorized(let operation): "You are not authorized to perform this operation: \(operation)"
        case .notFound(let kind, let ids): "There is no \(kind.rawValue) \(ids.joined(separator: ", "))."
        case .malformedID, .missingParameter, .duplicate, .inUse, .incorrectState, .idempotentParameterMismatch,
            .dryRunSucceeded, .invalidNextToken, .limitExceeded, .insufficientCapacity, .unavailable, .internalError:
            "It could not be read."
        }
    }

    /// Ended imports go after a while.
    func forgetImports(before limit: Timestamp) async throws(CloudError) {
        try await mutate { view in
            var mutation = Mutation()
            for stored in view.imageImports.byID.values {
                guard let ended = stored.value.endedAt, ended <= limit else { continue }
                mutation.delete(.imageImport(stored.value), revision: stored.revision)
                if mutation.steps > 2000 { break }
            }
            return (mutation, ())
        }
    }
}
