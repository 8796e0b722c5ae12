"""Walrus as a store to trust: kill -9 under load, a lost index, a full and a read-only disk, a large upload.

MALLEE_KILL_ROUNDS    rounds of kill -9 (5)
MALLEE_UPLOAD_MIB     size of the large upload (512; `make kill-test` takes 5120)
"""

import asyncio
import base64
import email.utils
import hashlib
import hmac
import http.client
import os
import random
import re
import shutil
import subprocess
import tempfile
import time

from harness import Cloud, contents, main, wait_for

ROUNDS = int(os.environ.get("MALLEE_KILL_ROUNDS", "5"))
UPLOAD_MIB = int(os.environ.get("MALLEE_UPLOAD_MIB", "512"))
WORKERS = 1000
INLINE = 16384


class Keys:
    """Signs as version 2 does, which costs a client the least."""

    def __init__(self, cloud):
        environment = cloud.environment()
        self.key = environment["AWS_ACCESS_KEY_ID"]
        self.secret = environment["AWS_SECRET_ACCESS_KEY"].encode()
        self.port = cloud.base + 7

    def headers(self, method, path):
        date = email.utils.formatdate(usegmt=True)
        bare, _, query = path.partition("?")
        kept = sorted(p for p in query.split("&") if p.split("=")[0] in ("uploads", "uploadId", "partNumber"))
        resource = bare + ("?" + "&".join(kept) if kept else "")
        text = f"{method}\n\n\n{date}\n{resource}"
        signature = base64.b64encode(hmac.new(self.secret, text.encode(), hashlib.sha1).digest()).decode()
        return {"Host": f"127.0.0.1:{self.port}", "Date": date, "Authorization": f"AWS {self.key}:{signature}"}


class Connection:
    """One connection of asyncio's that stays open."""

    def __init__(self, keys):
        self.keys = keys
        self.streams = None

    async def send(self, method, path, body=b""):
        """Status, headers and body."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.keys.port)
        reader, writer = self.streams
        headers = dict(self.keys.headers(method, path), **{"Content-Length": str(len(body))})
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(lines[0].split()[1])
        answered = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
        length = int(answered.get("content-length", "0"))
        if method == "HEAD" or status == 204:
            length = 0
        if answered.get("transfer-encoding") == "chunked":
            content = b""
            while size := int((await reader.readline()).strip(), 16):
                content += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        else:
            content = await reader.readexactly(length)
        return status, answered, content

    def close(self):
        if self.streams:
            self.streams[1].close()
            self.streams = None


def request(keys, method, path, body=b""):
    """One request by itself; status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", keys.port, timeout=120)
    try:
        connection.request(method, path, body, keys.headers(method, path))
        answer = connection.getresponse()
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def content(worker, number, size):
    """What a write stores: nothing of it can be mistaken for another's."""
    stamp = f"{worker:06d}.{number:08d}.".encode()
    return (stamp * (size // len(stamp) + 1))[:size]


class Worker:
    """Changes one key again and again, and remembers what must be there."""

    def __init__(self, number):
        self.number = number
        self.path = f"/bucket/deep/{number % 7}/key-{number}"
        self.count = 0
        self.held = None  # what was acknowledged last; None for nothing
        self.possible = []  # what an unanswered request may have made of it
        self.acknowledged = 0

    def invent(self, rng):
        self.count += 1
        size = rng.choice([0, 1, 100, 4096, INLINE, INLINE + 1, 40_000, 150_000])
        return content(self.number, self.count, size)

    async def once(self, connection, rng):
        kind = rng.random()
        if kind < 0.2:
            self.possible = [None]
            status, _, body = await connection.send("DELETE", self.path)
            assert status == 204, (status, body)
            self.held = None
        elif kind < 0.4:
            data = self.invent(rng) + b"."
            status, _, body = await connection.send("POST", self.path + "?uploads")
            assert status == 200, (status, body)
            upload = re.search(rb"<UploadId>(.*?)</UploadId>", body).group(1).decode()
            status, headers, body = await connection.send(
                "PUT", f"{self.path}?partNumber=1&uploadId={upload}", data)
            assert status == 200, (status, body)
            order = (f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{headers['etag']}</ETag></Part>"
                     "</CompleteMultipartUpload>")
            self.possible = [data]
            status, _, body = await connection.send("POST", f"{self.path}?uploadId={upload}", order.encode())
            assert status == 200 and b"<Error>" not in body, (status, body)
            self.held = data
        else:
            data = self.invent(rng)
            self.possible = [data]
            status, headers, body = await connection.send("PUT", self.path, data)
            assert status == 200, (status, body)
            assert headers["etag"].strip('"') == hashlib.md5(data).hexdigest()
            self.held = data
        self.possible = []
        self.acknowledged += 1

    async def work(self, keys, rng):
        connection = Connection(keys)
        try:
            while True:
                await self.once(connection, rng)
        except (OSError, asyncio.IncompleteReadError):
            return  # killed
        finally:
            connection.close()

    async def verify(self, connection):
        """What is there must be what was acknowledged, or what was on its way."""
        status, headers, body = await connection.send("GET", self.path)
        found = body if status == 200 else None
        assert status in (200, 404), (status, body[:300])
        allowed = [self.held, *self.possible]
        assert found in allowed, (
            f"{self.path}: {None if found is None else (len(found), found[:20])}, expected one of "
            f"{[None if a is None else (len(a), a[:20]) for a in allowed]}")
        if found is not None and "-" not in headers["etag"]:
            assert headers["etag"].strip('"') == hashlib.md5(found).hexdigest()
        self.held, self.possible = found, []


async def verify_all(keys, workers):
    async def share(part):
        connection = Connection(keys)
        for worker in part:
            await worker.verify(connection)
        connection.close()
    await asyncio.gather(*(share(workers[start::16]) for start in range(16)))
    listed, marker = {}, ""
    while True:
        status, _, body = request(keys, "GET", f"/bucket?prefix=deep/&marker={marker}")
        assert status == 200
        names = re.findall(rb"<Key>(.*?)</Key>.*?<Size>(\d+)</Size>", body, re.DOTALL)
        listed.update({name.decode(): int(size) for name, size in names})
        if b"<IsTruncated>true</IsTruncated>" not in body:
            break
        marker = names[-1][0].decode()
    expected = {w.path.removeprefix("/bucket/"): len(w.held) for w in workers if w.held is not None}
    assert listed == expected, set(listed.items()) ^ set(expected.items())


def count_uploads(keys):
    """Uploads that nobody completed, page by page."""
    count, markers = 0, ""
    while True:
        status, _, body = request(keys, "GET", "/bucket?uploads" + markers)
        assert status == 200, (status, body[:300])
        count += body.count(b"<Upload>")
        if b"<IsTruncated>true</IsTruncated>" not in body:
            return count
        key = re.search(rb"<NextKeyMarker>(.*?)</NextKeyMarker>", body).group(1).decode()
        upload = re.search(rb"<NextUploadIdMarker>(.*?)</NextUploadIdMarker>", body).group(1).decode()
        markers = f"&key-marker={key}&upload-id-marker={upload}"


def start(cloud):
    cloud.start(180)
    return Keys(cloud)


def test_kill_9_loses_nothing_that_was_acknowledged(binaries, venv):
    """A round: 1,000 connections change keys, kill -9 in the middle, start, compare. Every third loses its index too."""
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "0", "--no-demo")
    workers = [Worker(number) for number in range(WORKERS)]
    seed = int(os.environ.get("MALLEE_SEED", time.time_ns() % 1_000_000))
    rng = random.Random(seed)
    print(f"      seed {seed}", flush=True)
    try:
        keys = start(cloud)
        assert request(keys, "PUT", "/bucket")[0] == 200
        for number in range(ROUNDS):
            before = sum(w.acknowledged for w in workers)

            async def load(keys=keys):
                tasks = [asyncio.create_task(w.work(keys, random.Random(rng.random()))) for w in workers]
                while sum(w.acknowledged for w in workers) - before < WORKERS // 2:
                    for task in tasks:
                        if task.done() and task.exception():
                            raise task.exception()
                    await asyncio.sleep(0.05)
                await asyncio.sleep(rng.random() * 2)
                cloud.kill()
                for task in tasks:
                    await task
            asyncio.run(load())
            loses_index = number % 3 == 2
            if loses_index:
                for name in os.listdir(os.path.join(cloud.state, "walrus")):
                    if name.startswith("index.sqlite"):
                        os.remove(os.path.join(cloud.state, "walrus", name))
            keys = start(cloud)
            asyncio.run(verify_all(keys, workers))
            print(f"      round {number + 1}: {sum(w.acknowledged for w in workers) - before} acknowledged"
                  f"{', index lost' if loses_index else ''}", flush=True)
        # What unfinished uploads and writes left is collected, and nothing else.
        uploads = count_uploads(keys)
        files = len(contents(cloud))
        whole = sum(1 for w in workers if w.held is not None and len(w.held) > INLINE + 1)
        assert whole <= files <= WORKERS + uploads, (whole, files, uploads)
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


def test_a_damaged_index_is_made_anew(binaries, venv):
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "0", "--no-demo")
    walrus = os.path.join(cloud.state, "walrus")
    index = os.path.join(walrus, "index.sqlite")

    def tool(*arguments):
        return subprocess.run(
            [cloud.mallee, "walrus", *arguments, "--directory", walrus], capture_output=True, text=True, timeout=120,
            check=False)

    try:
        keys = start(cloud)
        assert request(keys, "PUT", "/bucket")[0] == 200
        objects = {f"/bucket/k{n}": content(n, 1, n * 997) for n in range(40)}
        for path, data in objects.items():
            assert request(keys, "PUT", path, data)[0] == 200
        cloud.stop()
        assert tool("check", "--contents").returncode == 0
        with open(index, "r+b") as file:
            file.seek(4096)
            file.write(os.urandom(8192))
        found = tool("check")
        assert found.returncode == 1 and "damaged" in found.stdout, found
        start(cloud)
        for path, data in objects.items():
            assert request(keys, "GET", path)[2] == data, path
        with open(os.path.join(cloud.state, "log", "mallee.log")) as log:
            assert "was made anew from the journal" in log.read()
        cloud.stop()
        assert tool("check", "--contents").returncode == 0
        made = tool("rebuild")
        assert made.returncode == 0 and "made anew" in made.stdout, made
        # A damaged content is found, and named.
        data = contents(cloud)[0]
        with open(data, "r+b") as file:
            file.write(b"\0")
        found = tool("check", "--contents")
        assert found.returncode == 1 and data in found.stdout, found
        start(cloud)
        for path, data in objects.items():
            status, _, body = request(keys, "GET", path)
            assert status == 200 and len(body) == len(data)
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


class SmallDisk:
    """A file system of a few megabytes, in a mount namespace of its own."""

    def __init__(self, mebibytes):
        self.place = tempfile.mkdtemp(prefix="mallee-disk-")
        self.flags = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
        self.holder = subprocess.Popen(
            ["unshare", *self.flags, "--propagation", "private", "sh", "-c",
             'mount -t tmpfs -o size=$1m,mode=700 none "$2" && echo ready && exec cat', "sh", str(mebibytes), self.place],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n", "no file system can be mounted here"

    def command(self, *arguments):
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        return ["nsenter", "-t", str(self.holder.pid), "-m", *user, *arguments]

    def run(self, *arguments):
        subprocess.run(self.command(*arguments), check=True, capture_output=True, timeout=60)

    def path(self, *parts):
        """As this process sees it."""
        return os.path.join(f"/proc/{self.holder.pid}/root{self.place}", *parts)

    def remove(self):
        self.holder.stdin.close()
        self.holder.wait(30)
        os.rmdir(self.place)


class CloudOnDisk(Cloud):
    """`mallee up` with its objects on a small disk."""

    def __init__(self, binaries, venv, disk):
        super().__init__(binaries, venv, "--hypervisor", "simulated", "--nodes", "0", "--no-demo")
        self.disk = disk
        self.wrapper = os.path.join(self.state, "mallee")
        with open(self.wrapper, "w") as file:
            file.write("#!/bin/sh\nexec " + " ".join(disk.command(self.mallee)) + ' "$@"\n')
        os.chmod(self.wrapper, 0o700)
        self.mallee = self.wrapper
        os.symlink(disk.place, os.path.join(self.state, "walrus"))


def test_a_full_disk_refuses_and_loses_nothing(binaries, venv):
    disk = SmallDisk(160)
    cloud = CloudOnDisk(binaries, venv, disk)
    try:
        keys = start(cloud)
        assert request(keys, "PUT", "/bucket")[0] == 200
        kept, refused = {}, 0
        # Down to the watermark.
        for number in range(200):
            data = content(number, 1, 1_000_000)
            status, _, body = request(keys, "PUT", f"/bucket/k{number}", data)
            if status == 200:
                kept[f"/bucket/k{number}"] = data
            else:
                refused += 1
                assert status == 503 and b"storage" in body.lower(), (status, body)
        assert len(kept) > 20 and refused > 20, (len(kept), refused)
        # Somebody else fills the rest: now nothing can be written at all.
        with open(disk.path("filler"), "wb") as filler:
            try:
                while True:
                    filler.write(b"\0" * 65536)
                    filler.flush()
            except OSError:
                pass
        for size in (10, 100_000):
            status, _, body = request(keys, "PUT", "/bucket/more", content(0, 0, size))
            assert status == 503, (status, body)
        for path, data in kept.items():
            status, _, body = request(keys, "GET", path)
            assert status == 200 and body == data, path
        cloud.kill()
        os.remove(disk.path("filler"))
        start(cloud)
        for path, data in kept.items():
            status, _, body = request(keys, "GET", path)
            assert status == 200 and body == data, path
        path, data = kept.popitem()
        assert request(keys, "DELETE", path)[0] == 204
        assert request(keys, "PUT", path, data)[0] == 200
        cloud.stop()
        # Read-only: it says so and does not begin to serve.
        disk.run("mount", "-o", "remount,ro", disk.place)
        try:
            cloud.start(120)
        except AssertionError as problem:
            assert "ead-only" in str(problem), problem
        else:
            raise AssertionError("it serves from a read-only disk")
        disk.run("mount", "-o", "remount,rw", disk.place)
        start(cloud)
        assert request(keys, "GET", path)[2] == data
    except Exception:
        print(cloud.logs())
        raise
    finally:
        os.remove(os.path.join(cloud.state, "walrus"))
        cloud.remove()
        disk.remove()


def peak(cloud):
    """Peak resident memory in MiB since it was last reset."""
    with open(f"/proc/{cloud.process.pid}/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) / 1024


def test_a_large_upload_takes_constant_memory(binaries, venv):
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "0", "--no-demo")
    part = 64
    try:
        keys = start(cloud)
        assert request(keys, "PUT", "/bucket")[0] == 200
        status, _, body = request(keys, "POST", "/bucket/large?uploads")
        assert status == 200
        upload = re.search(rb"<UploadId>(.*?)</UploadId>", body).group(1).decode()
        block = os.urandom(1 << 20)
        whole, order = hashlib.md5(), ""
        for number in range(1, UPLOAD_MIB // part + 1):
            path = f"/bucket/large?partNumber={number}&uploadId={upload}"
            connection = http.client.HTTPConnection("127.0.0.1", keys.port, timeout=300)
            connection.putrequest("PUT", path, skip_host=True)
            for name, value in keys.headers("PUT", path).items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(part << 20))
            connection.endheaders()
            for index in range(part):
                data = (number * part + index).to_bytes(8, "big") + block[8:]
                whole.update(data)
                connection.send(data)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
            order += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.getheader('ETag')}</ETag></Part>"
            connection.close()
        order = f"<CompleteMultipartUpload>{order}</CompleteMultipartUpload>"
        status, _, body = request(keys, "POST", f"/bucket/large?uploadId={upload}", order.encode())
        assert status == 200 and b"<Error>" not in body, (status, body)
        written = peak(cloud)
        connection = http.client.HTTPConnection("127.0.0.1", keys.port, timeout=300)
        connection.request("GET", "/bucket/large", headers=keys.headers("GET", "/bucket/large"))
        answer = connection.getresponse()
        assert int(answer.getheader("Content-Length")) == UPLOAD_MIB << 20
        time.sleep(3)  # a slow reader: what the disk gives meanwhile must not gather in memory
        read, size = hashlib.md5(), 0
        while data := answer.read(1 << 20):
            read.update(data)
            size += len(data)
        connection.close()
        assert size == UPLOAD_MIB << 20 and read.digest() == whole.digest()
        highest = peak(cloud)
        print(f"      {UPLOAD_MIB} MiB: at most {written:.0f} MiB of memory written, {highest:.0f} MiB read", flush=True)
        assert highest < 192, f"{highest} MiB"
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


if __name__ == "__main__":
    main([
        test_kill_9_loses_nothing_that_was_acknowledged,
        test_a_damaged_index_is_made_anew,
        test_a_full_disk_refuses_and_loses_nothing,
        test_a_large_upload_takes_constant_memory,
    ])
