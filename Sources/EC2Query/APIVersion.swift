/// The version of the API that a request asks for: a date. Only the namespace of the answer and a few names of
/// elements that were changed long ago depend on it, so that every client gets an answer that it can read.
struct APIVersion: Sendable, Equatable, Comparable {
    /// Such as "2016-11-15".
    let text: String

    /// The current one, for requests that name none.
    static let current = APIVersion(known: "2016-11-15")

    private init(known text: String) { self.text = text }

    /// Reads the parameter `Version`: any date, since an old or a newer version than the known ones is served as well;
    /// nil for what is no date. The original's own tools say "eucalyptus".
    init?(parameter: String?) {
        guard let parameter, !parameter.isEmpty, parameter != "eucalyptus" else {
            self = .current
            return
        }
        guard Self.isDate(parameter) else { return nil }
        text = parameter
    }

    /// What the answer's elements are in, with the trailing slash that EC2 writes and clients compare.
    var namespace: String { "http://ec2.amazonaws.com/doc/" + text + "/" }

    /// Before 2011-01-01 security groups had names only, which stood in elements called `groupId`.
    var namesGroupsByName: Bool { self < APIVersion(known: "2011-01-01") }

    /// Only instances outside of a VPC have groups that are told with the reservation; clients of the versions that knew
    /// such instances look for them there.
    var tellsGroupsOfReservations: Bool { self < APIVersion(known: "2016-11-15") }

    /// Before 2009-10-31 TerminateInstances called the current state `shutdownState`.
    var saysShutdownState: Bool { self < APIVersion(known: "2009-10-31") }

    static func < (left: APIVersion, right: APIVersion) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    private static func isDate(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-") else { return false }
        for index in [0, 1, 2, 3, 5, 6, 8, 9] where !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) {
            return false
        }
        let month = (bytes[5] - 48) * 10 + bytes[6] - 48
        let day = (bytes[8] - 48) * 10 + bytes[9] - 48
        return (1...12).contains(month) && (1...31).contains(day)
    }
}
