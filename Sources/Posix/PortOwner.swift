// Who listens at a TCP port of this host: /proc/net/tcp names the socket's inode, /proc/PID/fd who has it open.

/// A process that has a TCP port open for connections.
public struct PortOwner: Sendable, Equatable, CustomStringConvertible {
    /// The process; nil when it cannot be found out, since it is another user's.
    public let pid: Int32?
    /// The program's name as the kernel knows it (15 bytes at most); empty with the pid unknown.
    public let program: String
    /// The owner of the socket.
    public let user: UInt32

    /// "mallee (pid 812)".
    public var description: String {
        pid.map { pid in "\(program) (pid \(pid))" } ?? "a process of user id \(user)"
    }

    /// Who listens at a port, on any address; empty when nobody does. One entry for each process and user.
    public static func find(port: UInt16) throws(PosixError) -> [PortOwner] {
        var sockets: [Listening] = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            // Without IPv6 there is no second table.
            if table == "/proc/net/tcp6", !FileSystem.exists(table) { continue }
            sockets += parse(try FileSystem.readText(table, limit: 64 << 20), port: port)
        }
        if sockets.isEmpty { return [] }
        var owners: [PortOwner] = []
        var named: [Int64] = []
        for name in try FileSystem.list("/proc") {
            guard let pid = Int32(name) else { continue }
            let held = inodes(pid)
            for socket in sockets where held.contains(socket.inode) {
                named.append(socket.inode)
                let owner = PortOwner(pid: pid, program: program(pid), user: socket.user)
                if !owners.contains(owner) { owners.append(owner) }
            }
        }
        for socket in sockets where !named.contains(socket.inode) {
            let owner = PortOwner(pid: nil, program: "", user: socket.user)
            if !owners.contains(owner) { owners.append(owner) }
        }
        return owners
    }

    struct Listening: Equatable {
        let inode: Int64
        let user: UInt32
    }

    /// The listening sockets of one port in a table of /proc/net: "0: 0100007F:2245 00000000:0000 0A … uid 0 inode".
    static func parse(_ table: String, port: UInt16) -> [Listening] {
        var found: [Listening] = []
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            // State 0A is LISTEN.
            guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":"),
                UInt16(String(fields[1][fields[1].index(after: colon)...]), radix: 16) == port,
                let user = UInt32(String(fields[7])), let inode = Int64(String(fields[9]))
            else { continue }
            found.append(Listening(inode: inode, user: user))
        }
        return found
    }

    /// Inodes of the sockets that a process has open; none of a process that ended meanwhile or is another user's.
    private static func inodes(_ pid: Int32) -> [Int64] {
        let directory = "/proc/\(pid)/fd"
        var names: [String] = []
        do throws(PosixError) {
            names = try FileSystem.list(directory)
        } catch {
            return []
        }
        var found: [Int64] = []
        for name in names {
            do throws(PosixError) {
                let bytes = Array(try FileSystem.readLink(FileSystem.join(directory, name)).utf8)
                // "socket:[12345]"
                if bytes.starts(with: Array("socket:[".utf8)), bytes.last == 0x5d,
                    let inode = Int64(String(decoding: bytes[8..<(bytes.count - 1)], as: UTF8.self))
                {
                    found.append(inode)
                }
            } catch {
                continue  // closed since the list was made, as the list's own descriptor was
            }
        }
        return found
    }

    private static func program(_ pid: Int32) -> String {
        do throws(PosixError) {
            var name = try FileSystem.readText("/proc/\(pid)/comm", limit: 256)
            while name.utf8.last == 0x0a { name.removeLast() }
            return name
        } catch {
            return "a process that has just ended"
        }
    }
}
