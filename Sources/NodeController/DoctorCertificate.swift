// What a certificate says of itself, read from its DER (X.690, RFC 5280): enough to say what is wrong with it. Whether
// to trust it is decided by TLS alone.

public import Posix

/// The outer facts of an X.509 certificate.
public struct CertificateFacts: Sendable, Equatable {
    /// The first moment of its validity, milliseconds since 1970.
    public let notBefore: Milliseconds
    /// The last one.
    public let notAfter: Milliseconds
    /// The issuer's name in DER.
    public let issuer: [UInt8]
    /// Its own name in DER.
    public let subject: [UInt8]

    /// Of the first certificate in a PEM text; nil if there is none, or it is damaged.
    public static func parse(pem: [UInt8]) -> CertificateFacts? {
        var body = ""
        var inside = false
        for line in pem.split(separator: 0x0A) {
            var line = line
            while line.last == 0x0D || line.last == 0x20 { line.removeLast() }
            if line.elementsEqual("-----BEGIN CERTIFICATE-----".utf8) {
                inside = true
            } else if line.elementsEqual("-----END CERTIFICATE-----".utf8) {
                return inside ? Base64.decode(body).flatMap { der in parse(der: der) } : nil
            } else if inside {
                body += String(decoding: line, as: UTF8.self)
            }
        }
        return nil
    }

    /// Of a certificate in DER.
    public static func parse(der: [UInt8]) -> CertificateFacts? {
        var outer = DER(der[...])
        guard var certificate = outer.enter(0x30), var body = certificate.enter(0x30) else { return nil }
        // Version (explicitly tagged), serial number, signature algorithm.
        if body.tag == 0xA0 { guard body.skip() else { return nil } }
        guard body.skip(), body.skip(), let issuer = body.element(0x30), var validity = body.enter(0x30),
            let subject = body.element(0x30), let notBefore = validity.time(), let notAfter = validity.time()
        else { return nil }
        return CertificateFacts(
            notBefore: notBefore, notAfter: notAfter, issuer: Array(issuer), subject: Array(subject))
    }
}

/// A cursor over elements of DER.
struct DER {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The tag of the next element.
    var tag: UInt8? { rest.first }

    /// The next element with its header, if it has this tag (nil: any).
    mutating func element(_ tag: UInt8?) -> ArraySlice<UInt8>? {
        let start = rest
        guard take(tag) != nil else { return nil }
        return start[start.startIndex..<rest.startIndex]
    }

    /// A cursor over the content of the next element.
    mutating func enter(_ tag: UInt8) -> DER? { take(tag).map { content in DER(content) } }

    mutating func skip() -> Bool { take(nil) != nil }

    /// UTCTime or GeneralizedTime, in the forms that RFC 5280, 4.1.2.5, allows.
    mutating func time() -> Milliseconds? {
        guard let kind = tag, kind == 0x17 || kind == 0x18, let content = take(kind) else { return nil }
        let digits = Array(content)
        let yearDigits = kind == 0x17 ? 2 : 4
        guard digits.count == yearDigits + 11, digits.last == UInt8(ascii: "Z") else { return nil }
        func part(_ index: Int, _ count: Int) -> String {
            String(decoding: digits[index..<(index + count)], as: UTF8.self)
        }
        var year = part(0, yearDigits)
        if kind == 0x17 {
            guard let number = Int(year) else { return nil }
            year = (number < 50 ? "20" : "19") + year
        }
        let at = yearDigits
        return Timestamp.parse(
            "\(year)-\(part(at, 2))-\(part(at + 2, 2))T\(part(at + 4, 2)):\(part(at + 6, 2)):\(part(at + 8, 2))Z")
    }

    /// The content of the next element.
    private mutating func take(_ tag: UInt8?) -> ArraySlice<UInt8>? {
        guard rest.count >= 2, tag == nil || rest.first == tag else { return nil }
        var at = rest.startIndex + 1
        var length = Int(rest[at])
        at += 1
        if length >= 0x80 {
            let count = length & 0x7F
            // Indefinite lengths are not DER, and four bytes are more than any certificate needs.
            guard (1...3).contains(count), rest.endIndex - at >= count else { return nil }
            length = 0
            for _ in 0..<count {
                length = length << 8 | Int(rest[at])
                at += 1
            }
        }
        guard rest.endIndex - at >= length else { return nil }
        let content = rest[at..<(at + length)]
        rest = rest[(at + length)...]
        return content
    }
}
