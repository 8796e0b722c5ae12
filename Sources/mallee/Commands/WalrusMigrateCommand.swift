import ArgumentParser
import AsyncHTTPClient
import CloudClient
import Foundation
import NIOPosix

/// Moves buckets between the files and the S3 store behind Walrus.
struct WalrusMigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Move the contents of buckets between back ends, while they are used.",
        discussion: """
            Says where the contents of buckets belong, and shows how Walrus moves them there. Each content is copied, \
            read again and compared before the former copy goes; objects can be read and written all the time. Ctrl-C \
            ends only this view of it: Walrus goes on, also after a restart. The buckets keep their names, owners, \
            policies, versions and everything else.
            """)

    @OptionGroup var cloud: CloudOptions

    @Option(help: "Where they belong: s3 (the S3 store behind Walrus) or files.")
    var to: String

    @Flag(help: "All buckets of all accounts.")
    var all = false

    @Flag(help: "Return at once.")
    var noWait = false

    @Argument(help: "Buckets to move.")
    var buckets: [String] = []

    func validate() throws {
        guard ["s3", "files"].contains(to) else { throw ValidationError("--to must be s3 or files.") }
        guard all != !buckets.isEmpty else { throw ValidationError("Name buckets, or --all.") }
    }

    func run() async throws {
        try await withPlaces(cloud) { client in
            try await client.move(buckets: buckets, to: to)
            if noWait { return }
            let bar = ProgressBar()
            var total: Int64 = 0
            while true {
                let places = try await client.places().filter { all || buckets.contains($0.bucket) }
                let left = places.reduce(0) { $0 + $1.bytes }
                let contents = places.reduce(0) { $0 + $1.contents }
                total = max(total, left)
                bar.show("Moving \(contents) contents", total - left, total)
                if contents == 0 { break }
                let problems = places.compactMap { place in place.problem.map { "\(place.bucket): \($0)" } }
                if !problems.isEmpty {
                    bar.finish()
                    throw CommandFailure(
                        "\(contents) contents (\(left) bytes) are not moved yet; Walrus tries again by itself.\n"
                            + problems.joined(separator: "\n"))
                }
                try await Task.sleep(for: .seconds(1))
            }
            bar.finish()
            print("Moved and compared: everything lies in \(to).")
        }
    }
}

/// Shows where buckets' contents lie.
struct WalrusPlacesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "places", abstract: "Show where the contents of all buckets lie, and what is yet to be moved.")

    @OptionGroup var cloud: CloudOptions

    func run() async throws {
        try await withPlaces(cloud) { client in
            for place in try await client.places() {
                print(
                    [
                        place.bucket, place.owner, place.place, "\(place.contents) to move", "\(place.bytes) bytes",
                        place.problem ?? "",
                    ].joined(separator: "\t"))
            }
        }
    }
}

private func withPlaces(_ options: CloudOptions, _ body: (S3Client) async throws -> Void) async throws {
    let credentials = try options.load()
    let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
    do {
        try await body(
            try S3Client(
                http: http, url: credentials.s3URL, accessKeyID: credentials.accessKeyID, secret: credentials.secretKey,
                region: credentials.region))
        try await http.shutdown()
    } catch {
        try await http.shutdown()
        throw error
    }
}
