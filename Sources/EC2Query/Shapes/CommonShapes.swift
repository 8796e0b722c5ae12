import CloudModel
import XML

// Elements that many answers have.
extension XMLWriter {
    /// Tags of a resource; as in EC2, nothing if there are none.
    mutating func tagSet(_ tags: [Tag]) {
        if tags.isEmpty { return }
        open("tagSet")
        for tag in tags {
            open("item")
            element("key", tag.key)
            element("value", tag.value)
            close()
        }
        close()
    }

    /// Writes text between constant markup.
    mutating func text(_ before: String, _ text: String, _ after: String) {
        if !before.isEmpty { raw(before) }
        self.text(text)
        raw(after)
    }

    /// Writes what cannot hold markup, such as an identifier or a time, between constant markup.
    mutating func plain(_ before: String, _ value: String, _ after: String) {
        if !before.isEmpty { raw(before) }
        raw(value)
        raw(after)
    }

    /// The answer of actions that only succeed or fail.
    mutating func success() { element("return", true) }

    /// Where the next page begins, if there is one.
    mutating func nextToken(_ token: String?) {
        if let token { element("nextToken", token) }
    }

    /// A list under `name`, each member under `item`.
    mutating func list<Element>(_ name: String, _ members: [Element], _ body: (inout XMLWriter, Element) -> Void) {
        open(name)
        for member in members {
            open("item")
            body(&self, member)
            close()
        }
        close()
    }
}
