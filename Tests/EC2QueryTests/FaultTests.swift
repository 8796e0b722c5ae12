import CloudModel
import QueryProtocol
import Testing

@testable import EC2Query

@Suite struct FaultTests {
    @Test(arguments: [
        (CloudError.notFound(.instance, ["i-1"]), "InvalidInstanceID.NotFound", 400),
        (.malformedID(.instance, "x"), "InvalidInstanceID.Malformed", 400),
        (.notFound(.image, ["ami-1"]), "InvalidAMIID.NotFound", 400),
        (.malformedID(.image, "x"), "InvalidAMIID.Malformed", 400),
        (
            .incorrectState(.image, "ami-1", state: "pending", operation: "RunInstances"), "InvalidAMIID.Unavailable",
            400
        ),
        (.duplicate(.image, "demo"), "InvalidAMIName.Duplicate", 400),
        (.notFound(.keyPair, ["k"]), "InvalidKeyPair.NotFound", 400),
        (.duplicate(.keyPair, "k"), "InvalidKeyPair.Duplicate", 400),
        (.invalidValue(parameter: "PublicKeyMaterial", value: "x", reason: ""), "InvalidKey.Format", 400),
        (.notFound(.securityGroup, ["g"]), "InvalidGroup.NotFound", 400),
        (.duplicate(.securityGroup, "g"), "InvalidGroup.Duplicate", 400),
        (.inUse(.securityGroup, "g", by: "i-1"), "InvalidGroup.InUse", 400),
        (.malformedID(.securityGroup, "g"), "InvalidGroupId.Malformed", 400),
        (.notFound(.permission, ["tcp"]), "InvalidPermission.NotFound", 400),
        (.duplicate(.permission, "tcp"), "InvalidPermission.Duplicate", 400),
        (.malformedID(.permission, "tcp"), "InvalidPermission.Malformed", 400),
        (.notFound(.securityGroupRule, ["sgr-1"]), "InvalidSecurityGroupRuleId.NotFound", 400),
        (.malformedID(.securityGroupRule, "x"), "InvalidSecurityGroupRuleId.Malformed", 400),
        (.malformedID(.tag, "x"), "InvalidID", 400),
        (
            .limitExceeded(.securityGroupRule, limit: 1, inUse: 1, requested: 1), "RulesPerSecurityGroupLimitExceeded",
            400
        ),
        (.limitExceeded(.instance, limit: 20, inUse: 19, requested: 2), "InstanceLimitExceeded", 400),
        (.incorrectState(.instance, "i-1", state: "terminated", operation: "reboot"), "IncorrectInstanceState", 400),
        (.notFound(.availabilityZone, ["z"]), "InvalidZone.NotFound", 400),
        (.notFound(.instanceType, ["t"]), "InvalidInstanceType", 400),
        (.invalidValue(parameter: "MaxResults", value: "1", reason: "no"), "InvalidParameterValue", 400),
        (.missingParameter("ImageId"), "MissingParameter", 400),
        (.invalidCombination("a and b"), "InvalidParameterCombination", 400),
        (.idempotentParameterMismatch(token: "t"), "IdempotentParameterMismatch", 400),
        (.unauthorized(operation: "x"), "UnauthorizedOperation", 403),
        (.unsupported("x"), "UnsupportedOperation", 400),
        (.dryRunSucceeded, "DryRunOperation", 412),
        (.invalidNextToken("t"), "InvalidNextToken", 400),
        (
            .insufficientCapacity(zone: "us-east-1a", type: "m1.small", requested: 3, available: 1, detail: ""),
            "InsufficientInstanceCapacity", 500
        ),
        (.unavailable(component: "store", reason: "x"), "Unavailable", 503),
        (.internalError(message: "m", detail: "d"), "InternalError", 500),
    ]) func `each error of the cloud has its code and status`(error: CloudError, code: String, status: Int) {
        let fault = EC2Fault(error)
        #expect(fault.code == code)
        #expect(fault.status == status)
        #expect(!fault.message.isEmpty)
    }

    @Test func `messages say what is wrong with what`() {
        #expect(EC2Fault(.notFound(.instance, ["i-1"])).message == "The instance ID 'i-1' does not exist")
        #expect(EC2Fault(.notFound(.instance, ["i-1", "i-2"])).message == "The instance IDs 'i-1, i-2' do not exist")
        #expect(
            EC2Fault(.malformedID(.instance, "x")).message
                == "Invalid id: \"x\" (expecting \"i-...\")")
        #expect(
            EC2Fault(.malformedID(.instance, "i-1")).message
                == "Invalid id: \"i-1\" (expecting \"i-\" and 17 or 8 hexadecimal digits)")
        #expect(
            EC2Fault(
                .insufficientCapacity(
                    zone: "us-east-1a", type: "m1.small", requested: 3, available: 1, detail: "Memory.")
            ).message
                == "There is not sufficient capacity for m1.small in the availability zone us-east-1a: needed 3, free 1. Memory."
        )
        #expect(EC2Fault(.internalError(message: "m", detail: "d")).message == "m")
    }

    @Test func `a name that is taken is told as one, and an identifier as one`() {
        #expect(EC2Fault(.duplicate(.image, "demo")).message == "AMI name demo is already in use")
        #expect(EC2Fault(.duplicate(.image, "ami-12c6146b")).message.hasPrefix("The image 'ami-12c6146b'"))
    }

    @Test func `every kind of resource has codes and words`() {
        for kind in ResourceKind.allCases {
            for error: CloudError in [
                .notFound(kind, ["x"]), .notFound(kind, []), .malformedID(kind, "x"), .duplicate(kind, "x"),
                .inUse(kind, "x", by: "y"), .incorrectState(kind, "x", state: "s", operation: "o"),
                .limitExceeded(kind, limit: 1, inUse: 1, requested: 1),
            ] {
                #expect(!EC2Fault(error).code.isEmpty)
                #expect(!EC2Fault(error).message.isEmpty)
            }
        }
    }

    @Test func `long texts of clients are cut in messages`() {
        let long = String(repeating: "é", count: 100_000)
        #expect(EC2Fault(.malformedID(.instance, long)).message.utf8.count < 400)
        #expect(EC2Fault(.notFound(.instance, Array(repeating: long, count: 1000))).message.utf8.count < 6000)
        #expect(EC2Fault(.idempotentParameterMismatch(token: long)).message.utf8.count < 500)
    }
}
