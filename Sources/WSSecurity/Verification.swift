import Crypto
import CryptoExtras
import Foundation
import SwiftASN1
import X509
public import XML

/// A message whose signature and time were found good.
public struct VerifiedMessage: Sendable {
    /// The signed body.
    public let body: XMLElement
    /// What is the same in all copies of the message, for `ReplayCache`.
    public let identity: [UInt8]
    /// When it was made, in seconds since 1970.
    public let created: Int64
    /// From when on it is refused for its age, in seconds since 1970.
    public let goodUntil: Int64
}

extension SignedMessage {
    /// Checks everything that can be checked without knowing whom the certificate belongs to.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - policy: how strictly.
    public func verify(now: Int64, policy: WSSecurityPolicy) throws(WSSecurityError) -> VerifiedMessage {
        let (created, goodUntil) = try checkTime(now: now, policy: policy)
        // The signature first: only who has the key can then make us work through long references.
        try checkSignature(now: now)
        try checkReferences()
        var hash = SHA256()
        hash.update(data: certificate)
        hash.update(data: signature.value)
        return VerifiedMessage(
            body: body, identity: Array(hash.finalize()), created: created, goodUntil: goodUntil)
    }

    // MARK: Time

    private func checkTime(
        now: Int64, policy: WSSecurityPolicy
    ) throws(WSSecurityError) -> (created: Int64, goodUntil: Int64) {
        let created = try time("Created")
        guard let created else { throw .timestamp("The Timestamp has no Created.") }
        let expires = try time("Expires")
        if created > now + policy.allowedSkew {
            throw .notYetValid(
                "The request was created in the future: \(created - now) seconds ahead of the cloud's clock. Set the clock."
            )
        }
        let longest = created + policy.longestLife
        let goodUntil = min(expires ?? longest, longest)
        guard now < goodUntil else {
            throw .expired(
                "Request has expired: it was good until \(now - goodUntil) seconds ago by the cloud's clock.")
        }
        return (created, goodUntil)
    }

    private func time(_ name: String) throws(WSSecurityError) -> Int64? {
        let elements = timestamp.children(name, namespace: Names.utility)
        guard let element = elements.first else { return nil }
        guard elements.count == 1, element.children.isEmpty, let time = UTCTime.parse(element.trimmedText) else {
            throw .timestamp("\(name) of the Timestamp is no time such as 2026-01-31T12:00:00Z.")
        }
        return time
    }

    // MARK: What is covered

    private func checkReferences() throws(WSSecurityError) {
        var coversBody = false
        var coversTimestamp = false
        for reference in signature.references {
            let place = try index.place(reference.uri)
            // By identity: that an element is called Body, or has the id, makes it none that is obeyed.
            if place.element === body { coversBody = true }
            if place.element === timestamp { coversTimestamp = true }
            let bytes = reference.form.bytes(of: place.element, within: place.ancestors)
            guard reference.digest.hash(bytes) == reference.value else {
                throw .mismatch(
                    "The digest of \(Self.shortened(reference.uri)) does not fit: the element was changed after signing."
                )
            }
        }
        guard coversBody else { throw .mismatch("The signature does not cover the envelope's Body.") }
        guard coversTimestamp else { throw .mismatch("The signature does not cover the Timestamp.") }
    }

    // MARK: The signature

    private func checkSignature(now: Int64) throws(WSSecurityError) {
        let parsed: Certificate
        do {
            parsed = try Certificate(derEncoded: certificate)
        } catch {
            throw .certificate("The certificate cannot be read; send an X.509 certificate in DER, in Base64.")
        }
        let time = Date(timeIntervalSince1970: TimeInterval(now))
        guard time <= parsed.notValidAfter else { throw .certificate("The certificate has expired.") }
        guard time >= parsed.notValidBefore else { throw .certificate("The certificate is not valid yet.") }
        guard let key = _RSA.Signing.PublicKey(parsed.publicKey) else {
            throw .certificate("The certificate's key is not one of RSA.")
        }
        // header and security are the two elements between the envelope and the signature.
        let header = index.root.children[0]
        let signed = signature.form.bytes(
            of: signature.signedInfo, within: [index.root, header, security, signature.element])
        let value = _RSA.Signing.RSASignature(rawRepresentation: signature.value)
        let isValid =
            switch signature.digest {
            case .sha1:
                key.isValidSignature(value, for: Insecure.SHA1.hash(data: signed), padding: .insecurePKCS1v1_5)
            case .sha256: key.isValidSignature(value, for: SHA256.hash(data: signed), padding: .insecurePKCS1v1_5)
            }
        guard isValid else {
            throw .mismatch("The signature does not fit: SignedInfo was changed, or another key signed it.")
        }
    }
}

/// xsd:dateTime as the profile wants it: in UTC, with or without fraction.
enum UTCTime {
    static func parse(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.count <= 40, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":")
        else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for byte in bytes[range] {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var index = 19
        if bytes[index] == UInt8(ascii: ".") {
            index += 1
            let start = index
            while index < bytes.count, (48...57).contains(bytes[index]) { index += 1 }
            guard index > start else { return nil }
        }
        let zone = bytes[index...]
        guard zone.elementsEqual("Z".utf8) || zone.elementsEqual("+00:00".utf8) || zone.elementsEqual("-00:00".utf8)
        else { return nil }
        // Days from the civil calendar (years begin in March).
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return (era * 146_097 + dayOfEra - 719_468) * 86_400 + hour * 3600 + minute * 60 + second
    }
}
