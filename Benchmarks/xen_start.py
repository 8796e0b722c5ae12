"""RunInstances to the guest's user space on a Xen host, beside bare `xl create` of the same guest in the same control domain.

usage: xen_start.py BINARIES STATIC VENV. Needs root; see Tests/Xen/xen.py, whose host it uses. Image and disks are there
in both cases; xl gets a configuration that the node made. Both are watched by the same loop in the control domain, and
take turns in being the first of a pair, since other work on the machine comes and goes. PAIRS is how many (5).
"""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Xen"))
import xen
from harness import wait_for

REPETITIONS = int(os.environ.get("PAIRS", "5"))
GOAL = 1.15
MARK = "mallee-demo: user space reached"
STATE = "/var/lib/mallee/node/instances"


def until_marked(files):
    return f"until grep -aqs '{MARK}' {files}; do sleep 0.1; done"


def by_interface(trial):
    """Seconds, and the instance, which runs."""
    begin = time.monotonic()
    made = trial.cloud.run(trial.image)
    trial.host.ask(until_marked(f"{STATE}/{made}/console*"), 600)
    return time.monotonic() - begin, made


def by_xl(trial):
    begin = time.monotonic()
    trial.host.ask("xl create -q -e /root/bare/xen.cfg; n=$(xl domid bare); "
                   "cat $(xenstore-read /local/domain/$n/console/tty) > /root/bare/console & " + until_marked("/root/bare/console"), 600)
    taken = time.monotonic() - begin
    trial.host.ask("xl destroy bare; rm -f /root/bare/console; cp /root/bare/root.fresh /root/bare/root.qcow2", 300)
    return taken


def speed(trial):
    cloud, host = trial.cloud, trial.host
    # The first fetches the image, and shows what xl is to be told.
    _, made = by_interface(trial)
    host.ask(f"mkdir /root/bare; cp {STATE}/{made}/xen.cfg /root/bare/; "
             f"base=$(qemu-img info -U {STATE}/{made}/root.qcow2 | sed -n 's/^backing file: //p' | cut -d' ' -f1); "
             "qemu-img create -q -f qcow2 -F raw -b $base /root/bare/root.fresh 2G; cp /root/bare/root.fresh "
             "/root/bare/root.qcow2; ip link add bare0 type bridge; ip link set bare0 up; "
             "sed -i -e 's/,script=[^\"]*//' -e 's/^name = .*/name = \"bare\"/' -e '/^uuid/d' "
             "-e 's/bridge=[a-z0-9]*/bridge=bare0/' "
             f"-e 's,{STATE}/{made}/root.qcow2,/root/bare/root.qcow2,' /root/bare/xen.cfg", 300)
    print(host.ask("cat /root/bare/xen.cfg"))
    end(trial, made)
    ours, bare = [], []

    def by_interface_to_end():
        taken, made = by_interface(trial)
        ours.append(taken)
        end(trial, made)
    ways = [lambda: bare.append(by_xl(trial)), by_interface_to_end]
    for _ in range(REPETITIONS):
        for way in ways:
            way()
        ways.reverse()
        xen.say(f"xl create {bare[-1]:.2f} s, RunInstances {ours[-1]:.2f} s: {ours[-1] / bare[-1]:.2f}x")
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"RunInstances to user space on Xen: {statistics.median(ours):.2f} s; bare xl create: "
          f"{statistics.median(bare):.2f} s (medians of {REPETITIONS}); {ratio:.2f}x, goal {GOAL}x", flush=True)


def end(trial, made):
    trial.cloud.ec2.terminate_instances(InstanceIds=[made])
    trial.cloud.wait_state(made, "terminated")
    wait_for("the host is idle", lambda: trial.host.ask("xl list | tail -n +3 | wc -l").strip() == "0", 300, 1)


xen.MORE_STEPS["speed"] = speed

if __name__ == "__main__":
    sys.argv += [] if "speed" in sys.argv else ["speed"]
    xen.main()
