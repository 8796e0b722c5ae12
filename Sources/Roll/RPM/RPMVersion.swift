/// The order of versions as rpm defines it (rpmvercmp).
public enum RPMVersion {
    /// Less than, equal to or greater than zero.
    public static func compare(_ one: String, _ other: String) -> Int {
        if one == other { return 0 }
        var left = Substring(one)
        var right = Substring(other)
        func isWord(_ character: Character) -> Bool { isDigit(character) || isLetter(character) }
        func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }
        func isLetter(_ character: Character) -> Bool {
            ("a"..."z").contains(character) || ("A"..."Z").contains(character)
        }
        while !left.isEmpty || !right.isEmpty {
            left = left.drop { !isWord($0) && $0 != "~" && $0 != "^" }
            right = right.drop { !isWord($0) && $0 != "~" && $0 != "^" }
            // A tilde sorts before everything, even the end.
            if left.first == "~" || right.first == "~" {
                if left.first != "~" { return 1 }
                if right.first != "~" { return -1 }
                left.removeFirst()
                right.removeFirst()
                continue
            }
            // A caret sorts after the end, but before anything else.
            if left.first == "^" || right.first == "^" {
                if left.isEmpty { return -1 }
                if right.isEmpty { return 1 }
                if left.first != "^" { return 1 }
                if right.first != "^" { return -1 }
                left.removeFirst()
                right.removeFirst()
                continue
            }
            guard let first = left.first, !right.isEmpty else { break }
            let isNumber = isDigit(first)
            let belongs = isNumber ? isDigit : isLetter
            var leftPart = left.prefix(while: belongs)
            var rightPart = right.prefix(while: belongs)
            // Numbers are newer than letters.
            guard !rightPart.isEmpty else { return isNumber ? 1 : -1 }
            left = left[leftPart.endIndex...]
            right = right[rightPart.endIndex...]
            if isNumber {
                leftPart = leftPart.drop { $0 == "0" }
                rightPart = rightPart.drop { $0 == "0" }
                if leftPart.count != rightPart.count { return leftPart.count < rightPart.count ? -1 : 1 }
            }
            if leftPart != rightPart { return leftPart.utf8.lexicographicallyPrecedes(rightPart.utf8) ? -1 : 1 }
        }
        if left.isEmpty && right.isEmpty { return 0 }
        return left.isEmpty ? -1 : 1
    }
}
