// swift-tools-version:6.2
// The rooms of the house, lowest layer first. A target may depend on targets above it in this file,
// never on one below it. ARCHITECTURE.md says what lives where.
//
// Swift 6.3 is the supported compiler (6.4's static Foundation does not link).
import PackageDescription

/// Every target: Swift 6 mode, explicit existentials, no leaking imports, warnings are errors.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// Targets that must also compile as Embedded Swift for i686 (see Scripts/embedded-node.sh):
/// no Foundation, no async, typed throws, no non-class existentials.
let portable = strict

let package = Package(
    name: "mallee",
    products: [
        .executable(name: "mallee", targets: ["mallee"]),
        .executable(name: "mallee-node", targets: ["mallee-node"]),
        .executable(name: "mallee-roll", targets: ["mallee-roll"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // MARK: C libraries and the machine underneath
        .target(name: "CPosix"),
        .target(name: "CMD5"),
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        // MARK: Layer 1: values, no I/O
        .target(name: "XML", swiftSettings: portable),
        .target(name: "JSON", swiftSettings: portable),
        .target(
            name: "Contracts", dependencies: ["XML"], exclude: ["wsdl"], swiftSettings: portable),
        .target(name: "AccessPolicy", dependencies: ["JSON"], swiftSettings: strict),
        .target(name: "CloudModel", swiftSettings: strict),
        .target(
            name: "Signatures",
            dependencies: [.product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),

        .target(
            name: "WSSecurity",
            dependencies: [
                "XML",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict),

        // MARK: Layer 2: one Swift face for each C library
        .target(name: "Posix", dependencies: ["CPosix"], swiftSettings: portable),
        .target(name: "TLS", dependencies: ["COpenSSL", "Posix"], swiftSettings: portable),
        .target(name: "Archive", dependencies: ["CArchive", "Posix"], swiftSettings: strict),

        // MARK: Layer 3: mechanisms behind small protocols
        .target(name: "BlockingHTTP", dependencies: ["Posix", "TLS"], swiftSettings: portable),
        .target(
            name: "Store",
            dependencies: [
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .target(
            name: "Secrets",
            dependencies: ["Posix", "Store", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),
        .target(
            name: "ObjectStore",
            dependencies: [
                "CMD5", "Signatures",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "ImageBundle",
            dependencies: [
                "CZlib", "Signatures", "XML",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict),
        .target(
            name: "S3Gateway",
            dependencies: [
                "ObjectStore", "Signatures", "XML",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "Hypervisor", dependencies: ["JSON", "Posix"], swiftSettings: portable),

        // MARK: Layer 4: services
        .target(
            name: "NodeController",
            dependencies: ["BlockingHTTP", "Contracts", "Hypervisor", "JSON", "Posix", "TLS", "XML"],
            swiftSettings: portable),
        .target(
            name: "ClusterController",
            dependencies: [
                "Contracts", "Posix", "Store", "XML", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "CloudController",
            dependencies: [
                "AccessPolicy", "CloudModel", "Contracts", "JSON", "Posix", "Store",
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "Walrus",
            dependencies: [
                "AccessPolicy", "ObjectStore", "Signatures",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),

        // MARK: Layer 5: interface modules
        .target(
            name: "ServiceHost",
            dependencies: [
                "Contracts", "CPosix", "XML",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict),
        .target(name: "QueryProtocol", dependencies: ["CloudModel", "Signatures"], swiftSettings: strict),
        .target(
            name: "EC2Query", dependencies: ["CloudModel", "QueryProtocol", "Signatures", "XML"],
            swiftSettings: strict),
        .target(
            name: "EC2SOAP", dependencies: ["CloudModel", "EC2Query", "QueryProtocol", "WSSecurity", "XML"],
            swiftSettings: strict),
        .target(
            name: "IAMQuery", dependencies: ["CloudModel", "QueryProtocol", "Signatures", "XML"],
            swiftSettings: strict),
        .target(
            name: "NativeAPI", dependencies: ["CloudModel", "JSON", "QueryProtocol", "Signatures"],
            swiftSettings: strict),
        .target(
            name: "S3",
            dependencies: [
                "AccessPolicy", "JSON", "ObjectStore", "Signatures", "Walrus", "XML",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "S3SOAP",
            dependencies: [
                "S3", "Signatures", "WSSecurity", "Walrus", "XML",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),

        .target(
            name: "CloudClient",
            dependencies: [
                "JSON", "Signatures", "XML",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "ImageImport",
            dependencies: [
                "Archive", "CloudClient", "Posix", "XML", .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "Roll",
            dependencies: ["Archive", "JSON", "Posix", "XML", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),

        // MARK: Layer 6: composition
        .executableTarget(
            name: "mallee",
            dependencies: [
                "Archive", "CloudClient", "CloudController", "CloudModel", "ClusterController", "Contracts", "EC2Query",
                "AccessPolicy", "EC2SOAP", "Hypervisor", "IAMQuery", "ImageBundle", "ImageImport", "JSON", "NativeAPI",
                "ObjectStore",
                "Posix",
                "QueryProtocol", "S3", "S3Gateway", "S3SOAP", "Secrets",
                "ServiceHost", "Signatures", "Store", "Walrus", "XML",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "mallee-node",
            dependencies: ["BlockingHTTP", "Contracts", "Hypervisor", "JSON", "NodeController", "Posix", "TLS"],
            swiftSettings: portable,
            // Without Foundation nothing else brings the C mathematics that Swift's rounding calls.
            linkerSettings: [.linkedLibrary("m")]),
        .executableTarget(
            name: "mallee-roll",
            dependencies: [
                "Archive", "JSON", "Posix", "Roll", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(name: "wsdl2swift", dependencies: ["XML"], swiftSettings: strict),

        // MARK: Tests mirror the targets
        .target(name: "GoldenFiles", path: "Tests/GoldenFiles", swiftSettings: strict),
        .testTarget(name: "XMLTests", dependencies: ["XML"], exclude: ["Vectors"], swiftSettings: strict),
        .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: strict),
        .testTarget(name: "ContractsTests", dependencies: ["Contracts", "XML"], swiftSettings: strict),
        .testTarget(name: "PosixTests", dependencies: ["Posix"], swiftSettings: strict),
        .testTarget(name: "BlockingHTTPTests", dependencies: ["BlockingHTTP", "Posix", "TLS"], swiftSettings: strict),
        .testTarget(name: "HypervisorTests", dependencies: ["Hypervisor", "JSON", "Posix"], swiftSettings: strict),
        .testTarget(
            name: "NodeControllerTests",
            dependencies: ["BlockingHTTP", "Contracts", "Hypervisor", "NodeController", "Posix", "TLS", "XML"],
            swiftSettings: strict),
        .testTarget(name: "ArchiveTests", dependencies: ["Archive", "Posix"], swiftSettings: strict),
        .testTarget(
            name: "RollTests", dependencies: ["Archive", "JSON", "Posix", "Roll", "XML"], swiftSettings: strict),
        .testTarget(name: "CloudClientTests", dependencies: ["CloudClient"], swiftSettings: strict),
        .testTarget(name: "ImageImportTests", dependencies: ["Archive", "ImageImport"], swiftSettings: strict),
        .testTarget(
            name: "ImageBundleTests",
            dependencies: [
                "ImageBundle", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict),
        .testTarget(name: "StoreTests", dependencies: ["Store"], swiftSettings: strict),
        .testTarget(name: "SecretsTests", dependencies: ["Posix", "Secrets", "Store"], swiftSettings: strict),
        .testTarget(
            name: "ObjectStoreTests",
            dependencies: [
                "ObjectStore", "Signatures", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(name: "AccessPolicyTests", dependencies: ["AccessPolicy"], swiftSettings: strict),
        .testTarget(name: "SignaturesTests", dependencies: ["Signatures"], swiftSettings: strict),
        .testTarget(name: "CloudModelTests", dependencies: ["CloudModel"], swiftSettings: strict),
        .testTarget(
            name: "CloudControllerTests",
            dependencies: [
                "CloudController", "CloudModel", "Contracts", "EC2Query", "GoldenFiles", "IAMQuery", "JSON",
                "NativeAPI",
                "QueryProtocol", "Signatures", "Store", "XML",
            ], exclude: ["Matrix/authorization.txt"], swiftSettings: strict),
        .testTarget(
            name: "ClusterControllerTests",
            dependencies: [
                "ClusterController", "Contracts", "Store", .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .testTarget(
            name: "EnrolmentTests",
            dependencies: [
                "BlockingHTTP", "ClusterController", "Contracts", "NodeController", "Posix", "ServiceHost", "Store",
                "TLS",
                "XML",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "EC2QueryTests",
            dependencies: [
                "CloudModel", "EC2Query", "EC2SOAP", "GoldenFiles", "QueryProtocol", "Signatures", "WSSecurity", "XML",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "WSSecurityTests", dependencies: ["WSSecurity", "XML"], exclude: ["Messages"], swiftSettings: strict),
        .testTarget(
            name: "IAMQueryTests",
            dependencies: [
                "CloudController", "CloudModel", "Contracts", "GoldenFiles", "IAMQuery", "QueryProtocol", "Signatures",
                "Store", "XML",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "NativeAPITests",
            dependencies: [
                "CloudController", "CloudModel", "GoldenFiles", "JSON", "NativeAPI", "QueryProtocol", "Signatures",
                "Store",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ServiceHostTests",
            dependencies: [
                "Contracts", "ServiceHost", "XML",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "MalleeTests",
            dependencies: [
                "ClusterController", "Contracts", "Posix", "ServiceHost", "TLS", "mallee",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "S3SOAPTests",
            dependencies: [
                "ObjectStore", "S3", "S3SOAP", "Signatures", "WSSecurity", "Walrus", "XML",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "S3Tests",
            dependencies: [
                "AccessPolicy", "GoldenFiles", "ObjectStore", "S3", "S3Gateway", "Signatures", "Walrus", "XML",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ], exclude: ["authorization.txt"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
