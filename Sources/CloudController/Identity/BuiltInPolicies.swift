import CloudModel

/// Managed policies that every account has, under the names that AWS gave them.
enum BuiltInPolicies {
    static let byARN = Dictionary(all.map { ($0.arn, $0) }, uniquingKeysWith: { first, _ in first })

    static let all: [ManagedPolicy] = [
        policy("AdministratorAccess", "Everything in the account.", allowing: ["*"]),
        policy("PowerUserAccess", "Everything but users, groups and roles.", allowing: ["ec2:*", "s3:*", "sts:*"]),
        policy(
            "ReadOnlyAccess", "Reads everything in the account.",
            allowing: [
                "ec2:Describe*", "ec2:Get*", "s3:Get*", "s3:List*", "iam:Generate*", "iam:Get*", "iam:List*",
                "sts:Get*",
            ]),
        policy("AmazonEC2FullAccess", "All of EC2.", allowing: ["ec2:*"]),
        policy("AmazonEC2ReadOnlyAccess", "Reads all of EC2.", allowing: ["ec2:Describe*", "ec2:Get*"]),
        policy("AmazonS3FullAccess", "All of S3.", allowing: ["s3:*"]),
        policy("AmazonS3ReadOnlyAccess", "Reads all of S3.", allowing: ["s3:Get*", "s3:List*"]),
        policy("IAMFullAccess", "All of IAM.", allowing: ["iam:*"]),
        policy(
            "IAMReadOnlyAccess", "Reads all of IAM.",
            allowing: ["iam:GenerateCredentialReport", "iam:Get*", "iam:List*", "iam:Simulate*"]),
        policy(
            "IAMUserChangePassword", "Users may change their own passwords.",
            allowing: ["iam:ChangePassword", "iam:GetAccountPasswordPolicy"],
            on: "arn:aws:iam::*:user/${aws:username}"),
    ]

    private static func policy(
        _ name: String, _ description: String, allowing actions: [String], on resource: String = "*"
    ) -> ManagedPolicy {
        let list = actions.map { "\"\($0)\"" }.joined(separator: ",")
        let document =
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["# + list + #"],"Resource":""# + resource
            + #""}]}"#
        return ManagedPolicy(
            id: identifier(name), accountID: "aws", name: name, path: "/", description: description,
            document: document, createdAt: Timestamp(milliseconds: 1_423_233_600_000))
    }

    /// The same in every cloud and release.
    private static func identifier(_ name: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let text = String(hash, radix: 32, uppercase: true)
        return "ANPA" + (String(repeating: "A", count: 17) + text).suffix(17)
    }
}
