// Runs on i386 (Scripts/embedded-node.sh --smoke) what could differ there: structures shared with C, 64-bit sizes and
// times, threads, processes, TLS and HTTP. Prints the first thing that is wrong and ends with 1.
// Needs the openssl program for certificates, as the tests of BlockingHTTP do.
import BlockingHTTP
import Posix
import TLS

func require(_ condition: Bool, _ what: String) {
    if condition { return }
    Output.error("wrong on i386: \(what)")
    Host.exit(1)
}

@main struct Smoke {
    static func main() {
        do throws(PosixError) {
            let scratch = try FileSystem.temporaryDirectory("/tmp/mallee-smoke-")
            try files(scratch)
            try processes()
            try network(scratch)
            try FileSystem.removeTree(scratch)
        } catch {
            require(false, error.description)
        }
    }

    static func files(_ scratch: String) throws(PosixError) {
        require(MemoryLayout<Int>.size == 4, "this is not a 32-bit program")
        let path = scratch + "/sparse"
        let file = try File(path, [.read, .write, .create])
        let far: Int64 = 5 << 30
        try file.write([1, 2, 3], at: far)
        try FileSystem.touch(path, at: 4_102_444_800_123)
        let status = try file.status()
        require(status.size == far + 3 && status.allocated < 1 << 20, "size or allocated bytes of a file")
        require(status.modified == 4_102_444_800_123, "time of a file after 2038")
        require(status.isRegular && status.permissions == 0o644 && status.links == 1, "mode or links of a file")
        require(try file.read(9, at: far) == [1, 2, 3], "reading beyond 4 GiB")
        require(try FileSystem.space(scratch).total > 0, "space of a file system")
        require(try FileSystem.list(scratch) == ["sparse"], "listing a directory")
        require(Timestamp.format(4_102_444_800_123) == "2100-01-01T00:00:00.123Z", "formatting a time")
        require(try Host.memory().total > 0, "memory")
    }

    static func processes() throws(PosixError) {
        let result = try Command.run(
            "sh", ["-c", "cat; echo \"$1\" >&2; exit 3", "-", "a b"], input: [UInt8](repeating: 0x61, count: 200_000))
        require(result.status == .exited(3) && result.output.count == 200_000, "running a command")
        require(result.errorText == "a b", "the arguments of a command")
        let sleeper = try Process.start("sleep", ["60"])
        let saved = ProcessIdentity(try sleeper.identity().description)
        require(try saved?.isAlive() == true, "the identity of a process")
        require(try saved?.signal(Signals.kill) == true, "killing a process by identity")
        require(try sleeper.wait(timeout: 120_000) == .signaled(Signals.kill), "waiting for a process")
        let missing: PosixError?
        do throws(PosixError) {
            _ = try Process.start("/no/such/program", [])
            missing = nil
        } catch { missing = error }
        require(missing?.isNotFound == true, "the error of a missing program")
    }

    static func network(_ scratch: String) throws(PosixError) {
        let key = scratch + "/key.pem"
        let certificate = scratch + "/certificate.pem"
        let made = try Command.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                "-out",
                certificate, "-days", "1", "-subj", "/CN=smoke", "-addext", "subjectAltName=IP:127.0.0.1",
            ])
        require(made.isSuccess, made.explanation)
        require(
            Hex.encode(SHA256.digest(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256")
        let contexts: (HTTPServer.Options, HTTPClient.Options)?
        do throws(TLSError) {
            var options = HTTPServer.Options()
            options.tls = try .server(certificate: certificate, key: key, authority: certificate)
            var clientOptions = HTTPClient.Options()
            clientOptions.tls = try .client(certificate: certificate, key: key, authority: certificate)
            clientOptions.totalTime = 60_000
            contexts = (options, clientOptions)
        } catch {
            contexts = nil
            require(false, error.message)
        }
        guard let contexts else { return }
        try talk(contexts.0, contexts.1)
    }

    static func talk(
        _ options: HTTPServer.Options, _ clientOptions: HTTPClient.Options
    ) throws(PosixError) {
        let server = HTTPServer(
            listener: try .tcp(address: "127.0.0.1", port: 0),
            handler: HTTPClosureHandler { request in
                var response = HTTPResponse(status: 200, body: request.body)
                response.headers["X-Peer"] = request.peerCommonName
                return response
            }, options: options)
        try server.start()
        let url = "https://127.0.0.1:\(server.port)/"
        var threads: [Thread] = []
        for number in 0..<8 {
            threads.append(
                try Thread.start(name: "client") {
                    let client = HTTPClient(options: clientOptions)
                    let body = [UInt8](repeating: UInt8(number), count: 100_000)
                    for _ in 0..<5 {
                        do throws(HTTPClientError) {
                            let response = try client.call("POST", url, body: body)
                            require(response.body == body && response.headers["x-peer"] == "smoke", "an HTTP call")
                        } catch {
                            require(false, error.description)
                        }
                    }
                })
        }
        for thread in threads { require(thread.join(timeout: 60_000), "a client thread hangs") }
        require(server.stop(), "stopping the server")
    }
}
