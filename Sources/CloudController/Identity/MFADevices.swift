public import CloudModel
import Store

// Virtual MFA devices, and what their codes are good for.
//
//   created ──enable (two codes)──▶ a user's ──deactivate──▶ nobody's ──delete──▶
//                                     │  ▲
//                                     └──┘ resynchronise (two codes)

extension CloudController {
    /// How far a device's clock may be off when it is enabled or resynchronised, in steps: five minutes.
    private static let widestDrift: Int64 = 10
    private static let devicesPerUser = 8

    // MARK: Lists

    /// See `IdentityBackend`.
    public func createMFADevice(name: String, path: String, tags: [Tag], as caller: Caller)
        async throws(CloudError) -> MFADevice
    {
        try IdentityRules.checkName(name, "virtualMFADeviceName", most: 226)
        guard path.utf8.count <= 512 else {
            throw .invalidValue(
                parameter: "path", value: "",
                reason: "1 validation error detected: Value \"\(path.prefix(1024))\" at \"path\" failed to satisfy "
                    + "constraint: Member must have length less than or equal to 512")
        }
        let pieces = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().dropLast()
        let isGood =
            path == "/"
            || (path.hasPrefix("/") && path.hasSuffix("/") && pieces.allSatisfy { !$0.isEmpty })
                && path.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard isGood else {
            throw .invalidValue(
                parameter: "path", value: "",
                reason: "The specified value for path is invalid. It must begin and end with / and contain only "
                    + "alphanumeric characters and/or / characters.")
        }
        try IdentityRules.checkTags(tags)
        var generator = SystemRandomNumberGenerator()
        // 320 bits, as IAM's seeds have: 64 letters of Base32.
        let secret = (0..<40).map { _ in UInt8.random(in: 0...255, using: &generator) }
        var device = MFADevice(
            accountID: caller.accountID, name: name, path: path, secret: secret, createdAt: configuration.now())
        device.tags = tags
        let new = device
        return try await mutate { (view) throws(CloudError) in
            guard view.identities.mfaDevices[new.serialNumber.lowercased()] == nil else {
                throw .duplicate(.mfaDevice, new.serialNumber)
            }
            let count = view.identities.mfaDevices.count(of: new.accountID)
            let most = IdentityRules.usersPerAccount * 2
            guard count < most else { throw .limitExceeded(.mfaDevice, limit: most, inUse: count, requested: 1) }
            var mutation = Mutation()
            mutation.conditions.append(.exists(Key.account(new.accountID)))
            mutation.create(.mfaDevice(new))
            return (mutation, new)
        }
    }

    /// See `IdentityBackend`.
    public func mfaDevices(as caller: Caller) async throws(CloudError) -> [MFADeviceListing] {
        devices(of: caller.accountID) { _ in true }
    }

    /// See `IdentityBackend`.
    public func mfaDevices(ofUser name: String?, as caller: Caller) async throws(CloudError) -> [MFADeviceListing] {
        let owner = try owner(name, caller, view)
        let id = owner.user?.id ?? caller.accountID
        return devices(of: caller.accountID) { $0.ownerID == id }
    }

    /// See `IdentityBackend`.
    public func mfaDevice(_ serialNumber: String, as caller: Caller) async throws(CloudError) -> MFADeviceListing {
        listing(try device(serialNumber, of: caller.accountID, view).value)
    }

    private func devices(of account: String, _ wanted: (MFADevice) -> Bool) -> [MFADeviceListing] {
        view.identities.mfaDevices.records(of: account).map(\.value).filter(wanted)
            .sorted { ($0.createdAt, $0.serialNumber) < ($1.createdAt, $1.serialNumber) }.map(listing)
    }

    private func listing(_ device: MFADevice) -> MFADeviceListing {
        let owner = device.ownerID.flatMap { id in
            id == device.accountID ? rootUser(of: id) : view.identities.users[id]?.value
        }
        var shown = device
        shown.secret = []
        return MFADeviceListing(device: shown, owner: owner)
    }

    func device(_ serialNumber: String, of account: String, _ view: CloudView) throws(CloudError) -> Stored<MFADevice> {
        guard let stored = view.identities.mfaDevices[serialNumber.lowercased()], stored.value.accountID == account
        else { throw .notFound(.mfaDevice, [serialNumber]) }
        return stored
    }

    // MARK: Whose they are

    func changeDevice(
        _ serialNumber: String, of account: String, _ change: (inout MFADevice, CloudView) throws(CloudError) -> Void
    ) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.device(serialNumber, of: account, view)
            var device = stored.value
            try change(&device, view)
            var mutation = Mutation()
            if device != stored.value { mutation.update(.mfaDevice(device), revision: stored.revision) }
            return (mutation, ())
        }
    }

    /// Takes over what two consecutive codes tell of the device's clock.
    private static func learn(_ codes: (String, String), _ device: inout MFADevice, at now: Timestamp)
        throws(CloudError)
    {
        let present = now.milliseconds / 1000 / OneTimeCode.step
        let steps = present - widestDrift...present + widestDrift
        guard let first = OneTimeCode.step(of: codes, device.secret, in: steps), first > device.lastStep else {
            throw .invalidValue(
                parameter: "AuthenticationCode", value: "(not shown)",
                reason: "Authentication code for device is not valid.")
        }
        // The second code is the one that the device shows now.
        device.drift = first + 1 - present
        device.lastStep = first + 1
    }

    /// See `IdentityBackend`.
    public func enableMFADevice(_ serialNumber: String, user: String, codes: (String, String), as caller: Caller)
        async throws(CloudError)
    {
        let now = configuration.now()
        try await changeDevice(serialNumber, of: caller.accountID) { (device, view) throws(CloudError) in
            let owner = try self.owner(user, caller, view)
            guard device.ownerID == nil else { throw .duplicate(.attachment, device.serialNumber) }
            let id = owner.user?.id ?? caller.accountID
            let held = view.identities.mfaDevices.records(of: caller.accountID).count { $0.value.ownerID == id }
            guard held < Self.devicesPerUser else {
                throw .limitExceeded(.mfaDevice, limit: Self.devicesPerUser, inUse: held, requested: 1)
            }
            try Self.learn(codes, &device, at: now)
            device.ownerID = id
            device.enabledAt = now
        }
    }

    /// See `IdentityBackend`.
    public func resynchroniseMFADevice(
        _ serialNumber: String, user: String, codes: (String, String), as caller: Caller
    ) async throws(CloudError) {
        let now = configuration.now()
        try await changeOwnDevice(serialNumber, of: user, as: caller) { (device) throws(CloudError) in
            try Self.learn(codes, &device, at: now)
        }
    }

    /// See `IdentityBackend`.
    public func deactivateMFADevice(_ serialNumber: String, user: String?, as caller: Caller)
        async throws(CloudError)
    {
        try await changeOwnDevice(serialNumber, of: user, as: caller) { device in
            device.ownerID = nil
            device.enabledAt = nil
        }
    }

    /// Changes a device that a user has.
    private func changeOwnDevice(
        _ serialNumber: String, of user: String?, as caller: Caller,
        _ change: (inout MFADevice) throws(CloudError) -> Void
    ) async throws(CloudError) {
        try await changeDevice(serialNumber, of: caller.accountID) { (device, view) throws(CloudError) in
            let owner = try self.owner(user, caller, view)
            guard device.ownerID == owner.user?.id ?? caller.accountID else {
                throw .notFound(.mfaDevice, [serialNumber])
            }
            try change(&device)
        }
    }

    /// See `IdentityBackend`.
    public func deleteMFADevice(_ serialNumber: String, as caller: Caller) async throws(CloudError) {
        try await mutate { (view) throws(CloudError) in
            let stored = try self.device(serialNumber, of: caller.accountID, view)
            guard stored.value.ownerID == nil else {
                throw .inUse(.mfaDevice, serialNumber, by: "deactivate the MFA device")
            }
            var mutation = Mutation()
            mutation.delete(.mfaDevice(stored.value), revision: stored.revision)
            return (mutation, ())
        }
    }

    // MARK: What codes are good for

    /// Takes a code of one of somebody's devices; each is good once.
    ///
    /// - Parameter serialNumber: nil for any of his.
    /// - Returns: false if it is no good one.
    func takeCode(_ code: String, serialNumber: String?, ofUser id: String, account: String)
        async throws(CloudError) -> Bool
    {
        let present = configuration.now().milliseconds / 1000 / OneTimeCode.step
        return try await mutate { (view) throws(CloudError) in
            var mutation = Mutation()
            for stored in view.identities.mfaDevices.records(of: account) where stored.value.ownerID == id {
                if let serialNumber, stored.value.serialNumber.lowercased() != serialNumber.lowercased() { continue }
                let expected = present + stored.value.drift
                guard let step = OneTimeCode.step(of: code, stored.value.secret, in: expected - 1...expected + 1),
                    step > stored.value.lastStep
                else { continue }
                var device = stored.value
                device.lastStep = step
                mutation.update(.mfaDevice(device), revision: stored.revision)
                return (mutation, true)
            }
            return (mutation, false)
        }
    }

    /// Checks the code with which a caller of STS shows that he has his device.
    ///
    /// - Returns: when he did.
    /// - Throws: `unauthorized` if the code is wrong or was used.
    func prove(_ mfa: MFACode, by caller: Caller) async throws(CloudError) -> Timestamp {
        let id: String
        switch caller.identity {
        case .account: id = caller.accountID
        case .user: id = caller.userID
        case .role, .federated:
            throw .unauthorized(operation: "MultiFactorAuthentication failed: sessions have no MFA device.")
        }
        guard try await takeCode(mfa.code, serialNumber: mfa.serialNumber, ofUser: id, account: caller.accountID)
        else {
            throw .unauthorized(
                operation: "MultiFactorAuthentication failed with invalid MFA one time pass code.")
        }
        return configuration.now()
    }
}
