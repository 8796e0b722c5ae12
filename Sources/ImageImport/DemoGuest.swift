/// What is in the demo image: scripts, settings, and the packages they come with.
enum DemoGuest {
    /// Counted up with every change, so that an image built by an earlier release is built again.
    static let revision = 2

    /// dropbear and the libraries it is linked with.
    static let sshPackages = [
        "dropbear-bin", "libc6", "libcrypt1", "libgmp10", "libtomcrypt1", "libtommath1", "zlib1g",
    ]

    /// Disk, network, entropy and power button of KVM and of Xen guests.
    static let modules = [
        "virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "xen-blkfront", "xen-netfront", "evdev", "button",
    ]

    /// Of those packages, only what runs.
    static func isWanted(_ path: String) -> Bool {
        if path == "usr/sbin/dropbear" || path == "usr/bin/dropbearkey" { return true }
        if path.hasPrefix("lib64/ld-linux") { return true }
        guard path.hasPrefix("lib/x86_64-linux-gnu/") || path.hasPrefix("usr/lib/x86_64-linux-gnu/") else {
            return false
        }
        let name = path.split(separator: "/").last ?? ""
        return [
            "ld-linux-x86-64.so.2", "libc.so.6", "libcrypt.so.1", "libgmp.so.10", "libtomcrypt.so.1",
            "libtommath.so.1", "libz.so.1", "libm.so.6",
        ].contains { name.hasPrefix($0) }
    }

    /// The ramdisk's only program.
    static func ramdiskInit(loading: String) -> String {
        """
        #!/bin/busybox sh
        b=/bin/busybox
        $b mount -t proc proc /proc
        $b mount -t sysfs sys /sys
        $b mount -t devtmpfs dev /dev
        \(loading)
        tries=0
        while [ $tries -lt 100 ]; do
            for disk in vda xvda xvda1 sda1 vda1 sda; do
                if [ -b /dev/$disk ] && $b mount -t ext4 /dev/$disk /root 2>/dev/null; then
                    $b mount --move /dev /root/dev
                    $b mount --move /proc /root/proc
                    $b mount --move /sys /root/sys
                    exec $b switch_root /root /sbin/init
                fi
            done
            tries=$((tries + 1))
            $b usleep 50000
        done
        echo "mallee-demo: no root disk was found; the disks of this machine are:"
        $b cat /proc/partitions
        $b poweroff -f

        """
    }

    /// Text files of the root file system, with their permissions.
    static let files: [String: (String, Int)] = [
        "sbin/init": (
            "#!/bin/busybox sh\n[ -e /bin/sh ] || /bin/busybox --install -s /bin\nexec /bin/busybox init\n", 0o755
        ),
        "etc/passwd": ("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644),
        "etc/shadow": ("root:*:19000:0:99999:7:::\n", 0o600),
        "etc/group": ("root:x:0:\nnogroup:x:65534:\n", 0o644),
        "etc/shells": ("/bin/sh\n", 0o644),
        "etc/nsswitch.conf": ("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n", 0o644),
        "etc/hosts": ("127.0.0.1 localhost\n", 0o644),
        "etc/profile": ("export PATH=/bin:/sbin:/usr/bin:/usr/sbin\n", 0o644),
        "etc/inittab": (
            """
            ::sysinit:/etc/rc
            ::respawn:/usr/sbin/dropbear -F -E -R -s -p 22
            ::respawn:/bin/acpid -f -c /etc/acpi
            ::shutdown:/bin/sync
            ::shutdown:/bin/mount -o remount,ro /
            ::ctrlaltdel:/bin/reboot

            """, 0o644
        ),
        "etc/acpi/PWRF/00000080": ("#!/bin/sh\nexec /bin/poweroff\n", 0o755),
        "etc/rc": (
            """
            #!/bin/sh
            PATH=/bin:/sbin:/usr/bin:/usr/sbin
            export PATH
            mount -o remount,rw /
            mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
            echo "mallee-demo: user space reached after $(cut -d' ' -f1 /proc/uptime) s"
            ip link set lo up
            ip link set eth0 up
            udhcpc -q -n -t 20 -T 1 -i eth0 -s /etc/udhcpc || echo "mallee-demo: no address by DHCP"
            instance=$(metadata meta-data/instance-id) || instance=
            if [ -z "$instance" ]; then
                echo "mallee-demo: the metadata service did not answer"
            fi
            hostname "$(metadata meta-data/local-hostname || echo mallee-demo)"
            mkdir -p /root/.ssh
            chmod 700 /root/.ssh
            if metadata meta-data/public-keys/0/openssh-key > /run/key && [ -s /run/key ]; then
                cat /run/key > /root/.ssh/authorized_keys
                chmod 600 /root/.ssh/authorized_keys
                echo "mallee-demo: ssh as root with the key pair's private key"
            fi
            # User data that is a script runs once in the life of the instance.
            if [ -n "$instance" ] && [ "$(cat /var/lib/mallee/instance 2>/dev/null)" != "$instance" ]; then
                if metadata user-data > /var/lib/mallee/user-data; then
                    case "$(head -c 2 /var/lib/mallee/user-data)" in
                    '#!')
                        chmod 700 /var/lib/mallee/user-data
                        /var/lib/mallee/user-data 2>&1 | tee /var/log/user-data.log
                        ;;
                    esac
                fi
                echo "$instance" > /var/lib/mallee/instance
            fi
            echo "mallee-demo: ready, instance ${instance:-unknown}"

            """, 0o755
        ),
        "bin/metadata": (
            """
            #!/bin/sh
            # metadata PATH: prints what the metadata service has under /latest/PATH; fails if it has nothing.
            # By nc, since busybox's static wget cannot resolve names without the C library's modules.
            answer=/tmp/metadata.$$
            tries=0
            while [ $tries -lt 5 ]; do
                printf 'GET /latest/%s HTTP/1.0\\r\\nHost: 169.254.169.254\\r\\n\\r\\n' "$1" |
                    nc -w 5 169.254.169.254 80 > $answer 2>/dev/null
                case "$(head -n 1 $answer)" in
                *" 200 "*)
                    sed '1,/^\\r$/d' $answer
                    rm -f $answer
                    exit 0
                    ;;
                *" 404 "*) break ;;
                esac
                tries=$((tries + 1))
                sleep 1
            done
            rm -f $answer
            exit 1

            """, 0o755
        ),
        "etc/udhcpc": (
            """
            #!/bin/sh
            # Called by udhcpc with the event and the lease in the environment.
            case "$1" in
            deconfig) ip addr flush dev $interface ;;
            bound | renew)
                ip addr flush dev $interface
                ip addr add $ip/${mask:-24} dev $interface
                for gateway in $router; do
                    ip route replace default via $gateway dev $interface
                    break
                done
                : > /etc/resolv.conf
                for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done
                ;;
            esac

            """, 0o755
        ),
    ]
}
