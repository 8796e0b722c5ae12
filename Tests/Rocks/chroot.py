"""A throw-away root in which the roll's scripts run as on a host: real bash and text tools, and in place of Rocks and of
the service managers programs that remember what they were asked (in /calls) and behave like those of a release."""

import atexit
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROLL = REPOSITORY / "roll"

TOOLS = """bash awk basename cat chmod chown cmp cp cut dirname env grep head ls mkdir mktemp mv rm rmdir sed sort stat
tail tee touch tr""".split()

# Attributes in /rocks/attributes/NAME, rules of the firewall in /rocks/firewall: as much of Rocks as is asked for.
ROCKS = r"""#!/bin/bash
echo "rocks $*" >> /calls
case "$*" in
"list host") [ ! -e /rocks/down ] || exit 1 ;;
"list attr") for f in /rocks/attributes/*; do echo "$(basename $f): $(cat $f)"; done ;;
"list appliance attr "*) for f in /rocks/appliances/$4/*; do [ ! -e $f ] || echo "$4: $(basename $f) $(cat $f)"; done ;;
"set attr "*) echo "$4" > /rocks/attributes/$3 ;;
"set appliance attr "*) mkdir -p /rocks/appliances/$4; echo "$6" > /rocks/appliances/$4/$5 ;;
"report host attr localhost attr="*)
    if [ -e /rocks/attributes/${5#attr=} ]; then
        cat /rocks/attributes/${5#attr=}
    elif [ -e /rocks/old ]; then
        echo
    else
        echo "error - Attribute ${5#attr=} does not exist" >&2
        exit 255
    fi ;;
"list host firewall localhost") cat /rocks/firewall ;;
"add firewall host=localhost rulename="*)
    [ ! -e /rocks/old ] || exit 3
    echo "$4 ${7#service=} tcp ACCEPT INPUT public" | sed s/rulename=// >> /rocks/firewall ;;
"add host firewall localhost network=public service="*)
    [ -e /rocks/old ] || exit 3
    echo "${6#service=} tcp INPUT ACCEPT public" >> /rocks/firewall ;;
"sync host firewall localhost" | "sync mallee") ;;
*) echo "error - invalid rocks command: $*" >&2; exit 1 ;;
esac
"""

# Records its arguments; fails while /fail/NAME exists.
RECORDER = """#!/bin/bash
echo "$(basename $0) $*" >> /calls
[ ! -e /fail/$(basename $0) ]
"""

MALLEE = """#!/bin/bash
echo "mallee $*" >> /calls
[ ! -e /fail/mallee ] || exit 1
if [ "$1" = init ]; then
    [ -s /etc/mallee/enrolment.secret ] || echo 5ec2e7 > /etc/mallee/enrolment.secret
    chmod 0400 /etc/mallee/enrolment.secret
    echo sha256:abcd > /etc/mallee/authority.fingerprint
fi
"""

# What 411 does on a node: brings the secret.
GET = """#!/bin/bash
echo "411get $*" >> /calls
[ ! -e /rocks/411-down ] || exit 1
echo 5ec2e7 > /etc/mallee/enrolment.secret
"""


def copy_program(source, root, path):
    """A program and the libraries that it needs, where it looks for them."""
    source = os.path.realpath(source)
    libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", source], capture_output=True, text=True).stdout)
    # /lib is /usr/lib there.
    for file, target in [(source, path)] + [(file, re.sub(r"^/(lib[^/]*/)", r"/usr/\1", file)[1:]) for file in libraries]:
        if not (root / target).exists():
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(file), root / target)


class Root:
    """One host. Needs the right to change root (root, or a user namespace: see run.sh)."""

    def __init__(self, rocks, systemd, running):
        """rocks: "5.4" or "7.0"; systemd: whether it runs; running: False while the installer works in it."""
        self.path = Path(tempfile.mkdtemp(prefix="mallee-rocks-"))
        for directory in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc/mallee", "tmp", "dev", "proc/1", "fail",
                          "var/log", "var/411", "opt/rocks/bin", "rocks/attributes", "rocks/appliances"):
            (self.path / directory).mkdir(parents=True)
        for link in ("bin", "sbin", "lib", "lib64"):
            (self.path / link).symlink_to("usr/" + link)
        (self.path / "dev/null").touch()
        self.link_tools()
        (self.path / "usr/bin/sh").symlink_to("bash")
        self.program("opt/rocks/bin/rocks", ROCKS)
        self.program("opt/rocks/bin/ci", "#!/bin/bash\n:\n")
        self.program("opt/rocks/bin/co", "#!/bin/bash\n:\n")
        self.program("opt/rocks/bin/411get", GET)
        self.program("usr/bin/make", RECORDER)
        self.program("usr/bin/mallee", MALLEE)
        if systemd:
            self.program("usr/bin/systemctl", RECORDER)
            if running:
                (self.path / "run/systemd/system").mkdir(parents=True)
        else:
            self.program("usr/sbin/chkconfig", RECORDER)
            self.program("usr/sbin/service", RECORDER)
        if running:
            (self.path / "proc/1/root").symlink_to("/")
        self.write("proc/mounts", "rootfs / rootfs rw 0 0\n")
        self.write("var/411/Files.mk", "FILES_NOCOMMENT = /etc/passwd \\\n\t/etc/shadow")
        self.write("rocks/firewall", "")
        self.write("calls", "")
        for name, value in {"Kickstart_PrivateAddress": "10.1.1.1", "Kickstart_PublicAddress": "192.0.2.7",
                            "Info_ClusterName": "Our Cluster (2nd)"}.items():
            self.write("rocks/attributes/" + name, value + "\n")
        self.site = "opt/rocks/lib/python2.7/site-packages"
        if rocks == "5.4":
            self.write("rocks/old", "")
            self.site = "opt/rocks/lib/python2.4/site-packages"
            (self.path / self.site / "rocks/commands/add/host/firewall").mkdir(parents=True)
        (self.path / self.site / "rocks/commands/add/firewall").mkdir(parents=True)
        self.write(self.site + "/rocks/commands/add/firewall/__init__.py",
                   "rulename" if rocks != "5.4" else "service")
        (self.path / "opt/rocks/var/plugins/insertethers").mkdir(parents=True)
        shutil.copytree(ROLL / "frontend", self.path / "usr/share/mallee/rocks",
                        ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "rpmspec/conf/node.conf", self.path / "etc/mallee/node.conf")

    def remove(self):
        shutil.rmtree(self.path)

    def write(self, path, text):
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text)

    def read(self, path):
        return (self.path / path).read_text()

    def mode(self, path):
        return stat.S_IMODE((self.path / path).stat().st_mode)

    def exists(self, path):
        return (self.path / path).exists()

    def program(self, path, text):
        self.write(path, text)
        (self.path / path).chmod(0o755)

    tools = None

    def link_tools(self):
        """The text tools and their libraries, copied once for all roots."""
        if Root.tools is None:
            Root.tools = Path(tempfile.mkdtemp(prefix="mallee-rocks-tools-"))
            atexit.register(shutil.rmtree, Root.tools)
            for tool in TOOLS:
                copy_program(shutil.which(tool), Root.tools, "usr/bin/" + tool)
        shutil.copytree(Root.tools, self.path, copy_function=os.link, dirs_exist_ok=True)

    def run(self, script, shell=("/bin/bash",)):
        """Runs a script by standard input, as `rocks run roll … | bash` does; status, and all it said."""
        result = subprocess.run(["chroot", self.path, *shell], input=script, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, timeout=60)
        return result.returncode, result.stdout

    def run_with_processes(self, script):
        """The same with a real /proc, by which Swift's programs find their arguments; the script is process 1 there."""
        # A name space of processes, so that /proc/1/root is this root, as on a running host.
        enter = 'mount -t proc proc "$1/proc" && exec chroot "$1" /bin/bash'
        result = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", enter, "sh", self.path],
                                input=script, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, timeout=120)
        return result.returncode, result.stdout

    def calls(self):
        """What was asked of the recorders since the last time."""
        lines = self.read("calls").splitlines()
        self.write("calls", "")
        return lines

    def tree(self):
        """Contents and modes of all files that a script may have touched, to compare."""
        found = {}
        for top in ("etc", "opt", "var/lib", "var/411", "state"):
            for path in sorted((self.path / top).rglob("*")):
                name = str(path.relative_to(self.path))
                content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
                found[name] = (stat.S_IMODE(path.lstat().st_mode), content)
        return found
