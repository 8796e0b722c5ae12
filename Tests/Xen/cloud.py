"""The services outside of the Xen host, and what the test asks of them with unmodified clients."""

import json
import os
import subprocess

import botocore.exceptions

from harness import exported, wait_for


class Cloud:
    """A front end that runs, by boto3, the aws CLI and ssh."""

    def __init__(self, front, venv):
        self.front = front
        self.venv = venv
        self.ec2 = front.ec2()
        self.key = front.path("/key.pem")
        with open(front.path("/var/lib/mallee/cloud/eucarc")) as file:
            self.environment = {**os.environ, **exported(file.read())}

    def aws(self, *arguments):
        """The aws CLI's answer."""
        done = subprocess.run(
            [os.path.join(self.venv, "bin", "aws"), "ec2", *arguments, "--output", "json"], env=self.environment,
            capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"aws {' '.join(arguments)} failed: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def make_key(self):
        made = self.aws("create-key-pair", "--key-name", "mine")
        with open(os.open(self.key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(made["KeyMaterial"])

    def port_22(self, is_open):
        verb = "authorize" if is_open else "revoke"
        self.aws(f"{verb}-security-group-ingress", "--group-name", "default", "--protocol", "tcp", "--port", "22",
                 "--cidr", "0.0.0.0/0")

    def ssh_command(self, command, port):
        return ["ssh", "-i", self.key, "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR",
                "root@127.0.0.1", command]

    def ssh(self, command, port):
        """A command in the guest to which that port of this host leads."""
        return subprocess.run(
            self.ssh_command(command, port), capture_output=True, text=True, timeout=300, check=False)

    def instances(self, *identifiers):
        found = self.ec2.describe_instances(InstanceIds=list(identifiers))
        return [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]

    def wait_state(self, identifier, state, seconds=600):
        def reached():
            found = self.instances(identifier)[0]
            assert state == "terminated" or found["State"]["Name"] != "terminated", found
            return found if found["State"]["Name"] == state else None
        return wait_for(f"{identifier} is {state}", reached, seconds, 0.5)

    def run(self, image, instance_type="m1.small", **more):
        answer = self.ec2.run_instances(ImageId=image, InstanceType=instance_type, MinCount=1, MaxCount=1, **more)
        return answer["Instances"][0]["InstanceId"]

    def console(self, identifier):
        try:
            return self.ec2.get_console_output(InstanceId=identifier).get("Output") or ""
        except botocore.exceptions.ClientError as problem:
            # A node that was just started again has not registered yet.
            if problem.response["Error"]["Code"] != "Unavailable":
                raise
            return ""

    def reason(self, identifier, seconds=600):
        """Why it ended."""
        return self.wait_state(identifier, "terminated", seconds)["StateReason"]["Message"]

    def node_line(self, name="xen1"):
        """What the administrator sees of the node; empty while it is not known."""
        done = subprocess.run(
            [self.front.mallee, "node", "list", "--config", self.front.path("/cloud.conf"), "--identity",
             self.front.path("/var/lib/mallee/admin")], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"mallee node list: {done.returncode}\n{done.stdout}{done.stderr}"
        return next((line.strip() for line in done.stdout.splitlines() if name in line), "")

    def zone_description(self):
        """What the original's verbose listing says of the zone."""
        zones = self.ec2.describe_availability_zones(ZoneNames=["verbose"])["AvailabilityZones"]
        return "\n".join(f"{zone['ZoneName']} {zone['State']}" for zone in zones)

    def node_is_up(self):
        return "enabled" in self.node_line()
