import ServiceHost

extension ExpectedPeer {
    /// The cluster controller of a zone that a configuration file names.
    static func zone(_ name: String, in file: String) throws -> ExpectedPeer {
        guard let component = ComponentName(role: .cluster, name: name) else {
            throw CommandFailure(
                "\(file): \"\(name)\" cannot be a zone's name: 1 to 48 letters, digits, dots, dashes and underscores.")
        }
        return .component(component)
    }
}
