// mallee-roll: makes, checks and shows rolls.
//
// Here: the command line only. What a roll is, and every decision about it, is in Roll. A command that fails says cause
// and cure on standard error; the exit status is 0, or 1 if it failed or a roll has errors.
import ArgumentParser
import Posix

/// The root of the command line.
@main
struct MalleeRoll: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mallee-roll",
        abstract: "Makes, checks and shows rolls for Rocks clusters.",
        discussion: """
            A roll is a disc that `rocks add roll` takes. The discs made here are dnf repositories as well.
            """,
        version: "mallee-roll \(MalleeRelease.version)",
        subcommands: [CreateCommand.self, VerifyCommand.self, ListCommand.self, RenderCommand.self])
}
