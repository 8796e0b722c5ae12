import CloudModel
import QueryProtocol
import XML

/// The actions that describe an account's network: a default VPC with a subnet in each zone.
enum Networks {
    /// DescribeVpcs.
    static func describeVPCs(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await describe(.vpc, "VpcId", "vpcSet", call, &answer) { writer, network in
            writer.element("cidrBlock", network.cidrs[0])
            writer.element("dhcpOptionsId", NetworkPart.dhcpOptions.id(of: network.accountID))
            writer.element("state", "available")
            writer.element("vpcId", network.vpcID)
            writer.element("ownerId", network.accountID)
            writer.element("instanceTenancy", "default")
            writer.element("ipv6CidrBlockAssociationSet")
            writer.list("cidrBlockAssociationSet", network.cidrs) { writer, block in
                writer.element("associationId", NetworkPart.id(prefix: "vpc-cidr-assoc", network.accountID, block))
                writer.element("cidrBlock", block)
                writer.open("cidrBlockState")
                writer.element("state", "associated")
                writer.close()
            }
            writer.element("isDefault", true)
        }
    }

    /// DescribeRouteTables: instances reach each other, and the world through the network of their hosts.
    static func describeRouteTables(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await describe(.routeTable, "RouteTableId", "routeTableSet", call, &answer) { writer, network in
            let id = NetworkPart.routeTable.id(of: network.accountID)
            writer.element("routeTableId", id)
            writer.element("vpcId", network.vpcID)
            writer.element("ownerId", network.accountID)
            let gateway = NetworkPart.internetGateway.id(of: network.accountID)
            let routes =
                network.cidrs.map { ($0, "local", "CreateRouteTable") } + [("0.0.0.0/0", gateway, "CreateRoute")]
            writer.list("routeSet", routes) { writer, route in
                writer.element("destinationCidrBlock", route.0)
                writer.element("gatewayId", route.1)
                writer.element("state", "active")
                writer.element("origin", route.2)
            }
            writer.list("associationSet", [NetworkPart.id(prefix: "rtbassoc", network.accountID)]) {
                writer, association in
                writer.element("routeTableAssociationId", association)
                writer.element("routeTableId", id)
                writer.element("main", true)
                writer.open("associationState")
                writer.element("state", "associated")
                writer.close()
            }
            writer.element("propagatingVgwSet")
        }
    }

    /// DescribeInternetGateways.
    static func describeInternetGateways(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await describe(.internetGateway, "InternetGatewayId", "internetGatewaySet", call, &answer) {
            writer, network in
            writer.element("internetGatewayId", NetworkPart.internetGateway.id(of: network.accountID))
            writer.element("ownerId", network.accountID)
            writer.list("attachmentSet", [network.vpcID]) { writer, vpc in
                writer.element("vpcId", vpc)
                writer.element("state", "available")
            }
        }
    }

    /// DescribeNetworkAcls: security groups are the only filter.
    static func describeNetworkACLs(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await describe(.networkACL, "NetworkAclId", "networkAclSet", call, &answer) { writer, network in
            let id = NetworkPart.networkACL.id(of: network.accountID)
            writer.element("networkAclId", id)
            writer.element("vpcId", network.vpcID)
            writer.element("ownerId", network.accountID)
            writer.element("default", true)
            let entries = [
                (100, "allow", true), (32_767, "deny", true), (100, "allow", false), (32_767, "deny", false),
            ]
            writer.list("entrySet", entries) { writer, entry in
                writer.element("ruleNumber", entry.0)
                writer.element("protocol", "-1")
                writer.element("ruleAction", entry.1)
                writer.element("egress", entry.2)
                writer.element("cidrBlock", "0.0.0.0/0")
            }
            writer.list("associationSet", network.subnets) { writer, subnet in
                writer.element("networkAclAssociationId", NetworkPart.id(prefix: "aclassoc", subnet.id))
                writer.element("networkAclId", id)
                writer.element("subnetId", subnet.id)
            }
        }
    }

    /// DescribeDhcpOptions.
    static func describeDHCPOptions(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        try await describe(.dhcpOptions, "DhcpOptionsId", "dhcpOptionsSet", call, &answer) { writer, network in
            writer.element("dhcpOptionsId", NetworkPart.dhcpOptions.id(of: network.accountID))
            writer.element("ownerId", network.accountID)
            writer.list("dhcpConfigurationSet", ["AmazonProvidedDNS"]) { writer, server in
                writer.element("key", "domain-name-servers")
                writer.list("valueSet", [server]) { writer, value in writer.element("value", value) }
            }
        }
    }

    /// A part of which an account has one.
    private static func describe(
        _ part: NetworkPart, _ ids: String, _ list: String, _ call: Call, _ answer: inout XMLWriter,
        _ write: (inout XMLWriter, AccountNetwork) -> Void
    ) async throws(CloudError) {
        let request = try call.parameters.describeRequest(ids: ids)
        let matcher = try FilterMatcher<NetworkElement>(request.filters)
        // Route tables are long ones in EC2.
        let pagination = try Pagination(
            request, bounds: part == .routeTable ? 5...100 : 5...1000, scope: list + " " + call.caller.accountID)
        let element = NetworkElement(part, of: try await call.backend.network(as: call.caller))
        try check(request.ids, part, known: [element.id])
        if request.dryRun { throw .dryRunSucceeded }
        let page = pagination.page([element].filter(matcher.matches), position: \.id)
        answer.list(list, page.items) { writer, element in
            write(&writer, element.network)
            writer.tagSet(element.tags)
        }
        answer.nextToken(page.nextToken)
    }

    private static func check(_ ids: [String], _ part: NetworkPart, known: [String]) throws(CloudError) {
        var missing: [String] = []
        for id in ids {
            guard NetworkPart.part(of: id) == part else { throw .malformedID(part.resource, id) }
            if !known.contains(id) { missing.append(id) }
        }
        guard missing.isEmpty else { throw .notFound(part.resource, missing) }
    }

    /// DescribeSubnets.
    static func describeSubnets(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest(ids: "SubnetId")
        let matcher = try FilterMatcher<Subnet>(request.filters)
        let pagination = try Pagination(request, scope: "DescribeSubnets " + call.caller.accountID)
        let subnets = try await call.backend.network(as: call.caller).subnets
        try check(request.ids, .subnet, known: subnets.map(\.id))
        if request.dryRun { throw .dryRunSucceeded }
        let matching = subnets.filter {
            (request.ids.isEmpty || request.ids.contains($0.id)) && matcher.matches($0)
        }
        let page = pagination.page(matching.sorted { $0.id < $1.id }, position: \.id)
        answer.list("subnetSet", page.items) { writer, subnet in writer.subnet(subnet) }
        answer.nextToken(page.nextToken)
    }

    private static let interfaceAttributes: Set<String> = [
        "description", "groupSet", "sourceDestCheck", "attachment", "associatePublicIpAddress",
    ]

    /// DescribeNetworkInterfaceAttribute.
    static func describeInterfaceAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.parameters.required("NetworkInterfaceId")
        let name = try call.parameters.attribute(among: interfaceAttributes)
        guard NetworkInterface.isID(id) else { throw .malformedID(.networkInterface, id) }
        let reservations = try await call.backend.describeInstances(DescribeRequest(), as: call.caller).items
        let found = reservations.lazy.flatMap(\.instances).compactMap { NetworkInterface(of: $0) }
            .first { $0.id == id }
        guard let interface = found else { throw .notFound(.networkInterface, [id]) }
        if try call.parameters.dryRun() { throw .dryRunSucceeded }
        answer.element("networkInterfaceId", id)
        switch name {
        case "description": answer.value(name, "")
        case "sourceDestCheck": answer.value(name, "true")
        case "associatePublicIpAddress": answer.element(name, true)
        case "groupSet":
            answer.list(name, interface.instance.groups) { writer, group in
                writer.element("groupId", group.id.value)
                writer.element("groupName", group.name)
            }
        default:
            answer.open(name)
            answer.attachment(of: interface)
            answer.close()
        }
    }

    /// DescribeNetworkInterfaces: those of the caller's instances.
    static func describeInterfaces(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let request = try call.parameters.describeRequest(ids: "NetworkInterfaceId")
        let matcher = try FilterMatcher<NetworkInterface>(request.filters)
        let pagination = try Pagination(
            request, identifiers: "networkInterfaceIdSet", scope: "DescribeNetworkInterfaces " + call.caller.accountID)
        for id in request.ids where !NetworkInterface.isID(id) { throw .malformedID(.networkInterface, id) }
        let reservations = try await call.backend.describeInstances(DescribeRequest(), as: call.caller).items
        var interfaces = reservations.flatMap { $0.instances.compactMap { NetworkInterface(of: $0) } }
        if !request.ids.isEmpty {
            let wanted = Set(request.ids)
            interfaces = interfaces.filter { wanted.contains($0.id) }
            let missing = wanted.subtracting(interfaces.map(\.id))
            guard missing.isEmpty else { throw .notFound(.networkInterface, missing.sorted()) }
        }
        if request.dryRun { throw .dryRunSucceeded }
        let page = pagination.page(
            interfaces.filter(matcher.matches).sorted { $0.id < $1.id }, position: \.id)
        var networks = NetworkMarkup()
        answer.list("networkInterfaceSet", page.items) { writer, interface in
            writer.networkInterface(
                interface, network: networks.of(interface.instance),
                launched: interface.instance.launchTime.iso8601, as: .resource)
        }
        answer.nextToken(page.nextToken)
    }

    /// DescribeVpcAttribute.
    static func describeVPCAttribute(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let id = try call.parameters.required("VpcId")
        let name = try call.parameters.required("Attribute")
        // The network gives every guest a name server, but no guest a name.
        let known = [
            "enableDnsSupport": "true", "enableDnsHostnames": "false", "enableNetworkAddressUsageMetrics": "false",
        ]
        guard let value = known[name] else {
            throw .invalidValue(
                parameter: "Attribute", value: Parameters.shortened(name),
                reason: "Value (\(Parameters.shortened(name))) for parameter attribute is invalid. Unknown attribute.")
        }
        let network = try await call.backend.network(as: call.caller)
        try check([id], .vpc, known: [network.vpcID])
        if try call.parameters.dryRun() { throw .dryRunSucceeded }
        answer.element("vpcId", id)
        answer.value(name, value)
    }

    /// The zone of a subnet that RunInstances names.
    static func zone(ofSubnet id: String, _ call: Call) async throws(CloudError) -> String {
        let subnets = try await call.backend.network(as: call.caller).subnets
        try check([id], .subnet, known: subnets.map(\.id))
        guard let subnet = subnets.first(where: { $0.id == id }) else { throw .notFound(.subnet, [id]) }
        return subnet.zone
    }

    /// Refuses any VPC but the account's own.
    static func check(vpc id: String, _ call: Call) async throws(CloudError) {
        try check([id], .vpc, known: [try await call.backend.network(as: call.caller).vpcID])
    }
}

extension XMLWriter {
    fileprivate mutating func subnet(_ subnet: Subnet) {
        element("subnetId", subnet.id)
        // The region is the zone's name without its letter.
        element("subnetArn", "arn:aws:ec2:\(subnet.zone.dropLast()):\(subnet.accountID):subnet/\(subnet.id)")
        element("state", subnet.isAvailable ? "available" : "unavailable")
        element("ownerId", subnet.accountID)
        element("vpcId", subnet.vpcID)
        element("cidrBlock", subnet.cidr)
        element("ipv6CidrBlockAssociationSet")
        element("availableIpAddressCount", subnet.availableAddresses)
        element("availabilityZone", subnet.zone)
        element("availabilityZoneId", AvailabilityZone.zoneID(name: subnet.zone))
        element("defaultForAz", true)
        element("mapPublicIpOnLaunch", true)
        element("mapCustomerOwnedIpOnLaunch", false)
        element("assignIpv6AddressOnCreation", false)
        element("enableDns64", false)
        element("ipv6Native", false)
        open("privateDnsNameOptionsOnLaunch")
        element("hostnameType", "ip-name")
        element("enableResourceNameDnsARecord", false)
        element("enableResourceNameDnsAAAARecord", false)
        close()
        tagSet(subnet.tags)
    }
}
