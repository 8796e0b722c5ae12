// EC2SOAP: the EC2 interface by SOAP 1.1, with requests that are signed by X.509 certificates (WS-Security), and its
// WSDL, as AWS had it from 2006 to 2015 and the original to its end.
//
// Here: the table of shapes of the API's versions, the WSDL and the translation of requests and answers that follow from
// it, authentication by certificate, faults. Not here: what actions mean and how they are authorised, which are those of
// EC2Query (`EC2Interface.perform`), so that both interfaces behave alike; verification of signatures (WSSecurity); HTTP.
// Every request gets an answer: what fails becomes a SOAP fault with EC2's code, and never shows internal detail.
//
//   bytes ─▶ WSSecurity ─▶ whose certificate ─▶ replay? ─▶ parameters ─▶ EC2Query ─▶ shape of the version ─▶ envelope

public import CloudModel
public import EC2Query
public import QueryProtocol
public import WSSecurity
import XML

/// Tells whose a certificate is.
public protocol CertificateOwners: Sendable {
    /// The caller to whom an active certificate belongs; nil for one that is unknown, inactive or revoked, or whose
    /// owner is disabled.
    ///
    /// - Parameters:
    ///   - fingerprint: SHA-256 of the certificate's DER.
    ///   - request: as it came, for the caller's circumstances.
    ///   - requestID: the id that it was given.
    func owner(
        ofCertificate fingerprint: [UInt8], request: EC2Request, requestID: String
    ) async throws(CloudError) -> Caller?
}

/// The SOAP interface of one cloud.
public struct EC2SOAPInterface: Sendable {
    static let envelopeNamespace = "http://schemas.xmlsoap.org/soap/envelope/"

    private let query: EC2Interface
    private let configuration: EC2Configuration
    private let owners: any CertificateOwners
    private let policy: WSSecurityPolicy
    private let replays: ReplayCache
    private let table = ShapeTable.all

    /// Makes the interface.
    ///
    /// - Parameters:
    ///   - query: performs the actions.
    ///   - configuration: the same as `query` has: clock, request ids, observer.
    ///   - owners: tells whose a certificate is.
    ///   - startedAt: when this process began to accept messages; those made before or in that second are refused, since
    ///     they could be copies of what the process before it obeyed. Nil is now.
    ///   - policy: for signatures.
    public init(
        query: EC2Interface, configuration: EC2Configuration, owners: any CertificateOwners,
        startedAt: Timestamp? = nil, policy: WSSecurityPolicy = WSSecurityPolicy()
    ) {
        self.query = query
        self.configuration = configuration
        self.owners = owners
        self.policy = policy
        replays = ReplayCache(startedAt: (startedAt ?? configuration.now()).milliseconds / 1000)
    }

    /// Whether a request is one for this interface rather than for Query: a SOAP message, or a question for the WSDL.
    public static func isMeant(by request: EC2Request) -> Bool {
        if request.method == "GET" || request.method == "HEAD" { return asksForWSDL(request.query) }
        guard request.method == "POST" else { return false }
        for header in request.headers {
            switch header.name.lowercased() {
            case "soapaction": return true
            case "content-type":
                let type = header.value.lowercased()
                if type.hasPrefix("text/xml") || type.hasPrefix("application/soap+xml") { return true }
            default: break
            }
        }
        return false
    }

    private static func asksForWSDL(_ query: String) -> Bool {
        let first = query.utf8.drop { $0 == UInt8(ascii: "&") }.prefix { $0 != UInt8(ascii: "&") }
        guard first.count <= "wsdl=".utf8.count else { return false }
        let name = String(Substring(first)).lowercased()
        return name == "wsdl" || name == "wsdl="
    }

    /// Answers a request. It always answers.
    public func respond(to request: EC2Request) async -> EC2Response {
        if request.method != "POST" { return wsdl(request) }
        let start = configuration.now()
        var observation = EC2Observation(
            requestID: request.id, sourceAddress: request.sourceAddress, status: 200)
        let body: [UInt8]
        do throws(SOAPFault) {
            body = try await answer(request, &observation)
        } catch {
            // SOAP 1.1, 6.2: a fault goes with status 500, whoever is to blame.
            observation.status = 500
            observation.errorCode = error.code
            observation.errorMessage = error.message
            observation.internalDetail = error.detail
            body = error.envelope(requestID: observation.requestID)
        }
        observation.milliseconds = max(0, configuration.now().milliseconds - start.milliseconds)
        observation.responseBytes = body.count
        configuration.observer(observation)
        return EC2Response(
            status: observation.status,
            headers: [
                (name: "Content-Type", value: "text/xml;charset=UTF-8"),
                (name: "Cache-Control", value: "no-cache, no-store"),
                (name: "x-amzn-requestid", value: observation.requestID),
            ], body: body)
    }

    private func answer(_ request: EC2Request, _ observation: inout EC2Observation) async throws(SOAPFault) -> [UInt8] {
        guard request.body.count <= policy.limits.bytes else {
            throw SOAPFault(
                "Client.RequestTooLong",
                "The message is longer than the \(policy.limits.bytes) bytes that are read.")
        }
        let (body, caller) = try await authenticated(request, observation.requestID)
        observation.caller = caller
        let calls = body.children
        guard let call = calls.first, calls.count == 1 else {
            throw SOAPFault("Client.MalformedSOAPMessage", "The Body has \(calls.count) elements, not one.")
        }
        observation.action = String(call.localName.prefix(100))
        guard let versions = SOAPVersion.shapes(forNamespace: call.namespace ?? "") else {
            throw SOAPFault(
                "Client.NoSuchVersion",
                "There is no version of the API with the namespace \(String((call.namespace ?? "").prefix(100))); the "
                    + "latest is \(SOAPVersion.namespace(of: SOAPVersion.latest)).")
        }
        // An action that is younger than the version is served as well, in the shape of its own first version.
        guard let action = table.action(call.localName, in: SOAPVersion.latest),
            let shape = table.shapes[action.response]
        else { throw SOAPFault(EC2Interface.failure(forUnofferedAction: call.localName)) }
        let version = max(versions.shapes, action.since)
        let parameters: [(name: String, value: String)]
        do throws(CloudError) {
            parameters = try RequestReading.parameters(of: call, action: action, version: version, table: table)
        } catch {
            throw SOAPFault(EC2Failure(error))
        }
        let document: [UInt8]
        do throws(EC2Failure) {
            document = try await query.perform(
                action.name, parameters: parameters, version: version, caller: caller, path: request.path,
                observation: &observation)
        } catch {
            throw SOAPFault(error)
        }
        return try envelope(document, shape, action, version, namespace: call.namespace ?? "")
    }

    /// The signed body and who signed it.
    private func authenticated(
        _ request: EC2Request, _ requestID: String
    ) async throws(SOAPFault) -> (body: XMLElement, caller: Caller) {
        let now = configuration.now().milliseconds / 1000
        let message: SignedMessage
        do throws(WSSecurityError) {
            message = try SignedMessage.parse(request.body, policy: policy)
        } catch {
            throw SOAPFault(error)
        }
        let fingerprint = message.fingerprint
        let owner: Caller?
        do throws(CloudError) {
            owner = try await owners.owner(ofCertificate: fingerprint, request: request, requestID: requestID)
        } catch {
            throw SOAPFault(EC2Failure(error))
        }
        guard let owner else { throw .unknownCertificate }
        do throws(WSSecurityError) {
            let verified = try message.verify(now: now, policy: policy)
            try replays.admit(verified, fingerprint: fingerprint, now: now)
            return (verified.body, owner)
        } catch {
            throw SOAPFault(error)
        }
    }

    private func envelope(
        _ document: [UInt8], _ shape: Shape, _ action: ActionShape, _ version: String, namespace: String
    ) throws(SOAPFault) -> [UInt8] {
        let answer: XMLElement
        do throws(XMLError) {
            answer = try XMLElement.parse(document)
        } catch {
            throw SOAPFault(
                "Server.InternalError", "An internal error has occurred.",
                detail: "the answer of \(action.name) cannot be read: \(error.description)")
        }
        var writer = XMLWriter(reserving: document.count + 512)
        writer.open("soapenv:Envelope", [("xmlns:soapenv", Self.envelopeNamespace)])
        writer.open("soapenv:Body")
        writer.open(action.name + "Response", namespace: namespace)
        ResponseShaping(table: table, version: version).write(answer, as: shape, to: &writer)
        writer.close()
        writer.close()
        writer.close()
        return writer.bytes
    }

    // MARK: WSDL

    /// The WSDL of the version in the path, such as `/services/compute/2009-11-30?wsdl`; without one, the latest.
    private func wsdl(_ request: EC2Request) -> EC2Response {
        var segments = request.path.split(separator: "/").map(String.init)
        var version = SOAPVersion.latest
        if let last = segments.last, last.count == 10, last.first?.isNumber == true {
            version = last
            segments.removeLast()
        }
        guard SOAPVersion.all.contains(version), let host = Self.host(of: request) else {
            var writer = XMLWriter()
            writer.element(
                "error", "There is a WSDL for each of the versions \(SOAPVersion.all.joined(separator: ", ")).")
            return EC2Response(
                status: 404, headers: [(name: "Content-Type", value: "text/xml;charset=UTF-8")], body: writer.bytes)
        }
        let scheme =
            request.headers.first { $0.name.lowercased() == "x-forwarded-proto" }?.value == "https" ? "https" : "http"
        let document = WSDL(
            table: table, version: version,
            location: "\(scheme)://\(host)/\(segments.joined(separator: "/"))" + (segments.isEmpty ? "" : "/")
        ).document()
        return EC2Response(
            status: 200,
            headers: [
                (name: "Content-Type", value: "text/xml;charset=UTF-8"),
                (name: "Cache-Control", value: "no-cache"),
            ], body: document)
    }

    /// The name by which the client reached the service, if it can stand in a URL.
    private static func host(of request: EC2Request) -> String? {
        guard let host = request.headers.first(where: { $0.name.lowercased() == "host" })?.value, !host.isEmpty,
            host.utf8.count < 256
        else { return nil }
        for byte in host.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
                UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "_"):
                continue
            default: return nil
            }
        }
        return host
    }
}
