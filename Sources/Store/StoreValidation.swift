// What every engine checks before it touches a transaction, so that all refuse the same things in the same words.

extension StoreLimits {
    /// Throws `.invalid` unless `key` can be a key.
    static func check(key: String) throws(StoreError) {
        let length = key.utf8.count
        guard length > 0 else { throw .invalid("a key is empty") }
        guard length <= keyBytes else {
            throw .invalid("a key of \(length) bytes exceeds the limit of \(keyBytes): \(key.prefix(40))…")
        }
        guard !key.utf8.contains(0) else { throw .invalid("a key contains a NUL byte") }
    }

    /// Throws `.invalid` unless the limits and the rule "no key twice" are kept.
    static func check(_ transaction: StoreTransaction) throws(StoreError) {
        let steps = transaction.conditions.count + transaction.operations.count
        guard steps <= transactionSteps else {
            throw .invalid("a transaction of \(steps) steps exceeds the limit of \(transactionSteps)")
        }
        for condition in transaction.conditions { try check(key: condition.key) }
        for operation in transaction.operations {
            switch operation {
            case .put(let key, let bytes):
                try check(key: key)
                guard bytes.count <= valueBytes else {
                    throw .invalid("the value of \(key) has \(bytes.count) bytes, the limit is \(valueBytes)")
                }
            case .delete(let key), .deletePrefix(let key):
                try check(key: key)
            }
        }
        if transaction.operations.count > 1 { try checkDistinct(transaction.operations) }
    }

    /// Keys are compared as bytes: two spellings that Unicode calls equal are two keys.
    private static func checkDistinct(_ operations: [StoreOperation]) throws(StoreError) {
        var seen = Set<[UInt8]>(minimumCapacity: operations.count)
        var prefixes: [String] = []
        for operation in operations {
            switch operation {
            case .put(let key, _), .delete(let key):
                guard seen.insert(Array(key.utf8)).inserted else {
                    throw .invalid("the key \(key) is changed twice in one transaction")
                }
            case .deletePrefix(let prefix):
                prefixes.append(prefix)
            }
        }
        for (index, prefix) in prefixes.enumerated() {
            for (other, longer) in prefixes.enumerated() where other != index && longer.utf8.starts(with: prefix.utf8) {
                throw .invalid("the prefixes \(prefix) and \(longer) overlap in one transaction")
            }
            if let key = seen.first(where: { $0.starts(with: prefix.utf8) }) {
                let name = String(decoding: key, as: UTF8.self)
                throw .invalid("the key \(name) is changed twice in one transaction: it begins with \(prefix)")
            }
        }
    }
}
