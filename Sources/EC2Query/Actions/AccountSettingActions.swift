import CloudModel
import QueryProtocol
import XML

/// What tools read of an account's settings. Nobody can change them here, so that they say what the cloud does.
enum AccountSettings {
    /// GetEbsEncryptionByDefault: nothing encrypts disks.
    static func ebsEncryption(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try say(call)
        answer.element("ebsEncryptionByDefault", false)
        answer.element("sseType", "none")
    }

    /// GetSerialConsoleAccessStatus: consoles can be read, but not typed into.
    static func serialConsole(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try say(call)
        answer.element("serialConsoleAccessEnabled", false)
        answer.element("managedBy", "account")
    }

    /// GetImageBlockPublicAccessState: owners may make images public.
    static func imageSharing(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try say(call)
        answer.element("imageBlockPublicAccessState", "unblocked")
        answer.element("managedBy", "account")
    }

    /// GetSnapshotBlockPublicAccessState.
    static func snapshotSharing(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try say(call)
        answer.element("state", "unblocked")
        answer.element("managedBy", "account")
    }

    /// GetAllowedImagesSettings: every image that is visible may be launched.
    static func allowedImages(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try say(call)
        answer.element("state", "disabled")
        answer.element("imageCriterionSet")
        answer.element("managedBy", "account")
    }

    /// GetInstanceMetadataDefaults: the account has no wishes of its own.
    static func metadataDefaults(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try say(call)
        answer.open("accountLevel")
        answer.element("managedBy", "account")
        answer.close()
    }

    private static func say(_ call: Call) throws(CloudError) {
        if try call.parameters.dryRun() { throw .dryRunSucceeded }
    }
}
