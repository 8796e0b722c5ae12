/// The versions of the API that are offered by SOAP, each with a WSDL of its own.
public enum SOAPVersion {
    /// All versions from 2008-02-01 to 2013-02-01 that the original accepted.
    public static let all = [
        "2008-02-01", "2008-05-05", "2008-08-08", "2008-12-01", "2009-03-01", "2009-04-04", "2009-07-15", "2009-08-15",
        "2009-10-31", "2009-11-30", "2010-06-15", "2010-08-31", "2010-11-15", "2011-01-01", "2011-02-28", "2011-05-15",
        "2011-07-15", "2011-11-01", "2011-12-01", "2011-12-15", "2012-03-01", "2012-04-01", "2012-05-01", "2012-06-01",
        "2012-06-15", "2012-07-20", "2012-08-15", "2012-10-01", "2012-11-15", "2012-12-01", "2013-02-01",
    ]

    static let first = "2008-02-01"
    /// The latest.
    public static let latest = "2013-02-01"

    /// What a namespace must begin with.
    static let namespaceStem = "http://ec2.amazonaws.com/doc/"

    static func namespace(of version: String) -> String { namespaceStem + version + "/" }

    /// The version whose shapes serve a request in a namespace: itself, or the one before it that is known. Nil if it is
    /// older than the first, or no version.
    static func shapes(forNamespace namespace: String) -> (requested: String, shapes: String)? {
        guard namespace.hasPrefix(namespaceStem) else { return nil }
        var requested = namespace.dropFirst(namespaceStem.count)
        if requested.last == "/" { requested = requested.dropLast() }
        let bytes = Array(requested.utf8)
        guard bytes.count == 10 else { return nil }
        for (index, byte) in bytes.enumerated() {
            let isDash = index == 4 || index == 7
            guard isDash ? byte == UInt8(ascii: "-") : (48...57).contains(byte) else { return nil }
        }
        let text = String(requested)
        guard let shapes = all.last(where: { $0 <= text }) else { return nil }
        return (text, shapes)
    }
}
