"""The contract of drivers (Tests/HypervisorTests), in the control domain."""

import glob
import os
import shutil

from machine import call
from trial import say, small_guest


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
