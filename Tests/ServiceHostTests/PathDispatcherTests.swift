import Hummingbird
import NIOCore
import ServiceHost
import Testing

@Suite("Dispatch by path", .timeLimit(.minutes(10)))
struct PathDispatcherTests {
    @Test("The longest path wins, below it nothing is normalised, and the rest goes to the fallback")
    func dispatch() async throws {
        func named(_ name: String) -> Callback {
            Callback { request, _ in
                Response(
                    status: .ok,
                    body: .init(
                        byteBuffer: ByteBuffer(
                            string: "\(name) \(PathDispatcher.path(of: request)) \(PathDispatcher.query(of: request))|")
                    )
                )
            }
        }
        let dispatcher = PathDispatcher(
            routes: [
                .prefix("/services", named("services")), .prefix("/services/Walrus/", named("s3")),
                .exact("/", named("ec2")), .prefix("/services/compute", named("compute")),
                .exact("/services/compute", named("exact")), .prefix("/healthz", HealthResponder()),
            ], fallback: named("fallback"))
        let expected = [
            ("/", "ec2 / |"), ("/?Action=x", "ec2 / Action=x|"), ("/services/Walrus", "s3 /services/Walrus |"),
            ("/services/Walrus/b//k/../%2F?a=?b", "s3 /services/Walrus/b//k/../%2F a=?b|"),
            ("/services/Walrusx", "services /services/Walrusx |"), ("/services/compute", "exact /services/compute |"),
            ("/services/compute/", "compute /services/compute/ |"), ("/bucket/key", "fallback /bucket/key |"),
            ("/servicesx", "fallback /servicesx |"), ("//", "fallback // |"),
            ("http://other.example:8773/services/Walrus/b?acl", "s3 /services/Walrus/b acl|"),
            ("http://other.example?x", "ec2 / x|"),
        ]
        try await withListener(dispatcher) { port, _ in
            try await RawConnection.to(port) { connection in
                for (target, answer) in expected {
                    try await connection.send("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n")
                    let received = try await connection.receive(until: "|")
                    #expect(received.hasSuffix("\r\n\r\n" + answer), "\(target)")
                }
            }
        }
    }

    @Test("Health is 200 or 503 with the reason; an unknown path is a 404 that names it")
    func healthAndNotFound() async throws {
        let dispatcher = PathDispatcher(routes: [
            .exact("/healthz", HealthResponder()), .exact("/sick", HealthResponder { "the store is closed" }),
        ])
        try await withListener(dispatcher) { port, _ in
            try await withClient { client in
                let base = "http://127.0.0.1:\(port)"
                let healthy = try await client.get(base + "/healthz")
                #expect(healthy.status == 200 && healthy.body == "ok\n")
                let sick = try await client.get(base + "/sick")
                #expect(sick.status == 503 && sick.body == "the store is closed\n")
                let missing = try await client.get(base + "/nowhere")
                #expect(missing.status == 404 && missing.body.contains("/nowhere"))
            }
        }
    }
}
