/// An RPM's file name as Rocks takes it apart: from the right, at the last dots and dashes.
///
/// Rocks goes by file names, not by headers: `name-version-release.arch.rpm`.
public struct RPMFileName: Sendable, Hashable {
    /// Everything before version and release.
    public let name: String
    /// Version and release.
    public let version: String
    /// See `version`.
    public let release: String
    /// Architecture, or "src".
    public let arch: String

    /// Takes a name apart; nil if it has no such form.
    public init?(_ file: String) {
        guard file.hasSuffix(".rpm") else { return nil }
        var parts = file.dropLast(4)
        func cut(_ separator: Character) -> String? {
            guard let at = parts.lastIndex(of: separator) else { return nil }
            defer { parts = parts[..<at] }
            return String(parts[parts.index(after: at)...])
        }
        guard let arch = cut("."), let release = cut("-"), let version = cut("-"), !parts.isEmpty, !arch.isEmpty,
            !release.isEmpty, !version.isEmpty
        else { return nil }
        self.arch = arch
        self.release = release
        self.version = version
        name = String(parts)
    }

    /// What may be on the disc only once: Rocks keeps the newest of a name and architecture.
    public var key: String { "\(name)-\(arch)" }

    /// The roll that a kickstart package belongs to: the words between `roll` and `kickstart`; nil for others.
    public var kickstartRoll: String? {
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        guard words.count >= 3, words.first == "roll", let end = words.lastIndex(of: "kickstart"), end >= 2 else {
            return nil
        }
        return words[1..<end].joined(separator: "-")
    }

    /// Architectures of the packages that a roll of an architecture holds; Rocks leaves out the others without a word.
    /// Source: rocks.dist.Arch.setArch.
    public static func architectures(ofRoll arch: String) -> Set<String> {
        let intel: Set = ["athlon", "i386", "i486", "i586", "i686"]
        switch arch {
        case "x86_64": return intel.union(["x86_64", "ia32e", "noarch", "src"])
        case "i386": return intel.union(["noarch", "src"])
        default: return [arch, "noarch", "src"]
        }
    }
}
