"""Accounts as their administrator knows them, by `mallee account` alone; the zip of credentials, each of whose files is
used as it is by the client it is for; and what the audit log tells of all that."""

import datetime
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import urllib.parse
import zipfile

import boto
import boto.ec2.regioninfo
import boto3
import botocore.config
import botocore.exceptions
import zeep
import zeep.exceptions
import zeep.transports

from harness import Cloud, main, room, wait_for
from soap import WSS4J

# What may be printed once only, and by these commands alone.
SECRET = re.compile(r"PRIVATE KEY|(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
VERSION = "2009-11-30"


class Site:
    """One cloud for all tests of this file, and its administrator at the shell."""

    cloud = None
    toolkit = None
    printed = []

    def __init__(self, binaries, venv):
        if Site.cloud is None:
            Site.cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "1", "--no-demo").start()
            Site.directory = tempfile.mkdtemp(prefix="mallee-accounts-")
        self.cloud = Site.cloud
        self.venv = self.cloud.venv
        self.url = self.cloud.environment()["EC2_URL"]

    def mallee(self, *arguments, fails_with=None):
        """What a command prints; with fails_with its error text, which must hold that."""
        done = subprocess.run(
            [self.cloud.mallee, *arguments, "--state-dir", self.cloud.state], env={"PATH": os.environ["PATH"]},
            capture_output=True, text=True, timeout=120, check=False)
        Site.printed.append((arguments, done.stdout + done.stderr))
        if fails_with is not None:
            assert done.returncode != 0, f"mallee {arguments} should have failed: {done.stdout}"
            assert fails_with in done.stderr, f"mallee {arguments}: expected {fails_with}, got {done.stderr}"
            return done.stderr
        assert done.returncode == 0, f"mallee {' '.join(arguments)} failed: {done.stderr}"
        return done.stdout

    def account(self, *arguments, **options):
        return self.mallee("account", *arguments, **options)

    def path(self, name):
        return os.path.join(self.directory, name)

    def client(self, service, key, secret):
        environment = self.cloud.environment()
        url = {"s3": environment["S3_URL"], "iam": self.url + "services/Euare", "sts": self.url + "services/Tokens",
               "ec2": self.url}[service]
        return boto3.client(
            service, endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1",
            config=botocore.config.Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))

    def administrator(self, service):
        environment = self.cloud.environment()
        return self.client(service, environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])

    def key(self, account, *options):
        """A new access key of the account."""
        lines = self.account("key", "create", account, *options).split()
        assert len(lines) == 2, lines
        return lines

    def soap(self, certificate, key):
        """DescribeKeyPairs by zeep, signed by a certificate; gives the names."""
        if Site.toolkit is None:
            Site.toolkit = zeep.Client(
                f"{self.url}services/Eucalyptus/{VERSION}?wsdl",
                transport=zeep.transports.Transport(timeout=30, operation_timeout=30))
        Site.toolkit.wsse = WSS4J(Identity(certificate, key))
        answer = Site.toolkit.service.DescribeKeyPairs(keySet={})
        found = answer.keySet if hasattr(answer, "keySet") else answer
        items = getattr(found, "item", found) or []
        return [item.keyName for item in items]

    def audit(self):
        """Every line so far."""
        with open(os.path.join(self.cloud.state, "log", "audit.log")) as file:
            return [json.loads(line) for line in file]


class Identity:
    """A certificate and its key in files."""

    def __init__(self, certificate, key):
        self.key = key
        with open(certificate) as file:
            self.token = "".join(line for line in file.read().splitlines() if "-----" not in line)


def refused(codes, call, **arguments):
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] in codes.split(), error
        return
    raise AssertionError(f"should have been refused with {codes}: {answer}")


def soap_refused(site, certificate, key):
    try:
        names = site.soap(certificate, key)
    except zeep.exceptions.Fault:
        return
    raise AssertionError(f"should have been refused: {names}")


def sourced(directory):
    """What a shell has in its environment after it has sourced the eucarc of a directory, from elsewhere."""
    done = subprocess.run(
        ["bash", "-c", '. "$1/eucarc" && exec env -0', "_", directory], cwd="/", capture_output=True, timeout=30,
        env={"PATH": os.environ["PATH"]}, check=True)
    return dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)


def run(command, environment=None):
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(environment or {})}, capture_output=True,
        text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


# MARK: The tests

def accounts_are_made_and_listed(binaries, venv):
    site = Site(binaries, venv)
    number = site.account("create", "lab").strip()
    assert re.fullmatch(r"[0-9]{12}", number), number
    site.account("create", "lab", fails_with="lab already exists")
    listed = {row["name"]: row for row in json.loads(site.account("list", "--json"))}
    assert listed["lab"]["id"] == number and listed["lab"]["isEnabled"] and not listed["lab"]["isAdministrator"]
    assert sum(row["isAdministrator"] for row in listed.values()) == 1
    table = [line.split() for line in site.account("list").splitlines()]
    assert table[0] == ["ID", "NAME", "ALIAS", "STATE", "CREATED"] and [number, "lab", "-"] in [r[:3] for r in table]
    shown = site.account("show", number)
    assert f"lab ({number})" in shown and "enabled" in shown
    site.account("show", "nobody", fails_with="There is no account nobody")


def the_zip_is_used_as_it_is(binaries, venv):
    site = Site(binaries, venv)
    archive = site.path("creds.zip")
    assert site.account("credentials", "lab", "-o", archive).strip() == archive
    assert stat.S_IMODE(os.stat(archive).st_mode) == 0o600
    site.account("credentials", "lab", "-o", archive, fails_with="exists already")
    place = site.path("the lab's")
    with zipfile.ZipFile(archive) as zipped:
        names = set(zipped.namelist())
        assert all((member.external_attr >> 16) & 0o777 == 0o600 for member in zipped.infolist())
        zipped.extractall(place)
    own = {name for name in names if name.startswith("euca2-admin-")}
    assert names - own == {"eucarc", "iamrc", "cloud-cert.pem", "aws-config", "s3cfg", "rclone.conf"}, names
    assert {name.rsplit("-", 1)[1] for name in own} == {"pk.pem", "cert.pem"}, names

    # eucarc, in the shell: the original's names and those that tools of today look for.
    values = sourced(place)
    for name in ("EC2_PRIVATE_KEY", "EC2_CERT", "EUCALYPTUS_CERT", "AWS_CREDENTIAL_FILE", "S3CMD_CONFIG", "RCLONE_CONFIG"):
        assert os.path.dirname(values[name]) == place and os.path.isfile(values[name]), (name, values[name])
    listed = {row["name"]: row["id"] for row in json.loads(site.account("list", "--json"))}
    assert values["EC2_USER_ID"] == values["EC2_ACCOUNT_NUMBER"] == listed["lab"]
    assert values["EC2_ACCOUNT_NAME"] == "lab"
    with open(values["AWS_CREDENTIAL_FILE"]) as file:
        assert file.read() == f"AWSAccessKeyId={values['EC2_ACCESS_KEY']}\nAWSSecretKey={values['EC2_SECRET_KEY']}\n"

    # boto 2 with nothing but these variables.
    endpoint = urllib.parse.urlparse(values["EC2_URL"])
    boto2 = boto.connect_euca(
        host=endpoint.hostname, port=endpoint.port, path=endpoint.path, is_secure=endpoint.scheme == "https",
        aws_access_key_id=values["EC2_ACCESS_KEY"], aws_secret_access_key=values["EC2_SECRET_KEY"])
    boto2.create_key_pair("zip")
    assert [pair.name for pair in boto2.get_all_key_pairs()] == ["zip"]

    # The aws CLI, once by the variables and once by its own file.
    aws = os.path.join(site.venv, "bin", "aws")
    answer = run([aws, "sts", "get-caller-identity", "--output", "json"], values)
    assert json.loads(answer)["Arn"] == f"arn:aws:iam::{listed['lab']}:root"
    by_file = {"AWS_CONFIG_FILE": os.path.join(place, "aws-config"), "AWS_EC2_METADATA_DISABLED": "true"}
    answer = run([aws, "ec2", "describe-key-pairs", "--output", "json"], by_file)
    assert [pair["KeyName"] for pair in json.loads(answer)["KeyPairs"]] == ["zip"]

    # s3cmd and rclone, with their files.
    s3cmd = [os.path.join(site.venv, "bin", "s3cmd"), "-c", values["S3CMD_CONFIG"]]
    file = site.path("file")
    with open(file, "w") as out:
        out.write("from the zip")
    run([*s3cmd, "mb", "s3://lab-files"])
    run([*s3cmd, "put", file, "s3://lab-files/one"])
    rclone = ["rclone", "--config", values["RCLONE_CONFIG"]]
    assert run([*rclone, "cat", "mallee:lab-files/one"]) == "from the zip"
    run([*rclone, "copyto", file, "mallee:lab-files/two"])
    assert "s3://lab-files/two" in run([*s3cmd, "ls", "s3://lab-files"])

    # SOAP, signed by the key and the certificate; the cloud's certificates verify the user's.
    assert site.soap(values["EC2_CERT"], values["EC2_PRIVATE_KEY"]) == ["zip"]
    verified = run(["openssl", "verify", "-partial_chain", "-CAfile", values["EUCALYPTUS_CERT"], values["EC2_CERT"]])
    assert "OK" in verified

    # Two of each and no more; the older ones go only when that is said.
    site.account("credentials", "lab", "-o", site.path("second.zip"))
    site.account("credentials", "lab", "-o", site.path("third.zip"), fails_with="--replace")
    assert not os.path.exists(site.path("third.zip"))
    assert site.soap(values["EC2_CERT"], values["EC2_PRIVATE_KEY"]) == ["zip"]
    site.account("credentials", "lab", "-o", site.path("third.zip"), "--replace")
    soap_refused(site, values["EC2_CERT"], values["EC2_PRIVATE_KEY"])
    refused("AuthFailure", site.client("ec2", values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"]).describe_instances)
    Site.lab = site.path("lab")
    with zipfile.ZipFile(site.path("third.zip")) as zipped:
        zipped.extractall(Site.lab)
    values = sourced(Site.lab)
    assert site.soap(values["EC2_CERT"], values["EC2_PRIVATE_KEY"]) == ["zip"]


def keys_certificates_and_users(binaries, venv):
    site = Site(binaries, venv)
    site.account("create", "crew")
    assert ":user/ada" in site.account("user", "create", "crew", "ada", "--policy", "AmazonEC2ReadOnlyAccess")
    assert "ada" in site.account("user", "list", "crew")
    key, secret = site.key("crew", "--user", "ada")
    ec2 = site.client("ec2", key, secret)
    assert ec2.describe_instances()["Reservations"] == []
    refused("UnauthorizedOperation", ec2.create_key_pair, KeyName="k")
    assert key in site.account("key", "list", "crew", "--user", "ada")
    site.account("key", "disable", "crew", key, "--user", "ada")
    refused("AuthFailure", ec2.describe_instances)
    site.account("key", "enable", "crew", key, "--user", "ada")
    assert ec2.describe_instances()["Reservations"] == []

    # A user's policy, as a file.
    document = site.path("policy.json")
    with open(document, "w") as file:
        json.dump({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ec2:CreateKeyPair", "Resource": "*"}]}, file)
    site.account("policy", "put", "crew", "pairs", document, "--user", "ada")
    assert site.account("policy", "list", "crew", "--user", "ada").split() == ["pairs"]
    assert json.loads(site.account("policy", "show", "crew", "pairs", "--user", "ada")) == json.load(open(document))
    ec2.create_key_pair(KeyName="k")
    site.account("policy", "delete", "crew", "pairs", "--user", "ada")
    refused("UnauthorizedOperation", ec2.create_key_pair, KeyName="other")
    with open(document, "w") as file:
        file.write('{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}')
    site.account("policy", "put", "crew", "pairs", document, "--user", "ada", fails_with="MalformedPolicyDocument")

    # Certificates: the cloud's, and one that the user made himself.
    stem = site.path("ada")
    made = site.account("certificate", "create", "crew", "--user", "ada", "-o", stem, "--days", "30").strip()
    assert stat.S_IMODE(os.stat(stem + "-pk.pem").st_mode) == 0o600
    site.account("certificate", "create", "crew", "--user", "ada", "-o", stem, fails_with="exists already")
    assert site.soap(stem + "-cert.pem", stem + "-pk.pem") == ["k"]
    site.account("certificate", "disable", "crew", made, "--user", "ada")
    soap_refused(site, stem + "-cert.pem", stem + "-pk.pem")
    site.account("certificate", "enable", "crew", made, "--user", "ada")
    assert site.soap(stem + "-cert.pem", stem + "-pk.pem") == ["k"]
    home = site.path("home")
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ada", "-days", "30", "-keyout",
         home + ".key", "-out", home + ".crt"])
    soap_refused(site, home + ".crt", home + ".key")
    uploaded = site.account("certificate", "upload", "crew", home + ".crt", "--user", "ada").strip()
    assert site.soap(home + ".crt", home + ".key") == ["k"]
    site.account("certificate", "revoke", "crew", made, "--user", "ada")
    soap_refused(site, stem + "-cert.pem", stem + "-pk.pem")
    site.account("certificate", "enable", "crew", made, "--user", "ada", fails_with=made)
    lines = site.account("certificate", "list", "crew", "--user", "ada").splitlines()
    assert len(lines) == 2 and f"{made}  Revoked" in "\n".join(lines) and f"{uploaded}  Active" in "\n".join(lines)
    # What was revoked does not come back by being uploaded.
    site.account("certificate", "upload", "crew", stem + "-cert.pem", "--user", "ada", fails_with="Certificate")

    # He goes with all that he has.
    site.account("user", "delete", "crew", "ada")
    refused("AuthFailure", ec2.describe_instances)
    soap_refused(site, home + ".crt", home + ".key")
    assert site.account("user", "list", "crew") == ""


def limits_bind_the_whole_account(binaries, venv):
    site = Site(binaries, venv)
    values = sourced(Site.lab)
    ec2 = site.client("ec2", values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"])
    s3 = site.client("s3", values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"])
    iam = site.client("iam", values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"])
    s3.put_object(Bucket="lab-files", Key="disk.img", Body=b"\0" * (1 << 20))
    Site.image = ec2.register_image(ImageLocation="lab-files/disk.img", Name="lab", RootDeviceName="/dev/sda1")["ImageId"]
    room(site.administrator("ec2"), 3)
    shown = site.account("quota", "set", "lab", "instances=1", "buckets=1", "iam:quota-usernumber=1")
    assert re.search(r"ec2:quota-vminstancenumber +1 ", shown), shown
    site.account("quota", "set", "lab", "apples=1", fails_with="the keys are")
    site.account("quota", "set", "lab", "instances=-1", fails_with="is no quota")
    refused("InstanceLimitExceeded", ec2.run_instances, ImageId=Site.image, MinCount=2, MaxCount=2)
    Site.instance = ec2.run_instances(ImageId=Site.image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    refused("InstanceLimitExceeded", ec2.run_instances, ImageId=Site.image, MinCount=1, MaxCount=1)
    refused("QuotaExceeded TooManyBuckets", s3.create_bucket, Bucket="lab-more")
    iam.create_user(UserName="one")
    refused("LimitExceeded", iam.create_user, UserName="two")
    # However an image comes to be.
    site.account("quota", "set", "lab", "instances=none", "buckets=2", "images=1", "bucketobjectnumber=1")
    assert re.search(r"ec2:quota-vminstancenumber +none ", site.account("quota", "show", "lab"))
    refused("QuotaExceeded", s3.put_object, Bucket="lab-files", Key="more", Body=b"")
    refused("ResourceLimitExceeded ImageLimitExceeded InstanceLimitExceeded", ec2.register_image,
            ImageLocation="lab-files/disk.img", Name="more", RootDeviceName="/dev/sda1")
    refused("ResourceLimitExceeded ImageLimitExceeded InstanceLimitExceeded", ec2.copy_image,
            SourceImageId=Site.image, SourceRegion="us-east-1", Name="copy")
    refused("ResourceLimitExceeded ImageLimitExceeded InstanceLimitExceeded", ec2.import_image,
            DiskContainers=[{"Format": "raw", "UserBucket": {"S3Bucket": "lab-files", "S3Key": "disk.img"}}])
    site.account("quota", "set", "lab", "images=none", "bucketobjectnumber=none")
    s3.create_bucket(Bucket="lab-more")
    s3.delete_bucket(Bucket="lab-more")
    iam.delete_user(UserName="one")

    # A denial on the account binds its owner, too, and he cannot take it away.
    document = site.path("deny.json")
    with open(document, "w") as file:
        json.dump({"Version": "2012-10-17", "Statement": [
            {"Effect": "Deny", "Action": "ec2:CreateKeyPair", "Resource": "*"}]}, file)
    site.account("policy", "put", "lab", "no-pairs", document)
    refused("UnauthorizedOperation", ec2.create_key_pair, KeyName="more")
    assert "limit it further: no-pairs" in site.account("quota", "show", "lab")
    assert set(site.account("policy", "list", "lab").split()) == {"no-pairs", "mallee-quotas"}
    site.account("policy", "delete", "lab", "no-pairs")
    ec2.create_key_pair(KeyName="more")


def disabled_accounts_keep_what_they_have(binaries, venv):
    site = Site(binaries, venv)
    values = sourced(Site.lab)
    key, secret = values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"]
    ec2, s3 = site.client("ec2", key, secret), site.client("s3", key, secret)
    session = site.client("sts", key, secret).get_session_token()["Credentials"]
    temporary = boto3.client(
        "ec2", endpoint_url=site.url, region_name="us-east-1", aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"], aws_session_token=session["SessionToken"],
        config=botocore.config.Config(retries={"max_attempts": 0}))
    temporary.describe_instances()

    def state():
        answer = site.administrator("ec2").describe_instances(InstanceIds=[Site.instance])
        return answer["Reservations"][0]["Instances"][0]["State"]["Name"]

    wait_for("the instance runs", lambda: state() == "running")
    site.account("disable", "lab")
    assert "disabled" in site.account("show", "lab")
    refused("AuthFailure UnauthorizedOperation", ec2.describe_instances)
    refused("AuthFailure UnauthorizedOperation", temporary.describe_instances)
    wait_for("Walrus has heard of it", lambda: denied(s3))
    soap_refused(site, values["EC2_CERT"], values["EC2_PRIVATE_KEY"])
    assert state() == "running"
    administrator = next(r["name"] for r in json.loads(site.account("list", "--json")) if r["isAdministrator"])
    site.account("disable", administrator, fails_with="administers")
    site.account("enable", "lab")
    assert ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"] == Site.instance
    wait_for("Walrus has heard of it", lambda: not denied(s3))
    assert s3.get_object(Bucket="lab-files", Key="one")["Body"].read() == b"from the zip"
    assert set(site.soap(values["EC2_CERT"], values["EC2_PRIVATE_KEY"])) == {"zip", "more"}


def denied(s3):
    try:
        s3.list_objects_v2(Bucket="lab-files")
        return False
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] in ("InvalidAccessKeyId", "AccessDenied"), error
        return True


def deletion_names_what_would_be_lost(binaries, venv):
    site = Site(binaries, venv)
    values = sourced(Site.lab)
    # A third key would not fit: the command makes one for itself, to look at the buckets.
    keys = [line.split()[0] for line in site.account("key", "list", "lab").splitlines()]
    if len(keys) == 2:
        site.account("key", "delete", "lab", next(key for key in keys if key != values["EC2_ACCESS_KEY"]))
    said = site.account("delete", "lab", fails_with="is not empty")
    for text in (Site.instance, Site.image, "lab-files", "--terminate-instances", "--deregister-images",
                 "--delete-buckets", "Nothing was deleted"):
        assert text in said, said
    ec2 = site.client("ec2", values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"])
    assert ec2.describe_images(ImageIds=[Site.image])["Images"]
    said = site.account("delete", "lab", "--terminate-instances", "--deregister-images", "--delete-buckets")
    assert f"{Site.instance}: terminated" in said and "lab-files: deleted" in said and "deleted" in said.splitlines()[-1]
    assert "lab" not in [row["name"] for row in json.loads(site.account("list", "--json"))]
    refused("AuthFailure", ec2.describe_instances)
    soap_refused(site, values["EC2_CERT"], values["EC2_PRIVATE_KEY"])
    refused("NoSuchBucket", site.administrator("s3").list_objects_v2, Bucket="lab-files")
    # The name is free again, and whoever has it next begins with nothing.
    site.account("create", "lab")
    key, secret = site.key("lab")
    again = site.client("ec2", key, secret)
    assert again.describe_key_pairs()["KeyPairs"] == [] and again.describe_images(Owners=["self"])["Images"] == []
    assert site.client("s3", key, secret).list_buckets()["Buckets"] == []
    administrator = next(r["name"] for r in json.loads(site.account("list", "--json")) if r["isAdministrator"])
    site.account("delete", administrator, fails_with="administers the cloud and stays")


def no_secret_is_shown_twice(binaries, venv):
    site = Site(binaries, venv)
    key, secret = site.key("lab")
    for command in (("show", "lab"), ("key", "list", "lab"), ("list",), ("list", "--json"),
                    ("certificate", "list", "lab"), ("policy", "list", "lab"), ("quota", "show", "lab")):
        assert secret not in site.account(*command), command
    for arguments, output in Site.printed:
        if arguments[:3] != ("account", "key", "create"):
            assert not SECRET.search(output), (arguments, output)
    # Nor is it on disk in the open; ids, which are no secret, are found by the same search.
    own = site.cloud.environment()["AWS_SECRET_ACCESS_KEY"]
    directory = os.path.join(site.cloud.state, "cloud")
    files = [os.path.join(directory, name) for name in os.listdir(directory)]
    contents = {path: open(path, "rb").read() for path in files if os.path.isfile(path)}
    assert any(key.encode() in content for content in contents.values())
    for hidden in (secret, own):
        assert not [path for path, content in contents.items() if hidden.encode() in content]
    (key_file,) = [path for path in files if os.path.basename(path) == "secrets.key"]
    assert stat.S_IMODE(os.stat(key_file).st_mode) == 0o600
    # A new key of the secrets, while the cloud serves: what was made before goes on working.
    before = contents[key_file]
    assert "values wrapped" in site.mallee("cloud", "key", "rotate")
    with open(key_file, "rb") as file:
        assert file.read() != before
    assert site.client("ec2", key, secret).describe_key_pairs()["KeyPairs"] == []


def the_audit_has_a_line_for_each_change(binaries, venv):
    site = Site(binaries, venv)
    lines = site.audit()
    administrator = f"arn:aws:iam::{site.cloud.environment()['EC2_USER_ID']}:root"
    orders = [line for line in lines if line["interface"] == "iam" and line["who"] == administrator]
    for action in (
            "CreateAccount", "UpdateAccount", "DeleteAccount", "CreateUser", "DeleteUser", "AttachUserPolicy",
            "PutUserPolicy", "DeleteUserPolicy", "PutAccountPolicy", "DeleteAccountPolicy", "CreateAccessKey",
            "UpdateAccessKey", "DeleteAccessKey", "CreateSigningCertificate", "UploadSigningCertificate",
            "UpdateSigningCertificate", "RevokeSigningCertificate", "DeleteSigningCertificate", "RotateSecretsKey"):
        done = [line for line in orders if line["action"] == action and line["result"] == "done"]
        assert done, f"no line of {action}"
        for line in done:
            assert line["from"] == "127.0.0.1" and line["request"] and line["credential"].startswith("AKIA"), line
            assert datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).tzinfo, line
    numbers = {row["name"]: row["id"] for row in json.loads(site.account("list", "--json"))}
    # Whose it was: what the administrator did for an account names that account, not his own.
    created = [line for line in orders if line["action"] == "CreateUser"]
    assert created and all(line["resources"] == [f"arn:aws:iam::{numbers['crew']}:user/ada"] for line in created), created
    updated = [line for line in orders if line["action"] == "UpdateAccount"]
    assert any(":root" in resource and numbers["crew"] not in resource
               for line in updated for resource in line["resources"]), updated
    # What was refused and what failed is there as well, what only reads is not.
    assert any(line["action"] == "PutUserPolicy" and line.get("code") == "MalformedPolicyDocument" for line in orders)
    assert any(line["interface"] == "ec2" and line["result"] == "refused" and line["action"] == "CreateKeyPair"
               and line["who"].endswith(":user/ada") for line in lines)
    assert any(line["interface"] == "ec2" and line["action"] == "RunInstances" and line["result"] == "done"
               and Site.instance in line["resources"] for line in lines)
    assert any(line["interface"] == "s3" and line["action"] == "CreateBucket" for line in lines)
    assert not [line for line in lines if re.match("Describe|List|Get(?!SessionToken|FederationToken)", line["action"])]
    text = json.dumps(lines)
    assert not SECRET.search(text)
    assert stat.S_IMODE(os.stat(os.path.join(site.cloud.state, "log", "audit.log")).st_mode) & ~0o640 == 0


def nothing_is_left(binaries, venv):
    site = Site(binaries, venv)
    left = site.cloud.remove()
    shutil.rmtree(site.directory, ignore_errors=True)
    assert not left, f"processes left: {left}"


if __name__ == "__main__":
    main([
        accounts_are_made_and_listed, the_zip_is_used_as_it_is, keys_certificates_and_users,
        limits_bind_the_whole_account, disabled_accounts_keep_what_they_have, deletion_names_what_would_be_lost,
        no_secret_is_shown_twice, the_audit_has_a_line_for_each_change, nothing_is_left,
    ])
