"""Instances on Xen from their start to their end, and the node controller that is killed meanwhile."""

import subprocess

from harness import wait_for
from machine import call
from trial import NODE_PORT, OUTSIDE, SSH_PORT, say


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
    # The host's end of the link, and its address in its own network.
    closed = cloud.ssh("for host in 169.254.0.2 10.0.2.15; do "
                       f"nc -w 3 $host {NODE_PORT} < /dev/null && echo open || echo closed; done", SSH_PORT)
    assert closed.stdout.split() == ["closed"] * 2, f"the host is open to its guests: {closed}"
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
    assert session.communicate("still here\n", 300)[0] == "still here\n", "the session ended with the node controller"
    assert cloud.instances(first)[0]["State"]["Name"] == "running"
    wait_for("metadata is served again", lambda: first in cloud.ssh("metadata meta-data/instance-id", SSH_PORT).stdout, 600, 1)
    assert "Linux version" in cloud.console(first)
    say("the node controller was killed and adopted the domain; a session lived on")

    cloud.aws("reboot-instances", "--instance-ids", first)
    # The domain is destroyed and made again; whoever did that is killed between the two, or amid the second.
    host.ask(f"for n in $(seq 300); do xl domid {first} > /dev/null 2>&1 || break; done; pkill -9 -x mallee-node")
    wait_for("it boots again", lambda: cloud.console(first).count("mallee-demo: ready") > 1, 600, 1)
    assert host.ask(f"xl list | grep -c {first}").strip() == "1"
    wait_for("its disk is the same", lambda: cloud.ssh("cat /root/kept", SSH_PORT).stdout == "kept\n", 600, 1)
    say("it was rebooted, with its disk, although the node controller was killed meanwhile")
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
    identifiers, states = many(trial, trial.kill_node)
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
