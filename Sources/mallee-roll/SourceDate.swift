import ArgumentParser
import Posix

/// The time that reproducible builds use: https://reproducible-builds.org/specs/source-date-epoch/.
enum SourceDate {
    /// Seconds since 1970 from SOURCE_DATE_EPOCH; nil if it is not set.
    static func fromEnvironment() throws -> Int64? {
        guard let text = Environment["SOURCE_DATE_EPOCH"], !text.isEmpty else { return nil }
        // A disc's times end in the year 2155.
        guard let value = Int64(text), (0...5_869_583_999).contains(value) else {
            throw ValidationError("SOURCE_DATE_EPOCH is \"\(text)\"; it must be seconds since 1970.")
        }
        return value
    }
}

/// Runs a command's work. What goes wrong is printed in its own words, and ends the command with status 1.
func reportingFailure<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as ExitCode {
        throw error
    } catch {
        StandardError.write("mallee-roll: \(error)\n")
        throw ExitCode(1)
    }
}
