/// Actions of IAM and STS that are known and not offered, with the reason, so that a client learns more than that there
/// is no such action.
public struct UnofferedAction: Sendable {
    /// Why.
    public let reason: String
    /// Their names.
    public let names: [String]
    /// Which service has them.
    public let service: IdentityService

    private init(_ reason: String, _ names: [String], service: IdentityService = .iam) {
        self.service = service
        self.reason = reason
        self.names = names
    }

    static func reason(_ name: String, _ service: IdentityService) -> String? { reasons[service.rawValue + name] }

    private static let reasons = Dictionary(
        all.flatMap { group in group.names.map { (group.service.rawValue + $0, group.reason) } },
        uniquingKeysWith: { first, _ in first })

    /// All of them, by reason.
    public static let all: [UnofferedAction] = [
        UnofferedAction(
            "users of other identity providers cannot sign in here; give them users or roles of the account.",
            [
                "CreateSAMLProvider", "GetSAMLProvider", "UpdateSAMLProvider", "DeleteSAMLProvider", "TagSAMLProvider",
                "UntagSAMLProvider", "ListSAMLProviderTags", "CreateOpenIDConnectProvider", "GetOpenIDConnectProvider",
                "DeleteOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider",
                "RemoveClientIDFromOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint",
                "TagOpenIDConnectProvider", "UntagOpenIDConnectProvider", "ListOpenIDConnectProviderTags",
            ]),
        UnofferedAction(
            "users of other identity providers cannot sign in here; use AssumeRole with a user's key.",
            ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetWebIdentityToken", "GetDelegatedAccessToken"],
            service: .sts),
        UnofferedAction(
            "server certificates are for load balancers, which this cloud does not have.",
            [
                "UploadServerCertificate", "GetServerCertificate", "UpdateServerCertificate", "DeleteServerCertificate",
                "TagServerCertificate", "UntagServerCertificate", "ListServerCertificateTags",
            ]),
        UnofferedAction(
            "these credentials are for services of AWS that this cloud does not have; key pairs of instances are EC2's.",
            [
                "UploadSSHPublicKey", "GetSSHPublicKey", "ListSSHPublicKeys", "UpdateSSHPublicKey",
                "DeleteSSHPublicKey", "CreateServiceSpecificCredential", "ListServiceSpecificCredentials",
                "UpdateServiceSpecificCredential", "DeleteServiceSpecificCredential",
                "ResetServiceSpecificCredential",
            ]),
        UnofferedAction(
            "no service of this cloud acts by a role of its own; make an ordinary role.",
            ["CreateServiceLinkedRole", "DeleteServiceLinkedRole", "GetServiceLinkedRoleDeletionStatus"]),
        UnofferedAction(
            "only the last use of each key and role is kept (GetAccessKeyLastUsed, GetRole); the audit log has all.",
            [
                "GenerateServiceLastAccessedDetails", "GetServiceLastAccessedDetails",
                "GetServiceLastAccessedDetailsWithEntities", "ListPoliciesGrantingServiceAccess",
            ]),
        UnofferedAction(
            "there are no organizations; administrators of the cloud put policies on accounts (PutAccountPolicy).",
            [
                "GenerateOrganizationsAccessReport", "GetOrganizationsAccessReport", "ListOrganizationsFeatures",
                "EnableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootCredentialsManagement",
                "EnableOrganizationsRootSessions", "DisableOrganizationsRootSessions",
            ]),
        UnofferedAction(
            "an account's owner is reached by DelegateAccount, for administrators of the cloud.", ["AssumeRoot"],
            service: .sts),
        UnofferedAction("refusals are told in plain text.", ["DecodeAuthorizationMessage"], service: .sts),
        UnofferedAction(
            "there is one form of session token, which is good in every zone.",
            ["SetSecurityTokenServicePreferences"]),
        UnofferedAction(
            "tokens for other clouds are not handed out.",
            [
                "EnableOutboundWebIdentityFederation", "DisableOutboundWebIdentityFederation",
                "GetOutboundWebIdentityFederationInfo",
            ]),
        UnofferedAction(
            "permissions are given by policies and roles only.",
            [
                "AcceptDelegationRequest", "AssociateDelegationRequest", "CreateDelegationRequest",
                "GetDelegationRequest", "ListDelegationRequests", "RejectDelegationRequest", "SendDelegationToken",
                "UpdateDelegationRequest", "GetHumanReadableSummary", "AcquireRole", "GetRoleTemplateVersion",
                "GetAccountProperties", "PutAccountProperties",
            ]),
    ]
}
