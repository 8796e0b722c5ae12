import ArgumentParser
import AsyncHTTPClient
import CloudClient
import NIOPosix
import XML

/// What the cloud has, and what is wrong with it.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show zones, nodes, free slots and what is wrong (administrators only).")

    @OptionGroup var cloud: CloudOptions

    func run() async throws {
        let credentials = try cloud.load()
        let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
        do {
            let ec2 = try EC2Client(
                http: http, url: credentials.ec2URL, accessKeyID: credentials.accessKeyID,
                secret: credentials.secretKey, region: credentials.region)
            print("EC2 \(credentials.ec2URL)\nS3  \(credentials.s3URL)")
            let zones = try await ec2.call(
                "DescribeAvailabilityZones", [(name: "ZoneName.1", value: "verbose")])
            for item in zones.child("availabilityZoneInfo")?.children("item") ?? [] {
                print("\(item.child("zoneName")?.text ?? "")  \(item.child("zoneState")?.text ?? "")")
                for message in item.child("messageSet")?.children("item") ?? [] {
                    print("    \(message.child("message")?.text ?? message.text)")
                }
            }
            let instances = try await ec2.call("DescribeInstances")
            var states: [String: Int] = [:]
            for reservation in instances.child("reservationSet")?.children("item") ?? [] {
                for instance in reservation.child("instancesSet")?.children("item") ?? [] {
                    states[instance.child("instanceState")?.child("name")?.text ?? "?", default: 0] += 1
                }
            }
            print(
                "instances: "
                    + (states.isEmpty
                        ? "none"
                        : states.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")))
            try await http.shutdown()
        } catch {
            try await http.shutdown()
            throw error
        }
    }
}
