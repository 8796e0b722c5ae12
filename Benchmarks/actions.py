"""Requests per second of five actions at 1, 8 and 32 connections, beside moto_server in the same run.

Mallee verifies every signature and commits every change to disk; moto_server does neither.
"""

import base64
import re
import subprocess
import tempfile

import peer
from client import Client, free_slots
from harness import Cloud, wait_for

CONNECTIONS = (1, 8, 32)
GOAL = 20
#: Requests that change something, at each number of connections: of Mallee, and of the slower peer.
CHANGES = {"ImportKeyPair": (1500, 300), "CreateSecurityGroup": (700, 300), "RunInstances": (1500, 150)}


def measure(binaries, venv, note):
    key = public_key()
    with peer.server(venv) as client:
        theirs = rates(client, peer.unsigned, peer.image(client), key, 1)
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "300")
    try:
        cloud.start()
        client = Client.of(cloud)
        wait_for("room", lambda: free_slots(client) >= 3 * CHANGES["RunInstances"][0] + 300, 120)
        image = re.search(r"<imageId>(ami-[^<]+)", client.call("DescribeImages", Owner_1="self"))[1]
        ours = rates(client, client.path, image, key, 0)
    finally:
        cloud.remove()
    note.raw["actions"] = {"mallee": ours, "moto": theirs}
    for action, rows in ours.items():
        values, beside = [rows[n]["rate"] for n in CONNECTIONS], [theirs[action][n]["rate"] for n in CONNECTIONS]
        ratios = [value / other for value, other in zip(values, beside)]
        note.row(
            f"{action}, {' / '.join(map(str, CONNECTIONS))} connections",
            " / ".join(f"{value:.0f}" for value in values) + " per second",
            "moto: " + " / ".join(f"{value:.0f}" for value in beside),
            " / ".join(f"{ratio:.0f}×" for ratio in ratios), f"≥ {GOAL}×", min(ratios) >= GOAL)
    note.generator(max(row["generator"] for rows in ours.values() for row in rows.values()))


def rates(client, path, image, key, which):
    """Figures by action and number of connections; `which` chooses from CHANGES."""
    figures = {action: {} for action in (
        "DescribeAvailabilityZones", "ImportKeyPair", "CreateSecurityGroup", "RunInstances", "DescribeInstances")}
    run = path("RunInstances", ImageId=image, MinCount=1, MaxCount=1, InstanceType="m1.small")
    client.load([run], 1, 60, 50)  # the first requests find nothing warm
    for number in CONNECTIONS:
        figures["DescribeAvailabilityZones"][number] = client.load([path("DescribeAvailabilityZones")], number, 5)
        # At the end of a load each connection has one more request under way, so there are some names more.
        count = CHANGES["ImportKeyPair"][which]
        figures["ImportKeyPair"][number] = client.load(
            [path("ImportKeyPair", KeyName=f"k{number}-{index}", PublicKeyMaterial=key)
             for index in range(count + 2 * number)], number, 120, count)
        count = CHANGES["CreateSecurityGroup"][which]
        figures["CreateSecurityGroup"][number] = client.load(
            [path("CreateSecurityGroup", GroupName=f"g{number}-{index}", GroupDescription="measured")
             for index in range(count + 2 * number)], number, 120, count)
        figures["RunInstances"][number] = client.load([run], number, 120, CHANGES["RunInstances"][which])
        status, body = client.get(path("DescribeInstances", MaxResults=100))
        ids = re.findall(r"<instanceId>(i-[^<]+)", body.decode())
        if status != 200 or not ids:
            raise RuntimeError(f"DescribeInstances: {status}")
        figures["DescribeInstances"][number] = client.load(
            [path("DescribeInstances", InstanceId_1=name) for name in ids], number, 5)
    return figures


def public_key():
    """A public key as ImportKeyPair takes it: an OpenSSH line in Base64."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "measured", "-f", directory + "/key"],
            check=True, timeout=60)
        with open(directory + "/key.pub", "rb") as file:
            return base64.b64encode(file.read()).decode()
