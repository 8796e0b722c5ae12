"""A real Xen host (in QEMU, by emulation) is a node of a cloud that runs outside of it: instances by the EC2 API.

usage: xen.py BINARIES STATIC VENV [STEP…]. Steps are the functions below that take a trial; STEPS are run by themselves.
`hardware` gives the host virtualization extensions (emulated as well). Needs root: a network namespace of its own,
debootstrap. STATIC holds the mallee-node that needs nothing of the host, and mallee-xl.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

import botocore.exceptions

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "EndToEnd"))
from cloud import Cloud
from front_end import FrontEnd
from harness import wait_for
from machine import Host, call, system_tree

# QEMU's user-mode network shows this host's loopback under this address.
OUTSIDE = "10.0.2.2"
NODE_PORT = 8775
# Leads through the control domain to port 22 of an instance's address.
SSH_PORT = 2222
STARTED = time.monotonic()


def say(text):
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


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


class Trial:
    """The cloud, the host, and the image that runs on it."""

    def __init__(self, cloud, host, image, demo, work):
        self.cloud = cloud
        self.host = host
        self.image = image
        self.demo = demo
        self.work = work

    def nothing_is_left(self):
        """No domain, no bridge, no rule, no process of a guest; Debian runs one QEMU for the control domain itself."""
        wait_for("nothing is left of the guests", lambda: self.leftovers() == "0 0 0 0", 600, 1)

    def leftovers(self):
        answer = self.host.ask(
            "echo $(xl list | tail -n +3 | wc -l) $(ls /sys/class/net | grep -c ^mallee) "
            "$(iptables-save | grep -c DNAT) $(pgrep -fc '[q]emu-system.*xen-domid [1-9]')")
        return answer.strip()

    def by_xl(self):
        """From now on the node drives by xl."""
        if "no" in self.host.ask("[ -e /usr/sbin/mallee-xl ] || echo no"):
            return
        self.host.ask("rm /usr/sbin/mallee-xl")
        self.kill_node()
        wait_for("it drives by xl", lambda: "driven by xl, since mallee-xl is not installed" in self.host.log, 600, 0.5)
        wait_for("it is back", self.cloud.node_is_up, 600, 1)

    def kill_node(self):
        ended = self.host.log.count("mallee-node ended")
        self.host.ask("pkill -9 -x mallee-node")
        wait_for("the node controller is dead", lambda: self.host.log.count("mallee-node ended") > ended, 600, 0.2)


def life(trial):
    """One instance from its key pair to its end."""
    cloud, host = trial.cloud, trial.host
    cloud.make_key()
    cloud.port_22(True)
    call(cloud.front.mallee, "type", "set", "disks", "--cores", "1", "--memory", "128", "--disk", "2", "--ephemeral", "1",
         "--swap", "64", "--credentials", cloud.front.path("/var/lib/mallee/cloud/eucarc"), timeout=300)
    data = "#!/bin/sh\necho user-data-has-run\n"
    first = cloud.aws("run-instances", "--image-id", trial.image, "--instance-type", "disks", "--key-name", "mine",
                      "--user-data", data)["Instances"][0]["InstanceId"]
    address = cloud.wait_state(first, "running")["PublicIpAddress"]
    say("an instance runs")
    text = wait_for("the guest is ready", lambda: (lambda t: t if "mallee-demo: ready" in t else None)(
        cloud.aws("get-console-output", "--instance-id", first).get("Output") or ""), 600, 1)
    assert "Linux version" in text and "user-data-has-run" in text and f"ready, instance {first}" in text, text
    say("its console is read from the first line on; it has an address, metadata and user data")

    host.ask(f"socat TCP-LISTEN:{SSH_PORT},fork,reuseaddr TCP:{address}:22 > /dev/null 2>&1 &")
    inside = wait_for("ssh", lambda: (lambda d: d if d.returncode == 0 else None)(
        cloud.ssh("metadata user-data; metadata meta-data/instance-id; metadata meta-data/public-ipv4", SSH_PORT)), 600, 1)
    assert data in inside.stdout and first in inside.stdout and address in inside.stdout, inside
    said = cloud.ssh("cd /sys/block; cat xvda/size xvdb/size xvdc/size; cd /dev; for disk in ephemeral0 swap; do "
                     "metadata meta-data/block-device-mapping/$disk; echo; done; swapon xvdc && grep -c xvdc /proc/swaps; "
                     "echo written > xvdb; sync; head -c 7 xvdb", SSH_PORT).stdout.split()
    assert said == [str(2 << 21), str(1 << 21), str(64 << 11), "xvdb", "xvdc", "1", "written"], said
    say("its root, an empty disk and swap space have their sizes, are written to, and are named by the metadata")
    assert cloud.ssh(f"ping -c 1 -w 10 {OUTSIDE}", SSH_PORT).returncode == 0, "the outside"
    closed = cloud.ssh(f"nc -w 3 169.254.0.2 {NODE_PORT} < /dev/null && echo open", SSH_PORT)
    assert "open" not in closed.stdout, "the host is open to its guests"
    cloud.port_22(False)
    wait_for("port 22 is closed", lambda: cloud.ssh("true", SSH_PORT).returncode != 0, 600, 1)
    cloud.port_22(True)
    wait_for("port 22 is open again", lambda: cloud.ssh("echo kept > /root/kept; sync", SSH_PORT).returncode == 0, 600, 1)
    say("ssh, the way out, and the ports that its group opens")

    # Who only looks names what is chosen, and touches nothing of it: the guest and its ports serve on below.
    said = host.ask("mallee-node doctor --config /etc/mallee/node.conf | grep -E '(hypervisor|network):'")
    assert "guests run in Xen: this is the control domain of Xen 4.17" in said and "a link of its own" in said, said
    assert "QEMU" not in said and said.count("ok") == 2, said

    # The node controller dies; the domain goes on and is adopted, and so do connections.
    session = subprocess.Popen(
        cloud.ssh_command("read line; echo $line", SSH_PORT), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    trial.kill_node()
    wait_for("it is back", cloud.node_is_up, 600, 1)
    assert session.communicate("still here\n", 300)[0] == "still here\n", "the session ended with the node controller"
    assert cloud.instances(first)[0]["State"]["Name"] == "running"
    wait_for("metadata is served again", lambda: first in cloud.ssh("metadata meta-data/instance-id", SSH_PORT).stdout, 600, 1)
    assert "Linux version" in cloud.console(first)
    say("the node controller was killed and adopted the domain; a session lived on")

    cloud.aws("reboot-instances", "--instance-ids", first)
    wait_for("it boots again", lambda: cloud.console(first).count("mallee-demo: ready") > 1, 600, 1)
    wait_for("its disk is the same", lambda: cloud.ssh("cat /root/kept", SSH_PORT).stdout == "kept\n", 600, 1)
    say("it was rebooted, with its disk")
    cloud.aws("terminate-instances", "--instance-ids", first)
    cloud.wait_state(first, "terminated")
    trial.nothing_is_left()
    say("terminated; nothing is left")


def toolstack(trial):
    """The same driver by xl: libxenlight's helper is taken away while a domain of its runs."""
    cloud, host = trial.cloud, trial.host
    assert "driven by libxenlight 4.17, the hypervisor's own version" in host.log
    kept = cloud.run(trial.image)
    cloud.wait_state(kept, "running")
    trial.by_xl()
    say("without mallee-xl the node uses xl")
    wait_for("the guest is ready", lambda: "mallee-demo: ready" in cloud.console(kept), 600, 1)
    cloud.ec2.reboot_instances(InstanceIds=[kept])
    wait_for("it boots again", lambda: cloud.console(kept).count("mallee-demo: ready") > 1, 600, 1)
    other = cloud.run(trial.image, UserData="told to the guest")
    wait_for("another is ready", lambda: f"ready, instance {other}" in cloud.console(other), 600, 1)
    cloud.ec2.terminate_instances(InstanceIds=[kept, other])
    for identifier in (kept, other):
        cloud.wait_state(identifier, "terminated")
    trial.nothing_is_left()
    say("by xl: adopted, rebooted, started, terminated; nothing is left")


def behind(trial):
    """Domains renamed, paused and destroyed by hand, and domains of others."""
    cloud, host = trial.cloud, trial.host
    second = cloud.run(trial.image)
    cloud.wait_state(second, "running")
    host.ask(f"xl rename {second} other-name; xl pause other-name; sleep 3; xl list")
    assert cloud.instances(second)[0]["State"]["Name"] == "running", "a new name does not matter"
    host.ask("xl unpause other-name; xl destroy other-name")
    reason = cloud.reason(second)
    assert "destroyed from outside" in reason, reason
    trial.nothing_is_left()
    say(f"renamed, paused, destroyed by hand: {reason}")


def many(trial, amid):
    """Ten starts, amid which something happens to the node controller: who was asked for, and how they are now."""
    cloud = trial.cloud
    made = cloud.ec2.run_instances(ImageId=trial.image, InstanceType="m1.small", MinCount=10, MaxCount=10)["Instances"]
    identifiers = [instance["InstanceId"] for instance in made]

    def states():
        return [instance["State"]["Name"] for instance in cloud.instances(*identifiers)]
    wait_for("some run", lambda: states().count("running") >= 2, 600, 0.2)
    amid()
    say("the node controller was killed amid ten starts, and is back")
    wait_for("each has come to a state", lambda: "pending" not in states(), 600, 1)
    for instance in cloud.instances(*identifiers):
        if instance["State"]["Name"] != "running":
            assert instance["StateReason"]["Message"], instance
            say(f"{instance['InstanceId']}: {instance['StateReason']['Message']}")
    domains = trial.host.ask("xl list | tail -n +3 | wc -l").strip()
    assert domains == str(states().count("running")), f"{domains} domains, {states()}"
    say(f"{domains} of ten run, one domain each")
    return identifiers, states


def ten(trial):
    """The node controller is killed amid ten starts."""
    cloud = trial.cloud

    def amid():
        trial.kill_node()
        wait_for("it is back", cloud.node_is_up, 600, 1)
    identifiers, states = many(trial, amid)
    cloud.ec2.terminate_instances(InstanceIds=identifiers)
    wait_for("all are terminated", lambda: set(states()) == {"terminated"}, 600, 1)
    trial.nothing_is_left()
    say("terminated; nothing is left")


def handover(trial):
    """The node controller is killed amid ten starts by libxenlight, whose helper is gone then: it goes on by xl."""
    cloud, host = trial.cloud, trial.host
    assert "driven by libxenlight 4.17, the hypervisor's own version" in host.log
    identifiers, states = many(trial, trial.by_xl)
    kept = next(instance["InstanceId"] for instance in cloud.instances(*identifiers) if instance["State"]["Name"] == "running")
    others = [identifier for identifier in identifiers if identifier != kept]
    cloud.ec2.terminate_instances(InstanceIds=others)
    wait_for("the guest is ready", lambda: f"ready, instance {kept}" in cloud.console(kept), 600, 1)
    before = cloud.console(kept).count("mallee-demo: ready")
    cloud.ec2.reboot_instances(InstanceIds=[kept])
    wait_for("it boots again", lambda: cloud.console(kept).count("mallee-demo: ready") > before, 600, 1)
    say("by xl: adopted, started, rebooted")
    cloud.ec2.terminate_instances(InstanceIds=[kept])
    wait_for("all are terminated", lambda: set(states()) == {"terminated"}, 600, 1)
    trial.nothing_is_left()
    say("by xl: terminated; nothing is left")


def broken(trial):
    """What cannot work ends with a reason that the user understands."""
    cloud, host = trial.cloud, trial.host
    expected = []

    def begin(what, image, word, instance_type="m1.small"):
        expected.append((what, cloud.run(image, instance_type), word))

    def expect():
        while expected:
            what, identifier, word = expected.pop(0)
            reason = cloud.reason(identifier)
            assert word in reason, f"{what}: {reason}"
            # A line for who looks after the host, too.
            assert any(identifier in line and word in line for line in host.log.splitlines()), f"{what}: {host.log[-4000:]}"
            say(f"{what}: {reason}")

    noise = os.path.join(trial.work, "noise")
    # What has not even the marks of a kernel is refused when it is registered.
    content = bytearray(os.urandom(1 << 20))
    content[0x1FE:0x200] = b"\x55\xaa"
    content[0x202:0x206] = b"HdrS"
    with open(noise, "wb") as file:
        file.write(content)
    begin("no kernel at all", import_image(trial, "noise", noise, f"{trial.demo}/initrd.gz"), "Client.InvalidKernel")
    # As of a program for 64-bit ARM.
    foreign = os.path.join(trial.work, "foreign")
    with open(foreign, "wb") as file:
        file.write(b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x02\0\xb7\0" + bytes(4096))
    try:
        import_image(trial, "foreign", foreign, None)
        raise AssertionError("a kernel for another processor was registered")
    except RuntimeError as problem:
        assert "another processor" in str(problem), problem
        say(f"a kernel for another processor: {str(problem).strip().splitlines()[-1]}")
    begin("a kernel without its ramdisk", import_image(trial, "bare", f"{trial.demo}/vmlinuz", None,
          "console=ttyS0 panic=0"), "crashed")
    begin("no memory left", trial.image, "MiB free on this host", instance_type="c1.xlarge")
    expect()
    host.ask("fallocate -l $(df --output=avail -B1 / | tail -n 1) /fill; dd if=/dev/zero of=/fill2 bs=64k")
    begin("a full disk", trial.image, "space")
    expect()
    host.ask("rm /fill /fill2")
    trial.nothing_is_left()


def restarts(trial):
    """A guest that restarts itself for ever is ended."""
    cloud = trial.cloud
    guest = small_guest(os.path.join(trial.work, "loops"))
    made = cloud.run(import_image(trial, "loop", guest, None, "loops"))
    reason = cloud.reason(made)
    assert "restarted itself" in reason, reason
    assert "restarted itself" in trial.host.log
    # It ends before anybody can look, each time.
    greetings = cloud.console(made).count("hello from the guest")
    assert greetings == 6, f"{greetings} greetings on its console"
    say(f"a guest that restarts for ever: {reason}")
    trial.nothing_is_left()


def power(trial):
    """The host is switched off with a guest on it, and on again."""
    cloud, host = trial.cloud, trial.host
    lost = cloud.run(trial.image)
    cloud.wait_state(lost, "running")
    host.process.kill()
    host.process.wait()
    host.start()
    reason = cloud.reason(lost)
    assert "the host was restarted" in reason, reason
    wait_for("the node is up", cloud.node_is_up, 600, 1)
    trial.nothing_is_left()
    other = cloud.run(trial.image)
    wait_for("another is ready", lambda: f"ready, instance {other}" in cloud.console(other), 600, 1)
    cloud.ec2.terminate_instances(InstanceIds=[other])
    cloud.wait_state(other, "terminated")
    trial.nothing_is_left()
    say(f"the host was switched off and on: {reason}")


TROUBLES = (
    ("xenstored has stopped", "pkill -STOP xenstored", "pkill -CONT xenstored"),
    ("the toolstack hangs", "mv $tool $tool.away; printf '#!/bin/sh\\nexec sleep 4711\\n' > $tool; chmod 755 $tool",
     "mv $tool.away $tool"),
    ("the toolstack is gone", "mv $tool $tool.away", "mv $tool.away $tool"))


def trouble(trial):
    """The host's tools hang, are gone, or wait for a xenstored that has stopped: the node says so, its guests live on."""
    in_trouble(trial, TROUBLES)


def stopped(trial):
    """Of these, xenstored has stopped."""
    in_trouble(trial, TROUBLES[:1])


def in_trouble(trial, troubles):
    cloud, host = trial.cloud, trial.host
    kept = cloud.run(trial.image)
    cloud.wait_state(kept, "running")
    tool = "tool=/usr/sbin/mallee-xl; [ -e $tool ] || [ -e $tool.away ] || tool=/usr/lib/xen-4.17/bin/xl; "
    before = host.log.count("takes no instances until this is mended")
    for number, (what, begin, end) in enumerate(troubles, before):
        host.ask(tool + begin)
        wait_for(f"the node is marked, since {what}", lambda: "faulty" in cloud.node_line(), 600, 1)
        wait_for("the log says what to do", lambda: host.log.count("takes no instances until this is mended") > number, 600, 1)
        line = [line for line in host.log.splitlines() if "takes no instances until" in line][-1]
        wait_for("the zone's description says so", lambda: "faulty xen" in cloud.zone_description(), 600, 1)
        try:
            cloud.run(trial.image)
            raise AssertionError(f"an instance was placed although {what}")
        except botocore.exceptions.ClientError as problem:
            assert problem.response["Error"]["Code"] == "InsufficientInstanceCapacity", problem
        host.ask(tool + end)
        wait_for("the node is up again", cloud.node_is_up, 600, 1)
        assert cloud.instances(kept)[0]["State"]["Name"] == "running", what
        say(f"{what}: {line.split('mended: ')[-1].strip()}")
    assert host.ask("pgrep -fc '[s]leep 4711'").strip() == "0", "a command that hung is left"
    wait_for("the guest is ready", lambda: "mallee-demo: ready" in cloud.console(kept), 600, 1)
    wait_for("the zone has room again", lambda: "up xen" in cloud.zone_description(), 600, 1)
    other = cloud.run(trial.image)
    cloud.wait_state(other, "running")
    cloud.ec2.terminate_instances(InstanceIds=[kept, other])
    for identifier in (kept, other):
        cloud.wait_state(identifier, "terminated")
    trial.nothing_is_left()
    say("guests lived on, and new ones start")


def contract(trial):
    """The contract that QEMU and the simulated driver fulfil (Tests/HypervisorTests), by libxenlight and by xl."""
    # Where nothing is installed, xl is the driver already.
    ways = {"xl": "MALLEE_XL=/usr/sbin/xl"}
    if "no" not in trial.host.ask("[ -e /usr/sbin/mallee-xl ] || echo no"):
        ways = {"libxenlight": "MALLEE_XL=", **ways}
    trial.host.ask("mkdir -p /test; mount -o ro /dev/vdb /test")
    for way, variable in ways.items():
        said = trial.host.ask(
            f"export NO_COLOR=1 MALLEE_XEN_GUEST=/test/guest {variable}; [ $MALLEE_XL ] || unset MALLEE_XL; /test/lib/ld-linux-x86-64.so.2 "
            "--library-path /test/lib /test/tests --testing-library swift-testing --filter HypervisorContractTests", 1800)
        failures = [line for line in said.splitlines() if "✘" in line or "rror" in line]
        assert "passed" in said.splitlines()[-1] and not failures, said[-12000:]
        count = sum("kind → .xen" in line for line in said.splitlines())
        assert count > 10, said[-12000:]
        say(f"the contract of drivers, by {way}: {count} tests passed")


def test_drive(binaries, work):
    """The unit tests' program with the libraries that it wants, and the guest for Xen."""
    tree = os.path.join(work, "contract")
    os.makedirs(f"{tree}/lib")
    tests = glob.glob(f"{binaries}/*PackageTests.xctest")[0]
    call("objcopy", "--strip-debug", tests, f"{tree}/tests")
    for line in call("ldd", tests).splitlines():
        path = next((word for word in line.split() if word.startswith("/")), None)
        if path:
            shutil.copy(path, f"{tree}/lib/{os.path.basename(path)}")
    small_guest(f"{tree}/guest")
    drive = f"{tree}.ext4"
    with open(drive, "wb") as file:
        file.truncate(1 << 30)
    call("mkfs.ext4", "-q", "-F", "-m", "0", "-d", tree, drive)
    return drive


def small_guest(path):
    """A guest of a few kilobytes, which is a kernel to Xen."""
    # Hypercalls are calls within inline assembly, which would overwrite a red zone.
    call("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static",
         "-mgeneral-regs-only", "-mno-red-zone", "-fno-stack-protector", "-Wl,--build-id=none,-z,noexecstack", "-o", path,
         os.path.join(HERE, "guest.c"))
    return path


def disks(trial):
    """An image that boots from its own disk; without virtualization extensions by pygrub, or by GRUB in the guest."""
    cloud, host = trial.cloud, trial.host
    disk = os.path.join(trial.work, "bootable")
    shutil.copy(f"{trial.work}/root.ext4", disk)
    os.truncate(disk, os.path.getsize(disk) + (48 << 20))
    call("resize2fs", disk)
    menu = os.path.join(trial.work, "grub.cfg")
    with open(menu, "w") as file:
        file.write("set timeout=0\nmenuentry \"demo\" {\n linux /boot/vmlinuz root=/dev/xvda ro console=hvc0 panic=-1\n"
                   " initrd /boot/initrd.gz\n}\n")
    call("debugfs", "-w", "-f", "/dev/stdin", disk, input="".join(line + "\n" for line in (
        "mkdir /boot", "mkdir /boot/grub", f"write {trial.demo}/vmlinuz /boot/vmlinuz",
        f"write {trial.demo}/initrd.gz /boot/initrd.gz", f"write {menu} /boot/grub/grub.cfg")))
    image = import_disk(trial, "bootable", disk)

    def started(way):
        made = cloud.run(image)
        cloud.wait_state(made, "running")
        wait_for("the guest is ready", lambda: f"ready, instance {made}" in cloud.console(made), 600, 1)
        assert cloud.instances(made)[0]["VirtualizationType"] == "paravirtual"
        cloud.ec2.reboot_instances(InstanceIds=[made])
        wait_for("it boots again", lambda: cloud.console(made).count("mallee-demo: ready") > 1, 600, 1)
        cloud.ec2.terminate_instances(InstanceIds=[made])
        cloud.wait_state(made, "terminated")
        trial.nothing_is_left()
        say(f"an image with a boot loader of its own was started, rebooted and terminated: {way}")
    started("pygrub")
    pygrub = "/usr/lib/xen-4.17/bin/pygrub"
    host.ask(f"mv {pygrub} {pygrub}.away")
    trial.kill_node()
    wait_for("it is back", cloud.node_is_up, 600, 1)
    started("pvgrub")
    host.ask(f"mv {pygrub}.away {pygrub}")


def hardware(trial):
    """Machines with virtualization extensions: firmware for a disk, and a kernel that no paravirtual machine takes."""
    cloud = trial.cloud
    disk = os.path.join(trial.work, "sector")
    with open(disk, "wb") as file:
        file.write(boot_sector(b"hello from the disk\r\n").ljust(1 << 20, b"\0"))
    firmware = cloud.run(import_disk(trial, "sector", disk))
    cloud.wait_state(firmware, "running")
    wait_for("the disk was booted", lambda: "hello from the disk" in cloud.console(firmware), 600, 1)
    assert cloud.instances(firmware)[0]["VirtualizationType"] == "hvm"
    say("a disk was booted by firmware")
    # This Xen has no paravirtual machines of 32 bits. The kernel begins in 32 bits here, whatever it is then.
    other = cloud.run(import_image(trial, "other", f"{trial.demo}/vmlinuz", f"{trial.demo}/initrd.gz", architecture="i386"))
    cloud.wait_state(other, "running")
    wait_for("the guest is ready", lambda: f"ready, instance {other}" in cloud.console(other), 600, 1)
    assert cloud.instances(other)[0]["VirtualizationType"] == "hvm"
    say("a kernel was started without firmware (PVH)")
    cloud.ec2.terminate_instances(InstanceIds=[firmware, other])
    for identifier in (firmware, other):
        cloud.wait_state(identifier, "terminated")
    trial.nothing_is_left()


def boot_sector(message):
    """Writes a message to the first serial port and halts."""
    # xor ax,ax; mov ds,ax; mov si,message; each: lodsb; test al,al; jz end; mov ah,al; ready: in al,LSR; test al,THRE;
    # jz ready; mov al,ah; out THR,al; jmp each; end: hlt; jmp end
    begin = bytes.fromhex("31c08ed8be")
    loop = bytes.fromhex("ac84c0741288c4bafd03eca82074fb88e0baf803eeebe9f4ebfd")
    at = 0x7C00 + len(begin) + 2 + len(loop)
    return (begin + at.to_bytes(2, "little") + loop + message + b"\0").ljust(510, b"\0") + b"\x55\xaa"


STEPS = {step.__name__: step for step in (life, ten, toolstack, behind, broken, restarts, trouble, power, disks)}
# Not run by themselves: what is in the others in another order, and what wants a host with extensions.
MORE_STEPS = {"handover": handover, "stopped": stopped, "contract": contract, "hardware": hardware}
WITH_EXTENSIONS = {"hardware"}


def import_image(trial, name, kernel, ramdisk, arguments="console=ttyS0 panic=-1 mitigations=off", architecture="x86_64"):
    more = ["--ramdisk", ramdisk] if ramdisk else []
    return import_disk(trial, name, f"{trial.work}/root.ext4", "--kernel", kernel, *more, "--kernel-arguments", arguments,
                       "--arch", architecture)


def import_disk(trial, name, disk, *more):
    front, cloud = trial.cloud.front, trial.cloud
    call(front.mallee, "image", "import", disk, "--name", name, *more, "--credentials",
         front.path("/var/lib/mallee/cloud/eucarc"), timeout=300)
    images = cloud.ec2.describe_images(Owners=["self"])["Images"]
    return next(i["ImageId"] for i in images if i["ImageType"] == "machine" and i["Name"] == name)


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
        trial.image = import_image(trial, "demo", f"{demo}/vmlinuz", f"{demo}/initrd.gz")
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
