import CloudModel
import EC2Query
import EC2SOAP
import QueryProtocol
import Testing
import XML

/// The SOAP interface over the fake cloud.
struct SOAPCloud: Sendable {
    let cloud: TestCloud
    let interface: EC2SOAPInterface
    let signer: SOAPSigner

    /// Knows one certificate.
    struct Owners: CertificateOwners {
        let fingerprint: [UInt8]

        func owner(
            ofCertificate fingerprint: [UInt8], request: EC2Request, requestID: String
        ) async throws(CloudError) -> Caller? {
            guard fingerprint == self.fingerprint else { return nil }
            return Caller(
                accountID: FakeCloud.accountID, userName: "admin", isAdministrator: true, accessKeyID: "",
                requestID: requestID, sourceAddress: request.sourceAddress)
        }
    }

    init(isKnown: Bool = true, now: Int64 = TestCloud.now) throws {
        cloud = TestCloud(isAdministrator: true)
        signer = try SOAPSigner.shared.get()
        let observations = cloud.observations
        interface = EC2SOAPInterface(
            query: cloud.interface,
            configuration: EC2Configuration(
                now: { CloudModel.Timestamp(milliseconds: now * 1000) },
                observer: { observations.add($0) }),
            owners: Owners(fingerprint: isKnown ? signer.fingerprint : []),
            startedAt: CloudModel.Timestamp(milliseconds: (now - 60) * 1000))
    }

    static func request(_ body: [UInt8], path: String = "/services/Eucalyptus/") -> EC2Request {
        EC2Request(
            id: requestID, method: "POST", path: path,
            headers: [
                (name: "host", value: "127.0.0.1:8773"), (name: "content-type", value: "text/xml; charset=UTF-8"),
                (name: "soapaction", value: "\"\""),
            ], body: body, sourceAddress: "192.0.2.7")
    }

    func send(_ bytes: [UInt8]) async -> SOAPAnswer {
        SOAPAnswer(await interface.respond(to: Self.request(bytes)))
    }

    /// Signs and sends the content of a body.
    func send(_ content: String, id: String = "TS-1") async throws -> SOAPAnswer {
        await send(try signer.message(content, id: id))
    }
}

/// An answer by SOAP, parsed.
struct SOAPAnswer {
    let status: Int
    let text: String
    /// The element in the body.
    let content: XMLElement?

    init(_ response: EC2Response) {
        status = response.status
        text = String(decoding: response.body, as: UTF8.self)
        do throws(XMLError) {
            let root = try XMLElement.parse(response.body)
            #expect(root.isNamed("Envelope", namespace: "http://schemas.xmlsoap.org/soap/envelope/"))
            content = root.child("Body", namespace: "http://schemas.xmlsoap.org/soap/envelope/")?.children.first
        } catch {
            content = nil
            Issue.record("no XML: \(error) in \(text)")
        }
    }

    /// The fault's code; nil for other answers.
    var fault: String? { content?.localName == "Fault" ? content?.child("faultcode")?.text : nil }
    var message: String { content?.child("faultstring")?.text ?? "" }

    subscript(_ path: String) -> String? {
        var current = content
        for name in path.split(separator: "/") { current = current?.child(String(name)) }
        return current?.text
    }
}
