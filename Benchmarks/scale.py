"""1,000 simulated nodes and 20,000 instances; moto_server, the disk and the network stack beside it."""

import random
import re
import signal
import socket
import threading
import time

import peer
from client import Client, free_slots, memory, sync_cost
from harness import Cloud, wait_for
from start import first_answer

NODES, INSTANCES, FEW = 1000, 20_000, peer.INSTANCES


def measure(binaries, venv, note):
    moto = peer.measure(venv)
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", str(NODES))
    try:
        figures = note.raw["scale"] = {"moto": moto, "nodes": NODES, "instances": INSTANCES}
        figures["start"] = first_answer(cloud, 120)
        client = Client.of(cloud)
        wait_for("all nodes", lambda: free_slots(client) >= INSTANCES, 120)
        image = re.search(r"<imageId>(ami-[^<]+)", client.call("DescribeImages", Owner_1="self"))[1]
        run = client.path("RunInstances", ImageId=image, MinCount=1, MaxCount=1, InstanceType="m1.small")
        client.load([run], 1, 30, 50)  # the first requests find nothing warm

        answering(client, run, cloud, note, figures, moto)
        few(client, run, note, figures, moto)
        filling(client, run, cloud, note, figures, moto)
        reading(client, cloud, note, figures, moto)
        restarting(client, cloud, note, figures)
    finally:
        cloud.remove()


def answering(client, run, cloud, note, figures, moto):
    before = sync_cost(cloud.state)
    one = figures["one"] = client.load([run], 1, 60, 400)
    after = sync_cost(cloud.state)
    sync = figures["sync"] = [(a + b) / 2 for a, b in zip(before, after)]
    note.row(
        "RunInstances answered, durable, 1 connection, p50 / p99",
        f"{one['p50'] * 1e3:.1f} / {one['p99'] * 1e3:.1f} ms",
        f"write + fsync of 4 KiB: {sync[0] * 1e3:.2f} / {sync[1] * 1e3:.2f} ms; "
        f"moto, not durable: {moto['one']['p50'] * 1e3:.1f} ms",
        f"{one['p50'] / sync[0]:.1f}× one fsync", "p50 < 10 ms", one["p50"] < 0.010)


def few(client, run, note, figures, moto):
    """At the count that the peer can bear."""
    client.load([run], 32, 60, max(32, FEW - count(client)))
    wait_for("the first 1,000", lambda: pending(client) == 0, 120, 0.2)
    now = count(client)
    seconds, size = client.whole(client.path("DescribeInstances"), 5)
    figures["few"] = {"instances": now, "all": seconds, "bytes": size}
    note.row(
        f"DescribeInstances of all {now:,}", f"{seconds * 1e3:.0f} ms ({size / 1e6:.1f} MB)",
        f"moto, {FEW:,} instances: {moto['all'] * 1e3:.0f} ms ({moto['bytes'] / 1e6:.1f} MB)",
        f"{moto['all'] / seconds:.0f}× faster", "", None)


def filling(client, run, cloud, note, figures, moto):
    begin = time.monotonic()
    have = count(client)
    many = figures["many"] = client.load([run], 32, 180, INSTANCES - have)
    accepted = time.monotonic()
    while (have := count(client)) < INSTANCES:
        client.call("RunInstances", ImageId=re.search(r"ImageId=(ami-[0-9a-f]+)", run)[1], MinCount=1,
                    MaxCount=min(1000, INSTANCES - have), InstanceType="m1.small")
    wait_for("all instances run", lambda: pending(client) == 0, 600, 0.2)
    end = time.monotonic()
    note.row(
        "RunInstances accepted and durable, 32 connections", f"{many['rate']:.0f}/s (p50 {many['p50'] * 1e3:.0f}, "
        f"p99 {many['p99'] * 1e3:.0f} ms)",
        f"moto, not durable, to {FEW:,} instances: {moto['many']['rate']:.0f}/s",
        f"{many['rate'] / moto['many']['rate']:.1f}× moto", "> 500/s", many["rate"] > 500)
    figures["running"] = {"first": end - begin, "last": end - accepted}
    note.row(
        f"All {INSTANCES:,} running, placed and reported by {NODES:,} simulated nodes",
        f"{end - accepted:.1f} s after the last was accepted", f"accepting took {accepted - begin:.1f} s", "", "", None)


def reading(client, cloud, note, figures, moto):
    total = count(client)
    path = client.path("DescribeInstances")
    seconds, size = client.whole(path, 7)
    body = client.get(path)[1]
    ids = re.findall(r"<instanceId>(i-[^<]+)", body.decode())
    if len(ids) < INSTANCES or len(ids) != total:
        raise RuntimeError(f"{len(ids)} instances described of {total}")
    limit = plain_transfer(body)
    del body
    figures["all"] = {"instances": total, "seconds": seconds, "bytes": size, "limit": limit}
    note.row(
        f"DescribeInstances of all {total:,}, unpaged", f"{seconds * 1e3:.0f} ms ({size / 1e6:.0f} MB)",
        f"the same bytes through a bare socket: {limit * 1e3:.0f} ms", f"{seconds / limit:.1f}×", "< 300 ms",
        seconds < 0.300)

    health = figures["health"] = client.load(["/healthz"], 32, 5)
    some = random.Random(1).sample(ids, 500)
    by_id = figures["id"] = client.load([client.path("DescribeInstances", InstanceId_1=id) for id in some], 32, 10)
    note.row(
        f"DescribeInstances of one of {total:,}, 32 connections", f"{by_id['rate']:.0f}/s",
        f"the HTTP stack alone (/healthz): {health['rate']:.0f}/s; moto: {moto['id']['rate']:.0f}/s",
        f"{by_id['rate'] / moto['id']['rate']:.0f}× moto", "> 2,000/s", by_id["rate"] > 2000)
    note.generator(max(figures[name]["generator"] for name in ("one", "many", "id")))

    now, highest = figures["memory"] = memory(cloud.process.pid)
    note.row(
        f"Memory of `mallee` (cloud, cluster, Walrus) with {total:,} instances, all described several times",
        f"{now:.0f} MB (highest {highest:.0f} MB)", f"one answer: {size / 1e6:.0f} MB", "", "< 400 MB", now < 400)


def restarting(client, cloud, note, figures):
    """kill -9 of everything but the nodes, which go on."""
    cloud.process.send_signal(signal.SIGKILL)
    cloud.process.wait()
    begin = time.monotonic()
    answer = first_answer(cloud, 120)
    wait_for("the zone", lambda: free_slots(client) > 0, 120, 0.05)
    whole = time.monotonic() - begin
    if count(client) < INSTANCES:
        raise RuntimeError(f"only {count(client)} instances after the restart")
    figures["restart"] = {"answer": answer, "whole": whole}
    note.row(
        f"Restart after kill -9 with {INSTANCES:,} instances to first DescribeRegions", f"{answer:.2f} s",
        f"empty, {NODES:,} nodes: {figures['start']:.2f} s", f"{answer / figures['start']:.1f}×", "", None)


def plain_transfer(body):
    """Seconds that the bytes take from one process's memory through loopback to curl: the least that is possible."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
                connection.sendall(body)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        bare = Client(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        return bare.whole("/", 7)[0]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def pending(client):
    """Whether anything is not running yet: 0 or a few, since only a page is asked for."""
    text = client.call(
        "DescribeInstances", Filter_1_Name="instance-state-name", Filter_1_Value_1="pending", MaxResults=5)
    return text.count("<instanceId>")


def count(client):
    """All instances."""
    return client.get(client.path("DescribeInstances"))[1].count(b"<instanceId>")
