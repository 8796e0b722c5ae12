"""A cluster from the disc alone: a frontend and two nodes, installed from the ISO's packages and the roll's own scripts.

usage: cluster.py ISO BINARIES VENV. The machines are namespaces (machines.py); Rocks' database, 411 and the installer
are played by this test, everything else is what the disc holds. Needs root.
"""

import glob
import json
import os
import shutil
import sys
import tempfile
import time

from machines import Machine, Network, call
import rocks_frontend as rocks

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "EndToEnd"))
from harness import exported, wait_for

# What the operating system has and the disc need not.
OS_PACKAGES = {"logrotate"}
NODES = {"compute-0-0": "10.1.255.254", "compute-0-1": "10.1.255.253"}
HOSTS = {"frontend": "10.1.1.1", **NODES}
# As on Rocks 7; the other node has init scripts.
SYSTEMD = {"frontend", "compute-0-0"}
# The node with /state/partition1.
KEEPS_STATE = "compute-0-1"
FRONTEND_ATTRIBUTES = {
    "hostname": "frontend", "hostaddr": "10.1.1.1", "os": "linux", "arch": "x86_64", "rocks_version": "7.0",
    "Kickstart_PrivateAddress": "10.1.1.1", "Kickstart_PrivateNetmask": "255.255.0.0",
    "Kickstart_PrivateHostname": "frontend", "Kickstart_PrivateDNSDomain": "local",
    # This cluster is reached from its private network only.
    "Kickstart_PublicAddress": "10.1.1.1", "Kickstart_PublicHostname": "frontend.local",
    "Info_ClusterName": "Test Cluster",
}


class Cluster:
    def __init__(self, iso, binaries, venv):
        self.binaries, self.venv = os.path.abspath(binaries), os.path.abspath(venv)
        self.iso = os.path.abspath(iso)
        self.work = tempfile.mkdtemp(prefix="mallee-cluster-")
        self.disc = os.path.join(self.work, "disc")
        # What `rocks add roll` does, without a loop device.
        call("bsdtar", "-x", "-f", self.iso, "-C", self.made("disc"))
        self.rpms = {}
        for path in glob.glob(f"{self.disc}/*/*/*/RedHat/RPMS/*.rpm"):
            self.rpms[call("rpm", "-qp", "--nosignature", "--qf", "%{name}", path).stdout] = path
        self.network = Network()
        self.machines = {name: Machine(name, address, self.network, HOSTS, has_systemd=name in SYSTEMD)
                         for name, address in HOSTS.items()}
        self.frontend = self.machines["frontend"]
        # As Rocks partitions a frontend, and a compute node.
        for machine in (self.frontend, self.machines[KEEPS_STATE]):
            machine.partition = tempfile.mkdtemp(prefix="mallee-partition-")
            os.chmod(machine.partition, 0o755)

    def made(self, name):
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        return path

    def remove(self):
        for machine in self.machines.values():
            machine.remove()
        self.network.remove()
        shutil.rmtree(self.work, ignore_errors=True)

    # -- what the installer does

    def kickstart(self, root, attributes):
        """Packages and post scripts of a host, out of the roll on the disc."""
        arguments = [word for name, value in attributes.items() for word in ("--attr", f"{name}={value}")]
        text = call(os.path.join(self.binaries, "mallee-roll"), "render", self.iso, "--root", root, "--format", "kickstart",
                    "--os", "7", *arguments).stdout
        packages, posts, section = [], [], None
        for line in text.splitlines():
            word = line.split(" ", 1)[0]
            if word == "%packages":
                section = packages
            elif word == "%post":
                posts.append([])
                section = posts[-1]
            elif word == "%end":
                section = None
            elif section is not None:
                section.append(line)
        packages = [line for line in packages if line and not line.startswith("#")]
        assert packages and posts, text
        return packages, ["\n".join(post) + "\n" for post in posts]

    def install(self, machine, root, attributes):
        """An empty disk becomes a host: operating system, packages from the disc, post scripts."""
        packages, posts = self.kickstart(root, attributes)
        missing = [name for name in packages if name not in self.rpms and name not in OS_PACKAGES]
        assert not missing, f"not on the disc: {missing}"
        # In a root of its own without a running system, as in the installer, which mounts this.
        call("mount", "-t", "proc", "proc", machine.path("proc"))
        call("mount", "--bind", "/dev", machine.path("dev"))
        try:
            call("rpm", "--root", machine.root, "--nosignature", "--nodeps", "-i",
                 *(self.rpms[name] for name in packages if name in self.rpms))
            for number, post in enumerate(posts):
                machine.write(f"tmp/post-{number}", post, 0o700)
                call("chroot", machine.root, "/bin/bash", f"/tmp/post-{number}")
        finally:
            call("umount", machine.path("dev"))
            call("umount", machine.path("proc"))

    def boot(self, machine):
        """Power on, then what rc does."""
        machine.power_on()
        for script in sorted(glob.glob(machine.path("etc/rc.d/rc3.d/S*"))):
            assert not machine.has_systemd, f"{script} beside systemd"
            machine.run("/etc/rc.d/init.d/" + os.path.basename(script)[3:], "start", check=False)
        for script in sorted(glob.glob(machine.path("etc/rc.d/rocksconfig.d/post-*"))):
            done = machine.run("/etc/rc.d/rocksconfig.d/" + os.path.basename(script), check=False)
            machine.write(f"tmp/{os.path.basename(script)}.debug", done.stdout + done.stderr)

    def install_frontend(self):
        self.frontend.install()
        rocks.prepare_frontend(self.frontend, FRONTEND_ATTRIBUTES)
        self.install(self.frontend, "server", FRONTEND_ATTRIBUTES)
        self.boot(self.frontend)

    def install_node(self, name, change=lambda node: None):
        """As after PXE: the disk is wiped, the host installed, and booted. Returns when it was powered on."""
        node = self.machines[name]
        node.install()
        rocks.prepare_host(node)
        data = json.loads(self.frontend.read("var/lib/rocks-attributes.json"))
        attributes = {**data["global"], **data["appliance"].get("compute", {}), **data["hosts"][name]["attributes"]}
        self.install(node, "compute", attributes)
        rocks.distribute_411(self.frontend, node)
        change(node)
        started = time.monotonic()
        self.boot(node)
        return started

    # -- what users and administrators do

    def nodes(self):
        listed = json.loads(self.frontend.run("mallee", "node", "list", "--json").stdout)
        return {node["name"]: node for node in listed}

    def wait_enabled(self, name, seconds=60):
        def enabled():
            node = self.nodes().get(name)
            return node if node and node["state"] == "enabled" else None
        try:
            return wait_for(f"{name} is enabled", enabled, seconds, 0.1)
        except AssertionError:
            print(json.dumps(self.nodes(), indent=1))
            self.show_logs(self.machines[name])
            raise

    def show_logs(self, *machines):
        for machine in machines or self.machines.values():
            for file in sorted(glob.glob(machine.path("var/log/mallee/*")) + glob.glob(machine.path("tmp/*.debug"))):
                with open(file, errors="replace") as log:
                    print(f"-- {machine.name}: {os.path.basename(file)}\n{log.read()[-3000:]}")

    def aws(self, *arguments):
        environment = {"PATH": os.environ["PATH"], "HOME": self.work, "AWS_PAGER": ""}
        environment.update(exported(self.frontend.run("cat", "/var/lib/mallee/admin/eucarc").stdout))
        done = call("ip", "netns", "exec", self.frontend.namespace, os.path.join(self.venv, "bin", "aws"), *arguments,
                    "--output", "json", env=environment)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def import_demo(self):
        """The demo image, built outside, since the cluster reaches no other network."""
        demo = self.made("demo")
        call(os.path.join(self.binaries, "mallee"), "image", "demo", "--output", demo, timeout=300)
        target = self.frontend.path("root/demo")
        os.makedirs(target)
        for file in ("vmlinuz", "initrd.gz", "root.ext4"):
            shutil.copy(os.path.join(demo, file), target)
        return self.frontend.run(
            "mallee", "image", "import", "/root/demo/root.ext4", "--name", "demo", "--kernel", "/root/demo/vmlinuz",
            "--ramdisk", "/root/demo/initrd.gz", "--kernel-arguments", "console=ttyS0 quiet panic=-1",
            "--credentials", "/var/lib/mallee/admin/eucarc").stdout.split()[-1]

    def states(self, ids):
        answer = self.aws("ec2", "describe-instances", "--instance-ids", *ids)
        return {i["InstanceId"]: i for r in answer["Reservations"] for i in r["Instances"]}

    def console_says(self, instance, text):
        return text in (self.aws("ec2", "get-console-output", "--instance-id", instance).get("Output") or "")


def cached(node):
    """The files of images on a node's kept partition: path → inode and time."""
    found = {}
    for directory, _, files in os.walk(os.path.join(node.partition, "mallee/node/cache")):
        for file in files:
            status = os.stat(os.path.join(directory, file))
            if status.st_size > 1 << 20:
                found[file] = (status.st_ino, status.st_mtime_ns)
    return found


def guests(machine):
    """Emulators that run on a machine."""
    return machine.run("pgrep", "-f", "qemu-system", check=False).stdout.split()


def scenario(cluster):
    times = []

    def step(what):
        times.append((time.monotonic(), what))
        print(f"{time.monotonic() - times[0][0]:6.1f} s  {what}", flush=True)

    step("the frontend is installed")
    cluster.install_frontend()
    frontend = cluster.frontend
    assert not os.path.exists(frontend.path("etc/rc.d/rocksconfig.d/post-85-mallee-server")), \
        frontend.read("tmp/post-85-mallee-server.debug")
    doctor = frontend.run("mallee", "doctor", check=False)
    assert doctor.returncode in (0, 1), doctor.stdout + doctor.stderr
    objects = os.path.join(frontend.partition, "mallee/walrus")
    assert os.listdir(objects), "Walrus' objects are not on /state/partition1"

    step("two nodes appear by insert-ethers, and are installed")
    first = {}
    for name, address in NODES.items():
        rocks.insert_ethers(frontend, name, address)
        assert name in cluster.nodes(), "insert-ethers did not announce the node"
        powered = cluster.install_node(name)
        cluster.wait_enabled(name)
        first[name] = time.monotonic() - powered
        print(f"          {name}: {first[name]:.1f} s from power-on to schedulable", flush=True)

    step("an instance runs on each node")
    image = cluster.import_demo()
    run = cluster.aws("ec2", "run-instances", "--image-id", image, "--instance-type", "m1.small", "--count", "2")
    ids = [instance["InstanceId"] for instance in run["Instances"]]
    wait_for("both run", lambda: all(i["State"]["Name"] == "running" for i in cluster.states(ids).values()), 120, 0.5)
    for name in NODES:
        doctor = cluster.machines[name].run("mallee-node", "doctor", check=False).stdout
        assert "/usr/lib/mallee/qemu/bin/qemu-system-x86_64" in doctor and "Walrus answers" in doctor, doctor
        assert len(guests(cluster.machines[name])) == 1, f"{name}: {guests(cluster.machines[name])}"
    for instance in ids:
        wait_for(f"{instance} says that it is ready", lambda: cluster.console_says(instance, "mallee-demo: ready"), 120, 1)

    step("under systemd, services end and come back, and the guest runs on")
    under_systemd(cluster, next(iter(node_instances(cluster, "compute-0-0"))))

    step("one node is wiped and installed again")
    node = cluster.machines["compute-0-1"]
    identity = "var/lib/mallee/node/identity/component.crt"
    before = node.read(identity)
    old = cluster.made("old")
    for file in glob.glob(node.path("var/lib/mallee/node/identity/*")):
        shutil.copy(file, old)
    lost = [i for i in ids if i not in node_instances(cluster, "compute-0-0")]
    images = cached(node)
    assert images, "no image is cached on /state/partition1"
    cluster.install_node("compute-0-1")
    cluster.wait_enabled("compute-0-1")
    assert node.read(identity) != before, "the certificate is the old one"
    superseded(cluster, old)
    step("what it had is terminated, with its reason")
    wait_for("the lost instance is terminated", lambda: all(
        i["State"]["Name"] == "terminated" for i in cluster.states(lost).values()), 120, 0.5)
    for i in lost:
        print(f"          {cluster.states(lost)[i]['StateReason']['Message']}")
        assert "guest" in cluster.states(lost)[i]["StateReason"]["Message"], cluster.states(lost)
    step("an instance runs there again, from the image that is there still")
    again = cluster.aws("ec2", "run-instances", "--image-id", image, "--instance-type", "m1.small")
    instance = again["Instances"][0]["InstanceId"]
    wait_for("an instance runs again", lambda: cluster.states([instance])[instance]["State"]["Name"] == "running", 120, 0.5)
    if instance in node_instances(cluster, KEEPS_STATE):
        assert cached(node) == images, "the image was fetched again"

    step("a node with a wrong secret stays out")
    rocks.remove_host(frontend, "compute-0-1")
    wait_for("the removed node is gone", lambda: "compute-0-1" not in cluster.nodes(), 30)
    rocks.insert_ethers(frontend, "compute-0-1", NODES["compute-0-1"])
    cluster.install_node("compute-0-1", lambda node: node.write("etc/mallee/enrolment.secret", "ab" * 32 + "\n", 0o400))
    wait_for("the node's log says why", lambda: "secret" in node.read("var/log/mallee/node.log"), 30)
    wait_for("the frontend's log says why", lambda: any(
        "compute-0-1" in line and "secret" in line
        for line in frontend.read("var/log/mallee/cluster.log").splitlines()), 30)
    for machine, log in ((node, "node"), (frontend, "cluster")):
        lines = [line for line in machine.read(f"var/log/mallee/{log}.log").splitlines() if "secret" in line]
        print(f"          {machine.name}: {lines[-1][:300]}")
    assert cluster.nodes()["compute-0-1"]["state"] != "enabled"

    step("given the right one, which is a new one now, it comes in")
    old = frontend.read("etc/mallee/enrolment.secret")
    said = frontend.run("mallee", "enrolment", "secret", "rotate").stdout
    assert "411 hands it out" in said and frontend.read("etc/mallee/enrolment.secret") != old, said
    rocks.distribute_411(frontend, node)
    cluster.wait_enabled("compute-0-1", 90)

    step("a node that is removed disappears")
    rocks.remove_host(frontend, "compute-0-1")
    wait_for("the removed node is gone", lambda: "compute-0-1" not in cluster.nodes(), 30)
    time.sleep(3)
    assert "compute-0-1" not in cluster.nodes(), "it came back by itself"

    step("the frontend reboots, instances run on")
    kept = guests(cluster.machines["compute-0-0"])
    assert kept, "no guest is left to survive this"
    frontend.power_off()
    cluster.boot(frontend)
    cluster.wait_enabled("compute-0-0")
    assert set(kept) <= set(guests(cluster.machines["compute-0-0"]))
    step("done")
    size = os.path.getsize(cluster.iso) / 2**20
    slowest = max(first.values())
    print(f"roll: {size:.0f} MiB; a node's first boot to schedulable: {slowest:.1f} s")


def unit(machine, service, *properties):
    """What systemd says of a service."""
    text = machine.run("systemctl", "show", service, *(f"--property={name}" for name in properties)).stdout
    return tuple(line.split("=", 1)[1] for line in sorted(text.splitlines(), key=lambda line: properties.index(
        line.split("=", 1)[0])))


def restarted(machine, service, act):
    """Does something after which the service must have been started anew, and be ready."""
    before, = unit(machine, service, "MainPID")
    act(before)
    wait_for(f"{service} runs again on {machine.name}", lambda: unit(
        machine, service, "ActiveState", "SubState") == ("active", "running") and unit(
        machine, service, "MainPID") != (before,), 60, 0.2)


def under_systemd(cluster, instance):
    frontend, node = cluster.frontend, cluster.machines["compute-0-0"]
    guest = guests(node)

    def package(name):
        """The same package once more: the scripts of an upgrade run."""
        machine = node if name == "mallee-node" else frontend
        shutil.copy(cluster.rpms[name], machine.path("root", name + ".rpm"))
        machine.run("rpm", "--nosignature", "--nodeps", "-U", "--replacepkgs", f"/root/{name}.rpm")

    for service in ("mallee-cloud", "mallee-walrus", "mallee-cluster"):
        kind, state, user = unit(frontend, service, "Type", "ActiveState", "User")
        assert (kind, state, user) == ("notify", "active", "mallee"), (service, kind, state, user)
        # None of its rights has kept it from its work until here. Killed, it comes back.
        restarted(frontend, service, lambda pid: frontend.run("kill", "-KILL", pid))
        restarted(frontend, service, lambda pid, service=service: package(service))
    for act in (lambda pid: node.run("systemctl", "restart", "mallee-node"), lambda pid: node.run("kill", "-KILL", pid),
                lambda pid: package("mallee-node")):
        restarted(node, "mallee-node", act)
        # Beside it there may be one that only tells its version.
        assert set(guest) <= set(guests(node)), f"the guest {guest} did not survive: {guests(node)}"
    node.run("systemctl", "stop", "mallee-node")
    assert set(guest) <= set(guests(node)), "stopping the service ended the guest"
    node.run("systemctl", "start", "mallee-node")
    cluster.wait_enabled("compute-0-0")
    assert cluster.states([instance])[instance]["State"]["Name"] == "running"
    assert cluster.console_says(instance, "mallee-demo: ready")
    # What the journal has of the units is of this machine's own making: no option that this systemd does not take.
    said = node.run("journalctl", "--no-pager", "-u", "mallee-node").stdout
    assert "Unknown" not in said, said


def node_instances(cluster, name):
    """Instances that a node holds, by their directories."""
    node = cluster.machines[name]
    state = next(line.split('"')[1] for line in node.read("etc/mallee/node.conf").splitlines()
                 if line.startswith("STATE_DIR="))
    return {entry for _, directories, _ in os.walk(node.path(state)) for entry in directories if entry.startswith("i-")}


def superseded(cluster, identity):
    """The certificate of the node as it was before it was installed again is good for nothing."""
    types = "urn:mallee:contract:types:1"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    resources = "".join(f"<{name}>1</{name}>" for name in (
        "coresTotal", "coresFree", "memoryMiBTotal", "memoryMiBFree", "diskGiBTotal", "diskGiBFree"))
    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f'<c:RegisterNode xmlns:c="urn:mallee:contract:cluster:1" xmlns="{types}"><c:node>'
        "<nodeName>compute-0-1</nodeName><endpoint>https://10.1.255.253:8775/services/NodeController</endpoint>"
        "<state>up</state><hypervisor>simulated</hypervisor><architecture>x86_64</architecture>"
        f"<resources>{resources}</resources><softwareVersion>0</softwareVersion><startedAt>{now}</startedAt>"
        "</c:node></c:RegisterNode></e:Body></e:Envelope>")
    done = call(
        "ip", "netns", "exec", cluster.frontend.namespace, "curl", "-sS", "--max-time", "10", "--cert",
        f"{identity}/component.crt", "--key", f"{identity}/component.key", "--cacert", f"{identity}/ca.crt",
        "-H", "Content-Type: text/xml", "-d", envelope, "https://10.1.1.1:8774/services/ClusterController")
    assert "was superseded" in done.stdout, done.stdout


def main():
    if len(sys.argv) != 4:
        raise SystemExit(f"usage: {sys.argv[0]} ISO BINARIES VENV")
    cluster = Cluster(*sys.argv[1:])
    try:
        scenario(cluster)
        print("1 passed, 0 failed")
    except Exception:
        cluster.show_logs()
        raise
    finally:
        cluster.remove()


main()
