import Posix
import Roll

/// Runs the program of an `<eval>` as Rocks does: its text on the standard input of the interpreter.
enum EvalProcess {
    /// What it prints. As in Rocks its exit status does not matter.
    static func run(shell: String, text: String) throws -> String {
        let words = shell.split(separator: " ").map(String.init)
        guard let name = words.first, let program = name.hasPrefix("/") ? name : FileSystem.findExecutable(name) else {
            throw RollError("The interpreter \"\(shell)\" of an <eval> is not on this machine.")
        }
        let result = try Command.run(program, Array(words.dropFirst()), input: Array(text.utf8))
        return String(decoding: result.output, as: UTF8.self)
    }
}
