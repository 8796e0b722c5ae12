"""Signed requests, single ones and as load.

Load is made by wrk from URLs that are signed beforehand (SigV4 in the query, good for an hour): the generator then
costs so little that the two processors are the server's, and the server verifies each signature as for any client.
"""

import http.client
import json
import os
import re
import resource
import subprocess
import tempfile
import time
import urllib.parse

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Client:
    """One account at one endpoint. `headers` go with every request, unsigned."""

    def __init__(self, url, key="", secret="", region="us-east-1", headers=None):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.region = parts.hostname, parts.port, region
        self.credentials, self.headers = Credentials(key, secret), headers or {}

    @staticmethod
    def of(cloud):
        """The administrator of a cloud that `mallee up` started."""
        values = cloud.environment()
        return Client(
            values["EC2_URL"], values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"], values["AWS_DEFAULT_REGION"])

    def path(self, action, **parameters):
        """A signed path; list elements are given as Name_1, members of structures as Name_1_Member."""
        query = {"Action": action, "Version": "2016-11-15"}
        query.update({name.replace("_", "."): str(value) for name, value in parameters.items()})
        url = f"http://{self.host}:{self.port}/?" + urllib.parse.urlencode(query)
        request = AWSRequest(method="GET", url=url)
        SigV4QueryAuth(self.credentials, "ec2", self.region, expires=3600).add_auth(request)
        return request.url.split(str(self.port), 1)[1]

    def get(self, path, timeout=120):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers=self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, action, **parameters):
        """The answer's text; anything but success ends the benchmark."""
        status, body = self.get(self.path(action, **parameters))
        text = body.decode()
        if status != 200:
            raise RuntimeError(f"{action}: {status} {text[:500]}")
        return text

    def header_options(self):
        return [word for name, value in self.headers.items() for word in ("-H", f"{name}: {value}")]

    def whole(self, path, times):
        """Seconds that curl takes for the whole answer (median of `times`), and its bytes."""
        url, headers = f"http://{self.host}:{self.port}{path}", self.header_options()
        seconds, size = [], 0
        for _ in range(times):
            done = subprocess.run(
                ["curl", "-sS", *headers, "-o", os.devnull, "-w", "%{http_code} %{time_total} %{size_download}", url],
                capture_output=True, text=True, check=True, timeout=600)
            status, taken, size = done.stdout.split()
            if status != "200":
                raise RuntimeError(f"{status} for {path.split('X-Amz')[0]}")
            seconds.append(float(taken))
        return median(seconds), int(size)

    def load(self, paths, connections, seconds, answers=None):
        """Closed-loop load: so many connections, each sending its next request when the last is answered."""
        with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
            file.write("".join(path + "\n" for path in paths))
            file.flush()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "60s",
                 *self.header_options(), "-s",
                 os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.lua"),
                 f"http://{self.host}:{self.port}/", "--", file.name, str(answers or "-")],
                capture_output=True, text=True, timeout=seconds + 120, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        if figures["refused"] or figures["broken"] or not figures["answers"]:
            raise RuntimeError(f"load was not answered: {figures} {done.stdout} {done.stderr}")
        figures["rate"] = figures["answers"] / figures["seconds"]
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        figures["generator"] = used / figures["seconds"]
        return figures


def free_slots(client):
    """Free slots for m1.small in all zones, as the original prints them."""
    text = client.call("DescribeAvailabilityZones", ZoneName_1="verbose")
    return sum(int(free) for free in re.findall(r"m1\.small</zoneName><zoneState>\s*(\d+)", text))


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def sync_cost(directory, times=300):
    """Seconds to append 4 KiB to a file and fsync it: what a durable answer costs at least. (p50, p99)"""
    path = os.path.join(directory, "sync-cost")
    block, taken = os.urandom(4096), []
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(times):
            start = time.perf_counter()
            os.write(file, block)
            os.fsync(file)
            taken.append(time.perf_counter() - start)
    finally:
        os.close(file)
        os.unlink(path)
    return percentile(taken, 0.5), percentile(taken, 0.99)


def memory(pid):
    """Resident memory of a process in MB, now and at its highest."""
    with open(f"/proc/{pid}/status") as file:
        text = file.read()
    return tuple(int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 1000 for name in ("VmRSS", "VmHWM"))
