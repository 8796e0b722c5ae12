"""moto_server, the EC2 peer that starts within a minute: one process, everything in memory, nothing durable."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import urllib.parse

from client import Client
from harness import free_ports, wait_for

INSTANCES = 1000


@contextlib.contextmanager
def server(venv):
    """A client of one that runs meanwhile."""
    port = free_ports(1)
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "true"}
        process = subprocess.Popen(
            [os.path.join(venv, "bin", "moto_server"), "-H", "127.0.0.1", "-p", str(port)], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            # It takes the service from this header alone, and verifies nothing.
            scope = ("AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/ec2/aws4_request, "
                     "SignedHeaders=host, Signature=0")
            client = Client(f"http://127.0.0.1:{port}/", headers={"Authorization": scope})

            def answers():
                try:
                    return client.get(unsigned("DescribeRegions"))[0] == 200
                except OSError:
                    return False

            wait_for("moto_server", answers, 60, 0.1)
            yield client
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def image(client):
    """An image that it knows from the beginning."""
    return re.search(r"<imageId>(ami-[^<]+)", client.get(unsigned("DescribeImages"))[1].decode())[1]


def measure(venv):
    """Its figures with 1,000 instances."""
    with server(venv) as client:
        run = unsigned("RunInstances", ImageId=image(client), MinCount=1, MaxCount=1, InstanceType="m1.small")
        figures = {"one": client.load([run], 1, 60, 100), "many": client.load([run], 32, 120, INSTANCES - 100)}
        path = unsigned("DescribeInstances", MaxResults=INSTANCES)  # it pages at 100 otherwise
        figures["all"], figures["bytes"] = client.whole(path, 3)
        instance = re.search(r"<instanceId>(i-[^<]+)", client.get(path)[1].decode())[1]
        figures["id"] = client.load([unsigned("DescribeInstances", InstanceId_1=instance)], 32, 5)
        return figures


def unsigned(action, **parameters):
    query = {"Action": action, "Version": "2016-11-15"}
    query.update({name.replace("_", "."): str(value) for name, value in parameters.items()})
    return "/?" + urllib.parse.urlencode(query)
