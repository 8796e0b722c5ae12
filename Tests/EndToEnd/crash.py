"""kill -9 of the cloud and of its nodes, at any moment: afterwards every instance is there, none twice, none lost."""

import base64
import collections
import hashlib
import hmac
import json
import os
import random
import signal
import threading
import time

import boto3
import botocore.config
import botocore.exceptions

from harness import Cloud, Contracts, Daemon, main, processes, room, ssh, wait_for

REGION = "us-east-1"


def ec2_of(cloud):
    """A client in this process: starting a tool takes longer than the moments that are tried here."""
    environment = cloud.environment()
    return boto3.client(
        "ec2", endpoint_url=environment["AWS_ENDPOINT_URL_EC2"], region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=30))


def instances(ec2):
    """Every instance, by id."""
    found = {}
    for reservation in ec2.describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            assert instance["InstanceId"] not in found, "an instance is listed twice"
            found[instance["InstanceId"]] = instance
    return found


def states(ec2, ids=None):
    return {i: v["State"]["Name"] for i, v in instances(ec2).items() if ids is None or i in ids}


def all_running(ec2, ids, seconds):
    def reached():
        now = instances(ec2)
        for instance in ids:
            state = now[instance]["State"]["Name"]
            assert state in ("pending", "running"), f"{instance} is {state}: {now[instance].get('StateReason')}"
        return all(now[i]["State"]["Name"] == "running" for i in ids)
    wait_for(f"{len(ids)} instances run", reached, seconds, 0.2)


def terminated(ec2, ids, seconds):
    wait_for("all are terminated", lambda: set(states(ec2, ids).values()) == {"terminated"}, seconds, 0.2)


def image_of(ec2):
    """The image that mallee up has made."""
    images = ec2.describe_images(
        Owners=["self"], Filters=[{"Name": "name", "Values": ["mallee-demo", "mallee-blank"]}])["Images"]
    assert len(images) == 1, images
    return images[0]["ImageId"]


def node_process(cloud, name):
    """Pid of a node's process as mallee up keeps it: its first number; its second is when the process started."""
    with open(os.path.join(cloud.state, "nodes", name, "process")) as file:
        return int(file.read().replace(":", " ").split()[0])


def node_names(cloud):
    return sorted(os.listdir(os.path.join(cloud.state, "nodes")))


def kill_nodes(cloud):
    """Kills every node's process, which mallee up starts again."""
    old = {name: node_process(cloud, name) for name in node_names(cloud)}
    for pid in old.values():
        os.kill(pid, signal.SIGKILL)
    return old


def nodes_are_back(cloud, old):
    for name, pid in old.items():
        wait_for(f"another process of {name}", lambda n=name, p=pid: node_process(cloud, n) != p, 20, 0.1)


def guests(cloud):
    """Pids of the QEMU processes of this cloud, by instance; an instance with two of them fails the test."""
    found = {}
    for pid, command in processes():
        # The probes of a starting node are guests of nobody.
        if "qemu-system" not in command[0] or "-name" not in command or not any(cloud.state in p for p in command):
            continue
        name = command[command.index("-name") + 1].split(",")[0].removeprefix("guest=")
        assert name not in found, f"{name} has two processes: {found[name]} and {pid}"
        found[name] = pid
    return found


def with_cloud(binaries, venv, options, body):
    cloud = Cloud(binaries, venv, *options)
    try:
        cloud.start(300)
        body(cloud)
    except Exception:
        print(cloud.logs())
        raise
    finally:
        cloud.remove()


# MARK: Real guests

def test_real_guests_survive_every_kill(binaries, venv):
    # Two nodes, since on a machine of two cores one gives away eight.
    def body(cloud):
        ec2 = ec2_of(cloud)
        room(ec2, 10)
        one_guest_survives(cloud, ec2)
        ten_are_starting(cloud)

    with_cloud(binaries, venv, ["--nodes", "2"], body)


def one_guest_survives(cloud, ec2):
    key = os.path.join(cloud.state, "key.pem")
    with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(ec2.create_key_pair(KeyName="mine")["KeyMaterial"])
    ec2.authorize_security_group_ingress(
        GroupName="default", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    cloud.aws("iam", "create-role", "--role-name", "guest", "--assume-role-policy-document", json.dumps(trust))
    cloud.aws("iam", "create-instance-profile", "--instance-profile-name", "guest")
    cloud.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", "guest", "--role-name", "guest")
    run = ec2.run_instances(
        ImageId=image_of(ec2), MinCount=1, MaxCount=1, InstanceType="m1.small", KeyName="mine",
        IamInstanceProfile={"Name": "guest"})
    instance = run["Instances"][0]["InstanceId"]
    all_running(ec2, [instance], 90)

    def console():
        try:
            return ec2.get_console_output(InstanceId=instance).get("Output") or ""
        except botocore.exceptions.ClientError as problem:
            # Until the node has registered again the cloud says that it cannot be asked, and nothing else.
            assert problem.response["Error"]["Code"] == "Unavailable", problem
            return ""

    wait_for("the guest is ready", lambda: "mallee-demo: ready" in console(), 120, 0.5)
    pid = guests(cloud)[instance]
    address = instances(ec2)[instance]["PublicIpAddress"]

    def boot():
        """The boot's id and the seconds that it has run."""
        done = wait_for("ssh", lambda: (lambda d: d if d.returncode == 0 else None)(
            ssh(cloud, address, key, "cat /proc/sys/kernel/random/boot_id /proc/uptime")), 40, 0.5)
        words = done.stdout.split()
        return words[0], float(words[1])

    def key_id():
        """Of the role's credentials, as the guest reads them now."""
        done = ssh(cloud, address, key, "metadata meta-data/iam/security-credentials/guest")
        return json.loads(done.stdout)["AccessKeyId"] if done.returncode == 0 and done.stdout else None

    boot_id, uptime = boot()
    first = wait_for("credentials", key_id, 30, 0.5)
    begun = time.monotonic() - uptime

    def is_as_before():
        all_running(ec2, [instance], 30)
        assert guests(cloud) == {instance: pid}, "the same process, and no other"
        # What was written before the kill is still there.
        wait_for("console", lambda: "mallee-demo: ready" in console(), 20, 0.3)
        assert instances(ec2)[instance]["PublicIpAddress"] == address
        now_id, now_uptime = boot()
        assert now_id == boot_id, "the guest has booted again"
        assert abs(time.monotonic() - now_uptime - begun) < 10, (now_uptime, time.monotonic() - begun)

    # The cloud alone; its nodes and the guest go on.
    old = {name: node_process(cloud, name) for name in node_names(cloud)}
    cloud.kill()
    assert guests(cloud) == {instance: pid}
    cloud.start()
    assert {name: node_process(cloud, name) for name in old} == old, "a node that runs is taken over"
    is_as_before()
    # The cloud does not keep them, and hands out new ones.
    second = wait_for("new credentials", lambda: (lambda k: k if k and k != first else None)(key_id()), 30, 0.5)

    # The nodes alone; mallee up starts them again.
    nodes_are_back(cloud, kill_nodes(cloud))
    is_as_before()
    assert wait_for("credentials", key_id, 20, 0.5) == second, "the node keeps them"

    # All at once.
    cloud.kill()
    old = kill_nodes(cloud)
    cloud.start()
    nodes_are_back(cloud, old)
    is_as_before()
    wait_for("new credentials", lambda: key_id() not in (None, first, second), 30, 0.5)

    assert ssh(cloud, address, key, "echo kept > /root/kept; sync").returncode == 0
    for victim, moment in (("nodes", "waiting-for-shutdown"), ("nodes", "bundling"), ("cloud", "bundling"),
                           ("cloud", "storing")):
        killed_while_bundling(cloud, ec2, instance, victim, moment)
        wait_for("the guest is back, with its disk",
                 lambda: ssh(cloud, address, key, "cat /root/kept").stdout == "kept\n", 120, 0.5)
        assert list(guests(cloud)) == [instance] and states(ec2) == {instance: "running"}

    ec2.terminate_instances(InstanceIds=[instance])
    terminated(ec2, [instance], 60)
    wait_for("no process is left", lambda: not guests(cloud), 20)


def killed_while_bundling(cloud, ec2, instance, victim, moment):
    """kill -9 when the task has come to a state: it goes on, or fails with its reason."""
    environment = cloud.environment()
    policy = json.dumps({"expiration": "2100-01-01T00:00:00Z", "conditions": [
        {"bucket": "bundles"}, {"acl": "ec2-bundle-read"}, ["starts-with", "$key", "disk"]]}).encode()
    signature = hmac.new(
        environment["AWS_SECRET_ACCESS_KEY"].encode(), base64.b64encode(policy), hashlib.sha1).digest()
    cloud.aws("s3api", "create-bucket", "--bucket", "bundles")
    made = ec2.bundle_instance(InstanceId=instance, Storage={"S3": {
        "Bucket": "bundles", "Prefix": "disk", "AWSAccessKeyId": environment["AWS_ACCESS_KEY_ID"],
        "UploadPolicy": policy, "UploadPolicySignature": base64.b64encode(signature).decode()}})["BundleTask"]["BundleId"]

    def task():
        return ec2.describe_bundle_tasks(BundleIds=[made])["BundleTasks"][0]

    order = ["pending", "waiting-for-shutdown", "bundling", "storing", "complete", "failed"]
    wait_for(moment, lambda: order.index(task()["State"]) >= order.index(moment), 120, 0.005)
    if victim == "cloud":
        cloud.kill()
        cloud.start()
    else:
        nodes_are_back(cloud, kill_nodes(cloud))
    ended = wait_for(
        "the task is over", lambda: (lambda t: t if t["State"] in ("complete", "failed") else None)(task()), 120, 0.2)
    # What only the cloud does goes on; a node has lost what it was about.
    if victim == "cloud":
        assert ended["State"] == "complete", ended
    if ended["State"] == "failed":
        assert "started again" in ended["BundleTaskError"]["Message"], ended


def ten_are_starting(cloud):
    """Under emulation ten guests take long to boot, so "running" (their processes and machines are there) is what is
    waited for, not a login."""
    ec2 = ec2_of(cloud)
    room(ec2, 10)
    request = {"ImageId": image_of(ec2), "MinCount": 10, "MaxCount": 10, "InstanceType": "m1.small",
               "ClientToken": "ten"}
    accepted = ec2.run_instances(**request)
    ids = {i["InstanceId"] for i in accepted["Instances"]}
    assert len(ids) == 10
    # Some guests are there, others not yet.
    wait_for("the first guest", lambda: guests(cloud), 60, 0.02)
    began = guests(cloud)
    old = kill_nodes(cloud)
    cloud.kill()
    assert len(began) < 10, "all were there before the kill"
    cloud.start()
    nodes_are_back(cloud, old)
    again = ec2.run_instances(**request)
    assert again["ReservationId"] == accepted["ReservationId"]
    assert {i["InstanceId"] for i in again["Instances"]} == ids
    all_running(ec2, ids, 120)
    now = guests(cloud)
    assert set(now) == ids, "exactly one process for each"
    assert all(now[i] == pid for i, pid in began.items()), "those that had begun go on"
    ec2.terminate_instances(InstanceIds=list(ids))
    terminated(ec2, ids, 90)
    wait_for("no process is left", lambda: not guests(cloud), 20)


# MARK: Simulated guests

class Zones:
    """`mallee up` without nodes of its own, and simulated nodes whose guests outlive their process as real ones do."""

    def __init__(self, cloud, binaries):
        self.cloud = cloud
        self.contracts = Contracts(cloud)
        self.zones = [REGION + letter for letter in "ab"]
        self.nodes = {}
        for index, zone in enumerate(self.zones):
            for number in range(1, 4):
                name = f"{zone}-n{number}"
                own = self.contracts.identity("node", name, "127.0.0.1")
                self.nodes[name] = zone, Daemon(
                    os.path.join(cloud.state, "own-nodes"), name, [os.path.join(os.path.abspath(binaries), "mallee-node")],
                    {"NODE_NAME": name, "HYPERVISOR": "simulated", "LISTEN_PORT": 0, "MAX_CORES": 4,
                     "ADVERTISED_ADDRESS": "127.0.0.1", "TLS_CERT": own + "/component.crt",
                     "TLS_KEY": own + "/component.key", "TLS_CA": own + "/ca.crt",
                     "CLUSTER_ENDPOINT":
                     f"https://127.0.0.1:{cloud.base + 1 + index}/services/ClusterController"})

    def stop(self):
        for _, node in self.nodes.values():
            node.stop()

    def placed(self):
        """The nodes of each instance that has not ended, as the nodes themselves say it."""
        where = collections.defaultdict(list)
        for name, (zone, node) in self.nodes.items():
            with open(node.ready) as file:
                service = self.contracts.node(file.read().strip(), zone)
            for report in service.DescribeInstances():
                if report.state != "terminated":
                    where[report.instanceId].append((name, report.spec.privateAddress))
        return dict(where)

    def known(self):
        """The node of each instance that has not ended, as the cluster controllers say it."""
        where = collections.defaultdict(list)
        for index, _ in enumerate(self.zones):
            for report in self.contracts.cluster(index).DescribeInstances():
                if report.state != "terminated":
                    where[report.instanceId].append((report.nodeName, report.spec.privateAddress))
        return dict(where)

    def are_exactly(self, ids):
        """Each of these is on exactly one node, the one that its cluster controller names, and there are no others."""
        def agree():
            placed, known = self.placed(), self.known()
            for instance, nodes in placed.items():
                assert len(nodes) == 1, f"{instance} is on {nodes}"
                assert instance in ids, f"nobody was told of {instance}, on {nodes}"
            return set(placed) == set(ids) and placed == known
        wait_for("nodes and cluster controllers have what was accepted", agree, 20, 0.2)
        addresses = [nodes[0][1] for nodes in self.placed().values()]
        assert len(set(addresses)) == len(addresses), f"an address was given twice: {addresses}"

    def strike(self, rng):
        """Kills something, at random, and starts it again; says what."""
        names = sorted(self.nodes)
        victims = rng.choice([["cloud"], [rng.choice(names)], names, ["cloud", *rng.sample(names, 2)],
                              ["cloud", *names]])
        for name in rng.sample(victims, len(victims)):
            if name == "cloud":
                self.cloud.kill()
            else:
                self.nodes[name][1].kill()
        for name in rng.sample(victims, len(victims)):
            if name == "cloud":
                self.cloud.start(60)
            else:
                self.nodes[name][1].start()
        return "+".join(victims)


ROUNDS = 6


def test_ten_are_starting_at_any_moment(binaries, venv):
    """MALLEE_TEST_SEED repeats a run's choices (though not the machine's moments)."""
    seed = int(os.environ.get("MALLEE_TEST_SEED") or time.time())
    rng = random.Random(seed)
    print(f"      MALLEE_TEST_SEED={seed}", flush=True)

    def body(cloud):
        zones = Zones(cloud, binaries)
        try:
            for _, node in zones.nodes.values():
                node.start()
            ended = set()
            for number in range(ROUNDS):
                ended |= one_round(cloud, zones, rng, number, ended)
        except Exception:
            for _, node in zones.nodes.values():
                print(node.log())
            raise
        finally:
            zones.stop()

    with_cloud(binaries, venv, ["--hypervisor", "simulated", "--nodes", "0", "--clusters", "2"], body)


def one_round(cloud, zones, rng, number, ended):
    """Ten are asked for, a kill comes, the request is repeated; then they are ended, in half of the rounds with a kill
    as well. Gives the ids."""
    ec2 = ec2_of(cloud)
    room(ec2, 10)
    request = {"ImageId": image_of(ec2), "MinCount": 10, "MaxCount": 10, "InstanceType": "m1.small",
               "ClientToken": f"round-{number}"}
    accepted = []

    def send():
        try:
            accepted.append(ec2.run_instances(**request))
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.ClientError) as problem:
            # Cut off by the kill: whether it was taken in shows when it is repeated.
            accepted.append(problem)

    sender = threading.Thread(target=send)
    sender.start()
    # Half of the kills come while the request is taken in, the others while the instances are placed and started.
    delay = rng.choice([rng.uniform(0, 0.03), rng.uniform(0.03, 0.8)])
    time.sleep(delay)
    victims = zones.strike(rng)
    sender.join(60)
    room_again = ec2_of(cloud)
    first = accepted[0]
    if isinstance(first, Exception):
        # Not acknowledged, so it may have to find room anew.
        wait_for("zones", lambda: all(z["State"] == "available" for z in room_again.describe_availability_zones()[
            "AvailabilityZones"]), 20, 0.1)
        again = wait_for("the repetition", lambda: repeated(room_again, request), 60, 0.2)
    else:
        again = room_again.run_instances(**request)
        assert again["ReservationId"] == first["ReservationId"]
        assert {i["InstanceId"] for i in again["Instances"]} == {i["InstanceId"] for i in first["Instances"]}
    ids = {i["InstanceId"] for i in again["Instances"]}
    assert len(ids) == 10
    listed = states(room_again)
    assert set(listed) - ended == ids, f"accepted {sorted(ids)}, listed {listed}"
    all_running(room_again, ids, 40)
    zones.are_exactly(ids)
    room_again.terminate_instances(InstanceIds=sorted(ids))
    at_end = ""
    if number % 2:
        time.sleep(rng.uniform(0, 0.3))
        at_end = f", then {zones.strike(rng)}"
    terminated(room_again, ids, 40)
    zones.are_exactly(set())
    print(f"      round {number}: after {delay:.3f} s {victims}{at_end}; "
          f"{'not acknowledged' if isinstance(first, Exception) else 'acknowledged'}", flush=True)
    return ids


def repeated(ec2, request):
    try:
        return ec2.run_instances(**request)
    except botocore.exceptions.ClientError as problem:
        # Nodes that were killed with the cloud have not all registered yet.
        assert problem.response["Error"]["Code"] == "InsufficientInstanceCapacity", problem
        return None


main([test_real_guests_survive_every_kill, test_ten_are_starting_at_any_moment])
