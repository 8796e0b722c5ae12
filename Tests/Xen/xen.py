"""A real Xen host (in QEMU, by emulation) is a node of a cloud that runs outside of it: instances by the EC2 API.

usage: xen.py BINARIES STATIC VENV [STEP…]. Steps are functions that take a trial; STEPS are run by themselves. `hardware`
gives the host virtualization extensions (emulated as well). Needs root: a network namespace of its own, debootstrap. STATIC
holds the mallee-node that needs nothing of the host, and mallee-xl.
"""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "EndToEnd"))
from cloud import Cloud
from drivers import contract, test_drive
from front_end import FrontEnd
from harness import wait_for
from instances import handover, life, ten, toolstack
from machine import Host, call, system_tree
from machines import disks, hardware
from mishaps import behind, broken, power, restarts, stopped, trouble
from networks import bridged
from trial import NODE_PORT, OUTSIDE, SSH_PORT, Trial, say

STEPS = {step.__name__: step for step in (life, ten, toolstack, behind, broken, restarts, trouble, power, disks, bridged)}
# Not run by themselves: what is in the others in another order, and what wants a host with extensions.
MORE_STEPS = {"handover": handover, "stopped": stopped, "contract": contract, "hardware": hardware}
WITH_EXTENSIONS = {"hardware"}


def node_configuration(front):
    ports = front.ports
    return "".join(f'{key}="{value}"\n' for key, value in {
        "NODE_NAME": "xen1", "STATE_DIR": "/var/lib/mallee/node", "LISTEN_ADDRESS": "0.0.0.0",
        "LISTEN_PORT": NODE_PORT, "ADVERTISED_ADDRESS": "127.0.0.1", "CORES_OVERCOMMIT": "8", "DISK_OVERCOMMIT": "20",
        # So that a guest can be placed for which Xen has no memory.
        "MEM_OVERCOMMIT": "2", "SHUTDOWN_GRACE": 5,
        "CLUSTER_ENDPOINT": f"https://{OUTSIDE}:{ports['CC_PORT']}/services/ClusterController",
        "ENROLMENT_ENDPOINT": f"https://{OUTSIDE}:{ports['ENROLMENT_PORT']}/services/Enrolment"}.items())


def content(path):
    with open(path) as file:
        return file.read()


def scenario(binaries, static, venv, work, tree, demo, steps):
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
        cloud = Cloud(front, venv)
        say("the cloud runs")
        programs = {os.path.join(static, name): name for name in ("mallee-node", "mallee-xl")}
        host = Host(work, tree, programs, node_configuration(front), {
            "/etc/mallee/enrolment.secret": content(front.path("/etc/mallee/enrolment.secret")),
            "/etc/mallee/authority.fingerprint": content(front.path("/etc/mallee/authority.fingerprint"))},
            [NODE_PORT, SSH_PORT], extensions=not WITH_EXTENSIONS.isdisjoint(steps),
            drives=[test_drive(binaries, work)] if "contract" in steps else []).start()
        trial = Trial(cloud, host, None, demo, work)
        # The node reads all of it over an emulated network.
        shutil.copy(f"{demo}/root.ext4", f"{work}/root.ext4")
        call("e2fsck", "-f", "-y", f"{work}/root.ext4")
        call("resize2fs", "-M", f"{work}/root.ext4")
        # Without "quiet", so that the console begins with the kernel's first line.
        trial.image = trial.import_image("demo", f"{demo}/vmlinuz", f"{demo}/initrd.gz")
        wait_for("the node is up", cloud.node_is_up, 600, 1)
        say(f"the Xen host is a node: {cloud.node_line()}")
        for step in steps:
            {**STEPS, **MORE_STEPS}[step](trial)
    except BaseException:
        if host is not None:
            print(host.log[-8000:])
        for service in services:
            print(service.tail())
        raise
    finally:
        if host is not None:
            host.stop()
        front.remove(services)


def main():
    words = [word for word in sys.argv[1:] if word != "--inside"]
    binaries, static, venv = (os.path.abspath(path) for path in words[:3])
    steps = words[3:] or list(STEPS)
    if os.geteuid() != 0:
        raise SystemExit("xen.py needs root, for debootstrap and a network namespace")
    cache = os.environ.get("MALLEE_XEN_CACHE", os.path.join(os.path.dirname(venv), "xen"))
    if "--inside" not in sys.argv:
        system_tree(cache)
        say("Debian with Xen is there")
        # Its packages come from the distribution, which the namespace does not reach.
        call(os.path.join(binaries, "mallee"), "image", "demo", "--output", os.path.join(cache, "demo"), timeout=600)
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv, "--inside"])
    call("ip", "link", "set", "lo", "up")
    call("ip", "address", "add", OUTSIDE + "/32", "dev", "lo")
    work = tempfile.mkdtemp(prefix="mallee-xen-")
    try:
        scenario(binaries, static, venv, work, system_tree(cache), os.path.join(cache, "demo"), steps)
        print(f"{len(steps)} passed, 0 failed")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
