import CloudModel
import EC2Query
import EC2SOAP
import QueryProtocol

/// Whose signing certificates are, as the cloud controller of this process knows it.
struct CertificateHolders: CertificateOwners {
    let backend: any AuthenticationBackend

    func owner(
        ofCertificate fingerprint: [UInt8], request: EC2Request, requestID: String
    ) async throws(CloudError) -> Caller? {
        guard let (certificate, principal) = try await backend.signingCertificate(fingerprint: fingerprint) else {
            return nil
        }
        var caller = Caller(
            principal, accessKeyID: certificate.id, requestID: requestID, sourceAddress: request.sourceAddress,
            isSecure: request.isSecure)
        caller.note(request.headers)
        return caller
    }
}
