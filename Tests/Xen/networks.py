"""Guests in a network of the site."""

from harness import wait_for
from trial import say

CONFIGURATION = "/etc/mallee/node.conf"
# The control domain has no other ping.
REACH = "busybox ping -c 1 -w 5 192.168.77.50 > /dev/null && echo reached"


def bridged(trial):
    """A guest on a bridge of the site (VNET_BRIDGE), where somebody else gives out the addresses."""
    cloud, host = trial.cloud, trial.host
    host.ask("ip link add site0 type bridge; ip address add 192.168.77.1/24 dev site0; ip link set site0 up; "
             "printf '%s\\n' 'start 192.168.77.50' 'end 192.168.77.50' 'interface site0' 'lease_file /run/leases' "
             "'option router 192.168.77.1' > /run/udhcpd.conf; touch /run/leases; "
             "busybox udhcpd -f /run/udhcpd.conf > /dev/null 2>&1 & echo $! > /run/udhcpd.pid")
    host.ask(f"echo 'VNET_BRIDGE=\"site0\"' >> {CONFIGURATION}")
    trial.kill_node()
    said = host.ask(f"mallee-node doctor --config {CONFIGURATION} | grep network:")
    assert "ok" in said and "guests are attached to site0" in said, said
    made = cloud.run(trial.image)
    cloud.wait_state(made, "running")
    wait_for("it answers in the site's network", lambda: "reached" in host.ask(REACH), 600, 1)
    assert "vif" in host.ask("ip link show master site0"), "its interface is elsewhere"
    # Nothing of the links of the other mode.
    assert host.ask("ls /sys/class/net | grep -c ^mallee").strip() == "0"
    trial.kill_node()
    assert cloud.instances(made)[0]["State"]["Name"] == "running"
    cloud.ec2.reboot_instances(InstanceIds=[made])
    wait_for("it boots again", lambda: cloud.console(made).count("Linux version") > 1, 600, 1)
    wait_for("it is there again", lambda: "reached" in host.ask(REACH), 600, 1)
    cloud.ec2.terminate_instances(InstanceIds=[made])
    cloud.wait_state(made, "terminated")
    trial.nothing_is_left()
    host.ask(f"sed -i /VNET_BRIDGE/d {CONFIGURATION}; kill $(cat /run/udhcpd.pid); ip link del site0")
    trial.kill_node()
    say("a guest in the site's network: its address is the site's, it was adopted, rebooted and terminated")
