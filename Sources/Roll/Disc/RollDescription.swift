public import XML

/// What a `roll-<name>.xml` says of a roll.
///
/// Rocks reads it as a flat list of elements with attributes; `add roll` needs name, version and arch, rebuilding a
/// disc (a meta roll) the others as well.
public struct RollDescription: Sendable, Equatable {
    /// The roll's name.
    public var name: String
    /// Form of the roll: "4.0" since Rocks 5.
    public var interface: String
    /// Version: a directory of the disc; without a dash.
    public var version: String
    /// Release.
    public var release: String
    /// `i386` or `x86_64`.
    public var arch: String
    /// "linux" or "sunos".
    public var os: String
    /// MB of one disk, as Rocks would split it; 0 is without limit.
    public var maximumSize: Double

    /// Something that the description lacks or has wrong.
    public struct Defect: Sendable, Equatable {
        /// Cause.
        public let message: String
        /// Cure.
        public let cure: String
        /// Where.
        public let position: TextPosition
        /// Whether `rocks add roll` itself fails on it, rather than only a later rebuild of the disc.
        public let isFatal: Bool
    }

    /// Reads a description.
    ///
    /// - Returns: The description, nil if what `add roll` needs is missing; and all that is wrong with it.
    /// - Throws: `XMLError` if it is not well-formed.
    public static func parse(_ bytes: [UInt8]) throws(XMLError) -> (description: RollDescription?, defects: [Defect]) {
        let root = try MarkupElement.parse(bytes)
        var defects: [Defect] = []
        var elements: [String: MarkupElement] = [:]
        root.forEachElement { elements[$0.name] = $0 }
        func report(_ message: String, cure: String, _ element: MarkupElement? = nil, isFatal: Bool) {
            defects.append(
                Defect(message: message, cure: cure, position: (element ?? root).position, isFatal: isFatal))
        }
        guard root.name == "roll" else {
            report(
                "the root element is <\(root.name)>, not <roll>",
                cure: "write <roll name=\"…\" interface=\"4.0\"> around it", isFatal: true)
            return (nil, defects)
        }
        func value(_ element: String, _ attribute: String, example: String, isFatal: Bool) -> String? {
            guard let found = elements[element] else {
                report(
                    "there is no <\(element)>", cure: "add <\(element) \(attribute)=\"\(example)\"/>", isFatal: isFatal)
                return nil
            }
            guard let value = found.attribute(attribute), !value.value.isEmpty else {
                report(
                    "<\(element)> has no attribute \(attribute)", cure: "add \(attribute)=\"\(example)\"", found,
                    isFatal: isFatal)
                return nil
            }
            if let entity = value.entities.first {
                report(
                    "\(element)@\(attribute) contains &\(entity);, which nothing defines here",
                    cure: "write the value itself", found, isFatal: true)
                return nil
            }
            return value.value
        }
        let name = value("roll", "name", example: "mallee", isFatal: true)
        let interface = value("roll", "interface", example: "4.0", isFatal: false)
        let version = value("info", "version", example: "1.0", isFatal: true)
        let release = value("info", "release", example: "0", isFatal: false)
        let arch = value("info", "arch", example: "x86_64", isFatal: true)
        let os = elements["info"]?.attribute("os")?.value ?? "linux"
        let size = value("iso", "maxsize", example: "0", isFatal: false)
        let bootable = value("iso", "bootable", example: "0", isFatal: false)
        let rolls = value("rpm", "rolls", example: "0", isFatal: false)
        let binary = value("rpm", "bin", example: "1", isFatal: false)
        let source = value("rpm", "src", example: "0", isFatal: false)
        if elements["iso"] != nil, elements["iso"]?.attribute("mkisofs") == nil {
            report(
                "<iso> has no attribute mkisofs, which rebuilding the disc reads", cure: "add mkisofs=\"\"",
                elements["iso"], isFatal: false)
        }
        if let interface, interface != "4.0" {
            report(
                "roll@interface is \"\(interface)\"; Rocks 5 to 7 use 4.0", cure: "write interface=\"4.0\"",
                isFatal: false)
        }
        func check(_ what: String, _ value: String?, _ element: String) {
            guard let value else { return }
            let bad = value.unicodeScalars.first { scalar in
                !(scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil))
                    && !"._+-".unicodeScalars.contains(scalar)
            }
            if let bad {
                report(
                    "the \(what) \"\(value)\" contains '\(bad)', and it is part of paths and file names",
                    cure: "use letters, digits, . _ + only", elements[element], isFatal: true)
            }
        }
        check("name", name, "roll")
        check("version", version, "info")
        check("release", release, "info")
        for (what, value) in [("version", version), ("release", release)] {
            if let value, value.contains("-") {
                report(
                    "the \(what) \"\(value)\" contains '-', at which Rocks takes file names apart",
                    cure: "write \"\(value.replacing("-", with: "_"))\"", elements["info"], isFatal: true)
            }
        }
        if let arch, !["i386", "x86_64"].contains(arch) {
            report(
                "info@arch is \"\(arch)\"; Rocks knows i386 and x86_64", cure: "write one of them", elements["info"],
                isFatal: true)
        }
        if os != "linux" {
            report(
                "info@os is \"\(os)\", so that Rocks copies the disc the way of that system",
                cure: "write os=\"linux\"", elements["info"], isFatal: true)
        }
        if let size, Double(size) == nil {
            report(
                "iso@maxsize is \"\(size)\", no number", cure: "write MB, 0 for no limit", elements["iso"],
                isFatal: false)
        }
        for (what, value, element) in [
            ("iso@bootable", bootable, "iso"), ("rpm@bin", binary, "rpm"), ("rpm@src", source, "rpm"),
        ] {
            if let value, Int(value) == nil {
                report(
                    "\(what) is \"\(value)\", no whole number", cure: "write 0 or 1", elements[element], isFatal: false)
            }
        }
        if let bootable, let number = Int(bootable), number != 0 {
            report(
                "iso@bootable is \(bootable); only the kernel roll is bootable", cure: "write bootable=\"0\"",
                elements["iso"], isFatal: false)
        }
        if let rolls, rolls != "0" {
            report(
                "rpm@rolls is \"\(rolls)\", so that a rebuild takes packages of these rolls", cure: "write rolls=\"0\"",
                elements["rpm"], isFatal: false)
        }
        guard let name, let version, let arch else { return (nil, defects) }
        return (
            RollDescription(
                name: name, interface: interface ?? "4.0", version: version, release: release ?? "0", arch: arch,
                os: os, maximumSize: size.flatMap(Double.init) ?? 600), defects
        )
    }

    /// Where the roll's files lie on a disc: `name/version/arch`.
    public var directory: String { "\(name)/\(version)/\(arch)" }

    /// The file name of a disk, from 1.
    public func imageName(disk: Int) -> String { "\(name)-\(version)-\(release).\(arch).disk\(disk).iso" }
}
