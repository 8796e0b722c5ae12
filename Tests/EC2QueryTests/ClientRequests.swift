import EC2Query
import QueryProtocol

/// Requests as today's and yesterday's clients send them, captured from botocore 1.43 at 2026-11-21T04:00:00Z with the
/// key of `TestCloud`: the signatures are theirs, not ours.
enum ClientRequests {
    static let runInstances = EC2Request(
        id: requestID, method: "POST", path: "/",
        query: "",
        headers: [
            (name: "Host", value: "127.0.0.1:8773"),
            (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"),
            (name: "X-Amz-Date", value: "20261121T040000Z"),
            (
                name: "Authorization",
                value: """
                AWS4-HMAC-SHA256 Credential=AKIAMALLEEEXAMPLE001/20261121/us-east-1/ec2/aws4_request, Sign\
                edHeaders=content-type;host;x-amz-date, Signature=12d8da158dad6004f9fff291a9a1f90128a46f90\
                e0da1cecdcca00594c1acbfa
                """
            ),
            (name: "amz-sdk-invocation-id", value: "efeb9f0f-075b-471b-8273-848088c8c17e"),
            (name: "amz-sdk-request", value: "attempt=1"),
        ],
        body: Array(
            """
            Action=RunInstances&Version=2016-11-15&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=3\
            &InstanceType=t2.micro&KeyName=my+key&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.\
            AssociatePublicIpAddress=true&NetworkInterface.1.DeleteOnTermination=true&NetworkInterface\
            .1.SecurityGroupId.1=sg-0123456789abcdef0&Placement.AvailabilityZone=us-east-1a&Placement.\
            Tenancy=default&UserData=IyEvYmluL3NoCmVjaG8gImdyw7zDn2UiICsgMQo%3D&TagSpecification.1.Res\
            ourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=web+%2\
            6+db&TagSpecification.1.Tag.2.Key=empty&TagSpecification.1.Tag.2.Value=&ClientToken=token-\
            1&Monitoring.Enabled=true&EbsOptimized=false&CreditSpecification.CpuCredits=standard
            """.utf8),
        sourceAddress: "192.0.2.7")

    static let describeInstances = EC2Request(
        id: requestID, method: "POST", path: "/",
        query: "",
        headers: [
            (name: "Host", value: "127.0.0.1:8773"),
            (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"),
            (name: "X-Amz-Date", value: "20261121T040000Z"),
            (
                name: "Authorization",
                value: """
                AWS4-HMAC-SHA256 Credential=AKIAMALLEEEXAMPLE001/20261121/us-east-1/ec2/aws4_request, Sign\
                edHeaders=content-type;host;x-amz-date, Signature=c3c13601c7a4767e23a944c9ef7a3e01e7de97eb\
                8e968125bd5442a6423d3982
                """
            ),
            (name: "amz-sdk-invocation-id", value: "c36f873e-7741-487e-9b7c-2dff49888c2a"),
            (name: "amz-sdk-request", value: "attempt=1"),
        ],
        body: Array(
            """
            Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3ARole&Filter.1.Value.1=web%\
            2A&Filter.1.Value.2=db%3F&Filter.2.Name=instance-state-name&Filter.2.Value.1=running&MaxRe\
            sults=50
            """.utf8),
        sourceAddress: "192.0.2.7")

    static let authorizeIngress = EC2Request(
        id: requestID, method: "POST", path: "/",
        query: "",
        headers: [
            (name: "Host", value: "127.0.0.1:8773"),
            (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"),
            (name: "X-Amz-Date", value: "20261121T040000Z"),
            (
                name: "Authorization",
                value: """
                AWS4-HMAC-SHA256 Credential=AKIAMALLEEEXAMPLE001/20261121/us-east-1/ec2/aws4_request, Sign\
                edHeaders=content-type;host;x-amz-date, Signature=ca0f319e51bbab06833bcae181629d404681a086\
                eae21e319f94bca61a079c53
                """
            ),
            (name: "amz-sdk-invocation-id", value: "f795e6d6-5569-4dfa-85ba-d576ceb63e6c"),
            (name: "amz-sdk-request", value: "attempt=1"),
        ],
        body: Array(
            """
            Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId=sg-0123456789abcdef0&IpPer\
            missions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissi\
            ons.1.IpRanges.1.CidrIp=10.0.0.0%2F8&IpPermissions.1.IpRanges.1.Description=in+the+house&I\
            pPermissions.1.IpRanges.2.CidrIp=0.0.0.0%2F0&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=%3A%3A%\
            2F0&IpPermissions.2.IpProtocol=-1&IpPermissions.2.Groups.1.GroupId=sg-0123456789abcdef1&Ip\
            Permissions.2.Groups.1.UserId=123456789012
            """.utf8),
        sourceAddress: "192.0.2.7")

    static let importKeyPair = EC2Request(
        id: requestID, method: "POST", path: "/",
        query: "",
        headers: [
            (name: "Host", value: "127.0.0.1:8773"),
            (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"),
            (name: "X-Amz-Date", value: "20261121T040000Z"),
            (
                name: "Authorization",
                value: """
                AWS4-HMAC-SHA256 Credential=AKIAMALLEEEXAMPLE001/20261121/us-east-1/ec2/aws4_request, Sign\
                edHeaders=content-type;host;x-amz-date, Signature=0dd6ab13037da820a59013bde3700f929641bee2\
                735e10798a0df4978bf83bf3
                """
            ),
            (name: "amz-sdk-invocation-id", value: "7e3f64a4-042b-4890-98dd-5054511ebb03"),
            (name: "amz-sdk-request", value: "attempt=1"),
        ],
        body: Array(
            """
            Action=ImportKeyPair&Version=2016-11-15&KeyName=imported&PublicKeyMaterial=c3NoLWVkMjU1MTk\
            gQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUUgbWVAaGVyZQ%3D%3D
            """.utf8),
        sourceAddress: "192.0.2.7")

    static let presigned = EC2Request(
        id: requestID, method: "GET", path: "/services/compute/",
        query: """
            Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=key-name&Filter.1.Value.1=a%20b%\
            2Fc%2Bd&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAMALLEEEXAMPLE001%2F20261121%\
            2Feu-nowhere-7%2Fec2%2Faws4_request&X-Amz-Date=20261121T040000Z&X-Amz-Expires=600&X-Amz-Si\
            gnedHeaders=host&X-Amz-Signature=262de67631c0a5598f066f2dee9733263b8b44938b074876ca401de73\
            72b5354
            """,
        headers: [
            (name: "Host", value: "127.0.0.1:8773")
        ],
        body: Array(
            "".utf8),
        sourceAddress: "192.0.2.7")

    static let version2Get = EC2Request(
        id: requestID, method: "GET", path: "/services/Eucalyptus",
        query: """
            Action=RunInstances&Version=2009-11-30&ImageId=emi-0123abcd&MinCount=1&MaxCount=1&Security\
            Group.1=default&UserData=%2B%2F%2F%2BIG9sZA%3D%3D&AddressingType=public&AWSAccessKeyId=AKI\
            AMALLEEEXAMPLE001&SignatureVersion=2&SignatureMethod=HmacSHA256&Timestamp=2026-11-21T04%3A\
            00%3A00Z&Signature=EZ8eYTfCpEhatlLVWKo1OiWsSj%2BCbka%2FuxDYlcrkhjM%3D
            """,
        headers: [
            (name: "Host", value: "127.0.0.1:8773")
        ],
        body: Array(
            "".utf8),
        sourceAddress: "192.0.2.7")

    static let version2Post = EC2Request(
        id: requestID, method: "POST", path: "/services/Eucalyptus",
        query: "",
        headers: [
            (name: "Host", value: "127.0.0.1:8773"),
            (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"),
        ],
        body: Array(
            """
            Action=GetConsoleOutput&Version=2009-11-30&InstanceId.1=i-0123456789abcdef0&AWSAccessKeyId\
            =AKIAMALLEEEXAMPLE001&SignatureVersion=2&SignatureMethod=HmacSHA256&Timestamp=2026-11-21T0\
            4%3A00%3A00Z&Signature=4hSXQ4NPKVukaD353W3eQeFtQI6eqUMZC94CRmwLLSg%3D
            """.utf8),
        sourceAddress: "192.0.2.7")

}
