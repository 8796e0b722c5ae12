"""From starting `mallee up` to its first answer."""

import os
import signal
import subprocess
import time

from client import Client, median
from harness import Cloud, wait_for


def measure(binaries, venv, note, repetitions=5):
    fresh, again = [], []
    for _ in range(repetitions):
        cloud = Cloud(binaries, venv, "--no-demo")
        try:
            fresh.append(first_answer(cloud))
            cloud.stop(signal.SIGINT)
            again.append(first_answer(cloud))
        finally:
            cloud.remove()
    program = []
    for _ in range(repetitions):
        begin = time.monotonic()
        subprocess.run([cloud.mallee, "--version"], stdout=subprocess.DEVNULL, check=True)
        program.append(time.monotonic() - begin)
    limit = median(program)
    note.raw["start"] = {"fresh": fresh, "again": again, "program": program}
    for what, values in (("new", fresh), ("existing", again)):
        value = median(values)
        note.row(
            f"All services started to first DescribeRegions, {what} state directory (median of {repetitions})",
            f"{value:.2f} s", f"`mallee --version`: {limit:.2f} s", f"{value / limit:.0f}×", "< 2 s", value < 2)


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


