"""Machines of a cluster in one kernel: each has its own processes, network, host name and file system.

Every machine is a set of namespaces with a root of its own in memory: the operating system below /usr and /etc is this
host's, under a layer that takes all changes; /var, /opt, /root, /home and the package database begin empty. Process 1 is
systemd, as on Rocks 7, or systemd is hidden, so that services are started by init scripts, as before. All machines are on
one private network that exists only in namespaces made here, and have the system calls of Linux 3.10 only.
"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time


# The last release of Linux that Rocks was made with.
OLD_KERNEL = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Packages/old_kernel.py"), "3.10"]


def call(*command, check=True, timeout=120, **options):
    """Runs a command to its end; its output is text."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


class Network:
    """One private segment: a bridge in a namespace of its own."""

    def __init__(self):
        self.name = f"mallee-net-{os.getpid()}"
        call("ip", "netns", "add", self.name)
        self.inside("ip", "link", "add", "segment", "type", "bridge")
        self.inside("ip", "link", "set", "segment", "up")
        self.ports = 0

    def inside(self, *command):
        return call("ip", "netns", "exec", self.name, *command)

    def connect(self, namespace, address):
        """Gives a namespace an eth0 on the segment."""
        self.ports += 1
        port = f"p{self.ports}"
        self.inside("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        self.inside("ip", "link", "set", port, "master", "segment", "up")
        for step in (["link", "set", "lo", "up"], ["addr", "add", address, "dev", "eth0"], ["link", "set", "eth0", "up"]):
            call("ip", "netns", "exec", namespace, "ip", *step)

    def remove(self):
        call("ip", "netns", "del", self.name, check=False)


class Machine:
    """One host. `install` makes its disk, `power_on` boots it, `power_off` is the pulled plug."""

    # Not of the operating system, and never to be seen by what is under test.
    HIDDEN = ["usr/bin/qemu-img", "usr/bin/qemu-system-x86_64", "usr/bin/qemu-system-i386", "usr/share/qemu",
              "usr/share/seabios"]
    SYSTEMD = ["usr/bin/systemctl", "usr/bin/systemd-run", "usr/lib/systemd/systemd"]
    # Units that would reach beyond the machine, or wait for hardware.
    MASKED = ["systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket",
              "systemd-sysctl.service", "systemd-modules-load.service", "systemd-remount-fs.service",
              "systemd-random-seed.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount",
              "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount",
              "sys-fs-fuse-connections.mount", "dev-hugepages.mount", "dev-mqueue.mount", "systemd-logind.service",
              "systemd-user-sessions.service", "systemd-ask-password-wall.path", "getty.target",
              "systemd-journald-audit.socket", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"]

    def __init__(self, name, address, network, hosts, has_systemd=False):
        self.name, self.address, self.network, self.hosts = name, address, network, hosts
        self.has_systemd = has_systemd
        # Rocks' large partition, which a reinstallation leaves as it is; a machine has one if this is made.
        self.partition = None
        self.directory = tempfile.mkdtemp(prefix=f"mallee-{name}-")
        self.root = os.path.join(self.directory, "root")
        self.namespace = f"mallee-{name}-{os.getpid()}"
        self.init = None
        self.is_installed = False
        call("ip", "netns", "add", self.namespace)
        network.connect(self.namespace, f"{address}/16")

    # -- the disk

    def install(self):
        """An empty machine with an operating system; what was on it is gone."""
        self.wipe()
        call("mount", "-t", "tmpfs", "-o", "mode=755,size=6g", "tmpfs", self.directory)
        os.makedirs(self.root)
        for layered in ("usr", "etc"):
            upper, work = (os.path.join(self.directory, kind + layered) for kind in ("upper-", "work-"))
            for made in (upper, work, self.path(layered)):
                os.makedirs(made)
            call("mount", "-t", "overlay", "overlay", "-o",
                 f"lowerdir=/{layered},upperdir={upper},workdir={work}", self.path(layered))
        for link in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if os.path.islink("/" + link):
                os.symlink(os.readlink("/" + link), self.path(link))
        for made, mode in (("var/lib", 0o755), ("var/log", 0o755), ("var/run", 0o755), ("var/lock", 0o755),
                           ("var/tmp", 0o1777), ("tmp", 0o1777), ("run", 0o755), ("proc", 0o755), ("sys", 0o755),
                           ("dev", 0o755), ("root", 0o700), ("home", 0o755), ("opt", 0o755), ("etc/rc.d/init.d", 0o755),
                           ("etc/rc.d/rocksconfig.d", 0o755)):
            os.makedirs(self.path(made), exist_ok=True)
            os.chmod(self.path(made), mode)
        for hidden in self.HIDDEN + ([] if self.has_systemd else self.SYSTEMD):
            if os.path.lexists(self.path(hidden)):
                if os.path.isdir(self.path(hidden)):
                    shutil.rmtree(self.path(hidden))
                else:
                    os.remove(self.path(hidden))
        if self.partition:
            os.makedirs(self.path("state/partition1"))
            call("mount", "--bind", self.partition, self.path("state/partition1"))
            self.write("etc/fstab", "/dev/sda5 /state/partition1 ext4 defaults 1 2\n")
        self.write("etc/hosts", "127.0.0.1 localhost\n" + "".join(
            f"{address} {name}.local {name}\n" for name, address in self.hosts.items()))
        self.write("etc/hostname", self.name + ".local\n")
        self.write("etc/resolv.conf", "")
        if self.has_systemd:
            self.prepare_systemd()
        else:
            # Process 1: reaps what is left behind.
            self.write("sbin-init", "#!/bin/sh\nwhile :; do sleep 3600 & wait $!; done\n", 0o755)
        self.is_installed = True

    def prepare_systemd(self):
        """Of the units, those that any system has; nothing of what this host enables."""
        for path in glob.glob(self.path("etc/systemd/system/*")):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.remove(path)
        for unit in self.MASKED:
            os.symlink("/dev/null", self.path("etc/systemd/system", unit))
        self.write("etc/machine-id", f"{os.getpid():032x}\n")
        self.write("etc/fstab", "")
        # A group of their own for the machine's processes, in whatever hierarchy this host has.
        self.groups = os.path.join(self.directory, "cgroup")
        os.makedirs(self.groups, exist_ok=True)
        call("mount", "-t", "cgroup2", "cgroup2", self.groups)
        self.group = os.path.join(self.groups, self.namespace)
        os.makedirs(self.group, exist_ok=True)

    def wipe(self):
        """The disk is emptied; the machine is off."""
        self.power_off()
        if self.is_installed:
            if self.has_systemd:
                self.remove_group()
                call("umount", self.groups, check=False)
            if self.partition:
                call("umount", self.path("state/partition1"), check=False)
            for mounted in (self.path("usr"), self.path("etc"), self.directory):
                call("umount", mounted, check=False)
            self.is_installed = False

    def remove_group(self):
        """Takes the machine's groups away when the kernel has ended the last of its processes."""
        end = time.monotonic() + 30
        while os.path.isdir(self.group):
            try:
                for directory, _, _ in os.walk(self.group, topdown=False):
                    os.rmdir(directory)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def path(self, *parts):
        return os.path.join(self.root, *(part.lstrip("/") for part in parts))

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), errors="replace") as file:
            return file.read()

    # -- power

    # As process 1 of new namespaces: name, root.
    BOOT = """set -e
        hostname "$1.local"
        mount --rbind "$2" "$2"
        mount -t proc proc "$2/proc"
        mount -t sysfs -o ro sysfs "$2/sys"
        """
    BOOT_SCRIPTS = BOOT + 'mount --rbind /dev "$2/dev"; exec chroot "$2" /sbin-init'
    BOOT_SYSTEMD = BOOT + """
        mount -t cgroup2 cgroup2 "$2/sys/fs/cgroup"
        mount -t tmpfs -o mode=755 run "$2/run"
        mount -t tmpfs -o mode=755 dev "$2/dev"
        for device in null zero full random urandom tty kvm; do
            if [ -e /dev/$device ]; then cp -a /dev/$device "$2/dev/"; fi
        done
        mkdir "$2/dev/pts" "$2/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=666 devpts "$2/dev/pts"
        mount -t tmpfs -o mode=1777 shm "$2/dev/shm"
        ln -s pts/ptmx "$2/dev/ptmx"
        ln -s /proc/self/fd "$2/dev/fd"
        cd "$2"
        mkdir -p before
        pivot_root . before
        umount -l /before
        exec env -i container=mallee PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd \
            --unit=multi-user.target --log-target=journal --show-status=no
        """

    def power_on(self):
        """Process 1 runs, and what it starts."""
        spaces = ["unshare", "--mount", "--propagation", "private", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        if self.has_systemd:
            spaces = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.group, *spaces, "--cgroup"]
        self.init = subprocess.Popen(
            [*OLD_KERNEL, "ip", "netns", "exec", self.namespace, *spaces, "sh", "-c",
             self.BOOT_SYSTEMD if self.has_systemd else self.BOOT_SCRIPTS, "boot", self.name, self.root],
            stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 60
        while not self.is_up():
            assert time.monotonic() < end and self.init.poll() is None, f"{self.name} does not boot"
            time.sleep(0.02)

    def is_up(self):
        """Whether the machine has booted; sets the number of its process 1."""
        children = call("pgrep", "-P", str(self.init.pid), check=False).stdout.split()
        if not children:
            return False
        self.first = int(children[0])
        if not self.has_systemd:
            return os.path.realpath(f"/proc/{self.first}/root") == os.path.realpath(self.root)
        with open(f"/proc/{self.first}/comm") as name:
            if name.read() != "systemd\n":
                return False
        # A unit that cannot be had here, such as a device's, leaves it "degraded".
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def power_off(self):
        """The plug is pulled: every process of the machine ends at once."""
        if self.init:
            for pid in (self.first, self.init.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.init.wait(30)
            self.init = None

    def run(self, *command, check=True, timeout=120, **options):
        """A command on the machine, as root."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/opt/rocks/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        return call(*OLD_KERNEL, "nsenter", "--target", str(self.first), "--mount", "--uts", "--ipc", "--net", "--pid",
                    "--root", "--wd", "--", *command,
                    check=check, timeout=timeout, env=environment, **options)

    def remove(self):
        self.wipe()
        call("ip", "netns", "del", self.namespace, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.partition:
            shutil.rmtree(self.partition, ignore_errors=True)
