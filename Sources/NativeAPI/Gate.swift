import CloudModel
import JSON

// What an operation asks of the gate: an action, the ARNs of what it concerns, and the facts that policies may ask for.
// The actions are EC2's where there is one, so that one policy holds for both interfaces.

enum NativeGate {
    /// By the operation's id.
    static let actions: [String: String] = [
        "getStatus": "ec2:DescribeAvailabilityZones", "listZones": "ec2:DescribeAvailabilityZones",
        "listInstanceTypes": "ec2:DescribeInstanceTypes", "setInstanceType": "ec2:ModifyInstanceTypeAttribute",
        "listInstances": "ec2:DescribeInstances", "getInstance": "ec2:DescribeInstances",
        "runInstances": "ec2:RunInstances", "terminateInstance": "ec2:TerminateInstances",
        "rebootInstance": "ec2:RebootInstances", "getConsole": "ec2:GetConsoleOutput",
        "extendLease": "ec2:ModifyInstanceEventStartTime", "listImages": "ec2:DescribeImages",
        "getImage": "ec2:DescribeImages", "registerImage": "ec2:RegisterImage",
        "deregisterImage": "ec2:DeregisterImage", "listKeyPairs": "ec2:DescribeKeyPairs",
        "getKeyPair": "ec2:DescribeKeyPairs", "makeKeyPair": "ec2:CreateKeyPair",
        "deleteKeyPair": "ec2:DeleteKeyPair", "listSecurityGroups": "ec2:DescribeSecurityGroups",
        "getSecurityGroup": "ec2:DescribeSecurityGroups", "makeSecurityGroup": "ec2:CreateSecurityGroup",
        "deleteSecurityGroup": "ec2:DeleteSecurityGroup", "addRule": "ec2:AuthorizeSecurityGroupIngress",
        "removeRule": "ec2:RevokeSecurityGroupIngress", "getUsage": "ec2:DescribeAccountAttributes",
        "listHoldings": "mallee:ListHoldings", "getAgreement": "mallee:GetAgreement", "listQueue": "mallee:ListQueue",
        "listRefusals": "mallee:ListRefusals",
    ]

    /// The questions that a call is to the gate, all of which must be answered with yes.
    static func checks(_ operation: Operation, _ call: NativeCall, region: String) -> [AccessCheck] {
        // An operation without an action is nobody's; a test sees to it that there is none.
        var check = AccessCheck(actions[operation.id] ?? "mallee:" + operation.id)
        if operation.id == "makeKeyPair", call.text("publicKey") != nil { check.action = "ec2:ImportKeyPair" }
        if operation.id == "addRule", call.text("direction") == "egress" {
            check.action = "ec2:AuthorizeSecurityGroupEgress"
        }
        let arns = self.arns(operation, call, region: region)
        if !arns.isEmpty { check.resources = arns.map { AccessResource($0) } }
        for (name, fact) in [
            ("type", "ec2:instancetype"), ("zone", "ec2:availabilityzone"), ("placementGroup", "ec2:placementgroup"),
            ("imageId", "ec2:imageid"), ("keyPair", "ec2:keypairname"),
        ] {
            if let value = call.text(name) { check.facts[fact] = [value] }
        }
        for tag in call.tags {
            check.facts["aws:requesttag/" + tag.key.lowercased()] = [tag.value]
            check.facts["aws:tagkeys", default: []].append(tag.key)
        }
        switch operation.id {
        case "runInstances":
            let count = Int64(call.integer("count") ?? call.integer("minimum") ?? 1)
            check.additions = ["ec2:quota-vminstancenumber": count, "ec2:quota-vminstanceactivenumber": count]
        case "registerImage": check.additions = ["ec2:quota-imagenumber": 1]
        case "makeSecurityGroup": check.additions = ["ec2:quota-securitygroupnumber": 1]
        case "removeRule":
            // Which of the two it is, only the rule tells: who may not do both may do neither.
            var other = check
            other.action = "ec2:RevokeSecurityGroupEgress"
            return [check, other]
        default: break
        }
        return [check]
    }

    private static func arns(_ operation: Operation, _ call: NativeCall, region: String) -> [String] {
        func arn(_ kind: String, _ id: String) -> String {
            // Images are shared between accounts, so that their ARNs name none.
            "arn:aws:ec2:\(region):\(kind == "image" ? "" : call.caller.accountID):\(kind)/\(id)"
        }
        // Operations that read lists have no resources, in EC2 neither.
        if operation.method == "GET", operation.id != "getConsole" { return [] }
        switch operation.path.split(separator: "/").first {
        case "instances":
            guard operation.id == "runInstances" else { return [arn("instance", call.path("id"))] }
            var arns = [arn("instance", "*"), arn("image", call.text("imageId") ?? "")]
            if let key = call.text("keyPair") { arns.append(arn("key-pair", key)) }
            return arns + call.texts("securityGroups").map { arn("security-group", $0) }
        case "images": return [arn("image", operation.id == "registerImage" ? "*" : call.path("id"))]
        case "key-pairs": return [arn("key-pair", call.text("name") ?? call.path("name"))]
        case "security-groups":
            return [arn("security-group", operation.id == "makeSecurityGroup" ? "*" : call.path("id"))]
        default: return []
        }
    }
}
