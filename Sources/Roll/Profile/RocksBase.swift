/// What Rocks itself brings, as far as a roll relies on it: names of nodes, attributes and appliances of 5.4 to 7.
enum RocksBase {
    /// Edges from appliances to the nodes that rolls hang on.
    static let edges: [(from: String, to: String)] = [
        ("compute", "compute-appliance"), ("compute-appliance", "client"), ("vm-container", "client"),
        ("login", "client"), ("nas", "nas-appliance"),
    ]

    /// Nodes of the base, core, kernel and xen or kvm rolls, between 5.4 and 7.
    static let nodes: Set<String> = Set(
        """
        411-base 411-client 411-server apache auto-kickstart autofs autofs-client autofs-server base bootstrap-dummy \
        bootstrap-dummy-core bootstrap-packages-base bootstrap-packages-core c-development ca cdr central cert cfengine \
        client client-firewall client-rootpw compilers compute compute-appliance core core-devel core-pxe \
        corestrap-packages custom-partition database database-data database-schema database-sec debug-post debug-pre \
        devel devel-appliance devel-server dhcp-client dhcp-server disk-stamp dns-server do-partition docbook emacs \
        ethers-server ethers-server-postshell fail2ban firewall fortran-development foundation-base foundation-client \
        foundation-core foundation-cpan foundation-server google-otp google-otp-server greceptor grub grub-client \
        grub-server grub2-client homepage i18n insert-rolls install ip-diag ipmi-base ipmi-client ipmi-server iscsi \
        login login-server logrotate mail mail-client mail-server md-rebuild mosh nas nas-appliance nas-exports \
        nas-partition networking-client networking-server nfs-server node node-certs ntp ntp-client ntp-server null \
        partition partitions-save partitions-save-server perl-development perl-modules postshell profile-server pxe \
        pxeboot python-development resolv rlo rocks-devel rocks-dist root routes-client routes-server rpc rsh \
        screen-clusterinfo screen-network-eth0 screen-network-eth1 screen-network-misc screen-network-private \
        screen-network-public screen-partitioning screen-root-password screen-timezone scripting security \
        security-client security-server selinux serf-client serf-common serf-server server server-firewall \
        server-rootpw shared-memory skeleton snmp-client snmp-server ssh ssh-client ssh-devel ssl ssl-client ssl-server \
        standalone swapfile sysctl syslog syslog-client syslog-server tcl-development template upstart vm-container wan \
        x11 x11-server xinetd-off yum yum-core yum-extras
        """.split(separator: " ").map(String.init))

    /// Attributes that every host has when its kickstart is made.
    static let attributes: Set<String> = Set(
        """
        arch graph distribution hostaddr hostname membership os rack rank release root version rocks_version \
        rocks_version_major Info_CertificateCountry Info_CertificateLocality Info_CertificateOrganization \
        Info_CertificateState Info_ClusterContact Info_ClusterLatlong Info_ClusterName Info_ClusterURL \
        Kickstart_DistroDir Kickstart_Keyboard Kickstart_Lang Kickstart_Langsupport Kickstart_Multicast \
        Kickstart_PrivateAddress Kickstart_PrivateBroadcast Kickstart_PrivateDNSDomain Kickstart_PrivateDNSServers \
        Kickstart_PrivateGateway Kickstart_PrivateHostname Kickstart_PrivateKickstartBasedir \
        Kickstart_PrivateKickstartHost Kickstart_PrivateNTPHost Kickstart_PrivateNetmask Kickstart_PrivateNetmaskCIDR \
        Kickstart_PrivateNetwork Kickstart_PrivateSyslogHost Kickstart_PrivateRootPassword Kickstart_PublicAddress \
        Kickstart_PublicBroadcast Kickstart_PublicDNSDomain Kickstart_PublicDNSServers Kickstart_PublicGateway \
        Kickstart_PublicHostname Kickstart_PublicKickstartHost Kickstart_PublicNTPHost Kickstart_PublicNetmask \
        Kickstart_PublicNetmaskCIDR Kickstart_PublicNetwork Kickstart_Timezone
        """.split(separator: " ").map(String.init))

    /// Directories that any installed host has, in which a `<file>` may be made without more ado.
    static let directories: Set<String> = [
        "/", "/bin", "/boot", "/dev", "/etc", "/etc/cron.d", "/etc/cron.daily", "/etc/cron.hourly", "/etc/cron.monthly",
        "/etc/cron.weekly", "/etc/init.d", "/etc/ld.so.conf.d", "/etc/logrotate.d", "/etc/modprobe.d", "/etc/pam.d",
        "/etc/profile.d", "/etc/rc.d", "/etc/rc.d/init.d", "/etc/rc.d/rocksconfig.d", "/etc/security", "/etc/skel",
        "/etc/ssh", "/etc/sysconfig", "/etc/sysconfig/network-scripts", "/etc/xinetd.d", "/etc/yum.repos.d", "/home",
        "/lib", "/mnt", "/opt", "/opt/rocks", "/opt/rocks/bin", "/opt/rocks/sbin", "/root", "/sbin", "/srv", "/tmp",
        "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/usr/share",
        "/var", "/var/411", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp", "/var/www", "/var/www/html",
    ]
}
