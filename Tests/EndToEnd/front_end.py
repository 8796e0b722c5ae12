"""A front end's services, each from its configuration file as `mallee init` makes it, supervised as systemd does it."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import boto3
import botocore.config

from harness import exported, free_ports, processes, wait_for

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "rpmspec", "conf")
# A user id that no distribution gives away.
SERVICE_USER = 64987
PORTS = {"CLOUD_PORT": 0, "CC_PORT": 1, "ENROLMENT_PORT": 4, "CONTROL_PORT": 5, "WALRUS_PORT": 7, "LISTEN_PORT": 2}


class Service:
    """One daemon, supervised as systemd does it: by the datagrams that it sends."""

    def __init__(self, host, name, command, user=None):
        self.name = name
        self.command = command
        self.user = user
        self.log = os.path.join(host.root, "var/log/mallee", name + ".log")
        self.output = os.path.join(host.root, name + ".output")
        self.address = os.path.join(host.root, name + ".notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(self.address)
        os.chmod(self.address, 0o777)
        self.process = None

    def start(self):
        self.drain()
        more = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": self.address}, **more)
        self.wait_notified("READY=1", 60)
        return self

    def drain(self):
        self.manager.settimeout(0)
        try:
            while True:
                self.manager.recv(4096)
        except BlockingIOError:
            pass

    def wait_notified(self, line, seconds):
        self.manager.settimeout(0.2)

        def came():
            try:
                return line in self.manager.recv(4096).decode().split("\n")
            except socket.timeout:
                assert self.process.poll() is None, f"{self.name} ended:\n{self.tail()}"
                return False
        wait_for(f"{self.name} says {line}", came, seconds, 0)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def stop(self):
        """As systemd stops it; it must say so and end well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, f"{self.name} ended with {self.process.returncode}:\n{self.tail()}"
        self.manager.settimeout(1)
        assert b"STOPPING=1" in self.manager.recv(4096), f"{self.name} did not say that it stops"

    def tail(self):
        text = f"-- {self.name}\n"
        for path in (self.log, self.output):
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    text += file.read()[-2500:]
        return text


class FrontEnd:
    """A host's files below a directory, made by `mallee init --root`."""

    def __init__(self, binaries, address="127.0.0.1"):
        self.address = address
        self.mallee = os.path.join(os.path.abspath(binaries), "mallee")
        self.node_binary = self.mallee + "-node"
        self.root = tempfile.mkdtemp(prefix="mallee-separate-")
        os.chmod(self.root, 0o755)
        base = free_ports(12)
        self.ports = {key: base + offset for key, offset in PORTS.items()}
        self.user = self.service_user()
        os.makedirs(self.path("/etc/mallee"))
        for name in ("cloud", "walrus", "cluster"):
            with open(os.path.join(SHIPPED, name + ".conf")) as file:
                text = file.read()
            for key, port in self.ports.items():
                if f"#{key}=" in text:
                    text += f'{key}="{port}"\n'
            with open(self.path(f"/etc/mallee/{name}.conf"), "w") as file:
                file.write(text)
        if self.user is not None:
            with open(self.path("/etc/passwd"), "w") as file:
                file.write(f"root:x:0:0::/root:/bin/sh\nmallee:x:{self.user}:{self.user}::/var/lib/mallee:/sbin/nologin\n")

    def service_user(self):
        """As root the services run as a user of their own, if that user can reach the programs."""
        if os.geteuid() != 0:
            return None
        try:
            pwd.getpwuid(SERVICE_USER)
            return None
        except KeyError:
            pass
        try:
            subprocess.run([self.mallee, "--version"], user=SERVICE_USER, group=SERVICE_USER, extra_groups=[],
                           check=True, capture_output=True, timeout=30)
            return SERVICE_USER
        except (OSError, subprocess.CalledProcessError):
            return None

    def path(self, path):
        return self.root + path

    def run(self, *arguments, status=(0,)):
        done = subprocess.run([self.mallee, *arguments], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in status, f"mallee {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def init(self, *more):
        return self.run("init", "--root", self.root, "--zone", "zone1", "--address", self.address,
                        "--address-block", "127.77.0.0/16", *more)

    def service(self, name):
        """Its configuration as it would be below this root."""
        with open(self.path(f"/etc/mallee/{name}.conf")) as file:
            text = file.read().replace('="/var/', f'="{self.root}/var/')
        copy = self.path(f"/{name}.conf")
        with open(copy, "w") as file:
            file.write(text)
        return Service(self, name, [self.mallee, name, "--config", copy], self.user)

    def node(self, name):
        with open(os.path.join(SHIPPED, "node.conf")) as file:
            shipped = file.read()
        for line in ('STATE_DIR="/var/lib/mallee/node"', 'LOG_FILE="/var/log/mallee/node.log"'):
            assert line in shipped, f"node.conf lacks {line}"
        text = shipped.replace('="/var/lib/mallee/node"', f'="{self.path("/node")}"').replace(
            '="/var/', f'="{self.root}/var/')
        values = {
            "NODE_NAME": name, "LISTEN_ADDRESS": "127.0.0.1", "ADVERTISED_ADDRESS": "127.0.0.1",
            "LISTEN_PORT": self.ports["LISTEN_PORT"], "MAX_MEM": 1024, "CORES_OVERCOMMIT": "4",
            "CLUSTER_ENDPOINT": f"https://127.0.0.1:{self.ports['CC_PORT']}/services/ClusterController",
            "ENROLMENT_ENDPOINT": f"https://127.0.0.1:{self.ports['ENROLMENT_PORT']}/services/Enrolment",
            "ENROLMENT_SECRET_FILE": self.path("/etc/mallee/enrolment.secret"),
            "AUTHORITY_FINGERPRINT_FILE": self.path("/etc/mallee/authority.fingerprint")}
        with open(self.path("/node.conf"), "w") as file:
            file.write(text + "".join(f'{key}="{value}"\n' for key, value in values.items()))
        return Service(self, "node", [self.node_binary, "--config", self.path("/node.conf")])

    def ec2(self):
        with open(self.path("/var/lib/mallee/cloud/eucarc")) as file:
            environment = exported(file.read())
        return boto3.client(
            "ec2", endpoint_url=environment["AWS_ENDPOINT_URL_EC2"], region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30))

    def guests(self):
        """Pids of the QEMU processes below this root."""
        return [pid for pid, command in processes()
                if "qemu-system" in command[0] and any(self.root in part for part in command)]

    @contextlib.contextmanager
    def supervised(self):
        """Gives a list for the services that the body starts. A body that ends well has them stopped, the last first;
        after another, their logs are shown. Nothing of the host stays."""
        services = []
        try:
            yield services
            for service in reversed(services):
                service.stop()
        except Exception:
            print("\n".join(service.tail() for service in services))
            raise
        finally:
            self.remove(services)

    def remove(self, services):
        for service in services:
            if service.process and service.process.poll() is None:
                service.kill()
        for pid in self.guests():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)
