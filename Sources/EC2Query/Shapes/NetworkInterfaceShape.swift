import CloudModel
import XML

// The elements of a network interface, in the order of the API reference's examples. They are a part of every instance
// that is described, so runs of constant markup between two values are written as one string.
extension XMLWriter {
    /// Where an interface is described: EC2 tells less of it with its instance.
    enum InterfacePlace { case resource, partOfInstance }

    /// The elements of an interface.
    ///
    /// - Parameter network: markup of subnet and VPC.
    mutating func networkInterface(_ interface: NetworkInterface, network: String, as place: InterfacePlace) {
        let instance = interface.instance
        value("<networkInterfaceId>", interface.id, "</networkInterfaceId>")
        raw(network)
        if place == .resource {
            value("<availabilityZone>", instance.zone, "</availabilityZone><availabilityZoneId>")
            value("", AvailabilityZone.zoneID(name: instance.zone), "</availabilityZoneId>")
        }
        value("<description/><ownerId>", instance.accountID, "</ownerId>")
        if place == .resource { raw("<requesterManaged>false</requesterManaged>") }
        value("<status>in-use</status><macAddress>", instance.macAddress, "</macAddress>")
        if let address = instance.privateAddress {
            value("<privateIpAddress>", address, "</privateIpAddress>")
            // Names are the addresses themselves as long as the cloud serves no DNS.
            if place == .resource { value("<privateDnsName>", address, "</privateDnsName>") }
        }
        raw("<sourceDestCheck>true</sourceDestCheck><groupSet>")
        for group in instance.groups {
            value("<item><groupId>", group.id.value, "</groupId><groupName>")
            value("", group.name, "</groupName></item>")
        }
        value("</groupSet><attachment><attachmentId>", interface.attachmentID, "</attachmentId>")
        if place == .resource {
            value("<instanceId>", instance.id.value, "</instanceId><instanceOwnerId>")
            value("", instance.accountID, "</instanceOwnerId>")
        }
        value(
            "<deviceIndex>0</deviceIndex><status>attached</status><attachTime>", instance.launchTime.iso8601,
            "</attachTime><deleteOnTermination>true</deleteOnTermination><networkCardIndex>0</networkCardIndex>"
                + "</attachment>")
        association(of: instance)
        raw("<privateIpAddressesSet>")
        if let address = instance.privateAddress {
            value("<item><privateIpAddress>", address, "</privateIpAddress><primary>true</primary>")
            association(of: instance)
            raw("</item>")
        }
        raw("</privateIpAddressesSet><ipv6AddressesSet/><interfaceType>interface</interfaceType>")
        // Interfaces have no tags of their own.
        if place == .resource { raw("<tagSet/>") }
    }

    private mutating func association(of instance: Instance) {
        guard let address = instance.publicAddress else { return }
        value("<association><publicIp>", address, "</publicIp><publicDnsName>")
        value("", address, "</publicDnsName><ipOwnerId>amazon</ipOwnerId></association>")
    }

    /// Writes text between constant markup.
    private mutating func value(_ before: String, _ value: String, _ after: String) {
        if !before.isEmpty { raw(before) }
        text(value)
        raw(after)
    }
}
