import CloudClient
import Foundation
import Testing

@Suite struct CredentialsTests {
    private let credentials = Credentials(
        ec2URL: "http://127.0.0.1:8773/", s3URL: "http://127.0.0.1:8773/services/Walrus",
        accessKeyID: "AKIAEXAMPLE000000000", secretKey: "abc/def+ghi=", region: "us-east-1", accountID: "000000000001")

    @Test func whatIsWrittenIsReadBack() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("eucarc-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try credentials.write(to: file)
        #expect(try Credentials(reading: file) == credentials)
        let permissions = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
        #expect(permissions == 0o600)
    }

    @Test func everyServiceIsNamedSoThatNoToolAsksAmazons() throws {
        let values = Dictionary(
            credentials.variables.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        #expect(values["AWS_ENDPOINT_URL_IAM"] == "http://127.0.0.1:8773/services/Euare")
        #expect(values["AWS_ENDPOINT_URL_STS"] == "http://127.0.0.1:8773/services/Tokens")
        #expect(values["EUARE_URL"] == values["AWS_ENDPOINT_URL_IAM"])
        #expect(values["TOKEN_URL"] == values["AWS_ENDPOINT_URL_STS"])
    }

    @Test func aMissingVariableIsNamed() throws {
        let error = #expect(throws: CloudClientError.self) {
            try Credentials(variables: ["EC2_URL": "http://127.0.0.1/"], origin: "the environment")
        }
        #expect(error?.message == "the environment does not set S3_URL.")
    }

    @Test func aMissingFileSaysHowToGetOne() {
        let error = #expect(throws: CloudClientError.self) {
            try Credentials(reading: URL(fileURLWithPath: "/nonexistent/eucarc"))
        }
        #expect(error?.message.contains("mallee up") == true)
    }
}
