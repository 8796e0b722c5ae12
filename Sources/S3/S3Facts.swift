// What policies may ask about a request ("Condition keys" of the S3 User Guide).

internal import HTTPTypes
internal import ObjectStore
internal import Signatures
internal import Walrus

enum S3Facts {
    /// Keys that are headers of the same name.
    private static let headers: Set<String> = [
        "x-amz-acl", "x-amz-copy-source", "x-amz-metadata-directive", "x-amz-server-side-encryption",
        "x-amz-storage-class", "x-amz-grant-read", "x-amz-grant-write", "x-amz-grant-read-acp", "x-amz-grant-write-acp",
        "x-amz-grant-full-control", "x-amz-content-sha256", "x-amz-object-ownership",
        "x-amz-server-side-encryption-customer-algorithm", "x-amz-website-redirect-location",
    ]

    /// The facts of a request.
    static func of(
        _ request: S3Request, principal: WalrusPrincipal?, source: String?, isSecure: Bool, now: Int64
    ) -> @Sendable (String) -> [String]? {
        { name in
            func one(_ value: String?) -> [String]? { value.map { [$0] } }
            switch name {
            case "aws:sourceip": return one(source)
            case "aws:securetransport": return [isSecure ? "true" : "false"]
            case "aws:useragent": return one(request.header("user-agent"))
            case "aws:referer": return one(request.header("referer"))
            case "aws:currenttime": return [Timestamp.extended(now)]
            case "aws:epochtime": return [String(now)]
            case "aws:principalaccount": return one(principal?.accountID)
            case "aws:userid": return one(principal?.userID)
            case "aws:principalarn":
                return one(principal.map { $0.userARN ?? "arn:aws:iam::\($0.accountID):root" })
            case "aws:username":
                return one(principal.flatMap { $0.userName ?? ($0.userARN == nil ? $0.displayName : nil) })
            case "aws:principaltype":
                guard let principal else { return ["Anonymous"] }
                if let type = principal.facts[name] { return type }
                if principal.userARN == nil { return ["Account"] }
                return [principal.userName == nil ? "AssumedRole" : "User"]
            case "s3:prefix": return one(request["prefix"] ?? (request.key == nil ? "" : nil))
            case "s3:delimiter": return one(request["delimiter"])
            case "s3:max-keys": return one(request["max-keys"])
            case "s3:versionid": return one(request["versionId"])
            case "s3:locationconstraint": return nil
            case "s3:signatureversion":
                return one(
                    request.header("authorization").map { $0.hasPrefix("AWS4") ? "AWS4-HMAC-SHA256" : "AWS" })
            case "s3:requestobjecttagkeys":
                // A header that cannot be read is refused where it is used.
                return (try? Tags.parse(request.header("x-amz-tagging") ?? ""))?.map(\.key)
            case "s3:object-lock-mode": return one(request.header("x-amz-object-lock-mode"))
            case "s3:object-lock-legal-hold": return one(request.header("x-amz-object-lock-legal-hold"))
            case "s3:object-lock-retain-until-date":
                return one(request.header("x-amz-object-lock-retain-until-date"))
            default: break
            }
            if let known = principal?.facts[name] { return known }
            if name.hasPrefix("s3:requestobjecttag/"), let header = request.header("x-amz-tagging") {
                // A header that cannot be read is refused where it is used.
                return requestTags(name, (try? Tags.parse(header)) ?? [])
            }
            guard name.hasPrefix("s3:") else { return nil }
            let header = String(name.dropFirst(3))
            guard headers.contains(header) else { return nil }
            return one(request.header(header))
        }
    }

    /// A tag that the request sets, as a condition key.
    static func requestTags(_ name: String, _ tags: [ObjectTag]) -> [String]? {
        if name == "s3:requestobjecttagkeys" { return tags.map(\.key) }
        guard name.hasPrefix("s3:requestobjecttag/") else { return nil }
        let key = name.dropFirst("s3:requestobjecttag/".count)
        return tags.first { $0.key.lowercased() == key }.map { [$0.value] }
    }
}
