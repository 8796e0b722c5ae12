"""S3 as its clients use it: the aws CLI, boto3, s3cmd and rclone against a simulated cloud."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
from botocore.config import Config

from harness import Cloud, main, wait_for


class Fixture:
    """One cloud for all tests of this file, with a directory of files to send."""

    cloud = None

    def __init__(self, binaries, venv):
        if Fixture.cloud is None:
            Fixture.cloud = Cloud(binaries, venv, "--hypervisor", "simulated").start()
        self.cloud = Fixture.cloud
        self.venv = self.cloud.venv
        self.environment = self.cloud.environment()
        self.url = self.environment["S3_URL"]
        self.key = self.environment["AWS_ACCESS_KEY_ID"]
        self.secret = self.environment["AWS_SECRET_ACCESS_KEY"]
        self.files = tempfile.mkdtemp(prefix="mallee-s3-")

    def client(self, **options):
        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=self.key, aws_secret_access_key=self.secret,
            region_name="us-east-1", config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}), **options)

    def file(self, name, size):
        path = os.path.join(self.files, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(os.urandom(size))
        return path

    def run(self, *command, **environment):
        done = subprocess.run(
            command, env={**self.environment, **environment}, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}{done.stdout[-500:]}"
        return done.stdout

    def remove(self):
        shutil.rmtree(self.files, ignore_errors=True)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as refusal:
        found = refusal.response["Error"]["Code"]
        assert found == code, f"expected {code}, got {found}"
        return
    raise AssertionError(f"should have failed with {code}")


def aws_cli_copies_and_syncs(binaries, venv):
    fixture = Fixture(binaries, venv)
    aws = os.path.join(fixture.venv, "bin", "aws")

    def s3(*arguments):
        return fixture.run(aws, "--endpoint-url", fixture.url, "s3", *arguments)

    s3("mb", "s3://cli")
    large = fixture.file("large", 20 << 20)
    s3("cp", large, "s3://cli/dir/large")
    back = os.path.join(fixture.files, "back")
    s3("cp", "s3://cli/dir/large", back)
    assert digest(back) == digest(large)
    for name in ["a", "b/c", "b/d é+&"]:
        fixture.file("tree/" + name, 5000)
    s3("sync", os.path.join(fixture.files, "tree"), "s3://cli/tree")
    assert s3("sync", os.path.join(fixture.files, "tree"), "s3://cli/tree") == "", "nothing was left to send"
    s3("sync", "s3://cli/tree", os.path.join(fixture.files, "tree2"))
    for name in ["a", "b/c", "b/d é+&"]:
        assert digest(os.path.join(fixture.files, "tree", name)) == digest(
            os.path.join(fixture.files, "tree2", name))
    s3("mv", "s3://cli/tree/a", "s3://cli/moved")
    assert "moved" in s3("ls", "s3://cli")
    s3("rb", "--force", "s3://cli")
    fixture.remove()


def boto3_uses_the_features(binaries, venv):
    fixture = Fixture(binaries, venv)
    s3 = fixture.client()
    s3.create_bucket(Bucket="features")
    s3.put_bucket_versioning(Bucket="features", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="features", Key="k", Body=b"one")["VersionId"]
    s3.put_object(Bucket="features", Key="k", Body=b"two", Tagging="a=b", ServerSideEncryption="AES256")
    s3.delete_object(Bucket="features", Key="k")
    fails("NoSuchKey", s3.get_object, Bucket="features", Key="k")
    assert s3.get_object(Bucket="features", Key="k", VersionId=first)["Body"].read() == b"one"
    found = s3.list_object_versions(Bucket="features")
    assert len(found["Versions"]) == 2 and len(found["DeleteMarkers"]) == 1
    s3.delete_object(Bucket="features", Key="k", VersionId=found["DeleteMarkers"][0]["VersionId"])
    answer = s3.get_object(Bucket="features", Key="k")
    assert answer["Body"].read() == b"two" and answer["ServerSideEncryption"] == "AES256"
    assert s3.get_object_tagging(Bucket="features", Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]

    url = fixture.url + "/features/k"
    try:
        urllib.request.urlopen(url, timeout=10)
        raise AssertionError("anybody may read")
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 403
    s3.put_bucket_policy(Bucket="features", Policy=json.dumps({"Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::features/*"}]}))
    assert urllib.request.urlopen(url, timeout=10).read() == b"two"
    presigned = s3.generate_presigned_url("get_object", Params={"Bucket": "features", "Key": "k"}, ExpiresIn=60)
    assert urllib.request.urlopen(presigned, timeout=10).read() == b"two"

    upload = s3.create_multipart_upload(Bucket="features", Key="m", ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, size in [(1, 5 << 20), (2, 1000)]:
        part = s3.upload_part(
            Bucket="features", Key="m", UploadId=upload, PartNumber=number, Body=bytes([number]) * size,
            ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    s3.complete_multipart_upload(Bucket="features", Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    second = s3.get_object(Bucket="features", Key="m", PartNumber=2)
    assert second["Body"].read() == b"\x02" * 1000 and second["PartsCount"] == 2
    fails("InvalidBucketName", s3.create_bucket, Bucket="services")
    fixture.remove()


def locked_versions_stay(binaries, venv):
    fixture = Fixture(binaries, venv)
    s3 = fixture.client()
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    version = s3.put_object(
        Bucket="locked", Key="k", Body=b"x", ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=time.time() + 5)["VersionId"]
    fails("AccessDenied", s3.delete_object, Bucket="locked", Key="k", VersionId=version)

    def is_deleted():
        try:
            s3.delete_object(Bucket="locked", Key="k", VersionId=version)
            return True
        except botocore.exceptions.ClientError:
            return False

    wait_for("the retention has ended", is_deleted, 20, 0.5)
    s3.delete_bucket(Bucket="locked")
    fixture.remove()


def webhooks_are_told(binaries, venv):
    fixture = Fixture(binaries, venv)
    received = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    s3 = fixture.client()
    s3.create_bucket(Bucket="events")
    s3.put_bucket_notification_configuration(Bucket="events", NotificationConfiguration={"TopicConfigurations": [{
        "TopicArn": f"http://127.0.0.1:{server.server_port}/", "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".log"}]}}}]})
    s3.put_object(Bucket="events", Key="a.txt", Body=b"1")
    s3.put_object(Bucket="events", Key="b.log", Body=b"12")
    record = wait_for("the webhook was called", lambda: received, 20, 0.1)[0]["Records"][0]
    assert record["eventName"] == "ObjectCreated:Put" and record["s3"]["object"]["key"] == "b.log"
    assert record["s3"]["object"]["size"] == 2
    server.shutdown()
    fixture.remove()


def s3cmd_goes_round(binaries, venv):
    fixture = Fixture(binaries, venv)
    program = os.path.join(fixture.venv, "bin", "s3cmd")
    assert os.path.exists(program), f"{program} is missing; Scripts/setup.sh test installs it"
    host = fixture.url.split("//")[1].rstrip("/")
    configuration = os.path.join(fixture.files, "s3cfg")
    with open(configuration, "w") as out:
        out.write(
            f"[default]\naccess_key = {fixture.key}\nsecret_key = {fixture.secret}\nhost_base = {host}\n"
            f"host_bucket = {host}\nuse_https = False\n")

    def s3cmd(*arguments):
        return fixture.run(os.path.join(fixture.venv, "bin", "python"), program, "-c", configuration, *arguments)

    s3cmd("mb", "s3://s3cmd")
    large = fixture.file("large", 16 << 20)
    s3cmd("put", "--multipart-chunk-size-mb=5", large, "s3://s3cmd/large")
    s3cmd("get", "--force", "s3://s3cmd/large", large + ".back")
    assert digest(large) == digest(large + ".back")
    s3cmd("setacl", "--acl-public", "s3://s3cmd/large")
    assert len(urllib.request.urlopen(fixture.url + "/s3cmd/large", timeout=30).read()) == 16 << 20
    s3cmd("expire", "--expiry-days=3", "s3://s3cmd")
    assert "s3://s3cmd/large" in s3cmd("ls", "-r", "s3://s3cmd")
    s3cmd("--signature-v2", "cp", "s3://s3cmd/large", "s3://s3cmd/copy")
    s3cmd("del", "s3://s3cmd/large", "s3://s3cmd/copy")
    s3cmd("rb", "s3://s3cmd")
    fixture.remove()


def rclone_syncs_and_checks(binaries, venv):
    fixture = Fixture(binaries, venv)
    program = shutil.which("rclone")
    assert program, "rclone is not installed (Debian: apt-get install rclone)"
    options = [
        "--s3-provider", "Other", "--s3-access-key-id", fixture.key, "--s3-secret-access-key", fixture.secret,
        "--s3-endpoint", fixture.url, "--config", os.path.join(fixture.files, "rclone.conf")]
    for name in ["a", "b/c", "b/d e"]:
        fixture.file("tree/" + name, 70_000)
    tree = os.path.join(fixture.files, "tree")
    fixture.run(program, "mkdir", ":s3:rclone", *options)
    fixture.run(program, "sync", tree, ":s3:rclone", *options)
    fixture.run(program, "check", tree, ":s3:rclone", *options)
    fixture.run(program, "sync", ":s3:rclone", tree + "2", *options)
    assert digest(os.path.join(tree, "b/c")) == digest(os.path.join(tree + "2", "b/c"))
    fixture.run(program, "purge", ":s3:rclone", *options)
    fixture.remove()


def acknowledged_objects_survive_kill(binaries, venv):
    """Stops the whole cloud by SIGKILL under puts and deletions, and looks for what was acknowledged."""
    fixture = Fixture(binaries, venv)
    s3 = fixture.client()
    s3.create_bucket(Bucket="kill")
    possible = {}
    lock = threading.Lock()

    def work(number):
        client = fixture.client()
        for turn in range(10_000):
            key = f"{number}/{turn % 5}"
            body = None if turn % 4 == 3 else os.urandom(100 if turn % 3 else 200_000)
            value = None if body is None else hashlib.md5(body).hexdigest()
            with lock:
                possible.setdefault(key, {None}).add(value)
            try:
                if body is None:
                    client.delete_object(Bucket="kill", Key=key)
                else:
                    client.put_object(Bucket="kill", Key=key, Body=body)
            except Exception:  # the cloud is gone: what this call did is not known
                return
            with lock:
                possible[key] = {value}

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    wait_for("some were acknowledged", lambda: len(possible) > 30, 30, 0.05)
    time.sleep(1)
    fixture.cloud.kill()
    for worker in workers:
        worker.join()
    fixture.cloud.start()
    s3 = fixture.client()
    for key, values in possible.items():
        try:
            found = hashlib.md5(s3.get_object(Bucket="kill", Key=key)["Body"].read()).hexdigest()
        except s3.exceptions.NoSuchKey:
            found = None
        assert found in values, f"{key}: {found} is none of {values}"
    fixture.remove()


def nothing_is_left(binaries, venv):
    fixture = Fixture(binaries, venv)
    fixture.remove()
    left = fixture.cloud.remove()
    assert not left, f"processes left: {left}"


if __name__ == "__main__":
    main([
        aws_cli_copies_and_syncs, boto3_uses_the_features, locked_versions_stay, webhooks_are_told, s3cmd_goes_round,
        rclone_syncs_and_checks, acknowledged_objects_survive_kill, nothing_is_left,
    ])
