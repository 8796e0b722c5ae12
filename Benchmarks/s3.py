"""Walrus beside nginx and SeaweedFS, and beside the bare disk, all in the same run: s3.py BINARIES [OUTPUT.json]

nginx is the limit of what this machine serves from files; it neither hashes nor syncs what is put. SeaweedFS is a peer,
as shipped. Ceph's radosgw is another, where Debian's packages are installed (radosgw ceph-mon ceph-osd) and S3_RGW is 1: one
monitor and one store that keeps everything in memory, without a second copy. Every store is asked over plain HTTP by wrk,
without other load; Walrus and radosgw check the signature of each request.
Environment: SECONDS_EACH (6), S3_KEYS (1000000 for the listing), S3_ONLY (words of the rows wanted), WEED (the program),
S3_RGW (1: with Ceph).
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "EndToEnd"))
from harness import Cloud, free_ports, wait_for  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = float(os.environ.get("SECONDS_EACH", "6"))
KEYS = int(os.environ.get("S3_KEYS", "1000000"))
ONLY = os.environ.get("S3_ONLY", "").split()
CONNECTIONS = [1, 8, 32]
SIZES = {"4 KiB": 4096, "1 MiB": 1 << 20, "64 MiB": 64 << 20}


class Store:
    """A server under test; paths come signed where it asks for that."""

    name = ""

    def path(self, method, path):
        return path

    def memory(self):
        """Peak resident MiB."""
        with open(f"/proc/{self.pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) // 1024

    def reset(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    def request(self, method, path, body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, self.path(method, path), body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        assert answer.status < 300, (self.name, method, path, answer.status, data[:300])
        return answer, data


class SignedStore(Store):
    """One that wants signatures, made with `key` and `secret`."""

    def path(self, method, path):
        """Signed for a day (version 2, in the query)."""
        expires = int(time.time()) + 86_400
        bare, _, query = path.partition("?")
        kept = sorted(p for p in query.split("&") if p.split("=")[0] in ("uploads", "uploadId", "partNumber"))
        resource = bare + ("?" + "&".join(kept) if kept else "")
        text = f"{method}\n\n\n{expires}\n{resource}"
        made = base64.b64encode(hmac.new(self.secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
        return (f"{path}{'&' if query else '?'}AWSAccessKeyId={self.key}&Expires={expires}"
                f"&Signature={urllib.parse.quote(made, safe='')}")


class Walrus(SignedStore):
    name = "Walrus"

    def __init__(self, binaries):
        self.cloud = Cloud(binaries, sys.prefix, "--hypervisor", "simulated", "--nodes", "0", "--no-demo")
        self.cloud.start(120)
        environment = self.cloud.environment()
        self.key, self.secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        self.port = self.cloud.base + 7
        self.pid = self.cloud.process.pid

    def stop(self):
        self.cloud.remove()


class Process(Store):
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="mallee-peer-")
        self.process = None

    def launch(self, *command):
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def answers():
            assert self.process.poll() is None, open(os.path.join(self.directory, "log")).read()[-2000:]
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/")
                connection.getresponse().read()
                return True
            except OSError:
                return False
        wait_for(f"{self.name} answers", answers, 60)
        self.pid = self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.directory, ignore_errors=True)


class Nginx(Process):
    name = "nginx"

    def __init__(self):
        super().__init__()
        self.port = free_ports(1)
        os.makedirs(os.path.join(self.directory, "root", "bench"))
        user = "user root;" if os.geteuid() == 0 else ""
        with open(os.path.join(self.directory, "conf"), "w") as file:
            file.write(f"""{user} worker_processes 2; daemon off; pid {self.directory}/pid; error_log {self.directory}/error;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; client_max_body_size 0;
client_body_temp_path {self.directory}/t1; proxy_temp_path {self.directory}/t2; fastcgi_temp_path {self.directory}/t3;
uwsgi_temp_path {self.directory}/t4; scgi_temp_path {self.directory}/t5;
server {{ listen 127.0.0.1:{self.port}; root {self.directory}/root; location / {{ dav_methods PUT DELETE;
create_full_put_path on; }} }} }}
""")
        self.launch("nginx", "-c", os.path.join(self.directory, "conf"))


class SeaweedFS(Process):
    name = "SeaweedFS"

    def __init__(self, program):
        super().__init__()
        base = free_ports(8)
        self.port = base
        ports = [f"-master.port={base + 1}", f"-volume.port={base + 2}", f"-filer.port={base + 3}",
                 f"-master.port.grpc={base + 4}", f"-volume.port.grpc={base + 5}", f"-filer.port.grpc={base + 6}",
                 f"-s3.port.grpc={base + 7}"]
        self.launch(program, "server", "-ip=127.0.0.1", f"-dir={self.directory}", "-s3", f"-s3.port={base}", *ports,
                    "-volume.max=200", "-master.volumeSizeLimitMB=1024")


class CephRGW(SignedStore, Process):
    """Ceph's S3 interface over a cluster of one monitor and one store in memory."""
    name = "Ceph RGW"
    key, secret = "BENCHKEY", "benchmark-secret"

    def __init__(self):
        Process.__init__(self)
        monitor = free_ports(2)
        self.port = monitor + 1
        self.others = []
        self.configuration = os.path.join(self.directory, "ceph.conf")
        self.keyring = os.path.join(self.directory, "keyring")
        for name in ("mon", "osd", "rgw", "run"):
            os.mkdir(os.path.join(self.directory, name))
        cluster = str(uuid.uuid4())
        with open(self.configuration, "w") as file:
            file.write(f"""[global]
fsid = {cluster}
mon host = v2:127.0.0.1:{monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth allow insecure global id reclaim = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
mon allow pool size one = true
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = {self.directory}/run
log file = {self.directory}/$name.log
admin socket = {self.directory}/run/$name.asok
mon data = {self.directory}/mon
osd data = {self.directory}/osd
keyring = {self.keyring}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{self.port} tcp_nodelay=1
rgw data = {self.directory}/rgw
""")
        # radosgw finds no monitor without cephx.
        for number, (name, *rights) in enumerate([
                ("mon.", "mon"), ("client.admin", "mon", "osd"), ("client.rgw", "mon", "osd"), ("osd.0", "mon", "osd")]):
            self.call("ceph-authtool", *([] if number else ["--create-keyring"]), self.keyring, "--gen-key", "-n", name,
                      *(word for right in rights for word in ("--cap", right, "allow *")))
        map_file = os.path.join(self.directory, "monmap")
        self.call("monmaptool", "--create", "--fsid", cluster, "--addv", "a", f"[v2:127.0.0.1:{monitor}]", map_file)
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", map_file, "--keyring", self.keyring)
        self.run("ceph-mon", "-i", "a")
        store = str(uuid.uuid4())
        self.call("ceph", "osd", "new", store)
        self.call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
        self.run("ceph-osd", "-i", "0")
        self.launch("radosgw", "-c", self.configuration, "-n", "client.rgw", "-f")
        self.call("radosgw-admin", "user", "create", "--uid", "bench", "--display-name", "bench", "--access-key", self.key,
                  "--secret-key", self.secret)

    def call(self, program, *arguments):
        settings = [] if program in ("ceph-authtool", "monmaptool") else ["-c", self.configuration]
        done = subprocess.run([program, *settings, *arguments], timeout=120, capture_output=True, text=True)
        assert done.returncode == 0, (program, arguments, done.stderr[-2000:])

    def run(self, program, *arguments):
        with open(os.path.join(self.directory, program + ".out"), "wb") as log:
            self.others.append(subprocess.Popen(
                [program, "-c", self.configuration, *arguments, "-f"], stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def stop(self):
        # In memory, nothing is worth an orderly end.
        for process in [self.process, *reversed(self.others)]:
            if process:
                process.kill()
                process.wait(60)
        shutil.rmtree(self.directory, ignore_errors=True)


def wrk(store, lines, size, connections, seconds=SECONDS):
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
        file.writelines(line + "\n" for line in lines)
        file.flush()
        done = subprocess.run(
            ["wrk", "-t", "1" if connections < 8 else "2", "-c", str(connections), "-d", f"{seconds:g}s", "--timeout", "60s",
             "-s", os.path.join(HERE, "s3load.lua"), f"http://127.0.0.1:{store.port}", "--", file.name, str(size)],
            capture_output=True, text=True, timeout=seconds + 180, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["answers"] and not found["refused"], (store.name, found, done.stdout[-500:])
    return found["answers"] / found["seconds"]


def several(count, body):
    """Calls of body(number) for the time on so many threads; calls in a second."""
    done, end = [0] * count, time.monotonic() + SECONDS

    def run(number):
        while time.monotonic() < end:
            body(number, done[number])
            done[number] += 1
    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)


def bare_disk(size, count, hashes):
    """Writing, hashing and syncing the same bytes, a file each."""
    directory = tempfile.mkdtemp(prefix="mallee-disk-")
    data = os.urandom(size)
    step = min(size, 1 << 20)

    def one(thread, number):
        path = os.path.join(directory, f"{thread}-{number % 50}")
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        digest = hashlib.md5()
        for start in range(0, size, step):
            piece = memoryview(data)[start:start + step]
            if hashes:
                digest.update(piece)
            os.write(descriptor, piece)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(path + ".new", path)
    rate = several(count, one)
    shutil.rmtree(directory)
    return rate


def multipart(store, count):
    """64 MiB objects in parts of 16 MiB a second."""
    part = os.urandom(16 << 20)

    def one(thread, number):
        path = f"/bench/multi-{thread}-{number % 4}"
        _, body = store.request("POST", path + "?uploads")
        upload = re.search(rb"<UploadId>(.*?)</UploadId>", body).group(1).decode()
        order = ""
        for index in range(1, 5):
            answer, _ = store.request("PUT", f"{path}?partNumber={index}&uploadId={upload}", part)
            order += f"<Part><PartNumber>{index}</PartNumber><ETag>{answer.getheader('ETag')}</ETag></Part>"
        store.request(
            "POST", f"{path}?uploadId={upload}", f"<CompleteMultipartUpload>{order}</CompleteMultipartUpload>".encode())
    return several(count, one)


def fill(store, count):
    """Many small objects below one bucket, for the listing."""
    store.request("PUT", "/listing")
    lines = [f"PUT {store.path('PUT', f'/listing/{n % 100:02d}/{n:07d}')}" for n in range(count)]
    # wrk holds its requests in memory.
    for start in range(0, count, 100_000):
        with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
            file.writelines(line + "\n" for line in lines[start:start + 100_000])
            file.flush()
            load = subprocess.Popen(
                ["wrk", "-t", "2", "-c", "32", "-d", "1800s", "--timeout", "60s", "-s", os.path.join(HERE, "s3load.lua"),
                 f"http://127.0.0.1:{store.port}", "--", file.name, "16", "2"],
                stdout=subprocess.PIPE, text=True)
            # Its threads end when each line was answered; then it has to be told.
            time.sleep(2)
            wait_for("every key to be there", lambda: len(os.listdir(f"/proc/{load.pid}/task")) == 1, 1800)
            load.send_signal(signal.SIGINT)
            found = json.loads(load.communicate(timeout=60)[0].strip().splitlines()[-1])
            assert not found["refused"] and found["answers"] >= len(lines[start:start + 100_000]), found


def main():
    binaries = sys.argv[1]
    output = sys.argv[2] if len(sys.argv) > 2 else None
    weed = os.environ.get("WEED") or shutil.which("weed")
    rows, stores = {}, []

    def wanted(name):
        return not ONLY or any(word in name for word in ONLY)

    def note(row, name, connections, value):
        rows.setdefault(row, {}).setdefault(name, {})[connections] = value
        print(f"{row:24} {name:10} {connections:3}  {value:10.1f}", flush=True)

    try:
        walrus = Walrus(binaries)
        stores.append(walrus)
        stores.append(Nginx())
        if weed:
            stores.append(SeaweedFS(weed))
        if os.environ.get("S3_RGW") == "1":
            stores.append(CephRGW())
        for store in stores:
            if store.name != "nginx":
                store.request("PUT", "/bench")
            for name, size in SIZES.items():
                for number in range(100 if size < 1 << 26 else 2):
                    store.request("PUT", f"/bench/get-{size}-{number}", os.urandom(16) * (size // 16))
        for name, size in SIZES.items():
            for connections in CONNECTIONS:
                for store in stores:
                    lines = [f"GET {store.path('GET', f'/bench/get-{size}-{n}')}"
                             for n in range(100 if size < 1 << 26 else 2)]
                    if wanted(f"GET {name}"):
                        note(f"GET {name}", store.name, connections, wrk(store, lines, 0, connections))
                    if size < 1 << 26 and wanted(f"PUT {name}"):
                        lines = [f"PUT {store.path('PUT', f'/bench/put-{size}-{n}')}" for n in range(2000 if size < 9999 else 50)]
                        note(f"PUT {name}", store.name, connections, wrk(store, lines, size, connections))
                if size < 1 << 26 and wanted(f"PUT {name}"):
                    note(f"PUT {name}", "disk", connections, bare_disk(size, min(connections, 8), size > 9999))
        if wanted("PUT 64 MiB multipart"):
            for connections in CONNECTIONS[:2]:
                for store in stores:
                    if store.name != "nginx":
                        note("PUT 64 MiB multipart", store.name, connections, multipart(store, connections))
                note("PUT 64 MiB multipart", "disk", connections, bare_disk(64 << 20, connections, True))
        if wanted("memory"):
            walrus.reset()
            lines = [f"GET {walrus.path('GET', f'/bench/get-{64 << 20}-{n}')}" for n in range(2)]
            wrk(walrus, lines, 0, 64)
            lines = [f"PUT {walrus.path('PUT', f'/bench/put-big-{n}')}" for n in range(64)]
            wrk(walrus, lines, 8 << 20, 64)
            note("memory, MiB", "Walrus", 64, walrus.memory())
        if wanted("list"):
            for store in stores:
                if store.name == "nginx" or (store.name != "Walrus" and KEYS > 100_000):
                    continue
                fill(store, KEYS)
                # Pages from all over the bucket.
                lines = [f"GET {store.path('GET', f'/listing?max-keys=1000&marker={n:02d}/')}" for n in range(100)]
                note("list 1,000, pages/s", store.name, 1, wrk(store, lines, 0, 1))
    finally:
        for store in stores:
            store.stop()
    if output:
        with open(output, "w") as file:
            json.dump(rows, file, indent=1)
    print("\n| | " + " | ".join(s.name for s in stores) + " | disk |")
    print("|---|" + "---|" * (len(stores) + 1))
    for row, figures in rows.items():
        cells = [" / ".join(f"{v:.0f}" for v in figures.get(name, {}).values()) or "–"
                 for name in [*(s.name for s in stores), "disk"]]
        print(f"| {row} | " + " | ".join(cells) + " |")


main()
