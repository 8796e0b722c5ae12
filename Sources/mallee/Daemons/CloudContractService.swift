import CloudController
import CloudModel
import Contracts
import ServiceHost

/// The cloud controller's side of its contract with other components.
struct CloudContractService: CloudContract.AsyncService {
    let controller: CloudController

    func describeAccessKey(_ request: CloudContract.DescribeAccessKeyRequest) async throws(ServiceFault)
        -> CloudContract.DescribeAccessKeyResponse
    {
        // The answer holds a secret. Every component has a certificate of the cloud's authority; only Walrus needs this.
        guard ComponentName.caller?.role == .walrus else {
            throw ServiceFault(
                code: .invalidRequest,
                message: "The certificate of \(ComponentName.caller?.description ?? "nobody") does not allow this: "
                    + "access keys are looked up by Walrus only.")
        }
        do throws(CloudError) {
            guard let key = try await controller.accessKey(id: request.accessKeyId), key.isActive,
                let account = try await controller.account(id: key.accountID)
            else { return CloudContract.DescribeAccessKeyResponse() }
            return CloudContract.DescribeAccessKeyResponse(
                secretKey: key.secret, accountId: account.id, userName: key.userName,
                isAdministrator: account.isAdministrator)
        } catch {
            throw ServiceFault(code: .unavailable, message: "The cloud controller cannot look the key up now.")
        }
    }
}
