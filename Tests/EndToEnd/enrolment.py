"""Nodes that enrol by themselves: cloud, Walrus, cluster controller and nodes as separate processes."""

import json
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import urllib.request

from harness import Daemon, free_ports, main, wait_for

ZONE = "zone-a"


def write(path, text, mode=0o600):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    return path


class Front:
    """The front end's three daemons, with identities of an authority of their own."""

    def __init__(self, binaries, policy="auto"):
        self.directory = tempfile.mkdtemp(prefix="mallee-test-")
        self.binaries = os.path.abspath(binaries)
        self.mallee = os.path.join(self.binaries, "mallee")
        base = free_ports(5)
        self.ec2, self.control, self.walrus_port, self.cluster_port, self.enrolment_port = range(base, base + 5)
        self.authority = os.path.join(self.directory, "authority")
        for role, name in (("cloud", "cloud"), ("walrus", "walrus"), ("cluster", ZONE), ("client", "admin")):
            self.identity(role, name)
        self.secret = write(os.path.join(self.directory, "enrolment.secret"), secrets.token_hex(32) + "\n")
        self.fingerprint = "sha256:" + self.digest(os.path.join(self.authority, "ca.crt"))
        self.cluster_url = f"https://127.0.0.1:{self.cluster_port}/services/ClusterController"
        control = f"https://127.0.0.1:{self.control}/services/CloudController"
        self.cloud = Daemon(self.directory, "cloud", [self.mallee, "cloud"], {
            "CLOUD_PORT": self.ec2, "CONTROL_PORT": self.control, "ZONES": f"{ZONE}={self.cluster_url}",
            "WALRUS_URL": f"http://127.0.0.1:{self.walrus_port}", "IDENTITY_DIR": self.of("cloud"),
            "PUBLIC_ENDPOINT": f"127.0.0.1:{self.ec2}", "AUTHORITY_DIR": self.authority})
        self.walrus = Daemon(self.directory, "walrus", [self.mallee, "walrus"], {
            "WALRUS_PORT": self.walrus_port, "CLOUD_ENDPOINT": control, "IDENTITY_DIR": self.of("walrus")})
        self.cluster = Daemon(self.directory, "cluster", [self.mallee, "cluster"], {
            "CC_PORT": self.cluster_port, "ZONE": ZONE, "ADDRESSES": "127.9.0.0/16", "HEARTBEAT": 500,
            "IDENTITY_DIR": self.of(ZONE), "ENROLMENT": policy, "ENROLMENT_PORT": self.enrolment_port,
            "ENROLMENT_SECRET_FILE": self.secret, "CLOUD_CONTROL": control})
        self.nodes = []

    def of(self, name):
        return os.path.join(self.directory, "identities", name)

    def identity(self, role, name):
        subprocess.run(
            [self.mallee, "certificate", "--authority", self.authority, "--role", role, "--name", name,
             "--host", "127.0.0.1", "--output", self.of(name)], check=True, capture_output=True, timeout=60)

    @staticmethod
    def digest(certificate):
        done = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"],
                              check=True, capture_output=True, text=True, timeout=30)
        return done.stdout.strip().split("=", 1)[1].replace(":", "").lower()

    def node(self, name, **more):
        configuration = {
            "NODE_NAME": name, "HYPERVISOR": "simulated", "LISTEN_PORT": 0, "MAX_CORES": 4, "MAX_MEM": 1024,
            "MAX_DISK": 20, "CLUSTER_ENDPOINT": self.cluster_url, "ADVERTISED_ADDRESS": "127.0.0.1",
            "ENROLMENT_ENDPOINT": f"https://127.0.0.1:{self.enrolment_port}/services/Enrolment",
            "ENROLMENT_SECRET_FILE": self.secret, "AUTHORITY_FINGERPRINT": self.fingerprint, **more}
        node = Daemon(self.directory, name, [os.path.join(self.binaries, "mallee-node")], configuration)
        self.nodes.append(node)
        return node

    def __enter__(self):
        for daemon in (self.cluster, self.cloud, self.walrus):
            daemon.start()
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(*(d.log() for d in [self.cloud, self.cluster, *self.nodes]), sep="\n")
        for daemon in [*self.nodes, self.walrus, self.cluster, self.cloud]:
            daemon.stop()
        shutil.rmtree(self.directory)

    def command(self, *arguments, text=None, fails_with=None):
        done = subprocess.run(
            [self.mallee, "node", *arguments, "--cluster", self.cluster_url, "--identity", self.of("admin")],
            input=text, capture_output=True, text=True, timeout=60, check=False)
        if fails_with is not None:
            assert done.returncode != 0 and fails_with in done.stderr, done
            return done.stderr
        assert done.returncode == 0, done
        return done.stdout

    def list(self):
        return {node["name"]: node for node in json.loads(self.command("list", "--json"))}

    def wait_state(self, name, state, seconds=30):
        def reached():
            found = self.list().get(name)
            return found if (found["state"] if found else None) == state else None
        return wait_for(f"{name} is {state}", reached if state else lambda: name not in self.list(), seconds, 0.1)


def launch(node):
    """Starts a node that may not get as far as serving."""
    with open(node.output, "ab") as log:
        node.process = subprocess.Popen(
            node.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def says(daemon, *texts, seconds=30):
    """Waits for one line of a daemon that holds all of these."""
    def line():
        with open(daemon.output, errors="replace") as file:
            return next((l for l in file if all(t in l for t in texts)), None)
    return wait_for(f"{daemon.name} says {texts}", line, seconds, 0.1)


def live_contract(front, port, service):
    """Names of the operations in the contract that a service itself tells."""
    context = ssl.create_default_context(cafile=os.path.join(front.authority, "ca.crt"))
    context.load_cert_chain(*(os.path.join(front.of("admin"), f"component.{kind}") for kind in ("crt", "key")))
    url = f"https://127.0.0.1:{port}/services/{service}?wsdl"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=20) as answer:
        text = answer.read().decode()
    assert f'location="{url[:-5]}"' in text, text[-400:]
    return {part.split('"')[0] for part in text.split('soapAction="')[1:]}


def serial(node):
    path = os.path.join(node.directory, "state", "identity", "component.crt")
    return subprocess.run(["openssl", "x509", "-in", path, "-noout", "-serial", "-subject"], check=True,
                          capture_output=True, text=True, timeout=30).stdout


def test_nodes_enrol_by_themselves(binaries, _):
    with Front(binaries) as front:
        one, two = front.node("compute-0-0"), front.node("compute-0-1")
        one.start()
        two.start()
        for name in ("compute-0-0", "compute-0-1"):
            found = front.wait_state(name, "enabled")
            assert (found["coresFree"], found["coresTotal"], found["hypervisor"]) == (4, 4, "simulated"), found
            assert found["address"] == "127.0.0.1" and found["lastHeard"], found
        table = front.command("list")
        assert table.splitlines()[0].split()[:4] == ["NAME", "ADDRESS", "HYPERVISOR", "STATE"], table
        assert "compute-0-1" in table and "enabled" in table, table
        says(front.cloud, "certificate was signed", "SignNode", "compute-0-0", f"cluster:{ZONE}")
        says(front.cluster, "has enrolled", "compute-0-0")
        identity = os.path.join(one.directory, "state", "identity")
        assert os.stat(os.path.join(identity, "component.key")).st_mode & 0o777 == 0o600
        assert os.stat(identity).st_mode & 0o777 == 0o700
        secret = open(front.secret).read().strip()
        assert live_contract(front, front.enrolment_port, "Enrolment") == {"Enrolment#BeginEnrolment", "Enrolment#Enrol"}
        assert "CloudController#SignNode" in live_contract(front, front.control, "CloudController")
        orders = {f"ClusterController#{name}" for name in (
            "ApproveNode", "DenyNode", "DrainNode", "RemoveNode", "AnnounceNode", "ReconcileNodes")}
        assert orders <= live_contract(front, front.cluster_port, "ClusterController")
        for daemon in (front.cloud, front.cluster, one):
            assert secret not in open(daemon.output).read(), "the secret is in a log"

        # A restart uses the identity that is there.
        before = serial(one)
        assert "node:compute-0-0" in before, before
        one.stop()
        one.start()
        front.wait_state("compute-0-0", "enabled")
        assert serial(one) == before

        # The cluster controller restarts: nobody enrols again, nobody is lost.
        front.cluster.kill()
        front.cluster.start()
        for name in ("compute-0-0", "compute-0-1"):
            front.wait_state(name, "enabled")
        assert serial(one) == before

        # Its disk is wiped while the older process still runs elsewhere, with the older certificate.
        copy = front.node("compute-0-0-copy", NODE_NAME="compute-0-0", IDENTITY_DIR=os.path.join(front.directory, "copy"))
        shutil.copytree(identity, os.path.join(front.directory, "copy"))
        one.stop()
        shutil.rmtree(os.path.join(one.directory, "state"))
        one.start()
        front.wait_state("compute-0-0", "enabled")
        assert serial(one) != before
        launch(copy)
        says(copy, "refuses this node", "superseded")
        front.wait_state("compute-0-0", "enabled")


def test_a_wrong_secret_stays_out(binaries, _):
    with Front(binaries) as front:
        wrong = write(os.path.join(front.directory, "wrong.secret"), secrets.token_hex(32) + "\n")
        node = front.node("compute-0-0", ENROLMENT_SECRET_FILE=wrong)
        launch(node)
        line = says(node, "cannot enrol", "enrolment secret is wrong")
        assert wrong in line and "411get" in line, line
        line = says(front.cluster, "does not know this zone's enrolment secret")
        assert "compute-0-0" in line and "127.0.0.1" in line, line
        assert front.list() == {}
        # It goes on asking: the right one comes by 411 meanwhile.
        shutil.copy(front.secret, wrong)
        front.wait_state("compute-0-0", "enabled", 60)

        # Told of another authority, it speaks to nobody.
        other = front.node("compute-0-1", AUTHORITY_FINGERPRINT="sha256:" + "00" * 32)
        launch(other)
        line = says(other, "cannot enrol", "told to trust")
        assert front.fingerprint in line and "AUTHORITY_FINGERPRINT" in line, line
        assert "compute-0-1" not in front.list()
        # And a stranger's identity commands nothing.
        done = subprocess.run(
            [front.mallee, "node", "remove", "compute-0-0", "--cluster", front.cluster_url,
             "--identity", os.path.join(node.directory, "state", "identity")],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0 and "node:compute-0-0" in done.stderr, done


def test_the_administrator_decides(binaries, _):
    with Front(binaries, policy="approve") as front:
        assert "announced" in front.command("announce", "compute-0-0", "--address", "127.0.0.1")
        assert front.wait_state("compute-0-0", "announced")["address"] == "127.0.0.1"
        front.command("announce", "compute-0-1", "--address", "10.1.255.253")
        node, moved = front.node("compute-0-0"), front.node("compute-0-1")
        launch(node)
        says(node, "waits for the administrator's approval", "mallee node approve compute-0-0")
        found = front.wait_state("compute-0-0", "pending approval")
        front.command("deny", "compute-0-0")
        front.wait_state("compute-0-0", "denied")
        front.command("approve", "compute-0-0", "--key", "sha256:00", fails_with="not sha256:00")
        front.command("approve", "compute-0-0", "--key", found["keyFingerprint"])
        front.wait_state("compute-0-0", "enabled", 60)

        launch(moved)
        line = says(moved, "cannot enrol", "10.1.255.253")
        assert "mallee node announce compute-0-1 --address 127.0.0.1" in line, line

        front.command("drain", "compute-0-0")
        front.wait_state("compute-0-0", "draining")
        front.command("drain", "compute-0-0", "--undo")
        front.wait_state("compute-0-0", "enabled")

        said = front.command("reconcile", "--names-from", "-", text="compute-0-1\ncompute-0-2\n")
        assert said.split("\n")[:2] == ["announced compute-0-2", "removed compute-0-0"], said
        assert sorted(front.list()) == ["compute-0-1", "compute-0-2"]
        says(node, "refuses this node", "removed")
        front.command("reconcile", "--names-from", "-", text="", fails_with="empty")
        front.command("remove", "compute-0-2")
        assert sorted(front.list()) == ["compute-0-1"]
        front.command("remove", "nobody", fails_with="knows no node nobody")


main([test_nodes_enrol_by_themselves, test_a_wrong_secret_stays_out, test_the_administrator_decides])
