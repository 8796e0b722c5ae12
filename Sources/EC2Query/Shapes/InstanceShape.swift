import CloudModel
import XML

// The elements of an instance, in the order of the API reference's examples. This is the hottest path of the module
// (20,000 instances in one answer), so runs of constant markup between two values are written as one string.
extension XMLWriter {
    /// About what one instance takes, in bytes.
    static let usualInstance = 3500

    /// The elements of a reservation.
    ///
    /// - Parameter withGroups: see `Call.tellsGroupsOfReservations`.
    mutating func reservation(
        _ reservation: Reservation, version: APIVersion, withGroups: Bool, _ networks: inout NetworkMarkup
    ) {
        element("reservationId", reservation.id.value)
        element("ownerId", reservation.accountID)
        element("requesterId", reservation.accountID)
        groupSet(withGroups ? reservation.instances.first?.groups ?? [] : [], version: version)
        open("instancesSet")
        for instance in reservation.instances {
            open("item")
            self.instance(instance, network: networks.of(instance), version: version)
            close()
        }
        close()
    }

    /// The elements of one instance.
    ///
    /// - Parameter network: markup of subnet and VPC.
    mutating func instance(_ instance: Instance, network: String, version: APIVersion) {
        plain("<instanceId>", instance.id.value, "</instanceId><imageId>")
        plain("", instance.imageID.value, "</imageId><instanceState><code>")
        raw(instance.state.shape)
        // Names are the addresses themselves as long as the cloud serves no DNS.
        text("</name></instanceState><privateDnsName>", instance.privateAddress ?? "", "</privateDnsName><dnsName>")
        text("", instance.publicAddress ?? "", "</dnsName><reason>")
        text("", instance.stateReason?.message ?? "", "</reason>")
        if let keyName = instance.keyName { text("<keyName>", keyName, "</keyName>") }
        element("amiLaunchIndex", instance.launchIndex)
        text("<productCodes/><instanceType>", instance.type.name, "</instanceType><launchTime>")
        let launched = instance.launchTime.iso8601
        plain("", launched, "</launchTime><placement><availabilityZone>")
        if let group = instance.options?.placementGroup {
            text("", instance.zone, "</availabilityZone><groupName>")
            text("", group, "</groupName><tenancy>default</tenancy></placement>")
        } else {
            text("", instance.zone, "</availabilityZone><groupName/><tenancy>default</tenancy></placement>")
        }
        if let kernel = instance.kernelID { text("<kernelId>", kernel.value, "</kernelId>") }
        if let ramdisk = instance.ramdiskID { text("<ramdiskId>", ramdisk.value, "</ramdiskId>") }
        raw(
            instance.isMonitored
                ? "<monitoring><state>enabled</state></monitoring>"
                : "<monitoring><state>disabled</state></monitoring>")
        raw(network)
        if let address = instance.privateAddress { text("<privateIpAddress>", address, "</privateIpAddress>") }
        if let address = instance.publicAddress { text("<ipAddress>", address, "</ipAddress>") }
        raw("<sourceDestCheck>true</sourceDestCheck>")
        groupSet(instance.groups, version: version)
        if let reason = instance.stateReason {
            text("<stateReason><code>", reason.code, "</code><message>")
            text("", reason.message, "</message></stateReason>")
        }
        text("<architecture>", instance.architecture, "</architecture><rootDeviceType>instance-store</rootDeviceType>")
        text("<rootDeviceName>", instance.rootDeviceName, "</rootDeviceName><blockDeviceMapping/>")
        plain("<virtualizationType>", instance.virtualizationType, "</virtualizationType>")
        text("<clientToken>", instance.clientToken ?? "", "</clientToken>")
        tagSet(instance.tags)
        raw("<hypervisor>xen</hypervisor><networkInterfaceSet>")
        if let interface = NetworkInterface(of: instance) {
            open("item")
            networkInterface(interface, network: network, launched: launched, as: .partOfInstance)
            close()
        }
        raw("</networkInterfaceSet>")
        if let profile = instance.profile { iamInstanceProfile(profile) }
        raw(Self.beforeCores)
        plain("", String(instance.type.cores), Self.afterCores)
        if instance.options?.metadata == nil {
            raw(Self.usualMetadata)
        } else {
            metadataOptions(of: instance, state: "applied")
        }
        raw(Self.afterMetadata)
    }

    // EC2's API says xen for its KVM-based hypervisor as well (API reference, Instance).
    private static let beforeCores =
        "<ebsOptimized>false</ebsOptimized><enaSupport>false</enaSupport><cpuOptions><coreCount>"

    private static let afterCores =
        "</coreCount><threadsPerCore>1</threadsPerCore></cpuOptions><capacityReservationSpecification>"
        + "<capacityReservationPreference>none</capacityReservationPreference></capacityReservationSpecification>"
        + "<hibernationOptions><configured>false</configured></hibernationOptions><enclaveOptions>"
        + "<enabled>false</enabled></enclaveOptions><metadataOptions>"

    private static let usualMetadata =
        "<state>applied</state><httpTokens>optional</httpTokens><httpPutResponseHopLimit>1</httpPutResponseHopLimit>"
        + "<httpEndpoint>enabled</httpEndpoint><httpProtocolIpv6>disabled</httpProtocolIpv6>"
        + "<instanceMetadataTags>disabled</instanceMetadataTags>"

    private static let afterMetadata =
        "</metadataOptions>"
        + "<platformDetails>Linux/UNIX</platformDetails><usageOperation>RunInstances</usageOperation>"

    /// A state with its number.
    mutating func state(_ name: String, _ state: InstanceState) {
        open(name)
        element("code", state.code)
        element("name", state.rawValue)
        close()
    }

    /// The instance profile of an instance.
    mutating func iamInstanceProfile(_ profile: ProfileAssociation) {
        open("iamInstanceProfile")
        element("arn", profile.profileARN)
        element("id", profile.profileID)
        close()
    }

    /// Groups of an instance.
    mutating func groupSet(_ groups: [GroupMembership], version: APIVersion) {
        open("groupSet")
        for group in groups {
            open("item")
            if version.namesGroupsByName {
                element("groupId", group.name)
            } else {
                element("groupId", group.id.value)
                element("groupName", group.name)
            }
            close()
        }
        close()
    }
}

/// Subnet and VPC of an instance, which follow from its owner and zone: the last answer is kept, since in a listing the
/// next instance mostly has the same.
struct NetworkMarkup {
    private var accountID = ""
    private var zone = ""
    private var markup = ""

    mutating func of(_ instance: Instance) -> String {
        if instance.zone != zone || instance.accountID != accountID {
            zone = instance.zone
            accountID = instance.accountID
            markup =
                "<subnetId>" + NetworkPart.subnet.id(of: accountID, zone: zone) + "</subnetId><vpcId>"
                + NetworkPart.vpc.id(of: accountID) + "</vpcId>"
        }
        return markup
    }
}

extension InstanceState {
    /// What stands between the start tags of `code` and the end tag of `name`.
    fileprivate var shape: String {
        switch self {
        case .pending: "0</code><name>pending"
        case .running: "16</code><name>running"
        case .shuttingDown: "32</code><name>shutting-down"
        case .terminated: "48</code><name>terminated"
        case .stopping: "64</code><name>stopping"
        case .stopped: "80</code><name>stopped"
        }
    }
}
