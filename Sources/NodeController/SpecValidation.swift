import Contracts

/// What a specification must fulfil before anything is done with it: much of it becomes names of files and processes.
enum SpecValidation {
    static func check(
        _ spec: Contract.InstanceSpec, isReal: Bool, usesUserNetwork: Bool
    ) throws(ServiceFault) {
        guard isInstanceId(spec.instanceId) else {
            throw invalid("the instance id must be i- and 8 or 17 hexadecimal digits", spec.instanceId)
        }
        let type = spec.instanceType
        guard (1...255).contains(type.cores), type.memoryMiB >= 4, type.diskGiB >= 0, (type.ephemeralGiB ?? 0) >= 0,
            (type.swapMiB ?? 0) >= 0
        else {
            throw invalid(
                "the instance type \(type.name) needs 1 to 255 cores, at least 4 MiB of memory, and no negative disk",
                spec.instanceId)
        }
        guard spec.architecture == "x86_64" || spec.architecture == "i386" else {
            throw invalid("the architecture must be x86_64 or i386", spec.instanceId)
        }
        guard spec.image.format != .plain else {
            throw invalid("the image must be raw or qcow2, not plain", spec.image.artifactId)
        }
        if spec.ramdisk != nil, spec.kernel == nil {
            throw invalid("a ramdisk needs a kernel", spec.ramdisk?.artifactId)
        }
        guard isReal else { return }
        try check(spec.image)
        if let kernel = spec.kernel { try check(kernel) }
        if let ramdisk = spec.ramdisk { try check(ramdisk) }
        guard isMAC(spec.macAddress) else {
            throw invalid("the MAC address must be six pairs of hexadecimal digits, of one station", spec.instanceId)
        }
        if usesUserNetwork {
            let address = spec.publicAddress ?? spec.privateAddress ?? ""
            guard let value = IPv4Block.address(address[...]), value >> 24 == 127 else {
                throw invalid(
                    "in the USER mode an instance needs an address of its own in 127.0.0.0/8; it has \"\(address)\"",
                    spec.instanceId)
            }
        }
    }

    private static func check(_ artifact: Contract.Artifact) throws(ServiceFault) {
        guard ImageCache.isDigest(artifact.sha256) else {
            throw invalid("the digest must be 64 lower-case hexadecimal digits", artifact.artifactId)
        }
        guard artifact.sizeBytes >= 0, artifact.url.hasPrefix("http://") || artifact.url.hasPrefix("https://") else {
            throw invalid("an artifact needs a size and an http or https URL", artifact.artifactId)
        }
    }

    static func isInstanceId(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 10 || bytes.count == 19, bytes[0] == UInt8(ascii: "i"), bytes[1] == UInt8(ascii: "-")
        else {
            return false
        }
        return bytes[2...].allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    static func isMAC(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, let first = UInt8(String(parts[0]), radix: 16), first & 1 == 0 else { return false }
        return parts.allSatisfy { part in part.utf8.count == 2 && UInt8(String(part), radix: 16) != nil }
    }

    private static func invalid(_ message: String, _ resource: String?) -> ServiceFault {
        ServiceFault(code: .invalidRequest, message: message, resource: resource)
    }
}
