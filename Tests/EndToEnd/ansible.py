"""Ansible's amazon.aws modules, unmodified, against a cloud with simulated nodes; the steps are in ansible.yml.

    ansible.py BINARIES VENV
"""

import json
import os
import subprocess
import sys

import boto3
from botocore.exceptions import ClientError

from harness import Cloud, main
from native_api import clients, make_image


def knows_callers(environment):
    """Whether the cloud has the part of STS that the module of security groups asks first."""
    sts = boto3.client(
        "sts", endpoint_url=environment["AWS_ENDPOINT_URL_STS"], aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    try:
        return bool(sts.get_caller_identity()["Account"])
    except ClientError:
        return False


def playbook(binaries, venv):
    """Key pair, security group, instances, tags, bucket and object: made, found unchanged, and removed."""
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "4")
    try:
        cloud.start()
        image = make_image(cloud)
        environment = cloud.environment()
        programs = os.path.join(cloud.venv, "bin")
        environment.update(
            PATH=programs + ":" + environment["PATH"], ANSIBLE_HOME=os.path.join(cloud.state, "ansible"),
            ANSIBLE_LOCALHOST_WARNING="False", ANSIBLE_INVENTORY_UNPARSED_WARNING="False",
            ANSIBLE_DEPRECATION_WARNINGS="False", ANSIBLE_NOCOLOR="1")
        # The cloud's own endpoints, where its credentials do not name them.
        environment.setdefault("AWS_ENDPOINT_URL_STS", environment["EC2_URL"])
        environment.setdefault("AWS_ENDPOINT_URL_IAM", environment["EC2_URL"])
        knows = knows_callers(environment)
        if not knows:
            print("      without ec2_security_group: the cloud does not answer sts:GetCallerIdentity")
            clients(cloud)[0].create_security_group(GroupName="web", Description="Web servers")
        done = subprocess.run(
            [os.path.join(programs, "ansible-playbook"), "-e", json.dumps({"image": image, "knows_callers": knows}), "-e",
             "ansible_python_interpreter=" + os.path.join(programs, "python"),
             os.path.join(os.path.dirname(os.path.abspath(__file__)), "ansible.yml")],
            env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
        assert not cloud.aws("s3api", "list-buckets", "--query", "Buckets[?Name=='ansible-bucket']")
        assert all(i["State"]["Name"] == "terminated" for i in cloud.instances())
    except BaseException:
        print(cloud.log(), file=sys.stderr)
        raise
    finally:
        cloud.remove()


if __name__ == "__main__":
    main([playbook])
