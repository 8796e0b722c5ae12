import CloudModel
import QueryProtocol
import Signatures
import XML

/// Virtual MFA devices.
enum MFADevices {
    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let name = try call.required("VirtualMFADeviceName")
        let device = try await call.backend.createMFADevice(
            name: name, path: call.path, tags: call.tags, as: call.caller)
        let seed = Base32.encode(device.secret)
        // What authenticator programs read ("Key URI Format" of Google Authenticator).
        let account = PercentEncoding.encode("\(name)@\(device.accountID)")
        let address = "otpauth://totp/Mallee:\(account)?secret=\(seed)&issuer=Mallee"
        answer.open("VirtualMFADevice")
        answer.element("SerialNumber", device.serialNumber)
        answer.element("Base32StringSeed", Base64.encode(Array(seed.utf8)))
        if let code = QRCode(Array(address.utf8)) {
            answer.element("QRCodePNG", Base64.encode(PNG.image(of: code, scale: 4)))
        }
        if !device.tags.isEmpty { answer.tags(device.tags) }
        answer.close()
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteMFADevice(call.required("SerialNumber"), as: call.caller)
    }

    static func listAll(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let status = call.text("AssignmentStatus") ?? "Any"
        guard ["Assigned", "Unassigned", "Any"].contains(status) else {
            throw .invalidValue(
                parameter: "assignmentStatus", value: Parameters.shortened(status),
                reason: "1 validation error detected: Value '\(Parameters.shortened(status))' at 'assignmentStatus' "
                    + "failed to satisfy constraint: Member must satisfy enum value set: [Any, Assigned, Unassigned]")
        }
        let devices = try await call.backend.mfaDevices(as: call.caller).filter {
            status == "Any" || (status == "Assigned") == ($0.owner != nil)
        }
        try call.page(devices, position: { $0.device.serialNumber }, &answer) { answer, page in
            answer.members("VirtualMFADevices", page) { writer, listing in
                writer.element("SerialNumber", listing.device.serialNumber)
                if let owner = listing.owner {
                    writer.open("User")
                    writer.user(owner)
                    writer.close()
                }
                if let time = listing.device.enabledAt { writer.element("EnableDate", time.inSeconds) }
            }
        }
    }

    static func listOfUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let devices = try await call.backend.mfaDevices(ofUser: call.text("UserName"), as: call.caller)
        try call.page(devices, position: { $0.device.serialNumber }, &answer) { answer, page in
            answer.members("MFADevices", page) { writer, listing in
                writer.element("UserName", listing.owner?.name ?? "")
                writer.element("SerialNumber", listing.device.serialNumber)
                if let time = listing.device.enabledAt { writer.element("EnableDate", time.inSeconds) }
            }
        }
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let listing = try await call.backend.mfaDevice(call.required("SerialNumber"), as: call.caller)
        if let owner = listing.owner { answer.element("UserName", owner.name) }
        answer.element("SerialNumber", listing.device.serialNumber)
        if let time = listing.device.enabledAt { answer.element("EnableDate", time.inSeconds) }
    }

    private static func codes(_ call: IAMCall) throws(CloudError) -> (String, String) {
        func code(_ name: String) throws(CloudError) -> String {
            let text = try call.required(name)
            guard text.utf8.count == 6, text.utf8.allSatisfy({ (48...57).contains($0) }) else {
                let place = name.prefix(1).lowercased() + name.dropFirst()
                throw .invalidValue(
                    parameter: place, value: "",
                    reason: "1 validation error detected: Value at '\(place)' failed to satisfy constraint: Member "
                        + "must satisfy regular expression pattern: [\\d]+ and have 6 digits")
            }
            return text
        }
        return (try code("AuthenticationCode1"), try code("AuthenticationCode2"))
    }

    static func enable(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.enableMFADevice(
            call.required("SerialNumber"), user: call.required("UserName"), codes: codes(call), as: call.caller)
    }

    static func resynchronise(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.resynchroniseMFADevice(
            call.required("SerialNumber"), user: call.required("UserName"), codes: codes(call), as: call.caller)
    }

    static func deactivate(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deactivateMFADevice(
            call.required("SerialNumber"), user: call.text("UserName"), as: call.caller)
    }
}

/// Base32 (RFC 4648) without padding.
enum Base32 {
    static func encode(_ bytes: [UInt8]) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
        var text: [UInt8] = []
        var bits = 0
        var value: UInt32 = 0
        for byte in bytes {
            value = (value << 8 | UInt32(byte)) & 0xFFFF
            bits += 8
            while bits >= 5 {
                bits -= 5
                text.append(letters[Int(value >> UInt32(bits)) & 31])
            }
        }
        if bits > 0 { text.append(letters[Int(value << UInt32(5 - bits)) & 31]) }
        return String(decoding: text, as: UTF8.self)
    }
}
