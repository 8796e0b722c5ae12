import Posix

/// A directory of its own for one test, removed when the test lets go of it.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws {
        path = try FileSystem.temporaryDirectory("/tmp/mallee-posix-test-")
    }

    deinit {
        // What is left in /tmp after a failure harms nobody.
        try? FileSystem.removeTree(path)
    }

    func callAsFunction(_ name: String) -> String { FileSystem.join(path, name) }
}

/// A value that several threads may set and read.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func get() -> Value { lock.withLock { value } }
    func update(_ body: (inout Value) -> Void) { lock.withLock { body(&value) } }
}
