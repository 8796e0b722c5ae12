"""The kinds of machines: an image's own boot loader, firmware, and kernels in machines with virtualization extensions."""

import gzip
import os
import shutil
import struct
import subprocess

from harness import wait_for
from machine import call
from trial import say


def disks(trial):
    """An image that boots from its own disk; without virtualization extensions by pygrub, or by GRUB in the guest."""
    cloud, host = trial.cloud, trial.host
    disk = os.path.join(trial.work, "bootable")
    shutil.copy(f"{trial.work}/root.ext4", disk)
    os.truncate(disk, os.path.getsize(disk) + (48 << 20))
    call("resize2fs", disk)
    menu = os.path.join(trial.work, "grub.cfg")
    with open(menu, "w") as file:
        file.write("set timeout=0\nmenuentry \"demo\" {\n linux /boot/vmlinux.gz root=/dev/xvda ro console=hvc0 panic=-1\n"
                   " initrd /boot/initrd.gz\n}\n")
    call("debugfs", "-w", "-f", "/dev/stdin", disk, input="".join(line + "\n" for line in (
        "mkdir /boot", "mkdir /boot/grub", f"write {kernel_for_grub(trial)} /boot/vmlinux.gz",
        f"write {trial.demo}/initrd.gz /boot/initrd.gz", f"write {menu} /boot/grub/grub.cfg")))
    image = trial.import_disk("bootable", disk)

    def started(way):
        made = cloud.run(image)
        cloud.wait_state(made, "running")
        wait_for("the guest is ready", lambda: f"ready, instance {made}" in cloud.console(made), 600, 1)
        assert cloud.instances(made)[0]["VirtualizationType"] == "paravirtual"
        cloud.ec2.reboot_instances(InstanceIds=[made])
        wait_for("it boots again", lambda: cloud.console(made).count("mallee-demo: ready") > 1, 600, 1)
        cloud.ec2.terminate_instances(InstanceIds=[made])
        cloud.wait_state(made, "terminated")
        trial.nothing_is_left()
        say(f"an image with a boot loader of its own was started, rebooted and terminated: {way}")
    started("pygrub")
    pygrub = "/usr/lib/xen-4.17/bin/pygrub"
    host.ask(f"mv {pygrub} {pygrub}.away")
    trial.kill_node()
    started("pvgrub")
    host.ask(f"mv {pygrub}.away {pygrub}")


def kernel_for_grub(trial):
    """The demo image's kernel, packed in a way that GRUB reads: of those within a bzImage it does not know Debian's (LZ4)."""
    with open(f"{trial.demo}/vmlinuz", "rb") as file:
        image = file.read()
    # Linux, Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length; the last word is the size.
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (image[0x1F1] + 1) * 512 + offset
    kernel = subprocess.run(["lz4", "-d", "-c"], input=image[begin:begin + length - 4], check=True, capture_output=True)
    path = os.path.join(trial.work, "vmlinux.gz")
    with gzip.open(path, "wb", 1) as file:
        file.write(kernel.stdout)
    return path


def hardware(trial):
    """Machines with virtualization extensions: firmware for a disk, and a kernel that no paravirtual machine takes."""
    cloud = trial.cloud
    disk = os.path.join(trial.work, "sector")
    with open(disk, "wb") as file:
        file.write(boot_sector(b"hello from the disk\r\n").ljust(1 << 20, b"\0"))
    firmware = cloud.run(trial.import_disk("sector", disk))
    cloud.wait_state(firmware, "running")
    wait_for("the disk was booted", lambda: "hello from the disk" in cloud.console(firmware), 600, 1)
    assert cloud.instances(firmware)[0]["VirtualizationType"] == "hvm"
    say("a disk was booted by firmware")
    cloud.ec2.reboot_instances(InstanceIds=[firmware])
    # This Xen has no paravirtual machines of 32 bits. The kernel begins in 32 bits here, whatever it is then.
    other = cloud.run(trial.import_image("other", f"{trial.demo}/vmlinuz", f"{trial.demo}/initrd.gz", architecture="i386"))
    cloud.wait_state(other, "running")
    wait_for("the guest is ready", lambda: f"ready, instance {other}" in cloud.console(other), 600, 1)
    assert cloud.instances(other)[0]["VirtualizationType"] == "hvm"
    say("a kernel was started without firmware (PVH)")
    # Nothing but the two: firmware itself is silent there.
    wait_for("the disk was booted again", lambda: cloud.console(firmware) == "hello from the disk\r\n" * 2, 600, 1)
    cloud.ec2.terminate_instances(InstanceIds=[firmware, other])
    for identifier in (firmware, other):
        cloud.wait_state(identifier, "terminated")
    trial.nothing_is_left()


def boot_sector(message):
    """Writes a message to the first serial port and halts."""
    # xor ax,ax; mov ds,ax; mov si,message; each: lodsb; test al,al; jz end; mov ah,al; ready: in al,LSR; test al,THRE;
    # jz ready; mov al,ah; out THR,al; jmp each; end: hlt; jmp end
    begin = bytes.fromhex("31c08ed8be")
    loop = bytes.fromhex("ac84c0741288c4bafd03eca82074fb88e0baf803eeebe9f4ebfd")
    at = 0x7C00 + len(begin) + 2 + len(loop)
    return (begin + at.to_bytes(2, "little") + loop + message + b"\0").ljust(510, b"\0") + b"\x55\xaa"
