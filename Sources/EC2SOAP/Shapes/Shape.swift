// The one table of the interface's shapes. The WSDL of each version is written from it, requests are read by it, and
// answers are put into the shape of the request's version by it, so that the three cannot differ.
//
// Rows are written in a notation of their own, which is far shorter than Swift and can be compared with the API
// reference line by line:
//
//     action NAME [@SINCE]: FIELDS of the request -> FIELDS of the response
//     type NAME: FIELDS
//
//     FIELDS  fields and choices `(FIELD | FIELD)`, with commas between
//     FIELD   NAME[:TYPE][?|*|+] [@SINCE] [-UNTIL] [=QUERY] [!DEFAULT]
//
// TYPE is string (if left out), int, long, boolean, double, dateTime, or the name of a type of the table. `?` optional,
// `*` any number, `+` at least one. SINCE and UNTIL are versions: the field is there from the first on, and no longer in
// the second. QUERY is the name of the parameter of the Query interface; by itself it is the field's name with a capital.
// `.` has no part in the name, `-` is no parameter at all, and `#` on a list gives the number of the member to the names
// within the member. DEFAULT stands in an answer for what the cloud has no value of and the version demands. A line that
// begins with a blank goes on with the one before.

/// One element of a type.
struct Field: Sendable, Equatable {
    var name: String
    var type: String
    /// 0 or 1.
    var minimum: Int
    var isRepeated: Bool
    var since: String
    /// Empty if it is there to the end.
    var until: String
    var query: String
    var fallback: String
    /// Fields of one choice have the same number; 0 for those of none.
    var choice: Int
    var choiceIsOptional: Bool

    func isPart(of version: String) -> Bool {
        // Versions are dates, which sort as text.
        since <= version && (until.isEmpty || version < until)
    }

    /// Whether the element holds text and no elements.
    var isSimple: Bool { Field.simpleTypes.contains(type) }

    static let simpleTypes: Set<String> = ["string", "int", "long", "boolean", "double", "dateTime"]
}

/// One complex type.
struct Shape: Sendable, Equatable {
    var name: String
    var fields: [Field]

    func fields(in version: String) -> [Field] { fields.filter { $0.isPart(of: version) } }
}

/// One action.
struct ActionShape: Sendable, Equatable {
    var name: String
    var since: String
    /// Names of the types.
    var request: String { name + "Type" }
    var response: String { name + "ResponseType" }
}

/// All rows.
struct ShapeTable: Sendable {
    private(set) var actions: [ActionShape] = []
    private(set) var shapes: [String: Shape] = [:]
    /// Lines that cannot be read, and types that are not there. A test holds it empty.
    private(set) var problems: [String] = []
    private var numberOfChoices = 0

    /// The table.
    static let all = ShapeTable(rows: [
        instanceRows, instanceAttributeRows, imageRows, keyPairAndTagRows, securityGroupRows, zoneRows, volumeRows,
        addressRows, networkRows, otherRows, emptyListRows,
    ])

    func action(_ name: String, in version: String) -> ActionShape? {
        guard let action = byName[name], action.since <= version else { return nil }
        return action
    }

    private var byName: [String: ActionShape] = [:]

    init(rows: [String]) {
        for text in rows {
            // A line that begins with a blank goes on with the one before.
            var row = ""
            for line in text.split(separator: "\n") {
                if line.first == " " {
                    row += line.drop { $0 == " " }.isEmpty ? "" : " " + line.drop { $0 == " " }
                    continue
                }
                if !row.isEmpty { read(row) }
                row = String(line)
            }
            if !row.isEmpty { read(row) }
        }
        for shape in shapes.values {
            for field in shape.fields where !field.isSimple && shapes[field.type] == nil {
                problems.append("\(shape.name).\(field.name): there is no type \(field.type)")
            }
        }
        actions.sort { $0.name < $1.name }
        byName = Dictionary(actions.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    private mutating func read(_ line: String) {
        guard let colon = line.range(of: ": ") ?? (line.hasSuffix(":") ? line.range(of: ":") : nil) else {
            problems.append("no colon: \(line)")
            return
        }
        let head = line[..<colon.lowerBound].split(separator: " ").map(String.init)
        let rest = String(line[colon.upperBound...])
        switch head.first {
        case "type" where head.count == 2: add(Shape(name: head[1], fields: fields(rest)))
        case "action" where head.count == 2 || head.count == 3:
            let sides = rest.components(separated: "->")
            guard sides.count == 2 else {
                problems.append("no arrow: \(line)")
                return
            }
            let since = head.count == 3 ? String(head[2].dropFirst()) : SOAPVersion.first
            let action = ActionShape(name: head[1], since: since)
            actions.append(action)
            add(Shape(name: action.request, fields: fields(sides[0])))
            // Answers have said the request's id since 2008-08-08; one that began later says so itself.
            let id = sides[1].hasPrefix("requestId ") ? [] : fields("requestId @2008-08-08")
            add(Shape(name: action.response, fields: id + fields(sides[1])))
        default: problems.append("neither type nor action: \(line)")
        }
    }

    private mutating func add(_ shape: Shape) {
        if shapes.updateValue(shape, forKey: shape.name) != nil { problems.append("\(shape.name) stands twice") }
    }

    private mutating func fields(_ text: String) -> [Field] {
        var result: [Field] = []
        var rest = Substring(text.trimmed)
        while !rest.isEmpty {
            if rest.first == "(" {
                guard let end = rest.firstIndex(of: ")") else {
                    problems.append("an open choice: \(text)")
                    return result
                }
                numberOfChoices += 1
                let inside = rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
                let isOptional = rest.first == "?"
                for part in String(inside).components(separated: "|") {
                    guard var field = field(part) else { continue }
                    field.choice = numberOfChoices
                    field.choiceIsOptional = isOptional
                    result.append(field)
                }
                rest = rest.drop { $0 != "," }
            } else {
                let part = rest.prefix { $0 != "," }
                if let field = field(String(part)) { result.append(field) }
                rest = rest.dropFirst(part.count)
            }
            rest = rest.drop { $0 == "," || $0 == " " }
        }
        return result
    }

    private mutating func field(_ text: String) -> Field? {
        let words = text.split(separator: " ").map(String.init)
        guard let declaration = words.first else {
            problems.append("an empty field")
            return nil
        }
        var core = Substring(declaration)
        var minimum = 1
        var isRepeated = false
        switch core.last {
        case "?": minimum = 0
        case "*":
            minimum = 0
            isRepeated = true
        case "+": isRepeated = true
        default: break
        }
        if let last = core.last, "?*+".contains(last) { core = core.dropLast() }
        let parts = core.split(separator: ":").map(String.init)
        var field = Field(
            name: parts[0], type: parts.count == 2 ? parts[1] : "string", minimum: minimum, isRepeated: isRepeated,
            since: "", until: "", query: parts[0].prefix(1).uppercased() + parts[0].dropFirst(), fallback: "",
            choice: 0, choiceIsOptional: false)
        for word in words.dropFirst() {
            switch word.first {
            case "@": field.since = String(word.dropFirst())
            case "-": field.until = String(word.dropFirst())
            case "=": field.query = String(word.dropFirst())
            case "!": field.fallback = String(word.dropFirst())
            default: problems.append("\(word) in the field \(text)")
            }
        }
        return field
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }

    /// Pieces between separators.
    fileprivate func components(separated separator: String) -> [String] {
        var pieces: [String] = []
        var rest = self[...]
        while let range = rest.range(of: separator) {
            pieces.append(String(rest[..<range.lowerBound]).trimmed)
            rest = rest[range.upperBound...]
        }
        pieces.append(String(rest).trimmed)
        return pieces
    }
}

extension StringProtocol {
    /// Where a text stands first; Foundation is not needed for this alone.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start != endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
