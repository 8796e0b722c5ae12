"""The main job with unmodified clients: run a real instance, read its console, log in by ssh, terminate it."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import signal

import boto3
import botocore.config
import botocore.exceptions
from botocore.exceptions import ClientError

from harness import Cloud, main, processes, ssh, wait_for


TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
SEEING = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "s3:CreateBucket"], "Resource": "*"}]}


def make_profile(cloud):
    """An instance profile whose role may see instances and make buckets, and nothing else."""
    cloud.aws("iam", "create-role", "--role-name", "seer", "--assume-role-policy-document", json.dumps(TRUST))
    cloud.aws("iam", "put-role-policy", "--role-name", "seer", "--policy-name", "p",
              "--policy-document", json.dumps(SEEING))
    cloud.aws("iam", "create-instance-profile", "--instance-profile-name", "seer")
    cloud.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", "seer", "--role-name", "seer")


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("it was allowed")


def only_with_tokens(cloud, instance, token, guest):
    """A running guest's metadata service can want tokens, and no longer want them."""
    def options(tokens):
        answer = cloud.aws("ec2", "modify-instance-metadata-options", "--instance-id", instance, "--http-tokens", tokens)
        assert answer["InstanceMetadataOptions"]["HttpTokens"] == tokens, answer
        assert cloud.instances(instance)[0]["MetadataOptions"]["HttpTokens"] == tokens

    def plain():
        return guest("printf 'GET /latest/meta-data/instance-id HTTP/1.0\\r\\n\\r\\n' | nc 169.254.169.254 80 | head -n 1")

    assert " 200 " in plain(), plain()
    options("required")
    wait_for("requests without token are refused", lambda: " 401 " in plain(), 30)
    found = guest(f"printf 'GET /latest/meta-data/instance-id HTTP/1.0\\r\\nX-aws-ec2-metadata-token: {token}\\r\\n\\r\\n'"
                  " | nc 169.254.169.254 80 | tail -n 1")
    assert found.strip() == instance, found
    options("optional")
    wait_for("requests without token are answered", lambda: " 200 " in plain(), 30)


def use_profile(cloud, instance, guest):
    """What the guest reads in its metadata is good for what the role allows, in anybody's hands."""
    info = json.loads(guest("metadata meta-data/iam/info"))
    assert info["Code"] == "Success" and info["InstanceProfileArn"].endswith(":instance-profile/seer"), info
    assert guest("metadata meta-data/iam/security-credentials/").strip() == "seer"
    found = json.loads(guest("metadata meta-data/iam/security-credentials/seer"))
    assert found["Code"] == "Success" and found["Type"] == "AWS-HMAC" and found["Expiration"], found.keys()

    def client(service, url):
        return boto3.client(
            service, region_name="us-east-1", endpoint_url=url, aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"], aws_session_token=found["Token"])

    urls = cloud.environment()
    ec2, s3 = client("ec2", urls["AWS_ENDPOINT_URL_EC2"]), client("s3", urls["AWS_ENDPOINT_URL_S3"])
    assert client("sts", urls["AWS_ENDPOINT_URL_STS"]).get_caller_identity()["Arn"].endswith(f":assumed-role/seer/{instance}")
    assert ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    s3.create_bucket(Bucket="made-by-the-guest")
    assert refused(ec2.terminate_instances, InstanceIds=[instance]) == "UnauthorizedOperation"
    assert refused(s3.list_objects_v2, Bucket="made-by-the-guest") == "AccessDenied"
    # One file of its node, for its owner only, and no log or command line, has the secret.
    holders = []
    for directory, _, names in os.walk(cloud.state):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 22:
                with open(path, "rb") as file:
                    if found["SecretAccessKey"].encode() in file.read():
                        holders.append(path)
    assert len(holders) == 1 and holders[0].endswith(f"/{instance}/credentials"), holders
    assert os.stat(holders[0]).st_mode & 0o777 == 0o600
    assert not [pid for pid, words in processes() if any(found["SecretAccessKey"] in word for word in words)]

    associations = cloud.aws("ec2", "describe-iam-instance-profile-associations")
    known = associations["IamInstanceProfileAssociations"][0]
    assert known["InstanceId"] == instance and known["State"] == "associated", known
    cloud.aws("ec2", "disassociate-iam-instance-profile", "--association-id", known["AssociationId"])
    wait_for("the guest has no profile", lambda: "iam" not in guest("metadata meta-data/"), 30)


def bundle_and_run(cloud, instance, address, key):
    """BundleInstance as its owner sees it: policies that do not fit, a task that is cancelled, a bundle that runs."""
    keys = cloud.environment()
    ec2 = boto3.client(
        "ec2", endpoint_url=keys["AWS_ENDPOINT_URL_EC2"], region_name=keys["AWS_DEFAULT_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(retries={"total_max_attempts": 1}))
    cloud.aws("s3api", "create-bucket", "--bucket", "bundles")

    def bundle(prefix, bucket="bundles", allowed="bundles", hours=1, secret=keys["AWS_SECRET_ACCESS_KEY"]):
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        policy = json.dumps({
            "expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [{"bucket": allowed}, {"acl": "ec2-bundle-read"}, ["starts-with", "$key", prefix]]}).encode()
        signature = hmac.new(secret.encode(), base64.b64encode(policy), hashlib.sha1).digest()
        return ec2.bundle_instance(InstanceId=instance, Storage={"S3": {
            "Bucket": bucket, "Prefix": prefix, "AWSAccessKeyId": keys["AWS_ACCESS_KEY_ID"], "UploadPolicy": policy,
            "UploadPolicySignature": base64.b64encode(signature).decode()}})["BundleTask"]["BundleId"]

    def ended(made, state):
        """The states that a task is seen in, and how it ended."""
        seen = []

        def look():
            task = ec2.describe_bundle_tasks(BundleIds=[made])["BundleTasks"][0]
            if task["State"] not in seen:
                seen.append(task["State"])
            return task if task["State"] in ("complete", "failed") else None

        task = wait_for(f"the bundle is {state}", look, 240, 0.05)
        order = ["pending", "waiting-for-shutdown", "bundling", "storing", "cancelling", "complete", "failed"]
        assert task["State"] == state and seen == sorted(seen, key=order.index), (task, seen)
        return task

    def runs():
        wait_for("the instance runs again", lambda: ssh(cloud, address, key, "cat /root/kept").stdout == "kept\n", 120, 1)

    # What the policy does not allow is refused by Walrus itself, and the instance runs on.
    made = bundle("a", secret="another")
    try:
        bundle("b")
        raise AssertionError("two tasks for one instance")
    except botocore.exceptions.ClientError as refusal:
        assert refusal.response["Error"]["Code"] == "BundlingInProgress", refusal
    assert ended(made, "failed")["BundleTaskError"]["Code"] == "Client.SignatureDoesNotMatch"
    for arguments, code in (({"hours": -1}, "AccessDenied"), ({"allowed": "other"}, "AccessDenied"),
                            ({"bucket": "none", "allowed": "none"}, "NoSuchBucket")):
        task = ended(bundle("a", **arguments), "failed")
        assert task["BundleTaskError"]["Code"] == "Client." + code, task
    runs()
    cancelled = bundle("cancelled")
    assert ec2.cancel_bundle_task(BundleId=cancelled)["BundleTask"]["State"] == "cancelling"
    assert ended(cancelled, "failed")["BundleTaskError"]["Code"] == "Client.Cancelled"
    runs()
    assert not cloud.aws("s3api", "list-objects-v2", "--bucket", "bundles").get("Contents")

    # The aws CLI makes and signs the policy itself.
    made = cloud.aws("ec2", "bundle-instance", "--instance-id", instance, "--bucket", "bundles", "--prefix", "images/kept",
                     "--owner-akid", keys["AWS_ACCESS_KEY_ID"],
                     "--owner-sak", keys["AWS_SECRET_ACCESS_KEY"])["BundleTask"]["BundleId"]
    task = ended(made, "complete")
    assert task["Progress"] == "100%" and task["Storage"]["S3"] == {"Bucket": "bundles", "Prefix": "images/kept"}, task
    names = [entry["Key"] for entry in cloud.aws("s3api", "list-objects-v2", "--bucket", "bundles")["Contents"]]
    assert "images/kept.manifest.xml" in names and "images/kept.part.0" in names, names
    image = ec2.register_image(Name="kept", ImageLocation="bundles/images/kept.manifest.xml")["ImageId"]
    wait_for("the image is available",
             lambda: ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available", 120, 0.5)
    copy = ec2.run_instances(ImageId=image, InstanceType="m1.small", KeyName="mine", MinCount=1,
                             MaxCount=1)["Instances"][0]["InstanceId"]
    other = cloud.wait_state(copy, "running")["PublicIpAddress"]
    wait_for("the file is there", lambda: ssh(cloud, other, key, "cat /root/kept").stdout == "kept\n", 120, 1)
    ec2.terminate_instances(InstanceIds=[copy])
    runs()


def test_a_real_instance_from_key_pair_to_termination(binaries, venv):
    cloud = Cloud(binaries, venv).start(300)
    try:
        key = os.path.join(cloud.state, "key.pem")
        made = cloud.aws("ec2", "create-key-pair", "--key-name", "mine")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(made["KeyMaterial"])
        images = cloud.aws("ec2", "describe-images", "--owners", "self", "--filters", "Name=name,Values=mallee-demo")
        image = images["Images"][0]["ImageId"]
        cloud.aws("ec2", "authorize-security-group-ingress", "--group-name", "default",
                  "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
        make_profile(cloud)
        data = "#!/bin/sh\necho user-data-has-run\n"
        run = cloud.aws("ec2", "run-instances", "--image-id", image, "--instance-type", "m1.small",
                        "--key-name", "mine", "--user-data", data, "--iam-instance-profile", "Name=seer")
        instance = run["Instances"][0]["InstanceId"]
        assert run["Instances"][0]["State"]["Name"] == "pending"
        found = cloud.wait_state(instance, "running")
        address = found["PublicIpAddress"]
        assert address.startswith("127."), address

        def console():
            answer = cloud.aws("ec2", "get-console-output", "--instance-id", instance)
            return answer.get("Output") or ""

        text = wait_for("the guest is ready", lambda: (lambda t: t if "mallee-demo: ready" in t else None)(console()), 90, 1)
        assert "user-data-has-run" in text, text
        assert f"ready, instance {instance}" in text, text

        logged_in = wait_for(
            "ssh", lambda: (lambda d: d if d.returncode == 0 else None)(
                ssh(cloud, address, key, "metadata user-data; hostname; metadata meta-data/instance-id")), 60, 1)
        assert data in logged_in.stdout, logged_in
        assert instance in logged_in.stdout, logged_in
        token = ssh(cloud, address, key,
                    "printf 'PUT /latest/api/token HTTP/1.0\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n\\r\\n'"
                    " | nc 169.254.169.254 80 | tail -n 1")
        assert len(token.stdout.strip()) >= 20, token
        only_with_tokens(cloud, instance, token.stdout.strip(), lambda command: ssh(cloud, address, key, command).stdout)

        use_profile(cloud, instance, lambda command: ssh(cloud, address, key, command).stdout)

        # A port that no group opens is closed, and opening and closing works on the running instance.
        closed = ssh(cloud, address, key, "true", port=2222)
        assert closed.returncode != 0
        cloud.aws("ec2", "revoke-security-group-ingress", "--group-name", "default",
                  "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
        wait_for("port 22 is closed", lambda: ssh(cloud, address, key, "true").returncode != 0, 20)
        cloud.aws("ec2", "authorize-security-group-ingress", "--group-name", "default",
                  "--protocol", "tcp", "--port", "22", "--cidr", "127.0.0.0/8")
        wait_for("port 22 is open again", lambda: ssh(cloud, address, key, "true").returncode == 0, 20)

        # What is on the disk survives a reboot.
        assert ssh(cloud, address, key, "echo kept > /root/kept; sync").returncode == 0
        before = ssh(cloud, address, key, "cat /proc/sys/kernel/random/boot_id").stdout
        cloud.aws("ec2", "reboot-instances", "--instance-ids", instance)
        after = wait_for(
            "a new boot", lambda: (lambda d: d if d.returncode == 0 and d.stdout and not d.stdout.startswith(before) else None)(
                ssh(cloud, address, key, "cat /proc/sys/kernel/random/boot_id; cat /root/kept")), 90, 1)
        assert "kept" in after.stdout, after

        # Its disk becomes an image: bundled into the user's bucket, registered, and started.
        bundle_and_run(cloud, instance, address, key)

        ended = cloud.aws("ec2", "terminate-instances", "--instance-ids", instance)
        assert ended["TerminatingInstances"][0]["CurrentState"]["Name"] in ("shutting-down", "terminated")
        wait_for("terminated", lambda: cloud.instances(instance)[0]["State"]["Name"] == "terminated", 60, 0.5)

        # Ctrl-C leaves no process behind.
        cloud.stop(signal.SIGINT)
        left = cloud.children()
        assert not left, left
    except Exception:
        print(cloud.log())
        raise
    finally:
        cloud.remove()


main([test_a_real_instance_from_key_pair_to_termination])
