import CloudModel
import QueryProtocol
import Signatures

/// A failure with EC2's code. Codes: "Error codes for the Amazon EC2 API" in the API reference.
typealias EC2Fault = QueryFault

extension QueryFault {
    // MARK: Faults of the protocol itself

    static let missingAction = EC2Fault(
        "MissingAction",
        "This is an EC2 endpoint. The request must contain the parameter Action, such as Action=DescribeInstances, "
            + "and be signed with an access key; any EC2 client does both.")

    static func unknownAction(_ name: String) -> EC2Fault {
        EC2Fault("InvalidAction", "The action \(Parameters.shortened(name)) is not valid for this web service.")
    }

    static func unknownVersion(_ version: String) -> EC2Fault {
        EC2Fault(
            "NoSuchVersion",
            "The requested version (\(Parameters.shortened(version))) of service AmazonEC2 does not exist; a version is a "
                + "date such as \(APIVersion.current.text).")
    }

    static func unofferedAction(_ name: String) -> EC2Fault {
        EC2Fault(
            "UnsupportedOperation", "The action \(name) is known but not offered by this cloud." + cure(for: name))
    }

    /// What to do instead, by what the name of an action speaks of.
    private static func cure(for action: String) -> String {
        let families: [(words: [String], cure: String)] = [
            (
                ["Volume", "Snapshot", "CreateImage", "EbsEncryption"],
                "There is no EBS yet: instances have the disks of their type, and images are registered from Walrus."
            ),
            (
                ["ImportInstance", "ImportVolume", "ConversionTask"],
                "It makes an EBS volume, and there are none yet. Upload the disk (raw or qcow2) to Walrus, import it (ImportImage) or register it (RegisterImage), and "
                    + "launch instances of the image."
            ),
            (["Spot", "Reserved", "Capacity", "Scheduled", "Fleet"], "There are only on-demand instances."),
            (["Host"], "Hosts are shared."),
            (
                ["Vpc", "Subnet", "Route", "Gateway", "NetworkAcl", "DhcpOptions", "NetworkInterface", "Vpn", "Ipam"],
                "Each account has a default VPC with a subnet in each availability zone; there are no others."
            ),
            (["Address", "Ipv6"], "The cloud chooses the addresses of instances; there are no elastic ones yet."),
            (
                ["InstanceProfile"],
                "Nodes do not hand credentials of roles to instances; give a guest its keys in its user data."
            ),
        ]
        for family in families where family.words.contains(where: { action.contains($0) }) { return " " + family.cure }
        return ""
    }

    static let badCredentials = EC2Fault(
        "AuthFailure", status: 401, "AWS was not able to validate the provided access credentials")

    /// A request whose sender is not believed.
    init(_ failure: AuthenticationFailure) {
        switch failure {
        case .signature(let error): self.init(error)
        case .unknownKey: self = .badCredentials
        case .invalidToken:
            self.init(
                "InvalidClientTokenId", status: 403,
                "The session token is not one of this cloud, or not of this access key. Take new temporary credentials, "
                    + "or unset the token (AWS_SESSION_TOKEN) to use a lasting access key.")
        case .expiredToken:
            self.init(
                "RequestExpired", "The session token is expired. Take new temporary credentials.")
        case .unsignedBody:
            self.init(
                "IncompleteSignature",
                "The signature does not cover the body; sign its SHA-256 instead of UNSIGNED-PAYLOAD.")
        case .cloud(let error): self.init(error)
        }
    }

    /// A request whose signature is missing or wrong.
    init(_ error: SignatureError) {
        let status =
            switch error {
            case .missing, .mismatch: 403
            case .missingParameter, .malformed, .invalidDate, .unsupported, .ambiguous, .unsignedHeader, .skewed,
                .expired,
                .expiresOutOfRange:
                400
            }
        var message = error.message
        // What the service signed helps to find the cause; the one of version 2 is as long as the request.
        if case .mismatch(let text, _) = error, !text.isEmpty, text.utf8.count <= 512 {
            message += "\n\nThe String-to-Sign should have been\n'\(text)'\n"
        }
        self.init(error.ec2Code, status: status, message)
    }

    // MARK: The one table from the cloud's errors to EC2's codes

    /// An error of the cloud as EC2 says it.
    init(_ error: CloudError) {
        switch error {
        case .notFound(let kind, let ids):
            self.init(Self.codes(kind).notFound, Self.notFoundMessage(kind, ids))
        case .malformedID(let kind, let id) where Self.isToldByPrefixOnly(kind) && Self.hasPrefix(kind, id):
            self.init(Self.codes(kind).notFound, Self.notFoundMessage(kind, [Parameters.shortened(id)]))
        case .malformedID(.tag, let id):
            self.init(Self.codes(.tag).malformed, "The ID '\(Parameters.shortened(id))' is not valid")
        case .malformedID(let kind, let id):
            self.init(
                Self.codes(kind).malformed,
                "Invalid id: \"\(Parameters.shortened(id))\"\(Self.expectedForm(kind, of: id))")
        case .invalidValue(let parameter, let value, let reason):
            let message =
                reason.isEmpty
                ? "Value (\(Parameters.shortened(value))) for parameter \(parameter) is invalid." : reason
            self.init(Self.invalidValueCode(parameter), message)
        case .missingParameter(let name):
            let what = name.hasPrefix("exactly one of") ? name : "the parameter " + name
            self.init("MissingParameter", "The request must contain " + what)
        case .invalidCombination(let message):
            self.init("InvalidParameterCombination", message)
        case .duplicate(let kind, let name):
            self.init(Self.codes(kind).duplicate, Self.duplicateMessage(kind, name))
        case .inUse(.bundleTask, let id, let task):
            self.init(
                Self.codes(.bundleTask).inUse,
                "The instance '\(id)' is being bundled by \(task). Wait until that has ended, or cancel it "
                    + "(CancelBundleTask).")
        case .inUse(let kind, let id, let user):
            self.init(
                Self.codes(kind).inUse, "The \(Self.noun(kind)) '\(id)' is currently in use by \(user)")
        case .incorrectState(.securityGroup, let id, _, _):
            self.init(
                Self.codes(.securityGroup).incorrectState,
                "the specified group: \"\(id)\" name: \"default\" cannot be deleted by a user")
        case .incorrectState(.profileAssociation, let id, "disassociating", _):
            self.init("IncorrectState", "The association \(id) is not the active association")
        case .incorrectState(.profileAssociation, let id, _, _):
            self.init(
                "IncorrectState",
                "There is an existing association for instance \(id); ReplaceIamInstanceProfileAssociation changes it.")
        case .incorrectState(let kind, let id, let state, let operation):
            self.init(
                Self.codes(kind).incorrectState,
                "The \(Self.noun(kind)) '\(id)' is in the state '\(state)', in which \(operation) is not possible.")
        case .idempotentParameterMismatch(let token):
            self.init(
                "IdempotentParameterMismatch",
                "The client token '\(Parameters.shortened(token))' was used before with other parameters; "
                    + "take a new token for another request.")
        case .unauthorized(let operation):
            self.init(
                "UnauthorizedOperation", status: 403,
                "You are not authorized to perform this operation: \(operation)")
        case .notPermitted(let message):
            self.init("OperationNotPermitted", message)
        case .unsupported(let message):
            self.init("UnsupportedOperation", message)
        case .dryRunSucceeded:
            self.init("DryRunOperation", status: 412, "Request would have succeeded, but DryRun flag is set.")
        case .invalidNextToken:
            self.init(
                "InvalidNextToken",
                "The NextToken was not handed out for this request or is no longer good; ask again without it.")
        case .limitExceeded(let kind, let limit, let inUse, let requested):
            self.init(
                Self.codes(kind).limitExceeded,
                "You have requested \(requested) more of \(Self.noun(kind)) than your current limit allows: "
                    + "the limit is \(limit), in use are \(inUse).")
        case .insufficientCapacity(let zone, let type, let requested, let available, let detail):
            let place = zone.map { "the availability zone \($0)" } ?? "any availability zone"
            let cause = detail.isEmpty ? "" : " " + detail
            self.init(
                "InsufficientInstanceCapacity", status: 500,
                "There is not sufficient capacity for \(type) in \(place): needed \(requested), free \(available)."
                    + cause)
        case .unavailable(let component, let reason):
            self.init("Unavailable", status: 503, "The \(component) cannot be reached at present: \(reason)")
        case .internalError(let message, let detail):
            self.init("InternalError", status: 500, message, detail: detail)
        }
    }
}
