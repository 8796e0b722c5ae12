import Glibc
import Posix
import Testing

/// A service manager's end: a bound datagram socket.
private final class Manager {
    let descriptor: Int32

    init(_ name: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 } else { bytes.append(0) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(bound == 0)
    }

    deinit { close(descriptor) }

    /// The next datagram; nil if none is there.
    func next() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }
}

@Suite struct ServiceNotificationTests {
    @Test func `a manager at a path is told of start, status and end`() throws {
        let directory = try FileSystem.temporaryDirectory()
        defer { try? FileSystem.removeTree(directory) }  // a temporary directory
        let manager = try Manager(directory + "/notify")
        let notification = ServiceNotification(socket: directory + "/notify")
        #expect(try notification.ready("Serving."))
        #expect(manager.next() == "READY=1\nSTATUS=Serving.\n")
        #expect(try notification.status("3 instances"))
        #expect(manager.next() == "STATUS=3 instances\n")
        #expect(try notification.stopping())
        #expect(manager.next() == "STOPPING=1\nSTATUS=Stopping.\n")
        #expect(manager.next() == nil)
    }

    @Test func `a manager in the abstract namespace is told`() throws {
        let name = "@mallee-test-" + Hex.encode(try Random.bytes(8))
        let manager = try Manager(name)
        #expect(try ServiceNotification(socket: name).ready("Serving."))
        #expect(manager.next() == "READY=1\nSTATUS=Serving.\n")
    }

    @Test func `a line end in a status begins no other assignment`() throws {
        let name = "@mallee-test-" + Hex.encode(try Random.bytes(8))
        let manager = try Manager(name)
        try ServiceNotification(socket: name).status("a\nMAINPID=1")
        #expect(manager.next() == "STATUS=a MAINPID=1\n")
    }

    @Test func `without a manager nothing is sent`() throws {
        #expect(try ServiceNotification(socket: nil).ready("") == false)
        #expect(try ServiceNotification(socket: "").stopping() == false)
    }

    @Test(arguments: ["relative", "@", "/", "vsock:2:1", "/" + String(repeating: "x", count: 200)])
    func `a socket that cannot be one is an error that names it`(_ name: String) {
        #expect(throws: PosixError.self) { try ServiceNotification(socket: name).ready("") }
    }

    @Test func `a manager that is gone is an error`() throws {
        let directory = try FileSystem.temporaryDirectory()
        defer { try? FileSystem.removeTree(directory) }  // a temporary directory
        let error = #expect(throws: PosixError.self) {
            try ServiceNotification(socket: directory + "/none").ready("")
        }
        #expect(error?.isNotFound == true)
    }
}
