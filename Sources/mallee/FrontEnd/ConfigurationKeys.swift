/// The keys that each daemon reads, for those who examine configuration files.
enum ConfigurationKeys {
    /// Of all daemons.
    private static let every: Set<String> = [
        "LOG_FILE", "LOGLEVEL", "STATE_DIR", "LISTEN_ADDRESS", "IDENTITY_DIR", "READY_FILE",
    ]
    /// Of all front-end daemons.
    static let common = every.union(["AUDIT_LOG", "AUDIT_LOG_SIZE", "AUDIT_LOG_KEEP"])
    static let cloud = common.union([
        "REGION", "CLOUD_PORT", "CONTROL_PORT", "ACCOUNT_ID", "ZONES", "WALRUS_URL", "PUBLIC_WALRUS_URL",
        "PUBLIC_ENDPOINT", "EUCARC", "AUTHORITY_DIR", "SECRETS_KEY_FILE", "SLA", "SUBNETS",
    ])
    static let walrus = common.union(["REGION", "WALRUS_PORT", "CLOUD_ENDPOINT"]).union(WalrusSettings.keys)
    static let cluster = common.union([
        "CC_PORT", "ZONE", "ADDRESSES", "SCHEDPOLICY", "SCHEDPATH", "HEARTBEAT", "ALLOW_PLAIN_HTTP", "ENROLMENT",
        "ENROLMENT_PORT", "ENROLMENT_SECRET_FILE", "CLOUD_CONTROL",
    ])
    static let node = every.union([
        "NODE_NAME", "LISTEN_PORT", "ADVERTISED_ADDRESS", "CLUSTER_ENDPOINT", "HYPERVISOR", "TLS_CERT", "TLS_KEY",
        "TLS_CA", "ALLOW_PLAIN_HTTP", "MAX_CORES", "MAX_MEM", "MAX_DISK", "CORES_OVERCOMMIT", "MEM_OVERCOMMIT",
        "DISK_OVERCOMMIT", "CACHE_SIZE", "SIMULATED_NODES", "NETWORK_MODE", "REGION", "SHUTDOWN_GRACE",
        "ENROLMENT_ENDPOINT", "ENROLMENT_SECRET_FILE", "AUTHORITY_FINGERPRINT", "AUTHORITY_FINGERPRINT_FILE",
        "QEMU_DIRECTORY", "WALRUS_URL", "VNET_BRIDGE",
    ])

    /// Those of a file by its name without ".conf".
    static func of(_ name: String) -> Set<String> {
        switch name {
        case "cloud": cloud
        case "walrus": walrus
        case "cluster": cluster
        case "node": node
        default: []
        }
    }
}
