"""A whole cloud under test: starts it, talks to it with real clients, stops it by process id."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import requests
import zeep
import zeep.transports


def free_ports(count):
    """A base such that base … base+count-1 can be bound on loopback now."""
    # A random beginning, since several test runs may look at the same time.
    for base in range(random.randrange(15000, 25000), 32000, 97):
        sockets = []
        try:
            for offset in range(count):
                probe = socket.socket()
                probe.bind(("127.0.0.1", base + offset))
                sockets.append(probe)
            return base
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
    raise SystemExit("no free ports")


def wait_for(what, condition, seconds=60, pause=0.25):
    """The first true answer of condition; fails after the time."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def exported(text):
    """The variables that a eucarc file exports."""
    pairs = (line[len("export "):].strip().split("=", 1) for line in text.splitlines() if line.startswith("export "))
    return {name: value.strip("'") for name, value in pairs}


def processes():
    """Every process whose command line can be read: its pid, and its arguments."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                yield int(pid), file.read().decode(errors="replace").split("\0")
        except OSError:
            continue


class Daemon:
    """One component as a process of its own, from a configuration file."""

    def __init__(self, directory, name, command, configuration):
        self.name = name
        self.directory = os.path.join(directory, name)
        os.makedirs(self.directory, exist_ok=True)
        self.ready = os.path.join(self.directory, "ready")
        self.output = os.path.join(self.directory, "output.log")
        file = os.path.join(self.directory, "configuration")
        values = dict(configuration, READY_FILE=self.ready, LISTEN_ADDRESS="127.0.0.1")
        values.setdefault("STATE_DIR", os.path.join(self.directory, "state"))
        with open(file, "w") as out:
            out.writelines(f'{key}="{value}"\n' for key, value in values.items())
        self.command = [*command, "--config", file]
        self.process = None

    def start(self, seconds=60):
        """Returns when it answers; gives what it wrote into its ready file."""
        if os.path.exists(self.ready):
            os.remove(self.ready)
        with open(self.output, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

        def is_ready():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log()}"
            if not os.path.exists(self.ready):
                return None
            with open(self.ready) as file:
                return file.read().strip()

        return wait_for(f"{self.name} is ready", is_ready, seconds, 0.05)

    def kill(self):
        """kill -9, this process only."""
        self.process.kill()
        self.process.wait(30)

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} does not stop:\n{self.log()}") from None

    def log_text(self):
        with open(self.output, errors="replace") as file:
            return file.read()

    def log(self):
        return f"-- {self.name}\n{self.log_text()[-3000:]}"


class Contracts:
    """Calls to components over mutual TLS, with zeep from the contract that each of them answers."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.made = {}

    def identity(self, role, name, *hosts):
        """Directory of a certificate that the cloud's own authority has signed."""
        output = os.path.join(self.cloud.state, "test-identities", f"{role}-{name}")
        if not os.path.exists(output):
            subprocess.run(
                [self.cloud.mallee, "certificate", "--authority", os.path.join(self.cloud.state, "ca"), "--role", role,
                 "--name", name, *(f"--host={host}" for host in hosts), "--output", output],
                check=True, capture_output=True, timeout=30)
        return output

    def service(self, url, role, name):
        """The service at a URL, as the component of this role and name sees it."""
        if (role, name) not in self.made:
            own = self.identity(role, name)
            session = requests.Session()
            session.trust_env = False  # a REQUESTS_CA_BUNDLE would take the place of the cloud's authority
            session.verify = own + "/ca.crt"
            session.cert = (own + "/component.crt", own + "/component.key")
            self.made[role, name] = zeep.Client(
                url + "?wsdl", transport=zeep.transports.Transport(session=session, timeout=20, operation_timeout=20))
        client = self.made[role, name]
        return client.create_service(next(iter(client.wsdl.bindings)), url)

    def cluster(self, index):
        """A cluster controller, as the cloud controller sees it."""
        return self.service(
            f"https://127.0.0.1:{self.cloud.base + 1 + index}/services/ClusterController", "cloud", "cloud")

    def node(self, url, zone):
        """A node, as the cluster controller of its zone sees it."""
        return self.service(url, "cluster", zone)


class Cloud:
    """`mallee up` in a directory of its own."""

    def __init__(self, binaries, venv, *options, state=None):
        self.mallee = os.path.join(os.path.abspath(binaries), "mallee")
        self.venv = os.path.abspath(venv)
        self.options = list(options)
        self.state = state or tempfile.mkdtemp(prefix="mallee-test-")
        self.base = free_ports(12)
        self.process = None

    def start(self, seconds=120):
        log = open(os.path.join(self.state, "test-up.log"), "ab")
        self.process = subprocess.Popen(
            [self.mallee, "up", "--state-dir", self.state, "--port-base", str(self.base)] + self.options,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        ready = os.path.join(self.state, "run", "ready")

        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError("mallee up ended:\n" + self.log())
            return os.path.exists(ready) and open(ready).read().strip() == str(self.process.pid)

        wait_for("mallee up is ready", is_ready, seconds)
        return self

    def log(self):
        with open(os.path.join(self.state, "test-up.log"), errors="replace") as file:
            return file.read()[-8000:]

    def logs(self):
        """What the test may need to explain itself: the end of each log."""
        text = self.log()
        directory = os.path.join(self.state, "log")
        for name in sorted(os.listdir(directory)) if os.path.exists(directory) else []:
            with open(os.path.join(directory, name), errors="replace") as file:
                text += f"-- {name}\n{file.read()[-4000:]}"
        return text

    def environment(self):
        environment = {"PATH": os.environ["PATH"], "HOME": self.state, "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
        with open(os.path.join(self.state, "eucarc")) as file:
            environment.update(exported(file.read()))
        return environment

    def aws(self, *arguments, fails_with=None):
        """The aws CLI's answer as JSON; with fails_with, its error text, which must hold that code."""
        done = subprocess.run(
            [os.path.join(self.venv, "bin", "aws"), *arguments, "--output", "json"],
            env=self.environment(), capture_output=True, text=True, timeout=120, check=False)
        if fails_with is not None:
            assert done.returncode != 0, f"aws {arguments} should have failed with {fails_with}: {done.stdout}"
            assert fails_with in done.stderr, f"aws {arguments}: expected {fails_with}, got {done.stderr}"
            return done.stderr
        assert done.returncode == 0, f"aws {' '.join(arguments)} failed: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def instances(self, *ids):
        answer = self.aws("ec2", "describe-instances", *(["--instance-ids", *ids] if ids else []))
        return [i for r in answer["Reservations"] for i in r["Instances"]]

    def wait_state(self, instance, state, seconds=90):
        def reached():
            found = self.instances(instance)[0]
            if found["State"]["Name"] == state:
                return found
            if found["State"]["Name"] == "terminated":
                raise AssertionError(f"{instance} was terminated: {found.get('StateReason')}")
            return None
        return wait_for(f"{instance} is {state}", reached, seconds, 0.5)

    def stop(self, number=signal.SIGINT):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def children(self):
        """Pids of the cloud's processes that still run: those that name its state directory."""
        return [(pid, " ".join(command[:4])) for pid, command in processes()
                if pid != os.getpid() and any(self.state in part for part in command)]

    def remove(self):
        self.stop()
        left = self.children()
        for pid, _ in left:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.state, ignore_errors=True)
        return left


def contents(cloud):
    """Walrus' files of contents. While it runs it has some empty ones for the next, and removes others."""
    found = []
    for directory, _, names in os.walk(os.path.join(cloud.state, "walrus", "data")):
        for path in (os.path.join(directory, name) for name in names):
            try:
                if os.path.getsize(path):
                    found.append(path)
            except FileNotFoundError:
                pass
    return found


def room(ec2, needed, instance_type="m1.small"):
    """Waits until the cloud has so many slots: nodes register a moment after the cloud answers."""
    def free():
        lines = ec2.describe_availability_zones(ZoneNames=["verbose"])["AvailabilityZones"]
        return sum(int(line["State"].split()[0]) for line in lines if line["ZoneName"] == f"|- {instance_type}") >= needed
    wait_for(f"room for {needed} instances", free, 60, 0.1)


def ssh(cloud, address, key, command, port=22):
    """A command in a guest, as root."""
    return subprocess.run(
        ["ssh", "-i", key, "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", f"root@{address}", command],
        capture_output=True, text=True, timeout=60, check=False, env=cloud.environment())


def main(tests):
    """Runs the tests named on the command line, or all; ends with the line that counts them."""
    passed = failed = 0
    if len(sys.argv) < 2:
        raise SystemExit(f"usage: {sys.argv[0]} BINARIES [VENV [TEST…]]")
    wanted = sys.argv[3:]
    venv = sys.argv[2] if len(sys.argv) > 2 else sys.prefix
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        started = time.monotonic()
        try:
            test(sys.argv[1], venv)
            passed += 1
            print(f"ok    {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception as problem:  # a failing test must not hide the others
            failed += 1
            import traceback
            traceback.print_exc()
            print(f"FAIL  {test.__name__}: {problem}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
