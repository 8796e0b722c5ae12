"""The services as processes of their own, each from its configuration file: a front end made by `mallee init` from the
shipped files, a node that enrols, a real instance. Each service is killed and started again while the instance runs; it stays."""

import json
import os
import shutil
import signal
import stat
import subprocess
import time
import urllib.parse

import boto3
import botocore.exceptions
import requests
import zeep.exceptions

from front_end import FrontEnd
from harness import exported, main, wait_for
from s3_soap import S3Client
from soap import WSS4J, Identity, fault


def snapshot(root):
    """Content, owner and rights of every file."""
    found = {}
    for directory, _, files in os.walk(root):
        for name in [*files, "."]:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            content = b""
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.normpath(path)] = (content, status.st_uid, status.st_gid, status.st_mode)
    return found


def test_init_makes_a_front_end_with_right_owners(binaries, _):
    host = FrontEnd(binaries)
    try:
        host.init()
        before = snapshot(host.root)
        again = host.init()
        assert snapshot(host.root) == before, "a second run changes nothing"
        assert "differs" not in again, again
        assert 'ZONE to "zone1", not "other"' in host.run(
            "init", "--root", host.root, "--zone", "other", "--address", "127.0.0.1", "--address-block", "127.77.0.0/16")
        assert snapshot(host.root) == before, "other values are told and not taken"
        for wrong in (["--zone", "a b"], ["--zone", "z", "--address", "nowhere"], ["--zone", "z", "--address", "0.0.0.0"]):
            done = subprocess.run([host.mallee, "init", "--root", host.root, "--address", "127.0.0.1", *wrong],
                                  capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 64, done
        for path in before:
            if any(word in path for word in ("ca.key", "component.key", "secret")):
                assert before[path][3] & 0o077 == 0, f"{path} is open"
        if host.user is not None:
            for shared in ("/var/lib/mallee", "/var/log/mallee"):
                status = os.lstat(host.path(shared))
                # Root's and sticky: the user can add to it, and replace nothing that is root's.
                assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, host.user, 0o1770), shared
            for path in ("/authority/ca.key", "/identity/cloud/component.key", "/cluster/enrolment.secret", "/walrus"):
                assert os.lstat(host.path("/var/lib/mallee" + path)).st_uid == host.user, path
            for path in ("/etc/mallee/enrolment.secret", "/var/lib/mallee/admin", "/var/lib/mallee/admin/component.key"):
                assert os.lstat(host.path(path)).st_uid == 0, path
            conf = os.lstat(host.path("/etc/mallee/cloud.conf"))
            assert conf.st_uid == 0, conf
            # A link that the services' user laid leads root nowhere.
            target = host.path("/root-only")
            os.mkdir(target, 0o700)
            shutil.rmtree(host.path("/var/lib/mallee/identity/walrus"))
            os.symlink(target, host.path("/var/lib/mallee/identity/walrus"))
            os.lchown(host.path("/var/lib/mallee/identity/walrus"), host.user, host.user)
            host.run("init", "--root", host.root, "--zone", "zone1", "--address", "127.0.0.1", status=(1,))
            assert os.listdir(target) == [], "root's files went where a link led"
            assert os.lstat(target).st_uid == 0
    finally:
        host.remove([])


def findings(host):
    answer = json.loads(host.run("doctor", "--json", "--root", host.root, status=(0, 1, 2)))
    return {f"{f['level']} {f['check']}: {f['message']}" for f in answer["findings"]}


def test_each_service_by_itself(binaries, _):
    host = FrontEnd(binaries)
    with host.supervised() as services:
        host.init("--public-address", "127.0.0.1")
        before = findings(host)
        assert any(f.startswith("fail ports") for f in before), before

        for name in ("cluster", "cloud", "walrus"):
            services.append(host.service(name).start())
        node = host.node("node1")
        services.append(node.start())
        ec2 = host.ec2()
        wait_for("the node is up", lambda: any("has 1, 1 of them up" in f for f in findings(host)), 30, 0.5)

        # The doctor finds nothing to complain of in what these processes are.
        healthy = findings(host)
        for check in ("configuration", "ports", "certificates", "enrolment", "cloud", "walrus", "cluster", "nodes"):
            mine = {f for f in healthy if f.split(": ")[0].split(" ")[1] == check}
            assert mine and all(f.startswith("ok") for f in mine), f"{check}: {healthy}"
        done = subprocess.run([host.node_binary, "doctor", "--config", host.path("/node.conf"), "--json"],
                              capture_output=True, text=True, timeout=60, check=False)
        report = json.loads(done.stdout)
        assert done.returncode == report["status"], done
        for check in ("configuration", "enrolment", "certificates", "cluster", "port", "disk"):
            mine = [f for f in report["findings"] if f["check"] == check]
            assert mine and all(f["level"] in ("ok", "warn") for f in mine), mine
        assert any("is served by mallee-node" in f["message"] for f in report["findings"]), report

        eucarc = host.path("/var/lib/mallee/cloud/eucarc")
        subprocess.run([host.mallee, "image", "demo", "--credentials", eucarc, "--state-dir", host.path("/demo")],
                       check=True, capture_output=True, timeout=300)
        image = ec2.describe_images(Owners=["self"])["Images"]
        image = next(i["ImageId"] for i in image if i["ImageType"] == "machine")
        key = ec2.create_key_pair(KeyName="mine")["KeyMaterial"]
        key_file = host.path("/key.pem")
        with open(os.open(key_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(key)
        ec2.authorize_security_group_ingress(
            GroupName="default", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
        instance = ec2.run_instances(
            ImageId=image, InstanceType="m1.small", KeyName="mine", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]

        def describe():
            # A service that is just being started again may refuse.
            try:
                found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                return None
            assert found["State"]["Name"] in ("pending", "running"), found
            return found

        def running():
            found = describe()
            return found if found and found["State"]["Name"] == "running" else None

        address = wait_for(f"{instance} runs", running, 90, 0.3)["PublicIpAddress"]

        def console():
            try:
                return ec2.get_console_output(InstanceId=instance).get("Output") or ""
            except botocore.exceptions.ClientError as problem:
                # Right after a restart the node has not registered yet; clients try again, as these do not.
                if problem.response["Error"]["Code"] != "Unavailable":
                    raise
                return ""
        wait_for("the guest is ready", lambda: f"ready, instance {instance}" in console(), 90, 0.5)
        pids = host.guests()
        assert len(pids) == 1, pids

        def logs_in():
            return subprocess.run(
                ["ssh", "-i", key_file, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                 "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", f"root@{address}", "hostname"],
                capture_output=True, text=True, timeout=60, check=False).returncode == 0
        # Without root no port below 1024 can be forwarded.
        if os.geteuid() == 0:
            wait_for("ssh", logs_in, 60, 0.5)

        for service in services:
            service.kill()
            assert host.guests() == pids, f"the guest went with {service.name}"
            service.start()
            wait_for(f"{instance} is known after {service.name} came back", running, 30, 0.2)
            assert host.guests() == pids, f"another guest after {service.name} came back"
        # All is as it was for those who use it, too.
        wait_for("console", lambda: f"ready, instance {instance}" in console(), 30, 0.3)
        if os.geteuid() == 0:
            wait_for("ssh", logs_in, 30, 0.5)

        for service in services:
            os.rename(service.log, service.log + ".moved")
            service.process.send_signal(signal.SIGHUP)
            wait_for(f"{service.name} opens its log anew", lambda s=service: os.path.exists(s.log), 10, 0.05)
            assert service.process.poll() is None, service.tail()

        ec2.terminate_instances(InstanceIds=[instance])
        wait_for("terminated", lambda: ec2.describe_instances(
            InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"] == "terminated", 60, 0.3)
        wait_for("its process is gone", lambda: not host.guests(), 20, 0.1)


class Elsewhere:
    """Walrus' address, as the SOAP client wants it."""

    def __init__(self, url):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False


def test_walrus_asks_whose_certificates_are(binaries, _):
    """Walrus knows no certificates itself; what the cloud says of them holds at once."""
    host = FrontEnd(binaries)
    with host.supervised() as services:
        host.init("--public-address", "127.0.0.1")
        for name in ("cluster", "cloud", "walrus"):
            services.append(host.service(name).start())
        with open(host.path("/var/lib/mallee/cloud/eucarc")) as file:
            values = exported(file.read())
        iam = boto3.client(
            "iam", endpoint_url=urllib.parse.urljoin(values["EC2_URL"], "/services/Euare"), region_name="us-east-1",
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"], aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"])
        walrus = Elsewhere(f"http://127.0.0.1:{host.ports['WALRUS_PORT']}/")
        place = host.path("/certificates")
        os.mkdir(place)

        def register(name, **options):
            identity = Identity(place, name)
            identity.id = iam.upload_signing_certificate(
                CertificateBody=identity.pem, **options)["Certificate"]["CertificateId"]
            return identity, S3Client(walrus, wsse=WSS4J(identity))

        # Messages of the second of the start could be copies.
        time.sleep(1.1)
        own, s3 = register("own")
        s3.CreateBucket(Bucket="by-certificate")
        s3.PutObjectInline(Bucket="by-certificate", Key="k", Data=b"data", ContentLength=4)
        assert s3.GetObject(Bucket="by-certificate", Key="k", GetMetadata=True, GetData=True, InlineData=True).Data == b"data"
        foreign = S3Client(walrus, wsse=WSS4J(Identity(place, "foreign")))
        fault(lambda: foreign.ListBucket(Bucket="by-certificate"), "Client.InvalidSecurity")

        # A user's certificate is worth what his policies are.
        iam.create_user(UserName="ada")
        _, ada = register("ada", UserName="ada")
        fault(lambda: ada.ListBucket(Bucket="by-certificate"), "Client.AccessDenied")
        iam.put_user_policy(UserName="ada", PolicyName="lists", PolicyDocument=json.dumps(
            {"Statement": {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}}))
        assert [entry.Key for entry in ada.ListBucket(Bucket="by-certificate").Contents] == ["k"]
        fault(lambda: ada.DeleteObject(Bucket="by-certificate", Key="k"), "Client.AccessDenied")

        iam.update_signing_certificate(CertificateId=own.id, Status="Inactive")
        fault(lambda: s3.ListBucket(Bucket="by-certificate"), "Client.InvalidSecurity")
        iam.update_signing_certificate(CertificateId=own.id, Status="Active")
        assert s3.ListBucket(Bucket="by-certificate").Contents
        iam.delete_signing_certificate(CertificateId=own.id)
        fault(lambda: s3.ListBucket(Bucket="by-certificate"), "Client.InvalidSecurity")

        # Without the cloud nobody is let in, and nothing else happens.
        services[1].kill()
        fault(lambda: ada.ListBucket(Bucket="by-certificate"), "Server.ServiceUnavailable")
        services[1].start()

        def lists():
            try:
                return ada.ListBucket(Bucket="by-certificate").Contents
            except zeep.exceptions.Fault as problem:
                assert problem.code == "soapenv:Server.ServiceUnavailable", problem
                return None
        wait_for("Walrus asks again", lists, 30, 0.3)


main([test_init_makes_a_front_end_with_right_owners, test_each_service_by_itself,
      test_walrus_asks_whose_certificates_are])
