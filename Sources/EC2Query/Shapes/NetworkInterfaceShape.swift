import CloudModel
import XML

// The elements of a network interface, in the order of the API reference's examples. They are a part of every instance
// that is described, so runs of constant markup between two values are written as one string.
extension XMLWriter {
    /// Where an interface is described: EC2 tells less of it with its instance.
    enum InterfacePlace { case resource, partOfInstance }

    /// The elements of an interface.
    ///
    /// - Parameters:
    ///   - network: markup of subnet and VPC.
    ///   - launched: the instance's launch time.
    mutating func networkInterface(
        _ interface: NetworkInterface, network: String, launched: String, as place: InterfacePlace
    ) {
        let instance = interface.instance
        plain("<networkInterfaceId>", interface.id, "</networkInterfaceId>")
        raw(network)
        if place == .resource {
            text("<availabilityZone>", instance.zone, "</availabilityZone><availabilityZoneId>")
            text("", AvailabilityZone.zoneID(name: instance.zone), "</availabilityZoneId>")
        }
        plain("<description/><ownerId>", instance.accountID, "</ownerId>")
        if place == .resource { raw("<requesterManaged>false</requesterManaged>") }
        plain("<status>in-use</status><macAddress>", instance.macAddress, "</macAddress>")
        if let address = instance.privateAddress {
            text("<privateIpAddress>", address, "</privateIpAddress>")
            // Names are the addresses themselves as long as the cloud serves no DNS.
            if place == .resource { text("<privateDnsName>", address, "</privateDnsName>") }
        }
        raw("<sourceDestCheck>true</sourceDestCheck><groupSet>")
        for group in instance.groups {
            plain("<item><groupId>", group.id.value, "</groupId><groupName>")
            text("", group.name, "</groupName></item>")
        }
        plain("</groupSet><attachment><attachmentId>", interface.attachmentID, "</attachmentId>")
        if place == .resource {
            plain("<instanceId>", instance.id.value, "</instanceId><instanceOwnerId>")
            plain("", instance.accountID, "</instanceOwnerId>")
        }
        plain("<deviceIndex>0</deviceIndex><status>attached</status><attachTime>", launched, Self.afterAttachTime)
        if let address = instance.publicAddress {
            text("<association><publicIp>", address, "</publicIp><publicDnsName>")
            text("", address, "</publicDnsName><ipOwnerId>amazon</ipOwnerId></association>")
        }
        if let address = instance.privateAddress {
            text("<privateIpAddressesSet><item><privateIpAddress>", address, "</privateIpAddress>")
            raw("<primary>true</primary>")
            if place == .resource, let address = instance.publicAddress {
                text("<association><publicIp>", address, "</publicIp><ipOwnerId>amazon</ipOwnerId></association>")
            }
            raw("</item></privateIpAddressesSet>")
        } else {
            raw("<privateIpAddressesSet/>")
        }
        raw("<ipv6AddressesSet/><interfaceType>interface</interfaceType>")
        // Interfaces have no tags of their own.
        if place == .resource { raw("<tagSet/>") }
    }

    /// The elements of an interface's attachment.
    mutating func attachment(of interface: NetworkInterface) {
        element("attachmentId", interface.attachmentID)
        element("instanceId", interface.instance.id.value)
        element("instanceOwnerId", interface.instance.accountID)
        element("deviceIndex", 0)
        element("status", "attached")
        element("attachTime", interface.instance.launchTime.iso8601)
        element("deleteOnTermination", true)
    }

    private static let afterAttachTime =
        "</attachTime><deleteOnTermination>true</deleteOnTermination><networkCardIndex>0</networkCardIndex></attachment>"
}
