"""What the steps share: the cloud, the Xen host, and the images that run on it."""

import os
import time

from harness import wait_for
from machine import call

# QEMU's user-mode network shows this host's loopback under this address.
OUTSIDE = "10.0.2.2"
NODE_PORT = 8775
# Leads through the control domain to port 22 of an instance's address.
SSH_PORT = 2222
HERE = os.path.dirname(os.path.abspath(__file__))
STARTED = time.monotonic()


def say(text):
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


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

    def kill_node(self):
        """Kills the node controller, and waits for the next one: it answers when it has taken its domains over."""
        answers = self.host.log.count("answers at https")
        self.host.ask("pkill -9 -x mallee-node")
        wait_for("the node controller is back", lambda: self.host.log.count("answers at https") > answers, 600, 0.2)
        # Its cluster may not have noticed that it was away.
        wait_for("its cluster knows it", self.cloud.node_is_up, 600, 1)

    def import_image(
            self, name, kernel, ramdisk, arguments="console=ttyS0 panic=-1 mitigations=off", architecture="x86_64"):
        """An image whose kernel is its own."""
        more = ["--ramdisk", ramdisk] if ramdisk else []
        return self.import_disk(name, f"{self.work}/root.ext4", "--kernel", kernel, *more, "--kernel-arguments", arguments,
                                "--arch", architecture)

    def import_disk(self, name, disk, *more):
        """An image, by the command that users have."""
        front, cloud = self.cloud.front, self.cloud
        call(front.mallee, "image", "import", disk, "--name", name, *more, "--credentials",
             front.path("/var/lib/mallee/cloud/eucarc"), timeout=300)
        images = cloud.ec2.describe_images(Owners=["self"])["Images"]
        return next(i["ImageId"] for i in images if i["ImageType"] == "machine" and i["Name"] == name)


def small_guest(path):
    """A guest of a few kilobytes, which is a kernel to Xen."""
    # Hypercalls are calls within inline assembly, which would overwrite a red zone.
    call("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static",
         "-mgeneral-regs-only", "-mno-red-zone", "-fno-stack-protector", "-Wl,--build-id=none,-z,noexecstack", "-o", path,
         os.path.join(HERE, "guest.c"))
    return path
