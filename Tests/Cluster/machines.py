"""Machines of a cluster in one kernel: each has its own processes, network, host name and file system.

Every machine is a set of namespaces with a root of its own in memory: the operating system below /usr and /etc is this
host's, under a layer that takes all changes; /var, /opt, /root, /home and the package database begin empty. systemd is
hidden, so that services are started by init scripts, as on Rocks 5 and 6. All machines are on one private network that
exists only in namespaces made here.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time


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
    HIDDEN = ["usr/bin/systemctl", "usr/bin/systemd-run", "usr/lib/systemd/systemd"]

    def __init__(self, name, address, network, hosts):
        self.name, self.address, self.network, self.hosts = name, address, network, hosts
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
        for hidden in self.HIDDEN:
            if os.path.lexists(self.path(hidden)):
                os.remove(self.path(hidden))
        self.write("etc/hosts", "127.0.0.1 localhost\n" + "".join(
            f"{address} {name}.local {name}\n" for name, address in self.hosts.items()))
        self.write("etc/hostname", self.name + ".local\n")
        self.write("etc/resolv.conf", "")
        # Process 1: reaps what is left behind.
        self.write("sbin-init", "#!/bin/sh\nwhile :; do sleep 3600 & wait $!; done\n", 0o755)
        self.is_installed = True

    def wipe(self):
        """The disk is emptied; the machine is off."""
        self.power_off()
        if self.is_installed:
            for mounted in (self.path("usr"), self.path("etc"), self.directory):
                call("umount", mounted, check=False)
            self.is_installed = False

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

    def power_on(self):
        """Process 1 runs; nothing else does."""
        self.init = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, "unshare", "--mount", "--propagation", "private", "--uts", "--ipc",
             "--pid", "--fork", "--kill-child", "sh", "-c",
             'hostname "$1.local" && mount -t proc proc "$2/proc" && mount -t sysfs -o ro sysfs "$2/sys" && '
             'mount --rbind /dev "$2/dev" && exec chroot "$2" /sbin-init', "boot", self.name, self.root],
            stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 10
        while True:
            children = call("pgrep", "-P", str(self.init.pid), check=False).stdout.split()
            if children and os.path.realpath(f"/proc/{children[0]}/root") == os.path.realpath(self.root):
                self.first = int(children[0])
                return
            assert time.monotonic() < end and self.init.poll() is None, f"{self.name} does not boot"
            time.sleep(0.02)

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
        return call("nsenter", "--target", str(self.first), "--mount", "--uts", "--ipc", "--net", "--pid",
                    "--root", "--wd", "--", *command,
                    check=check, timeout=timeout, env=environment, **options)

    def remove(self):
        self.wipe()
        call("ip", "netns", "del", self.namespace, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
