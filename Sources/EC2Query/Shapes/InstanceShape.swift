import CloudModel
import XML

// The elements of an instance, in the order of the API reference's examples. This is the hottest path of the module
// (20,000 instances in one answer), so constant runs of elements are written as one string.
extension XMLWriter {
    /// The elements of a reservation.
    mutating func reservation(_ reservation: Reservation, version: APIVersion) {
        element("reservationId", reservation.id.value)
        element("ownerId", reservation.accountID)
        element("requesterId", reservation.accountID)
        groupSet(reservation.instances.first?.groups ?? [], version: version)
        open("instancesSet")
        for instance in reservation.instances {
            open("item")
            self.instance(instance, version: version)
            close()
        }
        close()
    }

    /// The elements of one instance.
    mutating func instance(_ instance: Instance, version: APIVersion) {
        element("instanceId", instance.id.value)
        element("imageId", instance.imageID.value)
        state("instanceState", instance.state)
        // Names are the addresses themselves as long as the cloud serves no DNS.
        element("privateDnsName", instance.privateAddress ?? "")
        element("dnsName", instance.publicAddress ?? "")
        element("reason", instance.stateReason?.message ?? "")
        if let keyName = instance.keyName { element("keyName", keyName) }
        element("amiLaunchIndex", instance.launchIndex)
        raw("<productCodes/>")
        element("instanceType", instance.type.name)
        element("launchTime", instance.launchTime.iso8601)
        raw("<placement>")
        element("availabilityZone", instance.zone)
        raw("<groupName/><tenancy>default</tenancy></placement>")
        if let kernel = instance.kernelID { element("kernelId", kernel.value) }
        if let ramdisk = instance.ramdiskID { element("ramdiskId", ramdisk.value) }
        raw(
            instance.isMonitored
                ? "<monitoring><state>enabled</state></monitoring>"
                : "<monitoring><state>disabled</state></monitoring>")
        if let address = instance.privateAddress { element("privateIpAddress", address) }
        if let address = instance.publicAddress { element("ipAddress", address) }
        raw("<sourceDestCheck>false</sourceDestCheck>")
        groupSet(instance.groups, version: version)
        if let reason = instance.stateReason {
            raw("<stateReason>")
            element("code", reason.code)
            element("message", reason.message)
            raw("</stateReason>")
        }
        element("architecture", instance.architecture)
        raw("<rootDeviceType>instance-store</rootDeviceType>")
        element("rootDeviceName", instance.rootDeviceName)
        raw("<blockDeviceMapping/><virtualizationType>hvm</virtualizationType>")
        element("clientToken", instance.clientToken ?? "")
        tagSet(instance.tags)
        // EC2's API says xen for its KVM-based hypervisor as well (API reference, Instance).
        raw("<hypervisor>xen</hypervisor><networkInterfaceSet/><ebsOptimized>false</ebsOptimized>")
        raw("<enaSupport>false</enaSupport><cpuOptions>")
        element("coreCount", instance.type.cores)
        raw("<threadsPerCore>1</threadsPerCore></cpuOptions>")
        raw("<capacityReservationSpecification><capacityReservationPreference>none</capacityReservationPreference>")
        raw("</capacityReservationSpecification><hibernationOptions><configured>false</configured>")
        raw("</hibernationOptions><enclaveOptions><enabled>false</enabled></enclaveOptions><metadataOptions>")
        raw("<state>applied</state><httpTokens>optional</httpTokens>")
        raw("<httpPutResponseHopLimit>1</httpPutResponseHopLimit><httpEndpoint>enabled</httpEndpoint>")
        raw("<httpProtocolIpv6>disabled</httpProtocolIpv6><instanceMetadataTags>disabled</instanceMetadataTags>")
        raw("</metadataOptions><platformDetails>Linux/UNIX</platformDetails>")
        raw("<usageOperation>RunInstances</usageOperation>")
    }

    /// A state with its number.
    mutating func state(_ name: String, _ state: InstanceState) {
        open(name)
        element("code", state.code)
        element("name", state.rawValue)
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
