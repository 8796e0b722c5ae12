"""What goes wrong: images that cannot run, domains changed behind our back, hosts in trouble or switched off."""

import base64
import os

import botocore.exceptions

from harness import wait_for
from trial import say, small_guest


def behind(trial):
    """Domains renamed, paused and destroyed by hand, and one of somebody else, whose name looks like a UUID."""
    cloud, host = trial.cloud, trial.host
    with open(small_guest(os.path.join(trial.work, "foreign")), "rb") as file:
        program = base64.b64encode(file.read()).decode()
    name = "00000000-1111-2222-3333-444444444444"
    host.ask(f"echo {program} | base64 -d > /root/foreign; printf '%s\\n' 'name = \"{name}\"' 'kernel = \"/root/foreign\"' "
             "'memory = 8' 'extra = \"idles\"' > /root/foreign.cfg; xl create -q -e /root/foreign.cfg")
    foreign = host.ask(f"xl domid {name}").strip()
    assert foreign.isdigit(), foreign
    second = cloud.run(trial.image)
    cloud.wait_state(second, "running")
    host.ask(f"xl rename {second} other-name; xl pause other-name")
    trial.kill_node()
    assert cloud.instances(second)[0]["State"]["Name"] == "running", "neither a new name nor a pause matters"
    host.ask("xl unpause other-name; xl destroy other-name")
    reason = cloud.reason(second)
    assert "destroyed from outside" in reason, reason
    assert host.ask(f"xl domid {name}; xl destroy {name}").strip() == foreign, "a domain of somebody else was touched"
    trial.nothing_is_left()
    say(f"renamed, paused, destroyed by hand: {reason}")


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
    begin("no kernel at all", trial.import_image("noise", noise, f"{trial.demo}/initrd.gz"), "Client.InvalidKernel")
    # As of a program for 64-bit ARM.
    foreign = os.path.join(trial.work, "foreign")
    with open(foreign, "wb") as file:
        file.write(b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x02\0\xb7\0" + bytes(4096))
    try:
        trial.import_image("foreign", foreign, None)
        raise AssertionError("a kernel for another processor was registered")
    except RuntimeError as problem:
        assert "another processor" in str(problem), problem
        say(f"a kernel for another processor: {str(problem).strip().splitlines()[-1]}")
    begin("a kernel without its ramdisk", trial.import_image("bare", f"{trial.demo}/vmlinuz", None,
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
    made = cloud.run(trial.import_image("loop", guest, None, "loops"))
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
