"""The native interface: each operation, its document, schemathesis against it, and the commands that use it; service
level agreements as users and administrators see them.

    native_api.py BINARIES VENV [TEST…]
"""

import base64
import contextlib
import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import urllib.parse

import boto3
import openapi_spec_validator
import requests

from harness import Cloud, main, room, wait_for
from sign_native import Signature


class Native:
    """Calls the native interface and notes which operations have succeeded."""

    def __init__(self, cloud):
        environment = cloud.environment()
        self.base = environment["EC2_URL"] + "api/v1"
        self.session = requests.Session()
        self.session.trust_env = False
        self.auth = Signature(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        self.document = self.session.get(self.base + "/openapi.json", timeout=30).json()
        self.operations = {
            operation["operationId"]: (method, path, operation)
            for path, methods in self.document["paths"].items() for method, operation in methods.items()}
        self.done = {"getDocument"}

    def call(self, operation_id, status=None, *, query=None, body=None, headers=None, auth=None, **names):
        method, path, operation = self.operations[operation_id]
        for name, value in names.items():
            path = path.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
        answer = self.session.request(
            method, self.base + path, params=query, json=body, headers=headers, auth=auth or self.auth, timeout=60)
        success = next(int(code) for code in operation["responses"] if code.startswith("2"))
        assert answer.status_code == (status or success), f"{operation_id}: {answer.status_code} {answer.text}"
        assert answer.headers["x-request-id"]
        if status is None:
            self.done.add(operation_id)
        return answer.json() if answer.content else None


def clients(cloud):
    environment = cloud.environment()
    return [
        boto3.client(
            service, endpoint_url=environment[f"AWS_ENDPOINT_URL_{service.upper()}"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        for service in ("ec2", "s3")]


def make_image(cloud):
    ec2, s3 = clients(cloud)
    s3.create_bucket(Bucket="images")
    s3.put_object(Bucket="images", Key="disk", Body=bytes(1 << 20))
    room(ec2, 1)
    return ec2.register_image(Name="disk", ImageLocation="images/disk", Architecture="x86_64")["ImageId"]


def agreement(cloud, terms):
    path = os.path.join(cloud.state, "sla.json")
    with open(path, "w") as file:
        json.dump(terms, file)
    cloud.options += ["--sla", path]
    return cloud


def mallee(cloud, *arguments, fails=False):
    done = subprocess.run(
        [cloud.mallee, *arguments], env=cloud.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode != 0) == fails, f"mallee {arguments}: {done.stdout} {done.stderr}"
    return done.stderr if fails else done.stdout


def every_operation(binaries, venv):
    """Each operation of the document succeeds, the document is valid, and the commands do the same."""
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "4")
    agreement(cloud, {"leases": [{"tag": "leased", "seconds": 3600, "longest": 7200}]})
    try:
        cloud.start()
        native = Native(cloud)
        openapi_spec_validator.validate(native.document)
        ec2, s3 = clients(cloud)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="disk", Body=bytes(1 << 20))
        image = native.call("registerImage", body={"location": "bucket/disk", "name": "disk", "tags": {"k": "v"}})["id"]
        assert native.call("getImage", id=image)["virtualSizeBytes"] == 1 << 20
        assert image in [item["id"] for item in native.call("listImages")["items"]]
        key = native.call("makeKeyPair", body={"name": "key", "type": "ed25519"})
        assert "PRIVATE KEY" in key["privateKey"]
        assert native.call("getKeyPair", name="key")["fingerprint"] == key["fingerprint"]
        assert len(native.call("listKeyPairs")["items"]) == 1
        group = native.call("makeSecurityGroup", body={"name": "web", "description": "Web"})["id"]
        rule = native.call("addRule", id=group, body={"protocol": "tcp", "fromPort": 80, "peer": "0.0.0.0/0"})["id"]
        assert any(r["id"] == rule for r in native.call("getSecurityGroup", id=group)["rules"])
        assert len(native.call("listSecurityGroups")["items"]) == 2
        native.call("removeRule", id=group, rule=rule)
        room(ec2, 2)

        body = {"imageId": image, "count": 2, "keyPair": "key", "securityGroups": ["web"], "tags": {"leased": ""},
                "userData": base64.b64encode(b"#!").decode()}
        token = {"Idempotency-Key": "once"}
        first = native.call("runInstances", body=body, headers=token)
        again = native.call("runInstances", body=body, headers=token)
        assert [item["id"] for item in again["items"]] == [item["id"] for item in first["items"]], "the key is honoured"
        native.call("runInstances", 409, body=dict(body, count=1), headers=token)
        ids = [item["id"] for item in first["items"]]
        wait_for("they run", lambda: all(native.call("getInstance", id=id)["state"] == "running" for id in ids))
        listed = native.call("listInstances", query={"state": "running", "limit": 5})
        assert [item["id"] for item in listed["items"]] == ids
        assert {i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]} == set(ids)
        lease = native.call("getInstance", id=ids[0])["lease"]
        assert native.call("extendLease", id=ids[0], body={"endsAt": lease["latest"]})["lease"]["endsAt"] == lease["latest"]
        native.call("extendLease", 422, id=ids[0], body={"endsAt": "2001-01-01T00:00:00Z"})
        native.call("rebootInstance", id=ids[0])
        base64.b64decode(native.call("getConsole", id=ids[0])["output"], validate=True)
        assert native.call("getStatus")["instances"] == {"running": 2}
        assert native.call("listZones")["items"][0]["nodes"]
        assert native.call("listInstanceTypes")["items"]
        native.call("setInstanceType", name="site.small", body={"cores": 1, "memoryMiB": 64, "diskGiB": 1})
        assert native.call("getUsage")["holdings"]["use"]["instances"] == 2
        held = native.call("listHoldings")["items"]
        assert [item["id"] for item in held[0]["instances"]] == sorted(
            ids, key=lambda id: (next(i["since"] for i in held[0]["instances"] if i["id"] == id), id))
        assert native.call("getAgreement")["policies"] == ["lease"]
        assert native.call("listQueue")["items"] == []
        native.call("runInstances", 409, body={"imageId": image, "count": 2000})
        refusal = native.call("listRefusals")["items"][0]
        assert refusal["code"] == "insufficient-capacity" and "needs" in refusal["reason"], refusal
        commands(cloud, image, ids)
        for id in ids:
            native.call("terminateInstance", id=id)
        native.call("deregisterImage", id=image)
        native.call("deleteKeyPair", name="key")
        wait_for("the group can go", lambda: native.session.delete(
            f"{native.base}/security-groups/{group}", auth=native.auth, timeout=60).status_code == 204)
        native.done.add("deleteSecurityGroup")
        missing = set(native.operations) - native.done
        assert not missing, f"operations that no test has tried: {missing}"
    except BaseException:
        print(cloud.logs(), file=sys.stderr)
        raise
    finally:
        left = cloud.remove()
    assert not left, left


def commands(cloud, image, ids):
    """What the command line shows and does is what the interface says."""
    status = mallee(cloud, "status")
    assert "us-east-1a  available" in status and "instances: 2 running" in status, status
    assert all(id in mallee(cloud, "instance", "list") for id in ids)
    assert {item["id"] for item in json.loads(mallee(cloud, "instance", "list", "--json"))} == set(ids)
    run = mallee(cloud, "instance", "run", image, "--count", "2", "--type", "m1.small", "--tag", "a=b").split()
    assert len(run) == 2 and all(id.startswith("i-") for id in run), run
    shown = json.loads(mallee(cloud, "instance", "show", run[0]))
    assert shown["tags"] == {"a": "b"} and shown["lease"] is None
    wait_for("it runs", lambda: json.loads(mallee(cloud, "instance", "show", run[0]))["state"] == "running")
    mallee(cloud, "instance", "reboot", run[0])
    mallee(cloud, "instance", "console", run[0])
    assert "has no lease" in mallee(cloud, "instance", "extend", run[0], fails=True)
    assert ids[0] in mallee(cloud, "instance", "extend", ids[0])
    assert mallee(cloud, "instance", "terminate", *run).count("shutting-down") == 2
    assert "not-found" in mallee(cloud, "instance", "show", "i-0123456789abcdef0", fails=True)
    assert "lease" in mallee(cloud, "sla")
    assert ids[0] in mallee(cloud, "sla", "holdings")
    assert "insufficient-capacity" in mallee(cloud, "sla", "refusals")
    assert "RESERVATION" in mallee(cloud, "sla", "queue")


def any_request(binaries, venv):
    """schemathesis: requests of every form that the document allows, and of many that it forbids."""
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "1")
    try:
        cloud.start()
        make_image(cloud)
        environment = cloud.environment()
        here = os.path.dirname(os.path.abspath(__file__))
        environment.update(SCHEMATHESIS_HOOKS="sign_native", PYTHONPATH=here, NO_COLOR="1")
        with open(os.path.join(cloud.state, "schemathesis.toml"), "w") as file:
            # Values of the right form can still be impossible (422), or clash with what is there (409).
            file.write("[checks.positive_data_acceptance]\n"
                       'expected-statuses = ["2xx", "401", "403", "404", "409", "422", "503"]\n'
                       "[checks.negative_data_rejection]\n"
                       'expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "414", "415", "422"]\n')
        done = subprocess.run(
            [os.path.join(cloud.venv, "bin", "schemathesis"), "--config-file", "schemathesis.toml", "run",
             environment["EC2_URL"] + "api/v1/openapi.json", "--phases", "examples,coverage,fuzzing",
             "--max-examples", "6", "--seed", "1", "--checks", "all", "--suppress-health-check", "all", "--workers", "2"],
            env=environment, cwd=cloud.state, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-40000:] + done.stderr[-3000:]
        tried = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
        assert tried and int(tried[1]) == int(tried[2]) > 500, done.stdout[-3000:]
    except BaseException:
        print(cloud.log(), file=sys.stderr)
        raise
    finally:
        cloud.remove()


def waiting_and_shares(binaries, venv):
    """With fair share a request without room waits, as pending to EC2's clients, through a restart; room starts it."""
    cloud = agreement(
        Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "1"), {"fairshare": {"queuePerAccount": 1}})
    try:
        cloud.start()
        image = make_image(cloud)
        ec2, _ = clients(cloud)
        lines = ec2.describe_availability_zones(ZoneNames=["verbose"])["AvailabilityZones"]
        free = next(int(l["State"].split()[0]) for l in lines if l["ZoneName"] == "|- m1.small")
        held = ec2.run_instances(ImageId=image, MinCount=free, MaxCount=free, InstanceType="m1.small")["Instances"]
        waiting = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=9, InstanceType="m1.small")["Instances"]
        assert len(waiting) == 1 and waiting[0]["State"]["Name"] == "pending"
        assert "waits for room" in waiting[0]["StateReason"]["Message"]
        try:
            ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="m1.small")
            raise AssertionError("the queue is full")
        except ec2.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "InsufficientInstanceCapacity", error
            assert "wait" in error.response["Error"]["Message"], error
        cloud.stop()
        cloud.start()
        ec2, _ = clients(cloud)
        assert waiting[0]["ReservationId"] if "ReservationId" in waiting[0] else True
        assert "m1.small" in mallee(cloud, "sla", "queue")
        assert "waiting" in mallee(cloud, "instance", "list")
        ec2.terminate_instances(InstanceIds=[held[0]["InstanceId"]])
        found = cloud.wait_state(waiting[0]["InstanceId"], "running")
        assert found["PrivateIpAddress"]
    except BaseException:
        print(cloud.logs(), file=sys.stderr)
        raise
    finally:
        cloud.remove()


def site_program(binaries, venv):
    """A site's program decides; an agreement with an error does not start a cloud and names the place."""
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "1")
    program = os.path.join(cloud.state, "decide.py")
    with open(program, "w") as file:
        file.write("import json, sys\n"
                   "question = json.load(sys.stdin)\n"
                   "allow = question['holds']['instances'] < int(sys.argv[1])\n"
                   "print(json.dumps({'allow': allow, 'reason': 'The grant has ended.', 'leaseSeconds': 600}))\n")
    agreement(cloud, {"external": {"program": [sys.executable, program, "1"], "timeLimitMilliseconds": 30000}})
    try:
        cloud.start()
        image = make_image(cloud)
        native = Native(cloud)
        first = native.call("runInstances", body={"imageId": image})["items"][0]
        assert first["lease"], first
        refused = native.call("runInstances", 403, body={"imageId": image})
        assert refused["code"] == "not-permitted" and "The grant has ended." in refused["detail"], refused
        assert "The grant has ended." in mallee(cloud, "sla", "refusals")
        cloud.stop()
        with open(os.path.join(cloud.state, "sla.json"), "w") as file:
            file.write('{"leases": [{"second": 1}]}')
        done = subprocess.run(
            [cloud.mallee, "up", "--state-dir", cloud.state, "--port-base", str(cloud.base), *cloud.options],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0 and "sla.json" in done.stderr and "leases[0].second" in done.stderr, done.stderr
    finally:
        cloud.remove()


def stored_refusals(cloud):
    """How many refusals the cloud's store has."""
    file = "file:" + os.path.join(cloud.state, "cloud", "cloud.db") + "?mode=ro"
    with contextlib.closing(sqlite3.connect(file, uri=True)) as store:
        row = store.execute("SELECT value FROM entries WHERE key = ?", ("/refusals/latest",)).fetchone()
    return len(json.loads(row[0])["items"]) if row else 0


def site_url(binaries, venv):
    """A site's URL decides; when it does not answer, the configured default counts; refusals outlive the cloud."""
    questions = []

    class Decider(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = json.dumps({"allow": len(questions) == 1, "reason": "Ask the dean.", "leaseSeconds": 600}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Decider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cloud = agreement(
        Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "1"),
        {"external": {"url": f"http://127.0.0.1:{server.server_port}/decide", "timeLimitMilliseconds": 30000}})
    try:
        cloud.start()
        image = make_image(cloud)
        native = Native(cloud)
        assert native.call("runInstances", body={"imageId": image})["items"][0]["lease"]
        assert questions[0]["question"] == "allocate" and questions[0]["request"]["image"] == image, questions
        refused = native.call("runInstances", 403, body={"imageId": image})
        assert "Ask the dean." in refused["detail"] and questions[1]["holds"]["instances"] == 1, (refused, questions)
        server.shutdown()
        server.server_close()
        silent = native.call("runInstances", 503, body={"imageId": image})
        assert "gave no answer" in silent["detail"], silent
        # Housekeeping stores them.
        wait_for("refusals are stored", lambda: stored_refusals(cloud) == 2)
        cloud.stop()
        cloud.start()
        assert "Ask the dean." in mallee(cloud, "sla", "refusals")
    except BaseException:
        print(cloud.logs(), file=sys.stderr)
        raise
    finally:
        server.server_close()
        cloud.remove()


if __name__ == "__main__":
    main([every_operation, any_request, waiting_and_shares, site_program, site_url])
