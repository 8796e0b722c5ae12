"""From RunInstances to the guest's user space, against the bare QEMU command with the same arguments."""

import base64
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import time

from client import Client, median
from harness import Cloud, wait_for

REACHED = "mallee-demo: user space reached"


def measure(binaries, venv, note, repetitions=7):
    cloud = Cloud(binaries, venv).start(300)
    try:
        client = Client.of(cloud)
        image = re.search(r"<imageId>(ami-[^<]+)", client.call("DescribeImages", Owner_1="self"))[1]
        through, bare = [], []
        # The first one fetches the image into the node's cache; both sides then alternate, so that both see the same
        # neighbours and the same page cache.
        _, command = one(cloud, client, image)
        for _ in range(repetitions):
            seconds, command = one(cloud, client, image)
            through.append(seconds)
            bare.append(alone(command))
        accelerator = command[command.index("-accel") + 1].split(",")[0]
        mallee, qemu = median(through), median(bare)
        note.raw["guest"] = {"mallee": through, "qemu": bare, "accelerator": accelerator}
        note.row(
            f"RunInstances to guest user space ({accelerator}, median of {repetitions})", f"{mallee:.2f} s",
            f"the bare QEMU command: {qemu:.2f} s", f"{mallee / qemu:.2f}×", "≤ 1.15×", mallee / qemu <= 1.15)
    finally:
        cloud.remove()


def one(cloud, client, image):
    """Seconds from sending the request to the line on the console, and QEMU's command."""
    path = client.path("RunInstances", ImageId=image, MinCount=1, MaxCount=1, InstanceType="m1.small")
    start = time.monotonic()
    status, body = client.get(path)
    if status != 200:
        raise RuntimeError(body.decode())
    instance = re.search(r"<instanceId>(i-[^<]+)", body.decode())[1]
    console = client.path("GetConsoleOutput", InstanceId=instance)

    def output():
        status, body = client.get(console)
        found = re.search(r"<output>([^<]*)", body.decode()) if status == 200 else None
        return REACHED in base64.b64decode(found[1]).decode(errors="replace") if found else False

    wait_for("the guest's user space", output, 120, 0.02)
    seconds = time.monotonic() - start
    command = own_disks(process_of(cloud, instance))
    client.call("TerminateInstances", InstanceId_1=instance)
    wait_for("the end", lambda: "<name>terminated" in client.call("DescribeInstances", InstanceId_1=instance), 60)
    return seconds, command


def process_of(cloud, instance):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = [word.decode() for word in file.read().split(b"\0")[:-1]]
        except OSError:
            continue
        if words and "qemu-system" in words[0] and any(instance in word for word in words):
            if any(cloud.state in word for word in words):
                return words
    raise RuntimeError(f"no QEMU of {instance}")


def alone(words):
    """Seconds from starting the same QEMU by itself to the line: no control socket, no metadata, a disk of its own
    over the same image, and the console as it comes on a pipe."""
    with tempfile.TemporaryDirectory(prefix="mallee-bench-") as place:
        command, skip = [words[0]], False
        for option, value in pairs(words[1:]):
            if option in ("-mon", "-pidfile") or "id=qmp" in (value or ""):
                continue
            if option == "-chardev" and "id=console" in value:
                value = "stdio,id=console,signal=off"
            if option == "-netdev":
                value = re.sub(r",guestfwd=.*", "", value)
            if option == "-blockdev":
                value = json.dumps(create(json.loads(value), place))
            command += [option] if value is None else [option, value]
        errors = open(os.path.join(place, "errors"), "w+b")
        start = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        try:
            seen = b""
            while REACHED.encode() not in seen:
                ready, _, _ = select.select([process.stdout], [], [], 120)
                piece = os.read(process.stdout.fileno(), 65536) if ready else b""
                if not piece:
                    errors.seek(0)
                    raise RuntimeError(f"bare QEMU: {errors.read()[-500:]} {seen[-500:]}")
                seen += piece
            return time.monotonic() - start
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            errors.close()


def pairs(words):
    index = 0
    while index < len(words):
        has_value = index + 1 < len(words) and not words[index + 1].startswith("-")
        yield words[index], words[index + 1] if has_value else None
        index += 2 if has_value else 1


def own_disks(words):
    """The command with disks that are described by what they lie over, while they are still there."""
    described = list(words)
    for index, word in enumerate(words):
        if word != "-blockdev":
            continue
        node = json.loads(words[index + 1])
        if not node.get("read-only"):
            shown = subprocess.run(
                ["qemu-img", "info", "--force-share", "--output=json", node["file"]["filename"]], capture_output=True,
                check=True)
            node["bench"] = json.loads(shown.stdout)
        described[index + 1] = json.dumps(node)
    return described


def create(node, place):
    """The disk as Mallee would make it: copy-on-write over the same image, or empty."""
    info = node.pop("bench", None)
    if info is None:
        return node
    copy = os.path.join(place, os.path.basename(info["filename"]))
    command = ["qemu-img", "create", "-q", "-f", node["driver"], copy, str(info["virtual-size"])]
    if "backing-filename" in info:
        backing = info.get("full-backing-filename") or info["backing-filename"]
        command[5:5] = ["-b", backing, "-F", info["backing-filename-format"]]
    subprocess.run(command, check=True)
    node["file"]["filename"] = copy
    return node
