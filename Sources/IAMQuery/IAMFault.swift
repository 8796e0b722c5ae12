import CloudModel
import QueryProtocol
import Signatures

// The one table from what can fail to the codes of IAM and STS ("Common errors" and the actions' errors in the API
// references).

extension QueryFault {
    init(_ failure: AuthenticationFailure, _ service: IdentityService) {
        switch failure {
        case .signature(let error):
            switch error {
            case .missing:
                self.init("MissingAuthenticationToken", status: 403, "Request is missing Authentication Token")
            case .mismatch: self.init("SignatureDoesNotMatch", status: 403, error.message)
            case .skewed, .expired: self.init("SignatureDoesNotMatch", status: 403, error.message)
            case .malformed, .invalidDate, .unsignedHeader, .missingParameter:
                self.init("IncompleteSignature", status: 400, error.message)
            case .unsupported, .ambiguous, .expiresOutOfRange:
                self.init("InvalidParameterValue", status: 400, error.message)
            }
        case .unknownKey, .invalidToken:
            self.init(
                "InvalidClientTokenId", status: 403, "The security token included in the request is invalid.")
        case .expiredToken:
            self.init(
                "ExpiredToken", status: service == .sts ? 403 : 403,
                "The security token included in the request is expired")
        case .unsignedBody:
            self.init("IncompleteSignature", "The signature does not cover the body; sign its SHA-256.")
        case .cloud(let error): self.init(error, service)
        }
    }

    init(_ error: CloudError, _ service: IdentityService) {
        switch error {
        case .notFound(.credentialReport, _):
            self.init("ReportNotPresent", status: 410, "There is no report; ask for one by GenerateCredentialReport.")
        case .incorrectState(.credentialReport, _, _, _):
            self.init("ReportExpired", status: 410, "The report is old; ask for one by GenerateCredentialReport.")
        case .notFound(let kind, let ids):
            self.init("NoSuchEntity", status: 404, Self.notFound(kind, ids))
        case .duplicate(let kind, let name):
            self.init(
                kind == .signingCertificate ? "DuplicateCertificate" : "EntityAlreadyExists", status: 409,
                Self.duplicate(kind, name))
        case .inUse(let kind, let name, let obstacle):
            self.init("DeleteConflict", status: 409, Self.inUse(kind, name, obstacle))
        case .limitExceeded(let kind, let limit, let inUse, _):
            self.init("LimitExceeded", status: 409, Self.limit(kind, limit, inUse))
        case .invalidValue(let parameter, let value, let reason):
            self.init(
                Self.invalidCode(parameter), status: parameter == "AuthenticationCode" ? 403 : 400,
                reason.isEmpty ? "The value \(Parameters.shortened(value)) of \(parameter) is invalid." : reason)
        case .malformedID(_, let id):
            self.init("ValidationError", "Invalid id: \"\(Parameters.shortened(id))\"")
        case .missingParameter(let name):
            let first = name.prefix(1).lowercased() + name.dropFirst()
            self.init(
                "ValidationError",
                "1 validation error detected: Value null at '\(first)' failed to satisfy constraint: Member must not "
                    + "be null")
        case .invalidCombination(let message): self.init("ValidationError", message)
        case .incorrectState(_, let name, let state, _):
            self.init("InvalidInput", "\(name) is \(state), which cannot be undone.")
        case .unauthorized(let text): self.init("AccessDenied", status: 403, text)
        case .notPermitted(let text): self.init("UnmodifiableEntity", text)
        case .unsupported(let text): self.init("UnsupportedOperation", text)
        case .idempotentParameterMismatch, .invalidNextToken, .dryRunSucceeded, .insufficientCapacity:
            self.init("ValidationError", "The request cannot be fulfilled as it stands.", detail: "\(error)")
        case .unavailable(let component, let reason):
            self.init("ServiceUnavailable", status: 503, "The \(component) cannot be reached at present: \(reason)")
        case .internalError(let message, let detail):
            self.init("ServiceFailure", status: 500, message, detail: detail)
        }
    }

    private static func invalidCode(_ parameter: String) -> String {
        switch parameter {
        case "PolicyDocument", "AssumeRolePolicyDocument", "Policy": "MalformedPolicyDocument"
        case "Password", "NewPassword": "PasswordPolicyViolation"
        case "CertificateBody": "MalformedCertificate"
        case "Tags", "PolicyInputList", "PolicySourceArn": "InvalidInput"
        case "AuthenticationCode": "InvalidAuthenticationCode"
        default: "ValidationError"
        }
    }

    private static func notFound(_ kind: ResourceKind, _ ids: [String]) -> String {
        let name = Parameters.shortened(ids.first ?? "")
        return switch kind {
        case .user: "The user with name \(name) cannot be found."
        case .userGroup: "The group with name \(name) cannot be found."
        case .role: "The role with name \(name) cannot be found."
        case .policy: "Policy \(name) does not exist or is not attachable."
        case .inlinePolicy: "The policy with name \(name) cannot be found."
        case .policyVersion:
            "Policy \(name) version \(Parameters.shortened(ids.last ?? "")) does not exist or is not attachable."
        case .instanceProfile: "Instance Profile \(name) cannot be found."
        case .accessKey: "The Access Key with id \(name) cannot be found."
        case .loginProfile: "Login Profile for User \(name) cannot be found."
        case .signingCertificate: "The Certificate with id \(name) cannot be found."
        case .accountAlias: "The account alias with name \(name) cannot be found."
        case .account: "The account \(name) cannot be found."
        case .mfaDevice: "VirtualMFADevice with serial number \(name) doesn't exist."
        case .passwordPolicy where ids.isEmpty: "The account policy with name PasswordPolicy cannot be found."
        case .passwordPolicy: "The Password Policy with domain name \(name) cannot be found."
        case .attachment: "Policy \(name) was not found."
        default: "\(name) cannot be found."
        }
    }

    private static func duplicate(_ kind: ResourceKind, _ name: String) -> String {
        let name = Parameters.shortened(name)
        return switch kind {
        case .user: "User with name \(name) already exists."
        case .userGroup: "Group with name \(name) already exists."
        case .role: "Role with name \(name) already exists."
        case .policy: "A policy called \(name) already exists. Duplicate names are not allowed."
        case .instanceProfile: "Instance Profile \(name) already exists."
        case .loginProfile: "Login Profile for user \(name) already exists."
        case .signingCertificate: "The certificate already exists."
        case .accountAlias: "The account alias \(name) already exists."
        case .mfaDevice: "MFADevice entity at the same path and name already exists."
        case .attachment: "\(name) is assigned to a user already."
        case .account: "An account with the name \(name) already exists."
        default: "\(name) already exists."
        }
    }

    private static func inUse(_ kind: ResourceKind, _ name: String, _ obstacle: String) -> String {
        switch (kind, obstacle) {
        case (.policyVersion, _): "Cannot delete the default version of a policy."
        case (.policy, "detach all entities"): "Cannot delete a policy attached to entities."
        case (.policy, _):
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
                + "The default version is deleted with the policy."
        default: "Cannot delete entity, must \(obstacle) first."
        }
    }

    private static func limit(_ kind: ResourceKind, _ limit: Int, _ inUse: Int) -> String {
        switch kind {
        case .accessKey: "Cannot exceed quota for AccessKeysPerUser: \(limit)"
        case .signingCertificate: "Cannot exceed quota for CertificatesPerUser: \(limit)"
        case .policyVersion:
            "A managed policy can have up to \(limit) versions. Before you create a new version, you must delete an "
                + "existing version."
        case .instanceProfile: "Cannot exceed quota for InstanceSessionsPerInstanceProfile: \(limit)"
        case .userGroup: "Cannot exceed quota for GroupsPerUser: \(limit)"
        case .mfaDevice: "Cannot exceed quota for MFADevicesPerUser: \(limit)"
        case .policy, .inlinePolicy:
            "Cannot exceed quota for policies: the limit is \(limit), the request comes to \(inUse)."
        default: "Cannot exceed quota for \(kind.rawValue): the limit is \(limit), in use are \(inUse)."
        }
    }
}
