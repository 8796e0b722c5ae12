"""The contracts between components, driven by somebody else's SOAP toolkit (zeep) from the live ?wsdl."""

import datetime
import os
import secrets
import shutil
import subprocess
import tempfile

import requests
import zeep
import zeep.exceptions
import zeep.transports

from harness import Daemon, free_ports, main, wait_for

ZONE = "zone-a"
TYPES = "{urn:mallee:contract:types:1}"


def specification(zone=ZONE, cores=1, memory=128):
    """An instance as a cluster controller describes it to a node."""
    digits = secrets.token_hex(9)[:17]
    return {
        "instanceId": "i-" + digits, "reservationId": "r-" + secrets.token_hex(9)[:17], "accountId": "123456789012",
        "launchIndex": 0, "launchTime": datetime.datetime.now(datetime.timezone.utc), "zone": zone,
        "instanceType": {"name": "m1.small", "cores": cores, "memoryMiB": memory, "diskGiB": 2},
        "architecture": "x86_64",
        "image": {"artifactId": "ami-" + digits, "url": "http://127.0.0.1/none", "format": "raw",
                  "sizeBytes": 1 << 20, "sha256": "0" * 64},
        "macAddress": "02:00:00:00:00:01", "userData": b"\x00\xff user data",
        "group": [{"groupId": "sg-" + digits, "groupName": "default"}],
    }


def client(url, transport=None):
    """A zeep client made from the contract that the service answers; it talks to the address in there."""
    return zeep.Client(url + "?wsdl", transport=transport or zeep.transports.Transport(timeout=20, operation_timeout=20))


def fault(made, call, code, *texts):
    """The call must fail with a typed fault of this code, whose message helps."""
    try:
        answer = call()
    except zeep.exceptions.Fault as problem:
        detail = problem.detail.find(f"{TYPES}serviceFault")
        assert detail is not None, problem.detail
        parsed = made.get_element(f"{TYPES}serviceFault").parse(detail, made.wsdl.types)
        assert parsed.code == code, parsed
        for text in texts:
            assert text in parsed.message, parsed
        return parsed
    raise AssertionError(f"expected the fault {code}, got {answer}")


def state_of(service, instance):
    found = service.DescribeInstances(instanceId=[instance])
    return found[0].state if found else None


def alive(service):
    """What has not ended; ended instances are reported for a while."""
    return {i.instanceId for i in service.DescribeInstances() if i.state != "terminated"}


def simulated_node(directory, binary, **more):
    return Daemon(directory, "node", [binary], {
        "NODE_NAME": "node-1", "HYPERVISOR": "simulated", "LISTEN_PORT": 0, "MAX_CORES": 4, "MAX_MEM": 1024,
        "MAX_DISK": 20, **more})


def drive_node(made):
    """Every operation of the node contract."""
    service = made.service
    node = service.DescribeResource()
    assert node.nodeName == "node-1" and node.hypervisor == "simulated", node
    # Before it has looked at what runs, a node takes nothing new.
    wait_for("the node is up", lambda: service.DescribeResource().state == "up", 20, 0.1)
    assert (node.resources.coresTotal, node.resources.memoryMiBTotal) == (4, 1024), node

    spec = specification()
    instance = spec["instanceId"]
    report = service.RunInstance(instance=spec)
    assert report.instanceId == instance and report.state in ("pending", "running"), report
    assert report.spec.userData == spec["userData"], "binary user data comes back as it was"
    again = service.RunInstance(instance=spec)
    assert again.instanceId == instance and again.generation >= report.generation
    wait_for("running", lambda: state_of(service, instance) == "running", 20, 0.1)
    assert alive(service) == {instance}, "repeating a request starts nothing"
    assert service.DescribeResource().resources.coresFree == 3

    console = wait_for("console", lambda: service.GetConsoleOutput(instanceId=instance).output, 20, 0.1)
    assert b"login" in wait_for(
        "login prompt", lambda: (lambda o: o if b"login" in o else None)(
            service.GetConsoleOutput(instanceId=instance).output), 20, 0.2), console
    assert service.RebootInstance(instanceId=instance) == instance
    assert state_of(service, instance) == "running"

    group = {"groupId": "sg-1", "accountId": "123456789012", "groupName": "default",
             "ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidr": ["0.0.0.0/0"]}]}
    assert service.BroadcastNetworkInfo(network={"revision": 7, "mode": "USER", "securityGroup": [group]}) == 7
    older = service.BroadcastNetworkInfo(network={"revision": 3, "mode": "USER", "securityGroup": []})
    assert older == 7, "an older document is ignored"

    unknown = "i-" + "0" * 17
    assert fault(made, lambda: service.GetConsoleOutput(instanceId=unknown), "not-found", unknown).resource == unknown
    fault(made, lambda: service.RebootInstance(instanceId=unknown), "not-found", unknown)
    fault(made, lambda: service.TerminateInstance(instanceId=unknown), "not-found", unknown)
    big = fault(made, lambda: service.RunInstance(instance=specification(cores=64)), "insufficient-resources")
    assert big.resource == "cores" and big.needed == 64 and big.available == 3, big
    bad = specification()
    bad["instanceId"] = "../../etc"
    fault(made, lambda: service.RunInstance(instance=bad), "invalid-request", "instance id")

    change = service.TerminateInstance(instanceId=instance)
    assert change.instanceId == instance and change.previousState == "running", change
    wait_for("terminated", lambda: state_of(service, instance) in ("terminated", None), 20, 0.1)
    wait_for("its cores are free", lambda: service.DescribeResource().resources.coresFree == 4, 20, 0.1)


def drive_cluster(made, direct=None):
    """The cloud controller's part of the cluster contract, with one node registered."""
    service = made.service
    nodes = wait_for(
        "the node has registered", lambda: (lambda n: n if n and n[0].state == "up" else None)(service.DescribeNodes().node),
        30, 0.1)
    assert len(nodes) == 1 and nodes[0].nodeName == "node-1" and nodes[0].lastSeen, nodes
    small = {"name": "m1.small", "cores": 1, "memoryMiB": 128, "diskGiB": 2}
    room = service.DescribeResources(instanceType=[small])
    assert room.zone == ZONE
    assert (room.availability[0].maxInstances, room.availability[0].availableInstances) == (4, 4), room

    first = service.DescribeChanges()
    assert first.complete and [n.nodeName for n in first.node] == ["node-1"], first
    specs = [specification() for _ in range(3)]
    ids = [spec["instanceId"] for spec in specs]
    placements = service.RunInstances(instance=specs)
    assert [p.instanceId for p in placements] == ids and all(p.nodeName == "node-1" for p in placements), placements
    assert len({p.privateAddress for p in placements}) == 3, "each has an address of its own"
    assert [p.privateAddress for p in service.RunInstances(instance=specs)] == [p.privateAddress for p in placements]
    for instance in ids:
        wait_for(f"{instance} is running", lambda i=instance: state_of(service, i) == "running", 20, 0.1)
    assert alive(service) == set(ids)
    if direct:
        assert alive(direct.service) == set(ids), "none twice"
    changed = service.DescribeChanges(epoch=first.epoch, sinceRevision=first.revision, waitMilliseconds=1000)
    assert not changed.complete and {i.instanceId for i in changed.instance} == set(ids), changed
    assert changed.revision > first.revision

    assert wait_for("console", lambda: service.GetConsoleOutput(instanceId=ids[0]).output, 20, 0.1)
    assert service.RebootInstances(instanceId=[ids[0]]) == [ids[0]]
    unknown = "i-" + "0" * 17
    assert fault(made, lambda: service.GetConsoleOutput(instanceId=unknown), "not-found", unknown).resource == unknown
    assert not service.TerminateInstances(instanceId=[unknown])
    refused = service.RunInstances(instance=[specification(cores=2)])[0]
    assert refused.nodeName is None and refused.fault.code == "insufficient-resources", refused
    assert (refused.fault.resource, refused.fault.needed, refused.fault.available) == ("cores", 2, 1), refused
    assert "needs 2 cores" in refused.fault.message, refused

    changes = service.TerminateInstances(instanceId=ids)
    assert {c.instanceId for c in changes} == set(ids)
    assert all(c.previousState == "running" and c.currentState == "shutting-down" for c in changes), changes
    for instance in ids:
        wait_for("terminated", lambda i=instance: state_of(service, i) == "terminated", 20, 0.1)
    wait_for("its slots are free", lambda: service.DescribeResources(
        instanceType=[small]).availability[0].availableInstances == 4, 20, 0.1)
    assert service.DescribeChanges().settled


def over_plain_http(binaries, node_binary):
    directory = tempfile.mkdtemp(prefix="mallee-test-")
    port = free_ports(1)
    cluster = Daemon(directory, "cluster", [os.path.join(os.path.abspath(binaries), "mallee"), "cluster"], {
        "CC_PORT": port, "ZONE": ZONE, "ADDRESSES": "127.9.0.0/16", "ALLOW_PLAIN_HTTP": "Y", "HEARTBEAT": 500})
    url = f"http://127.0.0.1:{port}/services/ClusterController"
    node = simulated_node(directory, node_binary, ALLOW_PLAIN_HTTP="Y", CLUSTER_ENDPOINT=url)
    try:
        cluster.start()
        direct = client(node.start())
        drive_node(direct)
        drive_cluster(client(url), direct)
    except Exception:
        print(cluster.log(), node.log(), sep="\n")
        raise
    finally:
        node.stop()
        cluster.stop()
        shutil.rmtree(directory)


def test_zeep_drives_node_and_cluster(binaries, _):
    over_plain_http(binaries, os.path.join(os.path.abspath(binaries), "mallee-node"))


def test_zeep_drives_the_node_for_i386(binaries, _):
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    over_plain_http(binaries, os.path.realpath(os.path.join(root, ".build-i386", "mallee-node")))


def test_mutual_tls(binaries, _):
    directory = tempfile.mkdtemp(prefix="mallee-test-")
    mallee = os.path.join(os.path.abspath(binaries), "mallee")

    def identity(role, name):
        output = os.path.join(directory, "identities", name)
        subprocess.run(
            [mallee, "certificate", "--authority", os.path.join(directory, "authority"), "--role", role, "--name", name,
             "--host", "127.0.0.1", "--output", output], check=True, capture_output=True, timeout=30)
        return {"TLS_CERT": output + "/component.crt", "TLS_KEY": output + "/component.key", "TLS_CA": output + "/ca.crt",
                "directory": output}

    def transport(own=None):
        session = requests.Session()
        session.trust_env = False  # a REQUESTS_CA_BUNDLE would take the place of the cloud's authority
        session.verify = certificates["cloud"]["TLS_CA"]
        if own:
            session.cert = (own["TLS_CERT"], own["TLS_KEY"])
        return zeep.transports.Transport(session=session, timeout=20, operation_timeout=20)

    certificates = {name: identity(role, name) for role, name in
                    (("cluster", ZONE), ("node", "node-1"), ("node", "node-2"), ("cloud", "cloud"))}
    port = free_ports(1)
    url = f"https://127.0.0.1:{port}/services/ClusterController"
    cluster = Daemon(directory, "cluster", [mallee, "cluster"], {
        "CC_PORT": port, "ZONE": ZONE, "ADDRESSES": "127.9.0.0/16", "HEARTBEAT": 500,
        "IDENTITY_DIR": certificates[ZONE]["directory"]})
    own = {key: value for key, value in certificates["node-1"].items() if key != "directory"}
    node = simulated_node(
        directory, os.path.join(os.path.abspath(binaries), "mallee-node"), CLUSTER_ENDPOINT=url,
        ADVERTISED_ADDRESS="127.0.0.1", **own)
    try:
        cluster.start()
        node_url = node.start()
        made = client(url, transport(certificates["cloud"]))
        # The location in the contract is the host that was asked for.
        drive_cluster(made)
        drive_node(client(node_url, transport(certificates[ZONE])))

        # Nobody without a certificate of this cloud, and nobody with another's, gets an answer.
        for address in (url, node_url):
            try:
                client(address, transport())
                raise AssertionError(f"{address} answers a client without a certificate")
            except requests.exceptions.ConnectionError:
                pass
        # A node speaks for itself only: its certificate does for nothing else.
        stranger = client(url, transport(certificates["node-2"]))
        unknown = "i-" + "0" * 17
        fault(stranger, lambda: stranger.service.TerminateInstances(instanceId=[unknown]), "invalid-request",
              "node:node-2", "cloud controller")
        description = made.service.DescribeNodes().node[0]
        fault(stranger, lambda: stranger.service.RegisterNode(node=description), "invalid-request", "for itself only")
        stranger = client(node_url, transport(certificates["node-2"]))
        try:
            stranger.service.TerminateInstance(instanceId=unknown)
            raise AssertionError("a node obeys another node")
        except zeep.exceptions.TransportError as problem:
            assert problem.status_code == 403, problem
    except Exception:
        print(cluster.log(), node.log(), sep="\n")
        raise
    finally:
        node.stop()
        cluster.stop()
        shutil.rmtree(directory)


TESTS = [test_zeep_drives_node_and_cluster, test_mutual_tls]
if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".build-i386", "mallee-node")):
    TESTS.insert(1, test_zeep_drives_the_node_for_i386)
main(TESTS)
