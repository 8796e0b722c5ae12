"""What a host gets from the roll, by `mallee-roll render`."""

import os
import re
import subprocess

from chroot import ROLL

SERVER = {"hostname": "frontend", "hostaddr": "10.1.1.1", "Kickstart_PrivateAddress": "10.1.1.1"}
COMPUTE = {"hostname": "compute-0-0", "hostaddr": "10.1.255.254", "Kickstart_PrivateAddress": "10.1.1.1",
           "mallee": "true", "mallee_address": "10.1.1.1", "mallee_region": "us-east-1",
           "mallee_authority_fingerprint": "sha256:abcd"}


def kickstart(root, attributes, rocks="7.0"):
    """The parts of a kickstart file that the roll contributes."""
    return render("kickstart", root, attributes, rocks)


def run_roll(attributes, rocks):
    """What `rocks run roll mallee` prints on a frontend."""
    return render("script", "server", attributes, rocks)


def render(form, root, attributes, rocks):
    command = [os.environ["MALLEE_BIN"] + "/mallee-roll", "render", str(ROLL), "--root", root, "--format", form,
               "--os", rocks[0]]
    for key, value in attributes.items():
        command += ["--attr", key + "=" + value]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if result.returncode != 0:
        raise AssertionError(" ".join(command) + ": " + result.stderr)
    return result.stdout


def packages(text):
    """The packages of a kickstart file."""
    section = re.search(r"^%packages[^\n]*\n(.*?)(?=^%|\Z)", text, re.M | re.S)
    lines = section.group(1).splitlines() if section else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def posts(text):
    """The bodies of the %post sections, in order."""
    bodies = re.findall(r"^%post[^\n]*\n(.*?)(?=^%(?:end|post|pre|packages)\b|\Z)", text, re.M | re.S)
    return [body for body in bodies if body.strip()]
