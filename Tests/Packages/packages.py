#!/usr/bin/env python3
"""Tests of the packages: what is in them, and that they work where there is nothing but a kernel.

    packages.py PACKAGES DISCS PROGRAMS

PACKAGES is the directory of `make rpm`, DISCS that of `make roll`, PROGRAMS that of `make static`. Everything runs in
namespaces of its own: processes, mounts and network of this host are neither seen nor touched. Needs root.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ("cloud", "walrus", "cluster", "node")

# What the packages promise: path → owner, group, mode. State, secrets and settings; programs are checked by type.
OWNERS = {
    "/usr/bin/mallee": ("root", "root", 0o755),
    "/usr/sbin/mallee-node": ("root", "root", 0o755),
    "/etc/mallee": ("root", "root", 0o755),
    "/etc/mallee/cloud.conf": ("root", "mallee", 0o640),
    "/etc/mallee/walrus.conf": ("root", "mallee", 0o640),
    "/etc/mallee/cluster.conf": ("root", "mallee", 0o640),
    "/etc/mallee/node.conf": ("root", "mallee", 0o640),
    "/var/lib/mallee": ("root", "mallee", 0o1770),
    "/var/lib/mallee/authority": ("mallee", "mallee", 0o700),
    "/var/lib/mallee/identity": ("mallee", "mallee", 0o700),
    "/var/lib/mallee/cloud": ("mallee", "mallee", 0o700),
    "/var/lib/mallee/walrus": ("mallee", "mallee", 0o700),
    "/var/lib/mallee/cluster": ("mallee", "mallee", 0o700),
    "/var/lib/mallee/node": ("root", "root", 0o700),
    "/var/lib/mallee/admin": ("root", "root", 0o700),
    "/var/log/mallee": ("root", "mallee", 0o1770),
    "/run/mallee": ("mallee", "mallee", 0o755),
    "/usr/lib/systemd/system/mallee-cloud.service": ("root", "root", 0o644),
    "/usr/share/mallee/init.d/mallee-node": ("root", "root", 0o755),
    "/usr/share/mallee/rocks/configure-frontend": ("root", "root", 0o755),
}
# All that an rpm of EL6 or later has built in.
RPMLIB = {"BuiltinLuaScripts", "CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix"}
OLD_RPMLIB = {"CompressedFileNames", "PayloadFilesHavePrefix"}

failures = []


def check(condition, text):
    if not condition:
        failures.append(text)
        print(f"    FAILED: {text}", flush=True)


def call(*command, ok=True, **options):
    """Runs a command; unless ok is False, its failure ends the tests with all that it said."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)
    if ok and done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def rpm(root, *arguments, **options):
    # The distribution's rpm may keep its database in a home directory; the one of a root belongs to the root.
    return call("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nosignature", *arguments, **options)


def query(package, form):
    return call("rpm", "-qp", "--nosignature", "--qf", form, package).stdout


def names(directory):
    """Package name → file."""
    return {query(path, "%{NAME}"): path for path in sorted(pathlib.Path(directory).glob("*.rpm"))}


def wait(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    check(False, f"{what}, within {seconds} s")
    return False


@contextlib.contextmanager
def kernel(root):
    """What a kernel gives: /proc and a few devices; taken away again even after a failure."""
    for name in ("proc", "dev"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    for name, minor in (("null", 3), ("zero", 5), ("urandom", 9)):
        os.mknod(f"{root}/dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        os.chmod(f"{root}/dev/{name}", 0o666)
    call("mount", "-t", "proc", "proc", f"{root}/proc")
    try:
        yield
    finally:
        call("umount", "--lazy", f"{root}/proc")


def identifiers(root, file):
    text = pathlib.Path(root, "etc", file).read_text(encoding="utf-8")
    return {line.split(":")[0]: int(line.split(":")[2]) for line in text.splitlines()}


def check_owners(root, owners):
    users, groups = identifiers(root, "passwd"), identifiers(root, "group")
    for path, (user, group, mode) in owners.items():
        try:
            found = os.lstat(root + path)
        except FileNotFoundError:
            check(False, f"{path} is not there")
            continue
        is_as = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
        check(is_as == (users[user], groups[group], mode), f"{path} has owner, group and mode {is_as[:2]} {is_as[2]:o}")


# --- what the packages say of themselves


def test_headers(packages):
    for name, package in packages.items():
        kickstart = name == "roll-mallee-kickstart"
        check(query(package, "%{PAYLOADCOMPRESSOR}") == "gzip", f"{name}: the payload is gzip")
        check(query(package, "%{FILEDIGESTALGO}") in ({"1", "(none)"} if kickstart else {"8"}), f"{name}: digests")
        check(query(package, "%{BUILDHOST}") == "localhost", f"{name}: nothing tells of the host that built it")
        for require in query(package, "[%{REQUIRENAME}\n]").split():
            library = re.fullmatch(r"rpmlib\((.*)\)", require)
            allowed = OLD_RPMLIB if kickstart else RPMLIB
            check(require == "mallee" or (library and library[1] in allowed), f"{name} requires {require}")
        for tag in ("PREINPROG", "POSTINPROG", "PREUNPROG", "POSTUNPROG", "POSTTRANSPROG"):
            check(query(package, f"%{{{tag}}}") in ("<lua>", "(none)"), f"{name}: {tag} is in rpm's own language")
        check("mallee" not in query(package, "[%{FILELINKTOS}]"), f"{name}: no link out of the package")
    kickstart = packages["roll-mallee-kickstart"]
    check(query(kickstart, "%{PREFIXES}") == "/export/profile", "the kickstart package is relocatable")
    check(os.path.basename(kickstart).split("-")[:3] == ["roll", "mallee", "kickstart"], "its name is one for Rocks")
    guide = call("rpm", "-qlp", "--nosignature", packages["roll-mallee-usersguide"]).stdout.split()
    version = query(kickstart, "%{VERSION}")
    check(f"/var/www/html/roll-documentation/mallee/{version}/index.html" in guide, "the guide is where Rocks shows it")


def test_lint(directory):
    done = call("rpmlint", "-c", SOURCE / "rpmspec/rpmlint.toml", directory / "RPMS", directory / "SRPMS", ok=False)
    problems = [line for line in done.stdout.splitlines() if " E: " in line or " W: " in line]
    check(not problems, "rpmlint: " + "\n".join(problems))
    check(" 0 errors, 0 warnings" in done.stdout, "rpmlint came to its end: " + done.stdout[-400:] + done.stderr[-400:])


def test_relocated(kickstart, work):
    """As `rocks create distro` installs it."""
    build = work / "build"
    (build / "var/lib/rpm").mkdir(parents=True)
    call("rpm", "-i", "--ignoresize", "--force", "--nodeps", "--ignorearch", "--dbpath", build / "var/lib/rpm",
         "--prefix", build, kickstart)
    check((build / "graphs/default/mallee.xml").is_file(), "the graph is where Rocks looks for it")
    for node in ("base", "server", "client"):
        path = build / f"nodes/mallee-{node}.xml"
        check(path.is_file() and stat.S_IMODE(path.stat().st_mode) == 0o644, f"{path.name} is there, and readable")


def test_reproducible(directory, work, programs, configuration):
    """From the source package alone, with its time: the same bytes."""
    source = next(iter((directory / "SRPMS").glob("mallee-*.src.rpm")))
    unpacked, again = work / "source", work / "again"
    tree = unpacked / "tree"
    tree.mkdir(parents=True)
    call("sh", "-c", 'rpm2cpio "$0" | cpio --quiet -i', source, cwd=unpacked)
    call("tar", "-xzf", next(iter(unpacked.glob("*.tar.gz"))), "--strip-components=1", cwd=tree)
    environment = dict(os.environ, PACKAGES=str(again), PROGRAMS=str(programs), RELEASE=release_of(directory),
                       MALLEE_QEMU=str(SOURCE / ".build/qemu"),
                       SOURCE_DATE_EPOCH=query(source, "%{BUILDTIME}"))
    call(tree / "Scripts/package.sh", "rpm", configuration, env=environment)
    for kind in ("RPMS", "SRPMS"):
        for package in (directory / kind).glob("*.rpm"):
            twin = again / kind / package.name
            same = twin.is_file() and hashlib.sha256(twin.read_bytes()).digest() == hashlib.sha256(
                package.read_bytes()).digest()
            check(same, f"{package.name} has the same bytes when it is made again")
    shutil.rmtree(again)
    shutil.rmtree(unpacked)


def release_of(directory):
    return query(names(directory / "RPMS")["mallee"], "%{RELEASE}")


def test_programs(programs):
    for name in ("mallee", "mallee-node", "mallee-roll"):
        kind = call("file", "-b", programs / name).stdout
        check("statically linked" in kind and "for GNU/Linux 3.2.0" in kind and "stripped" in kind, f"{name}: {kind}")
        check("INTERP" not in call("readelf", "-lW", programs / name).stdout, f"{name} needs no loader")
        check("(NEEDED)" not in call("readelf", "-dW", programs / name).stdout, f"{name} needs no library")
        note = re.search(r"Build ID: (\w+)", call("readelf", "-n", programs / name).stdout)
        debug = re.search(r"Build ID: (\w+)", call("readelf", "-n", programs / f"{name}.debug").stdout)
        check(note and debug and note[1] == debug[1], f"{name}.debug belongs to {name}")


# --- an empty root


def test_empty_root(packages, work):
    """rpm into a directory where there is nothing, and erased again."""
    root = str(work / "empty")
    os.mkdir(root)
    done = rpm(root, "-i", *packages.values())
    said = [line for line in done.stderr.splitlines() if line and not line.startswith("rpm: ")]
    check(not said, f"rpm has nothing to say: {said}")
    check_owners(root, OWNERS)
    verified = rpm(root, "-Va", ok=False)
    check(not verified.stdout, f"rpm -Va finds everything as it was packed: {verified.stdout}")
    for service in SERVICES:
        link = f"{root}/etc/rc.d/init.d/mallee-{service}"
        check(os.path.islink(link), f"without systemd there is {link}")
    with kernel(root):
        for program, option in (("/usr/bin/mallee", "--version"), ("/usr/sbin/mallee-node", "--version"),
                                ("/usr/bin/mallee-roll", "--help")):
            done = call("chroot", root, program, option, ok=False)
            check(done.returncode == 0 and done.stdout.strip(), f"{program} runs in the empty root: {done.stderr}")

    # Settings and state that somebody made; then everything is erased.
    conf = pathlib.Path(root, "etc/mallee/cloud.conf")
    conf.write_text(conf.read_text(encoding="utf-8") + 'REGION="here"\n', encoding="utf-8")
    made = ["var/lib/mallee/cloud/store.sqlite", "var/lib/mallee/authority/ca.key", "var/lib/mallee/node/disk",
            "var/log/mallee/cloud.log", "etc/mallee/enrolment.secret"]
    for path in made:
        pathlib.Path(root, path).write_text("state", encoding="utf-8")
    rpm(root, "-e", *packages)
    for path in made:
        check(pathlib.Path(root, path).is_file(), f"erasing packages leaves {path}")
    check((conf.parent / "cloud.conf.rpmsave").is_file(), "erasing keeps settings that were changed")
    check(not pathlib.Path(root, "usr/bin/mallee").exists(), "programs are erased")
    for service in SERVICES:
        check(not os.path.lexists(f"{root}/etc/rc.d/init.d/mallee-{service}"), f"the link of {service} is erased")
    shutil.rmtree(root)


def test_accounts(packages, work):
    """The user is added to the files of a system that has no useradd, and only once."""
    root = work / "accounts"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nother:x:990:989::/:/bin/false", encoding="utf-8")
    (root / "etc/group").write_text("root:x:0:\nother:x:989:\n", encoding="utf-8")
    (root / "etc/shadow").write_text("root:*:::::::\n", encoding="utf-8")
    (root / "etc/shadow").chmod(0o600)
    rpm(root, "-i", packages["mallee-node"])
    passwd = (root / "etc/passwd").read_text(encoding="utf-8").splitlines()
    check(len(passwd) == 3 and passwd[1] == "other:x:990:989::/:/bin/false", f"other accounts are untouched: {passwd}")
    users, groups = identifiers(root, "passwd"), identifiers(root, "group")
    check(users["mallee"] not in (0, 990) and groups["mallee"] not in (0, 989), "the user has ids of its own")
    shadow = root / "etc/shadow"
    check("mallee:!!:" in shadow.read_text(encoding="utf-8"), "nobody can log in as mallee")
    check(stat.S_IMODE(shadow.stat().st_mode) == 0o600, "the shadow file stays secret")
    rpm(root, "-i", packages["mallee"])
    check((root / "etc/passwd").read_text(encoding="utf-8").count("\nmallee:") == 1, "the user is made once")
    shutil.rmtree(root)


def test_systemd(packages, work):
    """Where systemd is, no script is linked, and the units are right."""
    root = work / "systemd"
    (root / "usr/lib/systemd").mkdir(parents=True)
    (root / "usr/lib/systemd/systemd").write_text("", encoding="utf-8")
    rpm(root, "-i", *(packages[name] for name in packages if name.startswith("mallee")))
    check(not (root / "etc/rc.d").exists(), "with systemd there are no scripts in /etc/rc.d")
    units = [f"mallee-{service}.service" for service in SERVICES]
    said = call("systemd-analyze", "verify", f"--root={root}", "--man=no", *units, ok=False).stderr.splitlines()
    # The root has neither systemd's own units nor /bin/kill.
    said = [line for line in said if "Unit sysinit.target not found" not in line and "/bin/kill" not in line]
    check(not said, f"systemd-analyze verify: {said}")
    for unit in units[:3]:
        text = call("systemd-analyze", "security", "--offline=yes", f"--root={root}", "--no-pager", unit, ok=False).stdout
        level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
        check(level and float(level[1]) < 2.5, f"{unit} is confined: {level[0] if level else text[-200:]}")
    shutil.rmtree(root)


def test_dnf(disc, work):
    """The disc is a repository, and enough to install from."""
    tree, root = work / "disc", work / "dnf"
    call("xorriso", "-osirrox", "on", "-indev", disc, "-extract", "/", tree)
    (work / "dnf-log").mkdir()
    call("dnf", "-y", f"--installroot={root}", f"--repofrompath=mallee,file://{tree}", "--repo=mallee", "--nogpgcheck",
         "--releasever=1", f"--setopt=cachedir={work}/dnf-cache", f"--setopt=logdir={work}/dnf-log",
         "--setopt=reposdir=/nonexistent", "--setopt=varsdir=/nonexistent", "--setopt=pluginpath=/nonexistent",
         "install", "mallee-cloud", "mallee-walrus", "mallee-cluster", "mallee-node", "mallee-tools")
    check_owners(str(root), OWNERS)
    with kernel(root):
        done = call("chroot", root, "/usr/bin/mallee", "cloud", "--help", ok=False)
        check(done.returncode == 0 and "cloud controller" in done.stdout, f"mallee runs after dnf: {done.stderr}")
    shutil.rmtree(root)
    shutil.rmtree(tree)


def old_kernel(release, *command):
    return (sys.executable, SOURCE / "Tests/Packages/old_kernel.py", release, *command)


# mov $0x3f8, %dx; mov $'M', %al; out %al, %dx; mov $0xfe, %al; out %al, $0x64; cli; hlt; jmp .-1: says M on the serial port
# and resets the machine.
BOOT_SECTOR = bytes.fromhex("baf803b04deeb0fee664faf4ebfd").ljust(510, b"\0") + b"\x55\xaa"


def test_qemu(package, work):
    """The QEMU of the disc needs nothing of a host, and no system call that Rocks 7 has not."""
    root = str(work / "qemu")
    os.mkdir(root)
    rpm(root, "-i", package)
    programs = f"{root}/usr/lib/mallee/qemu/bin"
    check(sorted(os.listdir(programs)) == ["qemu-img", "qemu-system-x86_64"], "the emulator and its tool are there")
    documents = pathlib.Path(root, "usr/share/doc/mallee-qemu")
    listed = [line.split() for line in (documents / "SOURCES").read_text(encoding="utf-8").splitlines()]
    listed = [line for line in listed[listed.index(["PACKAGE", "VERSION", "SOURCE", "SOURCE-VERSION"]) + 1:]]
    check({line[2] for line in listed} >= {"qemu", "glibc", "seabios", "glib2.0", "openssl", "gnutls28", "zlib"},
          f"the sources are named: {listed}")
    for line in listed:
        check(len(line) == 4 and (documents / "copyright" / line[0]).stat().st_size > 100, f"{line[0]} has its licence")
    check((documents / "common-licenses/GPL-2").is_file(), "the licences' texts are there")
    pathlib.Path(root, "disk").write_bytes(BOOT_SECTOR.ljust(1 << 20, b"\0"))
    os.mkdir(f"{root}/tmp")
    home = "/usr/lib/mallee/qemu/bin"
    with kernel(root):
        for release in ("3.10", None):
            def inside(*command):
                command = ("chroot", root, *command)
                return call(*(old_kernel(release, *command) if release else command), ok=False,
                            env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL)

            done = inside(f"{home}/qemu-img", "create", "-q", "-f", "qcow2", "-b", "/disk", "-F", "raw", f"/overlay-{release}")
            check(done.returncode == 0, f"qemu-img makes a disk: {done.stderr}")
            # As the node starts a guest; without seccomp(2) there is no -sandbox.
            done = inside(
                f"{home}/qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc",
                "-accel", "tcg,thread=multi", "-smp", "2", "-m", "64", "-no-reboot", "-chardev", "stdio,id=s", "-device",
                "isa-serial,chardev=s", "-object", "rng-random,id=r,filename=/dev/urandom", "-device",
                "virtio-rng-pci,rng=r", "-netdev", "user,id=n,ipv6=off", "-device", "virtio-net-pci,netdev=n,romfile=",
                "-blockdev", f'{{"driver":"qcow2","node-name":"d","file":{{"driver":"file","filename":"/overlay-{release}"}}}}',
                "-device", "virtio-blk-pci,drive=d,bootindex=1", *(() if release else ("-sandbox", "on,spawn=deny")))
            check(done.returncode == 0 and done.stdout.endswith("M"),
                  f"a guest runs as on Linux {release}: {done.returncode} {done.stdout[-200:]}{done.stderr[-400:]}")
        maps = inside(f"{home}/qemu-system-x86_64", "-machine", "none", "-display", "none", "-nodefaults", "-vga", "help")
        check(maps.returncode == 0, f"modules and firmware are found: {maps.stderr}")
    shutil.rmtree(root)


def test_qemu_sources(package, work):
    """What belongs to the QEMU of the disc is named, and a collection of its sources is checked; without the network."""
    root, sources = str(work / "qemu-sources"), work / "sources"
    os.mkdir(root)
    rpm(root, "-i", "--nodeps", package)
    listing = pathlib.Path(root, "usr/share/doc/mallee-qemu/SOURCES")
    lines = [line.split() for line in listing.read_text(encoding="utf-8").splitlines()]
    wanted = {(line[2], line[3]) for line in lines[lines.index(["PACKAGE", "VERSION", "SOURCE", "SOURCE-VERSION"]) + 1:]}

    def run():
        return call(SOURCE / "Scripts/qemu-bundle.sh", "check", sources, listing, ok=False)

    os.mkdir(sources)
    done = run()
    check(done.returncode == 1 and all(f"{name} {version} is missing: https://snapshot.debian.org/package/{name}/" in done.stderr
                                       for name, version in wanted), f"what is missing is named: {done.stderr}")
    for name, version in wanted:
        stem = f"{name}_{version.split(':')[-1]}"
        content = f"the source of {stem}".encode()
        (sources / f"{stem}.orig.tar.xz").write_bytes(content)
        # As Debian writes it: signed in the clear, other sums before.
        (sources / f"{stem}.dsc").write_text(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nFormat: 3.0 (quilt)\nSource: " + name
            + f"\nChecksums-Sha1:\n {'0' * 40} {len(content)} {stem}.orig.tar.xz\nChecksums-Sha256:\n "
            + f"{hashlib.sha256(content).hexdigest()} {len(content)} {stem}.orig.tar.xz\nFiles:\n {'0' * 32} "
            + f"{len(content)} {stem}.orig.tar.xz\n\n-----BEGIN PGP SIGNATURE-----\n", encoding="utf-8")
    done = run()
    check(done.returncode == 0 and f"the sources of {len(wanted)} packages, whole" in done.stdout,
          f"a complete collection is: {done.stdout}{done.stderr}")
    archives = sorted(sources.glob("qemu_*.orig.tar.xz")) + sorted(sources.glob("glibc_*.orig.tar.xz"))
    archives[0].write_bytes(b"something else")
    archives[1].unlink()
    next(sources.glob("zlib_*.dsc")).write_text("Format: 1.0\n", encoding="utf-8")
    done = run()
    check(done.returncode == 1 and f"{archives[0].name} is not what" in done.stderr
          and f"{archives[1].name} is missing" in done.stderr and "zlib" in done.stderr
          and len(done.stderr.splitlines()) == 3, f"damaged and missing files are named: {done.stderr}")
    shutil.rmtree(root)
    shutil.rmtree(sources)


def test_old_kernel(programs, work):
    """The programs need no system call that came after Linux 3.2: a whole cloud runs without them."""
    base, state = 21000, work / "old"
    log = open(work / "old.log", "w+", encoding="utf-8")
    cloud = subprocess.Popen(
        [str(word) for word in old_kernel(
            "3.2", programs / "mallee", "up", "--state-dir", state, "--port-base", base, "--hypervisor", "simulated")],
        stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    wait(lambda: (state / "run/ready").exists() or cloud.poll() is not None, 120, "a cloud is up as on Linux 3.2")
    log.seek(0)
    check("aws ec2 run-instances --image-id" in log.read(), "as on Linux 3.2 an image is imported, and a node is there")
    cloud.terminate()
    check(cloud.wait(60) == 0, "it ends as it should")
    log.close()
    shutil.rmtree(state)


def test_install_target(programs, work):
    root = work / "install"
    conf = root / "etc/mallee/cloud.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("# mine\n", encoding="utf-8")
    call("make", "-C", SOURCE, "install", f"DESTDIR={root}", "PREFIX=/opt/mallee", f"PROGRAMS={programs.resolve()}")
    unit = (root / "opt/mallee/lib/systemd/system/mallee-cloud.service").read_text(encoding="utf-8")
    check("ExecStart=/opt/mallee/bin/mallee cloud --config /etc/mallee/cloud.conf\n" in unit, "units name the prefix")
    check(conf.read_text(encoding="utf-8") == "# mine\n", "settings that are there stay")
    left = call("grep", "-rlE", "@(S?BIN|SYSCONF|DATA|LOCALSTATE)DIR@", root / "etc", root / "opt/mallee/lib", root / "opt/mallee/share", ok=False)
    check(not left.stdout, f"every place is filled in: {left.stdout}")
    check((root / "opt/mallee/share/man/man1/mallee-cloud.1.gz").is_file(), "manual pages are made")
    shutil.rmtree(root)


def test_i386(directory, work):
    package = names(directory)["mallee-node"]
    check(query(package, "%{ARCH}") == "i386", "mallee-node is there for i386")
    root = str(work / "i386")
    os.mkdir(root)
    rpm(root, "-i", "--ignorearch", package)
    check_owners(root, {path: OWNERS[path] for path in ("/usr/sbin/mallee-node", "/etc/mallee/node.conf")})
    with kernel(root):
        done = call("chroot", root, "/usr/sbin/mallee-node", "--version", ok=False)
        check(done.returncode == 0, f"mallee-node for i386 runs in an empty root: {done.stderr}")
    shutil.rmtree(root)


# --- services


class NameServer(threading.Thread):
    """Knows one name; an empty root reaches it by its resolv.conf."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.name_known = name
        self.asked = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))

    def run(self):
        while True:
            question, peer = self.socket.recvfrom(512)
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1 : at + 1 + question[at]].decode())
                at += question[at] + 1
            name, kind = ".".join(labels), struct.unpack(">H", question[at + 1 : at + 3])[0]
            self.asked.add(name)
            answer = b""
            if name == self.name_known and kind == 1:
                answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
            status = 0 if name == self.name_known else 3
            counts = struct.pack(">HHHH", 1, 1 if answer else 0, 0, 0)
            self.socket.sendto(
                question[:2] + bytes([0x81, 0x80 | status]) + counts + question[12 : at + 5] + answer, peer)


def alive(number):
    """Whether a process runs; one that has ended and that nobody has waited for has no command line."""
    try:
        return bool(pathlib.Path(f"/proc/{number}/cmdline").read_bytes())
    except OSError:
        return False


def process(root, service):
    """The id of a service's process by its file, or nothing."""
    path = pathlib.Path(root, f"run/mallee/mallee-{service}.pid")
    number = int(path.read_text(encoding="utf-8")) if path.exists() else None
    return number if number and alive(number) else None


def test_services(packages, next_packages, work):
    """Services start from their scripts, find each other by name, go on after an upgrade, and end when erased."""
    root = str(work / "services")
    os.makedirs(f"{root}/bin")
    # A shell and its tools, as the least that any host has.
    busybox = shutil.which("busybox")
    shutil.copy(busybox, f"{root}/bin/busybox")
    for applet in call(busybox, "--list").stdout.split():
        if applet != "busybox":
            os.symlink("busybox", f"{root}/bin/{applet}")
    wanted = ["mallee", "mallee-cluster", "mallee-node"]
    rpm(root, "-i", *(packages[name] for name in wanted))
    with kernel(root):
        run_services(root, wanted, next_packages)
    shutil.rmtree(root)


def run_services(root, wanted, next_packages):
    # A static program must not load what this file names, though it is there and even of the right version.
    pathlib.Path(root, "etc/nsswitch.conf").write_text(
        "hosts: sss hesiod files mdns4_minimal [NOTFOUND=return] dns myhostname\npasswd: hesiod files\n", encoding="utf-8")
    libraries = pathlib.Path("/lib/x86_64-linux-gnu")
    os.makedirs(f"{root}{libraries}")
    os.makedirs(f"{root}/lib64")
    for library in ("libnss_hesiod.so.2", "libresolv.so.2", "libc.so.6", "ld-linux-x86-64.so.2"):
        shutil.copy(libraries / library, f"{root}{libraries}")
    shutil.copy(libraries / "ld-linux-x86-64.so.2", f"{root}/lib64")
    pathlib.Path(root, "etc/hosts").write_text("127.0.0.1 localhost node.private\n", encoding="utf-8")
    pathlib.Path(root, "etc/resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="utf-8")
    names_server = NameServer("frontend.private")
    names_server.start()

    settings = {
        "cluster": 'ZONE="zone1"\nLISTEN_ADDRESS="127.0.0.1"\nALLOW_PLAIN_HTTP="Y"\nREADY_FILE="/run/mallee/cluster.ready"\n',
        "node": 'NODE_NAME="node1"\nLISTEN_ADDRESS="127.0.0.1"\nADVERTISED_ADDRESS="node.private"\nHYPERVISOR="simulated"\n'
        'ALLOW_PLAIN_HTTP="Y"\nCLUSTER_ENDPOINT="http://frontend.private:8774/services/ClusterController"\n'
        'READY_FILE="/run/mallee/node.ready"\n',
    }
    for service, text in settings.items():
        path = pathlib.Path(root, f"etc/mallee/{service}.conf")
        # Only what the packages set and a trial changes is replaced; the owner and the mode stay.
        kept = [line for line in path.read_text(encoding="utf-8").splitlines()
                if line.split("=")[0] not in ("ENROLMENT_SECRET_FILE", "IDENTITY_DIR")]
        path.write_text("\n".join(kept) + "\n" + text, encoding="utf-8")

    def control(service, verb):
        # In files: a daemon that kept a pipe would keep us waiting.
        with tempfile.TemporaryFile("w+") as out:
            done = subprocess.run(
                [shutil.which("chroot"), root, f"/etc/rc.d/init.d/mallee-{service}", verb], stdout=out, stderr=out,
                env={"PATH": "/bin:/usr/bin"}, stdin=subprocess.DEVNULL, check=False)
            out.seek(0)
            return done.returncode, out.read().strip()

    def log(service):
        path = pathlib.Path(root, f"var/log/mallee/{service}.log")
        return path.read_text(encoding="utf-8", errors="replace")[-1500:] if path.exists() else "(no log)"

    for service in ("cluster", "node"):
        check(control(service, "status")[0] == 3, f"{service} does not run before it is started")
        status, said = control(service, "start")
        check(status == 0 and said.endswith(": started"), f"start of {service}: {said}\n{log(service)}")
        check(control(service, "status")[0] == 0, f"{service} runs")
        check(control(service, "start")[0] == 0, f"a second start of {service} is none")
    before = {service: process(root, service) for service in settings}
    if None in before.values():
        return
    user = identifiers(root, "passwd")["mallee"]
    check(os.stat(f"/proc/{before['cluster']}").st_uid == user, "the cluster controller runs as the user mallee")
    check(os.stat(f"/proc/{before['node']}").st_uid == 0, "the node controller runs as root")
    check(pathlib.Path(root, "var/log/mallee/cluster.log").stat().st_uid == user, "the log is the user's")

    def registered():
        return "node1" in log("cluster")

    wait(registered, 20, "the node finds its cluster controller by DNS, and that one the node by /etc/hosts")
    check("frontend.private" in names_server.asked, "names are asked of the root's own name server")
    for service, number in before.items():
        maps = pathlib.Path(f"/proc/{number}/maps").read_text(encoding="utf-8")
        check("/mallee" in maps and ".so" not in maps, f"{service} has loaded no library of the host")

    # Upgraded while it runs. A guest is a process that the node controller has started; it must not notice.
    guest = subprocess.Popen(["chroot", root, "/bin/sh", "-c", "while :; do sleep 1; done"], start_new_session=True)
    done = rpm(root, "-U", *(next_packages[name] for name in wanted))
    said = [line for line in done.stderr.splitlines() if "rror" in line or "arning" in line]
    check(not said, f"the upgrade has nothing to complain of: {said}")
    after = {service: process(root, service) for service in settings}
    for service in settings:
        check(after[service] not in (None, before[service]), f"the upgrade restarted {service}: {log(service)}")
        check(control(service, "status")[0] == 0, f"{service} runs after the upgrade")
        path = pathlib.Path(root, f"etc/mallee/{service}.conf")
        check("ALLOW_PLAIN_HTTP=\"Y\"" in path.read_text(encoding="utf-8"), f"{service}.conf stays as it was")
        check(stat.S_IMODE(path.stat().st_mode) == 0o640, f"{service}.conf stays secret")
        check(os.path.islink(f"{root}/etc/rc.d/init.d/mallee-{service}"), f"the script of {service} is still linked")
    check(guest.poll() is None, "an upgrade ends no other process")
    check(rpm(root, "-q", "--qf", "%{RELEASE}", "mallee-node").stdout == "99", "the higher release is installed")

    # Rotation: the signal opens the log anew.
    node_log = pathlib.Path(root, "var/log/mallee/node.log")
    node_log.rename(node_log.with_suffix(".log.1"))
    check(control("node", "reload")[0] == 0, "reload of the node")
    wait(node_log.exists, 10, "SIGHUP opens the node's log anew")

    status, said = control("node", "restart")
    check(status == 0 and process(root, "node") != after["node"], f"restart of the node: {said}")
    running = {service: process(root, service) for service in settings}
    rpm(root, "-e", *wanted)
    for service, number in running.items():
        check(number and not alive(number), f"erasing the package ends {service}")
    check(guest.poll() is None, "erasing ends no other process")
    check(any(pathlib.Path(root, "var/lib/mallee/cluster").iterdir()), "erasing leaves the state of the cluster controller")
    check(any(pathlib.Path(root, "var/lib/mallee/node").iterdir()), "erasing leaves the state of the node")
    os.killpg(guest.pid, signal.SIGKILL)
    guest.wait()


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    if os.geteuid() != 0:
        sys.exit("packages.py makes roots and namespaces: run it as root")
    if os.environ.get("MALLEE_NAMESPACES") != "own":
        os.environ["MALLEE_NAMESPACES"] = "own"
        os.execvp("unshare", ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child",
                              "--mount-proc", sys.executable, os.path.abspath(__file__), *map(os.path.abspath, sys.argv[1:])])
    call("ip", "link", "set", "lo", "up")
    directory, discs, programs = (pathlib.Path(argument) for argument in sys.argv[1:])
    configuration = programs.name
    packages = names(directory / "RPMS")
    disc = next(iter(sorted(discs.glob(f"mallee-*-{release_of(directory)}.x86_64.disk1.iso"))), None)
    if disc is None:
        sys.exit(f"there is no disc in {discs}; make it first: make roll CONFIGURATION={configuration}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mallee-packages.") as name:
        work = pathlib.Path(name)
        higher = work / "higher"
        environment = dict(os.environ, PACKAGES=str(higher), PROGRAMS=str(programs), RELEASE="99", MALLEE_QEMU=str(SOURCE / ".build/qemu"))
        build = subprocess.Popen(
            [SOURCE / "Scripts/package.sh", "rpm", configuration], env=environment, stdout=subprocess.DEVNULL)
        tests = [
            ("what the packages say of themselves", lambda: test_headers(packages)),
            ("programs", lambda: test_programs(programs)),
            ("the kickstart package as Rocks installs it", lambda: test_relocated(packages["roll-mallee-kickstart"], work)),
            ("rpm into an empty root", lambda: test_empty_root(packages, work)),
            ("accounts without useradd", lambda: test_accounts(packages, work)),
            ("units, where there is systemd", lambda: test_systemd(packages, work)),
            ("dnf from the disc", lambda: test_dnf(disc, work)),
            ("the sources of that QEMU", lambda: test_qemu_sources(packages["mallee-qemu"], work)),
            ("QEMU in an empty root, as on Linux 3.10", lambda: test_qemu(packages["mallee-qemu"], work)),
            ("a cloud as on Linux 3.2", lambda: test_old_kernel(programs, work)),
            ("make install", lambda: test_install_target(programs, work)),
            ("i386", lambda: test_i386(directory.parent / "rpm-i386/RPMS", work)),
            ("services: start, names, upgrade, erase", lambda: test_services(packages, names(higher / "RPMS"), work)),
            ("the same bytes again", lambda: test_reproducible(directory, work, programs, configuration)),
            ("rpmlint", lambda: test_lint(directory)),
        ]
        for text, test in tests:
            print(f"  {text}", flush=True)
            if text.startswith("services") and build.wait() != 0:
                sys.exit("Scripts/package.sh cannot make a higher release")
            test()
        if build.poll() is None:
            build.kill()
    print(json.dumps({"tests": len(tests), "failed": len(failures), "seconds": round(time.monotonic() - started, 1)}))
    sys.exit(1 if failures else 0)


main()
