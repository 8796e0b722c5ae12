// Roll: what a Rocks roll is: its disc, its description, the RPMs on it and the profile they bring.
//
// Here: reading RPM packages, assembling a disc from them (which is a dnf repository as well), verifying a disc against
// everything that Rocks 5.4 to 7 needs or trips over, and rendering the packages, files and scripts that a host gets.
// Not here: the command line (mallee-roll), ISO 9660 and compression (Archive).
// Failing: `RollError`, `ArchiveError`, `PosixError` say cause and cure; what is wrong with a roll that can be read is
// no error but a `Finding`, and a roll is read as far as possible so that one run finds all of them.

/// Why a roll could not be made, read or rendered.
public struct RollError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Cause, place and cure.
    public let description: String

    /// Makes an error.
    public init(_ description: String) { self.description = description }
}
