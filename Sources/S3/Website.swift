// Static websites: the document, and how a reader's request becomes an object, an error page or a redirection
// ("Hosting a static website using Amazon S3").

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ObjectStore
internal import Signatures
internal import Walrus
internal import XML

extension S3Call {
    func readWebsite(_ bytes: [UInt8]) throws -> WebsiteConfiguration {
        let root = try parse(bytes, root: "WebsiteConfiguration")
        func redirect(_ element: XMLElement) throws -> WebsiteConfiguration.Redirect {
            let scheme = text(element, "Protocol")
            if let scheme, scheme != "http", scheme != "https" {
                throw S3Error(.invalidRequest, "Invalid protocol, protocol can be http or https.")
            }
            let status = try integer(element, "HttpRedirectCode")
            if let status, !(300..<400).contains(status) {
                throw S3Error(.invalidRequest, "The provided HTTP redirect code (\(status)) is not valid.")
            }
            let redirect = WebsiteConfiguration.Redirect(
                scheme: scheme, host: text(element, "HostName"), prefix: element.child("ReplaceKeyPrefixWith")?.text,
                key: element.child("ReplaceKeyWith")?.text, status: status)
            guard redirect.prefix == nil || redirect.key == nil else {
                throw S3Error(.invalidRequest, "You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
            }
            return redirect
        }
        if let all = root.child("RedirectAllRequestsTo") {
            let target = try redirect(all)
            guard target.host?.isEmpty == false else {
                throw S3Error.malformed("RedirectAllRequestsTo has a HostName.")
            }
            return WebsiteConfiguration(index: nil, error: nil, redirectAll: target, rules: [])
        }
        guard let index = root.child("IndexDocument").flatMap({ text($0, "Suffix") }) else {
            throw S3Error.argument(
                "IndexDocument", "null",
                "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
        }
        guard !index.isEmpty, !index.contains("/") else {
            throw S3Error.argument("IndexDocument", index, "The IndexDocument Suffix is not well formed")
        }
        let rules = try (root.child("RoutingRules")?.children("RoutingRule") ?? []).map { rule in
            guard let target = rule.child("Redirect") else {
                throw S3Error.malformed("A RoutingRule has a Redirect.")
            }
            let condition = rule.child("Condition")
            return WebsiteConfiguration.Rule(
                keyPrefix: condition?.child("KeyPrefixEquals")?.text,
                error: try condition.flatMap { try integer($0, "HttpErrorCodeReturnedEquals") },
                redirect: try redirect(target))
        }
        guard rules.count <= 50 else { throw S3Error.malformed("There are at most 50 routing rules.") }
        return WebsiteConfiguration(
            index: index, error: root.child("ErrorDocument").flatMap { $0.child("Key")?.text }, redirectAll: nil,
            rules: rules)
    }

    func writeWebsite(_ website: WebsiteConfiguration) -> Response {
        func redirect(_ name: String, _ redirect: WebsiteConfiguration.Redirect, _ writer: inout XMLWriter) {
            writer.element(name) { writer in
                if let scheme = redirect.scheme { writer.element("Protocol", scheme) }
                if let host = redirect.host { writer.element("HostName", host) }
                if let prefix = redirect.prefix { writer.element("ReplaceKeyPrefixWith", prefix) }
                if let key = redirect.key { writer.element("ReplaceKeyWith", key) }
                if let status = redirect.status { writer.element("HttpRedirectCode", status) }
            }
        }
        return xml("WebsiteConfiguration") { writer in
            if let all = website.redirectAll { redirect("RedirectAllRequestsTo", all, &writer) }
            if let index = website.index { writer.element("IndexDocument") { $0.element("Suffix", index) } }
            if let error = website.error { writer.element("ErrorDocument") { $0.element("Key", error) } }
            guard !website.rules.isEmpty else { return }
            writer.element("RoutingRules") { writer in
                for rule in website.rules {
                    writer.element("RoutingRule") { writer in
                        if rule.keyPrefix != nil || rule.error != nil {
                            writer.element("Condition") { writer in
                                if let prefix = rule.keyPrefix { writer.element("KeyPrefixEquals", prefix) }
                                if let error = rule.error {
                                    writer.element("HttpErrorCodeReturnedEquals", error)
                                }
                            }
                        }
                        redirect("Redirect", rule.redirect, &writer)
                    }
                }
            }
        }
    }

    // MARK: Serving

    /// Answers a reader of a website.
    func website() async throws -> Response {
        guard let bucket = request.bucket, ["GET", "HEAD"].contains(request.method) else {
            throw S3Error(.methodNotAllowed, "The specified method is not allowed against this resource.")
        }
        guard let website = try await walrus.state(bucket).settings.website else {
            throw S3Error(
                .noSuchWebsiteConfiguration, "The specified bucket does not have a website configuration",
                fields: [("BucketName", bucket)])
        }
        let asked = request.key ?? ""
        if let all = website.redirectAll { return redirection(all, key: asked, rulePrefix: nil) }
        if let rule = website.rule(key: asked, error: nil) {
            return redirection(rule.redirect, key: asked, rulePrefix: rule.keyPrefix)
        }
        let index = website.index ?? "index.html"
        let key = asked.isEmpty || asked.hasSuffix("/") ? asked + index : asked
        do {
            return try await page(bucket, key)
        } catch {
            let failure = S3Error(error)
            if failure.code == .noSuchKey, key == asked, try await exists(bucket, asked + "/" + index) {
                return redirection(
                    .init(key: asked + "/", status: 302), key: asked, rulePrefix: nil, isRelative: true)
            }
            if let rule = website.rule(key: asked, error: failure.status) {
                return redirection(rule.redirect, key: asked, rulePrefix: rule.keyPrefix)
            }
            guard (400..<500).contains(failure.status) else { throw failure }
            return try await errorPage(website, bucket, failure)
        }
    }

    private func page(_ bucket: String, _ key: String) async throws -> Response {
        let (record, _) = try await walrus.headObject(caller, bucket: bucket, key: key)
        if let target = record.attributes.redirect {
            return Response(status: .movedPermanently, headers: [.location: target])
        }
        return request.method == "HEAD" ? try await headObject(bucket, key) : try await getObject(bucket, key)
    }

    private func exists(_ bucket: String, _ key: String) async throws -> Bool {
        do {
            _ = try await walrus.headObject(caller, bucket: bucket, key: key)
            return true
        } catch ObjectStoreError.noSuchKey, ObjectStoreError.isDeleteMarker, WalrusError.accessDenied {
            return false
        }
    }

    private func errorPage(_ website: WebsiteConfiguration, _ bucket: String, _ failure: S3Error) async throws
        -> Response
    {
        if let key = website.error, try await exists(bucket, key) {
            var response = try await page(bucket, key)
            response.status = .init(code: failure.status)
            return response
        }
        let title = "\(failure.status) \(failure.code.rawValue)"
        let text = "<html><head><title>\(title)</title></head><body><h1>\(title)</h1></body></html>\n"
        return Response(
            status: .init(code: failure.status), headers: [.contentType: "text/html; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private func redirection(
        _ redirect: WebsiteConfiguration.Redirect, key: String, rulePrefix: String?, isRelative: Bool = false
    ) -> Response {
        var target = key
        if let whole = redirect.key { target = whole }
        if let prefix = redirect.prefix {
            target = prefix + String(decoding: key.utf8.dropFirst((rulePrefix ?? "").utf8.count), as: UTF8.self)
        }
        // The reader's query goes with him.
        let query = request.rawQuery.isEmpty ? "" : "?" + request.rawQuery
        let path = "/" + PercentEncoding.encode(target, keepingSlash: true) + query
        let isSecure = caller.facts("aws:securetransport") == ["true"]
        let location =
            isRelative
            ? path
            : (redirect.scheme ?? (isSecure ? "https" : "http")) + "://" + (redirect.host ?? request.authority) + path
        return Response(
            status: .init(code: redirect.status ?? 301), headers: [.location: location])
    }
}
