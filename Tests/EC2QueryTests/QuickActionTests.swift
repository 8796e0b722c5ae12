import QueryProtocol
import Testing

@testable import EC2Query

@Suite("Which requests an event loop may do")
struct QuickActionTests {
    private func isQuick(_ action: String, _ parameters: String = "") throws -> Bool {
        try QuickActions.contain(action, Parameters(query: parameters, form: [], mostParameters: 100))
    }

    @Test("What names few things is little work, what may grow with the cloud is not")
    func amounts() throws {
        let many = (1...17).map { "InstanceId.\($0)=i-\($0)" }.joined(separator: "&")
        #expect(try isQuick("DescribeInstances", "InstanceId.1=i-1&InstanceId.2=i-2"))
        #expect(try !isQuick("DescribeInstances"))
        #expect(try !isQuick("DescribeInstances", "InstanceId.1=verbose"))
        #expect(try !isQuick("DescribeInstances", many))
        #expect(try !isQuick("DescribeInstances", "Filter.1.Name=tag:a&Filter.1.Value.1=b"))
        #expect(try isQuick("TerminateInstances", "InstanceId.1=i-1"))
        #expect(try !isQuick("TerminateInstances", many))
        #expect(try isQuick("RunInstances", "MinCount=1&MaxCount=16"))
        #expect(try !isQuick("RunInstances", "MinCount=1&MaxCount=17"))
    }

    @Test("Making a key is none of them")
    func keys() throws {
        #expect(try !isQuick("CreateKeyPair", "KeyName=k"))
        #expect(try isQuick("ImportKeyPair", "KeyName=k"))
    }
}
