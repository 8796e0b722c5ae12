"""A real Xen host (in QEMU, by emulation) is a node of a cloud that runs outside of it: instances by the EC2 API.

usage: xen.py BINARIES STATIC VENV. Needs root: a network namespace of its own, debootstrap. STATIC holds the mallee-node
that needs nothing of the host.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import botocore.exceptions

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "EndToEnd"))
from front_end import FrontEnd
from harness import wait_for
from machine import Host, call, system_tree

# QEMU's user-mode network shows this host's loopback under this address.
OUTSIDE = "10.0.2.2"
NODE_PORT = 8775


def say(started, text):
    print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)


def node_configuration(front):
    ports = front.ports
    return "".join(f'{key}="{value}"\n' for key, value in {
        "NODE_NAME": "xen1", "STATE_DIR": "/var/lib/mallee/node", "LISTEN_ADDRESS": "0.0.0.0",
        "LISTEN_PORT": NODE_PORT, "ADVERTISED_ADDRESS": "127.0.0.1", "VNET_BRIDGE": "xenbr0", "CORES_OVERCOMMIT": "8",
        "SHUTDOWN_GRACE": 5,
        "CLUSTER_ENDPOINT": f"https://{OUTSIDE}:{ports['CC_PORT']}/services/ClusterController",
        "ENROLMENT_ENDPOINT": f"https://{OUTSIDE}:{ports['ENROLMENT_PORT']}/services/Enrolment"}.items())


def content(path):
    with open(path) as file:
        return file.read()


class Cloud:
    """The services outside, and what the test asks of them."""

    def __init__(self, front):
        self.front = front
        self.ec2 = front.ec2()

    def instance(self, identifier):
        for reservation in self.ec2.describe_instances(InstanceIds=[identifier])["Reservations"]:
            return reservation["Instances"][0]
        return None

    def wait_state(self, identifier, state, seconds=180):
        def reached():
            found = self.instance(identifier)
            assert state == "terminated" or found["State"]["Name"] != "terminated", found
            return found if found["State"]["Name"] == state else None
        return wait_for(f"{identifier} is {state}", reached, seconds, 0.5)

    def run(self, image, **more):
        answer = self.ec2.run_instances(ImageId=image, InstanceType="m1.small", MinCount=1, MaxCount=1, **more)
        return answer["Instances"][0]["InstanceId"]

    def console(self, identifier):
        try:
            return self.ec2.get_console_output(InstanceId=identifier).get("Output") or ""
        except botocore.exceptions.ClientError as problem:
            # A node that was just started again has not registered yet.
            if problem.response["Error"]["Code"] != "Unavailable":
                raise
            return ""

    def reason(self, identifier):
        return self.wait_state(identifier, "terminated")["StateReason"]["Message"]


def scenario(binaries, static, work, tree, demo):
    started = time.monotonic()
    front = FrontEnd(binaries, OUTSIDE)
    services = []
    host = None
    try:
        front.init("--public-address", "127.0.0.1")
        # The node's connections arrive on the loopback address, whatever it calls this host.
        path = front.path("/etc/mallee/cluster.conf")
        text = content(path).replace(f'\nLISTEN_ADDRESS="{OUTSIDE}"', '\nLISTEN_ADDRESS="0.0.0.0"')
        with open(path, "w") as file:
            file.write(text)
        for name in ("cluster", "cloud", "walrus"):
            services.append(front.service(name).start())
        cloud = Cloud(front)
        say(started, "the cloud runs")
        host = Host(work, tree, os.path.join(static, "mallee-node"), node_configuration(front), {
            "/etc/mallee/enrolment.secret": content(front.path("/etc/mallee/enrolment.secret")),
            "/etc/mallee/authority.fingerprint": content(front.path("/etc/mallee/authority.fingerprint"))},
            [NODE_PORT]).start()
        eucarc = front.path("/var/lib/mallee/cloud/eucarc")
        # Without "quiet", so that the console begins with the kernel's first line.
        call(front.mallee, "image", "import", f"{demo}/root.ext4", "--name", "demo", "--kernel", f"{demo}/vmlinuz",
             "--ramdisk", f"{demo}/initrd.gz", "--kernel-arguments", "console=ttyS0 panic=-1", "--credentials", eucarc,
             timeout=300)
        images = cloud.ec2.describe_images(Owners=["self"])["Images"]
        image = next(i["ImageId"] for i in images if i["ImageType"] == "machine")
        wait_for("the node is up", lambda: "enabled" in node_line(front), 240, 1)
        say(started, f"the Xen host is a node: {node_line(front)}")

        first = cloud.run(image, UserData="told to the guest")
        cloud.wait_state(first, "running")
        say(started, "an instance runs")
        wait_for("its console shows the kernel's first line",
                 lambda: "Linux version" in cloud.console(first), 120, 1)
        wait_for("the guest is up", lambda: first in cloud.console(first) or "ready" in cloud.console(first)
                 or "login" in cloud.console(first), 180, 1)
        say(started, "its console is read from the first line on")

        boots = cloud.console(first).count("Linux version")
        cloud.ec2.reboot_instances(InstanceIds=[first])
        wait_for("it boots again", lambda: cloud.console(first).count("Linux version") > boots, 240, 1)
        cloud.wait_state(first, "running")
        say(started, "it was rebooted")

        # The node controller dies; the domain goes on and is adopted.
        ended = host.log.count("mallee-node ended")
        host.order("pkill -9 -x mallee-node")
        wait_for("the node controller is dead", lambda: host.log.count("mallee-node ended") > ended, 30, 0.2)
        wait_for("it is back", lambda: "enabled" in node_line(front), 120, 1)
        assert cloud.instance(first)["State"]["Name"] == "running"
        wait_for("its console is there still", lambda: "Linux version" in cloud.console(first), 60, 1)
        say(started, "the node controller was killed and adopted the domain")

        # Behind our back.
        host.order(f"xl destroy {first}")
        reason = cloud.reason(first)
        assert "destroyed from outside" in reason, reason
        say(started, f"destroyed by hand: {reason}")

        # A stranger's domain stays.
        second = cloud.run(image)
        cloud.wait_state(second, "running")
        host.order(f"xl rename {second} other-name; xl pause other-name; xl unpause other-name")
        time.sleep(5)
        assert cloud.instance(second)["State"]["Name"] == "running", "a new name does not matter"
        cloud.ec2.terminate_instances(InstanceIds=[second])
        cloud.wait_state(second, "terminated")
        before = host.log.count("domains left:")
        host.order("echo domains left: $(xl list | tail -n +3 | wc -l)")
        wait_for("the list", lambda: host.log.count("domains left:") >= before + 2 or re.search(
            r"domains left: \d", host.log), 60, 0.5)
        assert re.findall(r"domains left: (\d+)", host.log)[-1] == "0", host.log[-2000:]
        say(started, "terminated; no domain is left")

        # No Xen daemon, no instance: said so.
        host.order("mv /usr/lib/xen-4.17/bin/xl /usr/lib/xen-4.17/bin/xl.away; ls /usr/lib/xen-4.17/bin/xl.away")
        third = cloud.run(image)
        reason = cloud.reason(third)
        assert "xl" in reason, reason
        say(started, f"without xl: {reason}")
    except BaseException:
        if host is not None:
            print(host.log[-6000:])
        for service in services:
            print(service.tail())
        raise
    finally:
        if host is not None:
            host.stop()
        front.remove(services)


def node_line(front):
    """What the administrator sees of the node; empty while it is not known."""
    done = subprocess.run(
        [front.mallee, "node", "list", "--config", front.path("/cloud.conf"), "--identity",
         front.path("/var/lib/mallee/admin")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"mallee node list: {done.returncode}\n{done.stdout}{done.stderr}"
    return next((line.strip() for line in done.stdout.splitlines() if "xen1" in line), "")


def main():
    binaries, static, venv = (os.path.abspath(path) for path in sys.argv[1:4])
    if os.geteuid() != 0:
        raise SystemExit("xen.py needs root, for debootstrap and a network namespace")
    cache = os.environ.get("MALLEE_XEN_CACHE", os.path.join(os.path.dirname(venv), "xen"))
    if "--inside" not in sys.argv:
        started = time.monotonic()
        system_tree(cache)
        say(started, "Debian with Xen is there")
        # Its packages come from the distribution, which the namespace does not reach.
        call(os.path.join(binaries, "mallee"), "image", "demo", "--output", os.path.join(cache, "demo"), timeout=600)
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv, "--inside"])
    call("ip", "link", "set", "lo", "up")
    call("ip", "address", "add", OUTSIDE + "/32", "dev", "lo")
    work = tempfile.mkdtemp(prefix="mallee-xen-")
    try:
        scenario(binaries, static, work, system_tree(cache), os.path.join(cache, "demo"))
        print("1 passed, 0 failed")
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
