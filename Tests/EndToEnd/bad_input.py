"""What cannot be done: each wrong request has its EC2 code and a message that helps, and changes nothing.

The node's state lies on a small file system of its own, to see what a full disk does. It is mounted in a private mount
namespace, so that nothing of it is left however the test ends.
"""

import base64
import contextlib
import ctypes
import datetime
import hashlib
import hmac
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.parse
import xml.etree.ElementTree

import boto3
import botocore.config
import botocore.exceptions
import requests

from harness import Cloud, Contracts, Daemon, main, room, wait_for

ZONE = "us-east-1a"
ABSENT = "0123456789abcdef0"


# MARK: Requests made by hand

class Signer:
    """Signs as the API reference says; each part can be made wrong."""

    def __init__(self, cloud):
        values = cloud.environment()
        self.url, self.key, self.secret = values["EC2_URL"], values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"]
        self.host = urllib.parse.urlsplit(self.url).netloc

    @staticmethod
    def time(skew=0):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)

    def _signature4(self, method, query, headers, body, moment, secret, region="us-east-1", service="ec2"):
        stamp = moment.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
        names = ";".join(sorted(headers))
        canonical = "\n".join(
            [method, "/", query, *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names,
             hashlib.sha256(body).hexdigest()])
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return scope, names, hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def post(self, body, skew=0, key=None, secret=None, **headers):
        """Version 4 in the header."""
        body = body if isinstance(body, bytes) else urllib.parse.urlencode(body).encode()
        moment = self.time(skew)
        signed = {"host": self.host, "x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ")}
        scope, names, signature = self._signature4("POST", "", signed, body, moment, secret or self.secret)
        return requests.post(self.url, data=body, timeout=30, headers={
            "Content-Type": "application/x-www-form-urlencoded", "X-Amz-Date": signed["x-amz-date"],
            "Authorization": f"AWS4-HMAC-SHA256 Credential={key or self.key}/{scope}, SignedHeaders={names}, "
                             f"Signature={signature}", **headers})

    def presigned4(self, parameters, expires=60, skew=0):
        moment = self.time(skew)
        scope = f"{moment:%Y%m%d}/us-east-1/ec2/aws4_request"
        query = dict(parameters, **{
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.key}/{scope}",
            "X-Amz-Date": moment.strftime("%Y%m%dT%H%M%SZ"), "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": "host"})
        text = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
                        for k, v in sorted(query.items()))
        signature = self._signature4("GET", text, {"host": self.host}, b"", moment, self.secret)[2]
        return f"{self.url}?{text}&X-Amz-Signature={signature}"

    def presigned2(self, parameters, secret=None, **times):
        query = dict(parameters, AWSAccessKeyId=self.key, SignatureVersion="2", SignatureMethod="HmacSHA256",
                     **{name: moment.strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in times.items()})
        text = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
                        for k, v in sorted(query.items()))
        to_sign = f"GET\n{self.host}\n/\n{text}".encode()
        signature = hmac.new((secret or self.secret).encode(), to_sign, hashlib.sha256).digest()
        encoded = urllib.parse.quote(base64.b64encode(signature).decode(), safe="")
        return f"{self.url}?{text}&Signature={encoded}"


def refused(answer, status, code, *texts):
    """The answer must be EC2's error document with this code, whose message has these texts."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    document = xml.etree.ElementTree.fromstring(answer.text)
    assert document.tag == "Response", answer.text
    error = document.find("Errors/Error")
    assert error.findtext("Code") == code, answer.text
    message = error.findtext("Message")
    for text in texts:
        assert text in message, f"{code}: {text!r} is not in {message!r}"
    request = document.findtext("RequestID")
    assert request and request == answer.headers["x-amzn-requestid"], answer.text
    return message


DESCRIBE = {"Action": "DescribeInstances", "Version": "2016-11-15"}


def bad_credentials(cloud):
    sign = Signer(cloud)
    assert sign.post(DESCRIBE).status_code == 200, "the signer of this test is right"
    assert requests.get(sign.presigned4(DESCRIBE), timeout=30).status_code == 200
    assert requests.get(sign.presigned2(DESCRIBE, Timestamp=sign.time()), timeout=30).status_code == 200

    wrong = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    refused(sign.post(DESCRIBE, secret=wrong), 403, "SignatureDoesNotMatch", "secret")
    refused(requests.get(sign.presigned2(DESCRIBE, secret=wrong, Timestamp=sign.time()), timeout=30), 403,
            "SignatureDoesNotMatch", "secret")
    refused(requests.get(sign.presigned4(DESCRIBE) + "&MaxResults=5", timeout=30), 403, "SignatureDoesNotMatch")
    refused(sign.post(DESCRIBE, key="AKIAIOSFODNN7EXAMPLE"), 401, "AuthFailure", "credentials")
    refused(requests.post(sign.url, data=DESCRIBE, timeout=30), 403, "MissingAuthenticationToken")
    refused(requests.post(sign.url, data=DESCRIBE, timeout=30, headers={"Authorization": "AWS4-HMAC-SHA256 nonsense"}),
            400, "IncompleteSignature")

    for skew in (-3600, 3600):
        message = refused(sign.post(DESCRIBE, skew=skew), 400, "RequestExpired", "clock")
        assert sign.secret not in message
    refused(requests.get(sign.presigned2(DESCRIBE, Timestamp=sign.time(-3600)), timeout=30), 400, "RequestExpired", "clock")

    refused(requests.get(sign.presigned4(DESCRIBE, expires=60, skew=-61), timeout=30), 400, "RequestExpired", "expired")
    refused(requests.get(sign.presigned2(DESCRIBE, Expires=sign.time(-1)), timeout=30), 400, "RequestExpired", "expired")
    refused(requests.get(sign.presigned4(DESCRIBE, expires=8 * 86400), timeout=30), 400, "InvalidParameterValue", "604800")

    # S3's own words.
    s3 = s3_of(cloud)
    url = s3.generate_presigned_url("get_object", {"Bucket": "images", "Key": "none"}, ExpiresIn=1)
    time.sleep(2.1)
    expired = requests.get(url, timeout=30)
    assert expired.status_code == 403 and "<Code>AccessDenied</Code>" in expired.text, expired.text
    assert "expired" in expired.text, expired.text


def bad_actions(cloud):
    sign = Signer(cloud)
    refused(sign.post({"Action": "StartTheReactor", "Version": "2016-11-15"}), 400, "InvalidAction", "StartTheReactor")
    refused(sign.post({"Action": "CreateVpnGateway", "Version": "2016-11-15"}), 400, "UnsupportedOperation", "CreateVpnGateway")
    refused(sign.post({"Version": "2016-11-15"}), 400, "MissingAction", "Action")
    refused(requests.get(sign.url, timeout=30), 400, "MissingAction", "EC2 endpoint")
    refused(requests.put(sign.url, timeout=30), 405, "MethodNotAllowed", "POST")

    # Versions that are later or earlier than any that we know are served in their own namespace.
    for version in ("2006-06-26", "2038-01-01"):
        answer = sign.post({"Action": "DescribeRegions", "Version": version})
        assert answer.status_code == 200, answer.text
        assert f'xmlns="http://ec2.amazonaws.com/doc/{version}/"' in answer.text, answer.text
    for version in ("latest", "2016-13-15", "'; DROP TABLE"):
        refused(sign.post({"Action": "DescribeRegions", "Version": version}), 400, "NoSuchVersion", version, "2016-11-15")


def bad_parameters(cloud, ec2):
    sign = Signer(cloud)

    def call(action, **parameters):
        return sign.post({"Action": action, "Version": "2016-11-15",
                          **{name.replace("_", "."): value for name, value in parameters.items()}})

    image = ec2.describe_images(Owners=["self"])["Images"][0]["ImageId"]

    # Malformed and unknown ids.
    for text in ("i-", "i-12345g78", "ami-" + ABSENT, "../../etc/passwd", "i-" + ABSENT + "\0", "i-" + "1" * 100_000):
        refused(call("DescribeInstances", InstanceId_1=text), 400, "InvalidInstanceID.Malformed", "i-")
    refused(call("TerminateInstances", InstanceId_1="i-" + ABSENT), 400, "InvalidInstanceID.NotFound", "i-" + ABSENT)
    refused(call("GetConsoleOutput", InstanceId="vol-" + ABSENT), 400, "InvalidInstanceID.Malformed")
    refused(call("DescribeImages", ImageId_1="image"), 400, "InvalidAMIID.Malformed", "ami-")
    refused(call("RunInstances", ImageId="nonsense", MinCount="1", MaxCount="1"), 400, "InvalidAMIID.Malformed")
    refused(call("RunInstances", ImageId="ami-" + ABSENT, MinCount="1", MaxCount="1"), 400, "InvalidAMIID.NotFound",
            "ami-" + ABSENT)
    refused(call("RunInstances", ImageId=image, KernelId="aki-" + ABSENT, MinCount="1", MaxCount="1"), 400,
            "InvalidAMIID.NotFound", "aki-" + ABSENT)
    refused(call("DeleteSecurityGroup", GroupId="zz"), 400, "InvalidGroupId.Malformed")
    refused(call("DeleteSecurityGroup", GroupId="sg-zz"), 400, "InvalidGroup.NotFound")
    refused(call("DeleteSecurityGroup", GroupId="sg-" + ABSENT), 400, "InvalidGroup.NotFound")
    refused(call("RunInstances", ImageId=image, MinCount="1", MaxCount="1", KeyName="none"), 400,
            "InvalidKeyPair.NotFound", "none")
    refused(call("RunInstances", ImageId=image, MinCount="1", MaxCount="1", InstanceType="z9.huge"), 400,
            "InvalidParameterValue", "z9.huge")
    refused(call("RunInstances", ImageId=image, MinCount="1", MaxCount="1", Placement_AvailabilityZone="mars-1a"), 400,
            "InvalidParameterValue", "mars-1a")

    # Numbers.
    for low, high in (("0", "1"), ("-1", "1"), ("2", "1"), ("1", "99999999999999999999"), ("1e3", "1"), ("", "1")):
        code = refused(call("RunInstances", ImageId=image, MinCount=low, MaxCount=high), 400,
                       *("MissingParameter", "MinCount") if low == "" else ("InvalidParameterValue",))
        assert code
    refused(call("RunInstances", ImageId=image), 400, "MissingParameter", "MinCount")
    refused(call("DescribeInstances", MaxResults="1000000"), 400, "InvalidParameterValue", "maxResults", "1000")
    refused(call("DescribeInstances", NextToken="AAAA"), 400, "InvalidNextToken")
    refused(call("DescribeInstances", Filter_1_Name="no-such-filter", Filter_1_Value_1="x"), 400,
            "InvalidParameterValue", "no-such-filter")

    # Huge ones.
    refused(call("RunInstances", ImageId=image, MinCount="1", MaxCount="1", ClientToken="x" * 65), 400,
            "InvalidParameterValue", "64")
    refused(call("RunInstances", ImageId=image, MinCount="1", MaxCount="1", UserData="A" * 30_000), 400,
            "InvalidParameterValue", "16")
    refused(call("CreateKeyPair", KeyName="k" * 256), 400, "InvalidParameterValue", "255")
    refused(call("CreateTags", ResourceId_1="i-" + ABSENT, Tag_1_Key="k" * 200, Tag_1_Value="v"), 400,
            "InvalidParameterValue", "127")
    refused(call("CreateSecurityGroup", GroupName="g", GroupDescription="d" * 300_000), 400, "InvalidParameterValue", "255")
    refused(sign.post(b"Action=DescribeInstances&Version=2016-11-15&Filter.1.Value.1=" + b"x" * (2 << 20)), 413,
            "RequestTooLong", "1048576")
    refused(requests.get(sign.url + "?Action=DescribeInstances&" + "x" * 14_000 + "=1", timeout=30), 403,
            "MissingAuthenticationToken")
    many = "&".join(f"InstanceId.{n}=i-{n:017x}" for n in range(1, 25_000)).encode()
    refused(sign.post(b"Action=DescribeInstances&Version=2016-11-15&" + many[:1_000_000]), 400, "MalformedQueryString")
    refused(call("TerminateInstances", **{f"InstanceId_{n}": f"i-{n:017x}" for n in range(1, 1500)}), 400,
            "InvalidParameterValue", "at most 1000")

    # Binary ones.
    refused(sign.post(b"Action=CreateKeyPair&Version=2016-11-15&KeyName=%FF%FE"), 400, "MalformedQueryString", "UTF-8")
    refused(sign.post(b"Action=CreateKeyPair&Version=2016-11-15&KeyName=a%00b"), 400, "InvalidParameterValue", "ASCII")
    refused(sign.post(b"Action=CreateKeyPair&Version=2016-11-15&KeyName=%zz"), 400, "MalformedQueryString", "%")
    refused(sign.post(secrets.token_bytes(5_000)), 400, "MalformedQueryString")
    refused(call("RunInstances", ImageId=image, MinCount="1", MaxCount="1", UserData="no base64 \u2603"), 400,
            "InvalidUserData.Malformed", "Base64")
    refused(call("ImportKeyPair", KeyName="k", PublicKeyMaterial="AAAA"), 400, "InvalidKey.Format")
    refused(call("RunInstances", **{"ImageId": image, "MinCount": "1", "MaxCount": "1", "Placement.Bogus.1.x": "1",
                                    "Tenancy\u0000": "x"}, InstanceType="\u2603"), 400, "InvalidParameterValue")

    # What is no HTTP ends the connection and nothing else.
    host, port = sign.host.split(":")
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + secrets.token_bytes(200),
                    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"X" * 100_000 + b"\r\n\r\n"):
        with socket.create_connection((host, int(port)), 10) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(4096)
                assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert sign.post(DESCRIBE).status_code == 200

    # The tools show the code and the message.
    text = cloud.aws("ec2", "run-instances", "--image-id", "ami-" + ABSENT, fails_with="InvalidAMIID.NotFound")
    assert "ami-" + ABSENT in text, text
    text = cloud.aws("ec2", "describe-instances", "--instance-ids", "i-xyz", fails_with="InvalidInstanceID.Malformed")
    assert "i-xyz" in text, text
    # Nothing of all this has left anything behind.
    assert not ec2.describe_instances()["Reservations"]
    assert not ec2.describe_key_pairs()["KeyPairs"]
    assert [g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"]] == ["default"]


def test_requests(binaries, venv):
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "2")
    try:
        cloud.start()
        ec2 = client_of(cloud, "ec2")
        bad_credentials(cloud)
        bad_actions(cloud)
        bad_parameters(cloud, ec2)
        no_free_slot(cloud, ec2)
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


def no_free_slot(cloud, ec2):
    image = ec2.describe_images(Owners=["self"])["Images"][0]["ImageId"]

    def fails(**request):
        try:
            ec2.run_instances(ImageId=image, **request)
        except botocore.exceptions.ClientError as problem:
            assert problem.response["Error"]["Code"] == "InsufficientInstanceCapacity", problem
            return problem.response["Error"]["Message"]
        raise AssertionError(f"there should be no room for {request}")

    # The nodes have 32 cores each.
    room(ec2, 64)
    message = fails(MinCount=65, MaxCount=100, InstanceType="m1.small")
    assert "needed 65, free 64" in message and "1 core" in message, message
    # As many as there is room for, at least MinCount.
    run = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=100, InstanceType="m1.small")
    assert len(run["Instances"]) == 64, len(run["Instances"])
    message = fails(MinCount=1, MaxCount=1, InstanceType="m1.small", Placement={"AvailabilityZone": ZONE})
    assert ZONE in message and "needed 1, free 0" in message, message
    assert len([i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]) == 64


# MARK: What only the node sees

def client_of(cloud, service):
    environment = cloud.environment()
    return boto3.client(
        service, endpoint_url=environment[f"AWS_ENDPOINT_URL_{service.upper()}"],
        region_name=environment["AWS_DEFAULT_REGION"], aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))


def s3_of(cloud):
    return client_of(cloud, "s3")


class SmallDisk:
    """A file system of a few MiB, visible to this process and its children only."""

    def __init__(self, path, mebibytes):
        self.path = path
        os.makedirs(path)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={mebibytes}m".encode()):
            raise OSError(ctypes.get_errno(), "mount")
        self.libc = libc

    def fill(self):
        """Takes all that is free."""
        with open(os.path.join(self.path, "ballast"), "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))

    def empty(self):
        os.remove(os.path.join(self.path, "ballast"))

    def unmount(self):
        self.libc.umount2(self.path.encode(), 2)  # MNT_DETACH


def in_private_mounts():
    """Starts this program again where its mounts are nobody else's; without root as root of a user namespace."""
    if os.environ.get("MALLEE_TEST_PRIVATE_MOUNTS"):
        return
    command = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    os.environ["MALLEE_TEST_PRIVATE_MOUNTS"] = "1"
    os.execvp(command[0], [*command, sys.executable, os.path.abspath(__file__), *sys.argv[1:]])


class Launch:
    """Uploads, registers and launches; looks at how it failed."""

    def __init__(self, cloud, node):
        self.cloud, self.node, self.ec2, self.s3 = cloud, node, client_of(cloud, "ec2"), s3_of(cloud)
        self.s3.create_bucket(Bucket="bad")

    def register(self, name, content, **more):
        self.s3.put_object(Bucket="bad", Key=name, Body=content)
        return self.ec2.register_image(
            ImageLocation=f"bad/{name}", Name=name, Architecture="x86_64", **more)["ImageId"]

    def kernel(self, name, content):
        answer = self.kernel_answer(name, content)
        assert answer.status_code == 200, answer.text
        return xml.etree.ElementTree.fromstring(answer.text).findtext("{*}imageId")

    def kernel_answer(self, name, content):
        """RegisterImage of a kernel: the parameter is not in the tools' model."""
        self.s3.put_object(Bucket="bad", Key=name, Body=content)
        return Signer(self.cloud).post({
            "Action": "RegisterImage", "Version": "2016-11-15", "ImageLocation": f"bad/{name}", "Name": name,
            "ImageType": "kernel"})

    def fails(self, image, code, *texts, seconds=60):
        """The instance ends with this state reason, and the node's log says why."""
        instance = self.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="m1.small")[
            "Instances"][0]["InstanceId"]

        def ended():
            found = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
            return found if found["State"]["Name"] == "terminated" else None

        found = wait_for(f"{instance} is terminated", ended, seconds, 0.2)
        reason = found["StateReason"]
        assert reason["Code"] == code, reason
        assert reason["Message"].startswith(code + ": "), reason
        for text in texts:
            assert text in reason["Message"], f"{text!r} is not in {reason['Message']!r}"
        assert found["StateTransitionReason"].startswith(code.split(".")[0]), found["StateTransitionReason"]
        lines = [line for line in self.node.log_text().splitlines() if instance in line]
        assert any(texts[0] in line for line in lines), f"the node's log does not say why:\n" + "\n".join(lines)
        status = self.ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)
        assert status["InstanceStatuses"][0]["InstanceState"]["Name"] == "terminated"
        return reason["Message"]


def qcow2(directory, name):
    """A sound qcow2 image with some data."""
    raw, path = os.path.join(directory, "raw"), os.path.join(directory, name)
    with open(raw, "wb") as file:
        file.write(secrets.token_bytes(1 << 20))
        file.truncate(16 << 20)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, path], check=True, capture_output=True, timeout=60)
    with open(path, "rb") as file:
        return file.read()


def test_what_fails_on_the_node(binaries, venv):
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "0")
    disk = node = None
    try:
        disk = SmallDisk(os.path.join(cloud.state, "d"), 100)
        cloud.start()
        own = Contracts(cloud).identity("node", "n1", "127.0.0.1")
        node = Daemon(cloud.state, "n1", [os.path.join(os.path.abspath(binaries), "mallee-node")], {
            "NODE_NAME": "n1", "HYPERVISOR": "qemu", "LISTEN_PORT": 0, "ADVERTISED_ADDRESS": "127.0.0.1",
            "STATE_DIR": disk.path, "MAX_CORES": 8, "MAX_MEM": 2048, "MAX_DISK": 100, "CACHE_SIZE": 1,
            "TLS_CERT": own + "/component.crt", "TLS_KEY": own + "/component.key", "TLS_CA": own + "/ca.crt",
            "CLUSTER_ENDPOINT": f"https://127.0.0.1:{cloud.base + 1}/services/ClusterController"})
        node.start()
        launch = Launch(cloud, node)
        room(launch.ec2, 1)
        bad_images(cloud, launch)
        full_disk(launch, disk)
    except Exception:
        print(cloud.logs(), node.log() if node else "")
        raise
    finally:
        if node:
            node.stop()
        left = cloud.remove()
        if disk:
            disk.unmount()
            os.path.exists(disk.path) and os.rmdir(disk.path)
            os.path.exists(cloud.state) and os.rmdir(cloud.state)
    assert not left, left


def bad_images(cloud, launch):
    good = qcow2(cloud.state, "good.qcow2")

    # What can be seen in the first bytes is refused when it is registered.
    def refused_at_registration(name, content, *texts):
        try:
            launch.register(name, content)
        except botocore.exceptions.ClientError as problem:
            assert problem.response["Error"]["Code"] == "InvalidParameterValue", problem
            for text in texts:
                assert text in problem.response["Error"]["Message"], problem
            return
        raise AssertionError(f"{name} was registered")

    refused_at_registration("empty", b"", "empty")
    refused_at_registration("header.qcow2", good[:20], "qcow2")
    refused_at_registration("compressed.gz", b"\x1f\x8b\x08" + secrets.token_bytes(2000), "gzip", "Unpack")
    backed = bytearray(good)
    backed[8:16] = (512).to_bytes(8, "big")
    backed[16:20] = (11).to_bytes(4, "big")
    backed[512:523] = b"/etc/passwd"
    refused_at_registration("backed.qcow2", bytes(backed), "backing file")
    try:
        launch.ec2.register_image(ImageLocation="bad/none", Name="none")
        raise AssertionError("an image without object was registered")
    except botocore.exceptions.ClientError as problem:
        assert problem.response["Error"]["Code"] == "InvalidParameterValue", problem
        assert "bad/none" in problem.response["Error"]["Message"], problem

    # A sound header, and tables that point anywhere: only a check of the whole finds that.
    corrupt = bytearray(good)
    table = int.from_bytes(good[40:48], "big")
    corrupt[table:table + 8] = (1 << 63 | 0x7777_0000_0000).to_bytes(8, "big")
    image = launch.register("corrupt.qcow2", bytes(corrupt))
    launch.fails(image, "Client.InvalidImage", image, "qemu-img")

    # The object has gone, or is another one, since it was registered.
    image = launch.register("gone.img", bytes(1 << 20))
    launch.s3.delete_object(Bucket="bad", Key="gone.img")
    launch.fails(image, "Client.InvalidImage", image, "not in the object store", "upload")
    image = launch.register("other.img", bytes(1 << 20))
    launch.s3.put_object(Bucket="bad", Key="other.img", Body=b"\1" * (1 << 20))
    launch.fails(image, "Client.InvalidImage", image, "digest")

    refused_at_registration("text", b"no disk at all, but a text\n" * 3, "512")
    # ELF's e_machine, at byte 18: 62 is x86-64, 183 is AArch64.
    def elf(machine):
        return b"\x7fELF".ljust(18, b"\0") + machine.to_bytes(2, "little") + secrets.token_bytes(100_000)
    answer = launch.kernel_answer("foreign", elf(183))
    assert answer.status_code == 400 and "another processor" in answer.text, answer.text
    kernel = launch.kernel("vmlinuz", elf(62))
    image = launch.register("kernel.img", secrets.token_bytes(1 << 20), KernelId=kernel)
    launch.s3.delete_object(Bucket="bad", Key="vmlinuz")
    launch.fails(image, "Client.InvalidKernel", kernel, "not in the object store", "upload")


def full_disk(launch, disk):
    # The node keeps 64 MiB of the 100 free.
    image = launch.register("large.img", secrets.token_bytes(48 << 20))
    message = launch.fails(image, "Server.InsufficientInstanceCapacity", image, "disk has room for", "free some space")
    assert str(48 << 20) in message, message

    small = launch.register("small.img", secrets.token_bytes(1 << 20))
    disk.fill()
    launch.fails(small, "Server.InsufficientInstanceCapacity", "No space left on device", "free some space")
    # And when there is room again, all is well.
    disk.empty()
    run = launch.ec2.run_instances(ImageId=small, MinCount=1, MaxCount=1, InstanceType="m1.small")
    instance = run["Instances"][0]["InstanceId"]
    launch.cloud.wait_state(instance, "running", 60)
    launch.ec2.terminate_instances(InstanceIds=[instance])
    wait_for("it is terminated", lambda: launch.cloud.instances(instance)[0]["State"]["Name"] == "terminated", 60)


in_private_mounts()
main([test_requests, test_what_fails_on_the_node])
