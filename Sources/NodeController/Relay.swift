// `mallee-node relay SOCKET`: the small process that QEMU starts for each connection of a guest to
// 169.254.169.254:80, with the connection on standard input and output. It joins it to the node controller's
// socket of that guest. While the node controller restarts it keeps the guest waiting, up to a limit, and then
// answers 503 itself.

public import Posix

/// Joins two descriptors to a Unix socket.
public enum Relay {
    /// How long a guest waits for a node controller that is not there.
    public static let patience: Milliseconds = 10_000
    /// How long a connection may be silent in both directions.
    static let idleLimit: Milliseconds = 120_000

    /// Carries bytes both ways until both ends are done.
    /// - Returns: the exit code: 0, or 1 if the socket was not there or broke.
    public static func run(
        socket path: String, input: Int32 = 0, output: Int32 = 1, patience: Milliseconds = Relay.patience
    ) -> Int32 {
        let source = File(descriptor: input, path: "standard input")
        let sink = File(descriptor: output, path: "standard output")
        // The descriptors belong to the caller.
        defer {
            _ = source.release()
            _ = sink.release()
        }
        do throws(PosixError) {
            // Whoever made the descriptors may have them otherwise; here a write waits until all is taken.
            try source.setNonBlocking(false)
            try sink.setNonBlocking(false)
            guard let socket = connect(path, patience) else {
                try sink.write(unavailable)
                return 1
            }
            try carry(source, sink, socket)
            return 0
        } catch {
            // A guest that closed its connection is the usual reason; there is nobody to tell.
            return 1
        }
    }

    private static func connect(_ path: String, _ patience: Milliseconds) -> Socket? {
        let deadline = Deadline(after: patience)
        var pause: Milliseconds = 20
        while true {
            do throws(PosixError) {
                return try Socket.connect(path: path, timeout: deadline.remaining)
            } catch {
                guard !deadline.isPast else { return nil }
                Thread.sleep(min(pause, deadline.remaining ?? pause))
                pause = min(pause * 2, 500)
            }
        }
    }

    private static func carry(_ source: File, _ sink: File, _ socket: Socket) throws(PosixError) {
        var sourceOpen = true
        while true {
            let items = [
                Poll.Item(sourceOpen ? source.descriptor : -1, readable: true),
                Poll.Item(socket.descriptor, readable: true),
            ]
            let ready = try Poll.wait(items, timeout: idleLimit)
            guard ready[0].isReadable || ready[1].isReadable else { return }
            if ready[1].isReadable {
                let bytes = try socket.read(65_536, timeout: 0)
                if bytes.isEmpty { return }
                try sink.write(bytes)
            }
            if ready[0].isReadable {
                let bytes = try source.read(65_536)
                if bytes.isEmpty {
                    sourceOpen = false
                    socket.shutdownWriting()
                } else {
                    try socket.write(bytes, timeout: idleLimit)
                }
            }
        }
    }

    private static var unavailable: [UInt8] {
        let body = "the node controller does not answer; try again\n"
        let head =
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Retry-After: 5\r\nConnection: close\r\n\r\n"
        return Array((head + body).utf8)
    }
}
