"""A Xen host in QEMU: Debian's Xen, its control domain, and Mallee's node controller in it."""

import glob
import gzip
import os
import shutil
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
SUITE = "bookworm"
# A shell of the control domain listens here.
SHELL_PORT = 2300
PACKAGES = [
    "xen-utils-4.17", "xen-hypervisor-4.17-amd64", "xenstore-utils", "qemu-system-xen", "qemu-utils", "grub-xen-host",
    "linux-image-amd64", "iproute2", "iptables", "kmod", "procps", "socat", "util-linux", "busybox-static"]
# Most of what is in them, and never looked at.
NOT_NEEDED = ["./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./usr/share/qemu-system-xen/*.dtb",
              "./lib/modules/*/kernel/sound/*", *(f"./lib/modules/*/kernel/drivers/{name}/*" for name in (
                  "gpu", "media", "net/wireless", "net/ethernet", "infiniband", "scsi", "staging", "iio", "usb", "hwmon",
                  "input", "comedi", "isdn", "ata", "mtd", "platform", "hid", "leds", "gpio", "i2c", "power"))]
# What the control domain needs to find its root.
MODULES = ["virtio_pci", "virtio_blk", "virtio_net", "ext4"]
LOADER = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
while read module; do /bin/busybox insmod /modules/$module 2>/dev/null; done < /modules/list
for second in 1 2 3 4 5 6 7 8 9 10; do [ -e /dev/vda ] && break; /bin/busybox sleep 1; done
/bin/busybox mount -t ext4 /dev/vda /mnt || echo "no root file system"
exec /bin/busybox switch_root /mnt /sbin/control-domain
"""


def call(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def system_tree(cache):
    """Debian with Xen's tools, made once; a half-made one is begun again. Packages are unpacked, not installed: what
    installing adds (an initial RAM disk, compiled Python, databases) takes minutes and is not used here."""
    tree = os.path.join(cache, f"{SUITE}-xen")
    stamp = os.path.join(tree, "etc", "mallee-test")
    wanted = " ".join(PACKAGES)
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted:
                return tree
    os.makedirs(cache, exist_ok=True)
    for attempt in range(3):
        shutil.rmtree(tree, ignore_errors=True)
        try:
            call("debootstrap", "--variant=minbase", "--download-only", "--include=" + ",".join(PACKAGES), SUITE, tree,
                 MIRROR, timeout=1500)
            break
        except RuntimeError:
            if attempt == 2:
                raise
            time.sleep(5)
    unpack(tree)
    with open(stamp, "w") as file:
        file.write(wanted)
    return tree


def unpack(tree):
    """Puts the downloaded packages into the tree, with the little of their installation that is needed to run."""
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        os.makedirs(f"{tree}/usr/{name}", exist_ok=True)
        os.symlink(f"usr/{name}", f"{tree}/{name}")
    os.makedirs(f"{tree}/var", exist_ok=True)
    os.symlink("/run", f"{tree}/var/run")
    os.symlink("/run/lock", f"{tree}/var/lock")
    packages = f"{tree}/var/cache/apt/archives"
    for package in sorted(glob.glob(f"{packages}/*.deb")):
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as content:
            call("tar", "-x", "-C", tree, "--keep-directory-symlink", "--wildcards",
                 *(f"--exclude={path}" for path in NOT_NEEDED), stdin=content.stdout)
        if content.returncode != 0:
            raise RuntimeError(f"{package} cannot be unpacked")
        os.unlink(package)
    for name in ("passwd", "group"):
        shutil.copy(f"{tree}/usr/share/base-passwd/{name}.master", f"{tree}/etc/{name}")
    for name, target in {"usr/bin/awk": "mawk", "usr/bin/which": "which.debianutils", "usr/sbin/iptables": "iptables-nft",
                         "usr/sbin/iptables-save": "iptables-nft-save",
                         "usr/sbin/iptables-restore": "iptables-nft-restore"}.items():
        os.symlink(target, f"{tree}/{name}")
    os.makedirs(f"{tree}/var/log/xen", exist_ok=True)
    call("chroot", tree, "ldconfig")
    call("chroot", tree, "depmod", os.path.basename(glob.glob(f"{tree}/lib/modules/*")[0]))


def archive(tree, path):
    """An initial RAM disk of this tree."""
    names = subprocess.run(["find", "."], cwd=tree, check=True, capture_output=True).stdout
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names, check=True, capture_output=True).stdout
    with gzip.open(path, "wb", 1) as file:
        file.write(packed)


class Host:
    """One Xen host. Its console is a log, and takes commands for the control domain."""

    def __init__(self, work, tree, programs, configuration, files, ports, memory=3072, extensions=False, drives=()):
        self.work = work
        self.questions = 0
        self.log_path = os.path.join(work, "console.log")
        self.process = None
        self.make(tree, programs, configuration, files)
        # QEMU emulates AMD's virtualization extensions as well, and does so unless it is told not to.
        processor = "qemu64,+svm,+npt,+nrip-save" if extensions else "qemu64,-svm"
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{port}-:{port}" for port in [*ports, SHELL_PORT])
        self.command = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", processor, "-smp", "2", "-m", str(memory),
            "-display", "none", "-no-reboot", "-serial", f"unix:{work}/console,server=on,wait=off", "-kernel", f"{work}/xen",
            # An emulated processor has no secrets to keep apart, and is slow at it.
            "-append", "dom0_mem=1024M com1=115200,8n1 console=com1 no-real-mode spec-ctrl=no",
            "-initrd", f"{work}/vmlinuz console=hvc0 quiet mitigations=off,{work}/initrd",
            "-drive", f"file={work}/disk,format=raw,if=virtio,cache=unsafe",
            "-netdev", "user,id=n" + forwards, "-device", "virtio-net-pci,netdev=n,romfile="]
        for drive in drives:
            self.command += ["-drive", f"file={drive},format=raw,if=virtio,readonly=on"]

    def make(self, tree, programs, configuration, files):
        version = os.path.basename(glob.glob(f"{tree}/lib/modules/*")[0])
        loader = os.path.join(self.work, "loader")
        for name in ("bin", "proc", "sys", "dev", "mnt", "modules"):
            os.makedirs(os.path.join(loader, name))
        shutil.copy(f"{tree}/bin/busybox", f"{loader}/bin/busybox")
        order = []
        for module in MODULES:
            for line in call("chroot", tree, "modprobe", "-S", version, "--show-depends", module).splitlines():
                words = line.split()
                if words[0] == "insmod" and words[1] not in order:
                    order.append(words[1])
        for path in order:
            shutil.copy(tree + path, f"{loader}/modules/{os.path.basename(path)}")
        with open(f"{loader}/modules/list", "w") as file:
            file.write("".join(os.path.basename(path) + "\n" for path in order))
        with open(f"{loader}/init", "w") as file:
            file.write(LOADER)
        os.chmod(f"{loader}/init", 0o755)
        archive(loader, f"{self.work}/initrd")
        shutil.copy(f"{tree}/boot/vmlinuz-{version}", f"{self.work}/vmlinuz")
        with gzip.open(glob.glob(f"{tree}/boot/xen-4.17-amd64.gz")[0]) as packed, open(f"{self.work}/xen", "wb") as file:
            shutil.copyfileobj(packed, file)
        # The tree is kept for the next run, so what is Mallee's is written into the image.
        disk = f"{self.work}/disk"
        with open(disk, "wb") as file:
            file.truncate(6 << 30)
        call("mkfs.ext4", "-q", "-F", "-m", "0", "-d", tree, disk)
        # Debian's /sbin is a link, which debugfs does not follow.
        orders = ["mkdir /etc/mallee"]
        for program, path in {**programs, f"{HERE}/control_domain.sh": "control-domain"}.items():
            orders += [f"write {program} /usr/sbin/{path}", f"set_inode_field /usr/sbin/{path} mode 0100755"]
        for number, (path, content) in enumerate({"/etc/mallee/node.conf": configuration, **files}.items()):
            local = f"{self.work}/file{number}"
            with open(local, "w") as file:
                file.write(content)
            orders.append(f"write {local} {path}")
            orders.append(f"set_inode_field {path} mode 0100600")
        call("debugfs", "-w", "-f", "/dev/stdin", disk, input="\n".join(orders) + "\n")

    def start(self):
        with open(f"{self.work}/qemu.log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        with open(self.log_path, "wb"):
            pass
        self.console = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                self.console.connect(f"{self.work}/console")
                break
            except OSError:
                time.sleep(0.05)
        threading.Thread(target=self.keep_console, daemon=True).start()
        return self

    def keep_console(self):
        with open(self.log_path, "wb", 0) as file:
            while True:
                try:
                    data = self.console.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                file.write(data)

    def order(self, line):
        """A line for the control domain's shell."""
        self.console.sendall(line.encode() + b"\n")

    def ask(self, line, seconds=300):
        """What a line for the control domain's shell prints. Not by the console, whose input is lost on a loaded machine."""
        self.questions += 1
        mark = f"answer-{self.questions} ends\n"
        said = b""
        with socket.create_connection(("127.0.0.1", SHELL_PORT), seconds) as shell:
            shell.sendall(f"{{ {line}\n}} 2>&1; echo {mark}".encode())
            while not said.endswith(mark.encode()):
                data = shell.recv(65536)
                assert data, f"the control domain does not answer to: {line}"
                said += data
        return said.decode(errors="replace")[:-len(mark)]

    @property
    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.order("off")
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
