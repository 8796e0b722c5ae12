"""From starting `mallee up` to its first answer, and until a node takes instances."""

import os
import signal
import subprocess
import time

from client import Client, free_slots, median
from harness import Cloud, wait_for


def measure(binaries, venv, note, repetitions=5):
    fresh, again, able = [], [], {"new": [], "existing": []}
    for _ in range(repetitions):
        cloud = Cloud(binaries, venv, "--no-demo")
        try:
            fresh.append(first_answer(cloud))
            able["new"].append(fresh[-1] + first_node(cloud))
            cloud.stop(signal.SIGINT)
            again.append(first_answer(cloud))
            able["existing"].append(again[-1] + first_node(cloud))
        finally:
            cloud.remove()
    program = []
    for _ in range(repetitions):
        begin = time.monotonic()
        subprocess.run([cloud.mallee, "--version"], stdout=subprocess.DEVNULL, check=True)
        program.append(time.monotonic() - begin)
    limit = median(program)
    note.raw["start"] = {"fresh": fresh, "again": again, "able": able, "program": program}
    for what, values in (("new", fresh), ("existing", again)):
        value = median(values)
        note.row(
            f"All services started to first answer, {what} state directory (median of {repetitions})",
            f"{value:.2f} s; a node takes instances after {median(able[what]):.1f} s",
            f"`mallee --version`: {limit:.2f} s", f"{value / limit:.0f}×", "< 2 s", value < 2)


def first_answer(cloud, seconds=60):
    """Starts `mallee up` and gives the seconds until DescribeRegions is answered. On a new directory that includes the
    wait for the credentials, which are written last."""
    ready = os.path.join(cloud.state, "run", "ready")
    if os.path.exists(ready):
        os.unlink(ready)
    log = open(os.path.join(cloud.state, "test-up.log"), "ab")
    begin = time.monotonic()
    cloud.process = subprocess.Popen(
        [cloud.mallee, "up", "--state-dir", cloud.state, "--port-base", str(cloud.base)] + cloud.options,
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    log.close()

    def answered():
        if cloud.process.poll() is not None:
            raise AssertionError("mallee up ended:\n" + cloud.log())
        try:
            client = Client.of(cloud)
            return client.get(client.path("DescribeRegions"))[0] == 200
        except (OSError, KeyError):
            return False

    wait_for("the first answer", answered, seconds, 0.005)
    taken = time.monotonic() - begin
    wait_for("mallee up is ready", lambda: os.path.exists(ready), seconds, 0.01)
    return taken




def first_node(cloud):
    """Seconds from now until a node has room for instances."""
    begin, client = time.monotonic(), Client.of(cloud)
    wait_for("a node", lambda: free_slots(client) > 0, 60, 0.02)
    return time.monotonic() - begin
