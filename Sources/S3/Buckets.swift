internal import HTTPTypes
internal import Hummingbird
internal import ObjectStore
internal import Walrus
internal import XML

extension Walrus {
    /// Where a bucket is: of one that was made without a region, the region of all.
    func region(of bucket: BucketRecord) -> String { bucket.region.isEmpty ? configuration.region : bucket.region }
}

extension S3Call {
    func owner(_ writer: inout XMLWriter, _ name: String = "Owner", id: String) {
        writer.element(name) { writer in
            writer.element("ID", id)
            writer.element("DisplayName", self.displayName(id))
        }
    }

    func listBuckets() async throws -> Response {
        let limit = try number("max-buckets", default: 10_000, in: 1...10_000)
        let prefix = request["prefix"] ?? ""
        let after = request["continuation-token"] ?? ""
        let region = request["bucket-region"]
        // Shown to those who page, as S3 does.
        let showsRegion = ["max-buckets", "prefix", "continuation-token", "bucket-region"].contains {
            request[$0] != nil
        }
        // Names are ASCII, so their order is that of their bytes.
        let found = try await walrus.listBuckets(caller).filter {
            $0.name > after && $0.name.hasPrefix(prefix) && (region == nil || walrus.region(of: $0) == region)
        }
        let buckets = found.prefix(limit)
        return xml("ListAllMyBucketsResult") { writer in
            owner(&writer, id: caller.principal?.accountID ?? "")
            writer.element("Buckets") { writer in
                for bucket in buckets {
                    writer.element("Bucket") { writer in
                        writer.element("Name", bucket.name)
                        writer.element("CreationDate", S3Clock.extended(bucket.created))
                        if showsRegion { writer.element("BucketRegion", walrus.region(of: bucket)) }
                    }
                }
            }
            if found.count > limit, let last = buckets.last { writer.element("ContinuationToken", last.name) }
            if !prefix.isEmpty { writer.element("Prefix", prefix) }
        }
    }

    func createBucket(_ bucket: String) async throws -> Response {
        let bytes = try await document()
        var location = ""
        if !bytes.isEmpty {
            let root = try parse(bytes, root: "CreateBucketConfiguration")
            location = root.child("LocationConstraint")?.trimmedText ?? ""
            guard location.utf8.count <= 64, location.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw S3Error(.invalidLocationConstraint, "The specified location-constraint is not valid")
            }
        }
        var options = BucketOptions(location: location)
        if let acl = try await headerACL(), let id = caller.principal?.accountID { options.acl = try acl(id, id) }
        options.objectLock = request.header("x-amz-bucket-object-lock-enabled")?.lowercased() == "true"
        if let name = request.header("x-amz-object-ownership") {
            guard let ownership = ObjectOwnership(rawValue: name) else {
                throw S3Error.argument("x-amz-object-ownership", name, "Invalid x-amz-object-ownership header")
            }
            options.ownership = ownership
        }
        try await walrus.createBucket(caller, name: bucket, options: options)
        return Response(status: .ok, headers: [.location: "/" + bucket])
    }

    func headBucket(_ bucket: String) async throws -> Response {
        let record = try await walrus.authorised(caller, .listBucket, bucket).record
        var headers = HTTPFields()
        headers[text: S3Header.bucketRegion] = walrus.region(of: record)
        headers[.contentType] = "application/xml"
        return Response(status: .ok, headers: headers)
    }

    func deleteBucket(_ bucket: String) async throws -> Response {
        try await walrus.deleteBucket(caller, name: bucket)
        return noContent()
    }

    /// 204 has neither body nor length (RFC 9110).
    func noContent() -> Response {
        var response = Response(status: .noContent)
        response.headers[.contentLength] = nil
        return response
    }

    func getBucketLocation(_ bucket: String) async throws -> Response {
        let location = try await walrus.authorised(caller, .getBucketLocation, bucket).record.region
        return xml("LocationConstraint") { $0.text(location == "us-east-1" ? "" : location) }
    }
}
