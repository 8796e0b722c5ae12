"""Accounts, users, roles and sessions as boto3 and the aws CLI use them: IAM, STS, and what they mean for EC2 and S3."""

import base64
import csv
import hashlib
import hmac
import json
import os
import struct
import subprocess
import time

import boto3
import botocore.exceptions
from botocore.config import Config

from harness import Cloud, main


class Fixture:
    """One cloud for all tests of this file."""

    cloud = None

    def __init__(self, binaries, venv):
        if Fixture.cloud is None:
            Fixture.cloud = Cloud(binaries, venv, "--hypervisor", "simulated").start()
        self.cloud = Fixture.cloud
        self.environment = self.cloud.environment()
        self.root = (self.environment["AWS_ACCESS_KEY_ID"], self.environment["AWS_SECRET_ACCESS_KEY"], None)

    def client(self, service, who=None, path=""):
        url = self.environment["S3_URL"] if service == "s3" else f"http://127.0.0.1:{self.cloud.base}{path}"
        key, secret, token = who or self.root
        return boto3.client(
            service, endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
            region_name="us-east-1", config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))


def keys(answer):
    """Of CreateAccessKey or of an STS answer."""
    made = answer.get("AccessKey") or answer["Credentials"]
    return made["AccessKeyId"], made["SecretAccessKey"], made.get("SessionToken")


def refused(code, call, **arguments):
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"should have been refused with {code}: {answer}")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": effect, "Action": actions, "Resource": resources, **({"Condition": condition} if condition else {})}
        for effect, actions, resources, condition in statements]})


def boto3_manages_identities(binaries, venv):
    fixture = Fixture(binaries, venv)
    for path in ("", "/services/Euare", "/services/IAM"):
        iam = fixture.client("iam", path=path)
        assert iam.get_account_summary()["SummaryMap"]["UsersQuota"] == 5000
    iam.create_user(UserName="ada", Path="/crew/", Tags=[{"Key": "team", "Value": "a b"}])
    assert iam.get_user(UserName="ada")["User"]["Tags"] == [{"Key": "team", "Value": "a b"}]
    iam.create_group(GroupName="crew")
    iam.add_user_to_group(GroupName="crew", UserName="ada")
    assert [u["UserName"] for u in iam.get_group(GroupName="crew")["Users"]] == ["ada"]
    document = policy(("Allow", "ec2:Describe*", "*", None))
    arn = iam.create_policy(PolicyName="watch", PolicyDocument=document)["Policy"]["Arn"]
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == json.loads(document)
    iam.attach_group_policy(GroupName="crew", PolicyArn=arn)
    assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyGroups"][0]["GroupName"] == "crew"
    for number in range(5):
        iam.create_user(UserName=f"page{number}", Path="/page/")
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/page/", PaginationConfig={"PageSize": 2}))
    assert len(pages) == 3 and sum(len(p["Users"]) for p in pages) == 5
    for number in range(5):
        iam.delete_user(UserName=f"page{number}")
    ada = keys(iam.create_access_key(UserName="ada"))
    assert fixture.client("sts", ada).get_caller_identity()["Arn"].endswith(":user/crew/ada")
    assert fixture.client("ec2", ada).describe_instances()["Reservations"] == []
    refused("UnauthorizedOperation", fixture.client("ec2", ada).create_key_pair, KeyName="k")
    refused("AccessDenied", fixture.client("iam", ada).list_users)
    refused("AccessDenied", fixture.client("s3", ada).list_buckets)
    refused("DeleteConflict", iam.delete_user, UserName="ada")
    iam.update_access_key(UserName="ada", AccessKeyId=ada[0], Status="Inactive")
    refused("AuthFailure", fixture.client("ec2", ada).describe_instances)
    refused("InvalidClientTokenId", fixture.client("sts", ada).get_caller_identity)
    iam.delete_access_key(UserName="ada", AccessKeyId=ada[0])
    iam.remove_user_from_group(GroupName="crew", UserName="ada")
    iam.delete_user(UserName="ada")


def users_share_buckets_as_policies_say(binaries, venv):
    fixture = Fixture(binaries, venv)
    iam, s3 = fixture.client("iam"), fixture.client("s3")
    account = fixture.client("sts").get_caller_identity()["Account"]
    s3.create_bucket(Bucket="homes")
    for name in ("bob", "eve"):
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="home", PolicyDocument=policy(
            ("Allow", ["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::homes/home/${aws:username}/*", None)))
    bob, eve = [keys(iam.create_access_key(UserName=name)) for name in ("bob", "eve")]
    fixture.client("s3", bob).put_object(Bucket="homes", Key="home/bob/x", Body=b"bob's")
    refused("AccessDenied", fixture.client("s3", eve).get_object, Bucket="homes", Key="home/bob/x")
    refused("AccessDenied", fixture.client("s3", bob).list_objects_v2, Bucket="homes")
    refused("AccessDenied", fixture.client("s3", bob).create_bucket, Bucket="bobs")
    # The bucket's policy names the user, which is enough within the account.
    s3.put_bucket_policy(Bucket="homes", Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:user/eve"}, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::homes/*"}]}))
    assert fixture.client("s3", eve).get_object(Bucket="homes", Key="home/bob/x")["Body"].read() == b"bob's"
    # A session may what its user may, in a header and presigned.
    session = keys(fixture.client("sts", bob).get_session_token(DurationSeconds=900))
    temporary = fixture.client("s3", session)
    assert temporary.get_object(Bucket="homes", Key="home/bob/x")["Body"].read() == b"bob's"
    url = temporary.generate_presigned_url("get_object", Params={"Bucket": "homes", "Key": "home/bob/x"})
    import urllib.request
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"bob's"
    refused("AccessDenied", temporary.get_object, Bucket="homes", Key="home/eve/x")
    refused("InvalidToken", fixture.client("s3", (session[0], session[1], "bogus")).list_buckets)
    refused("InvalidAccessKeyId", fixture.client("s3", (session[0], session[1], None)).list_buckets)


def roles_are_taken_on(binaries, venv):
    fixture = Fixture(binaries, venv)
    iam = fixture.client("iam")
    account = fixture.client("sts").get_caller_identity()["Account"]
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}]})
    arn = iam.create_role(RoleName="starter", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    assert iam.get_role(RoleName="starter")["Role"]["AssumeRolePolicyDocument"] == json.loads(trust)
    iam.put_role_policy(RoleName="starter", PolicyName="p", PolicyDocument=policy(
        ("Allow", ["ec2:CreateKeyPair", "ec2:DeleteKeyPair"], "*", {"StringEquals": {"ec2:Region": "us-east-1"}})))
    iam.create_user(UserName="temp")
    temp = keys(iam.create_access_key(UserName="temp"))
    sts = fixture.client("sts", temp, path="/services/Tokens")
    refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="run")
    iam.put_user_policy(UserName="temp", PolicyName="p", PolicyDocument=policy(("Allow", "sts:AssumeRole", arn, None)))
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="run")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/starter/run"
    ec2 = fixture.client("ec2", keys(answer))
    ec2.create_key_pair(KeyName="by-role")
    ec2.delete_key_pair(KeyName="by-role")
    refused("UnauthorizedOperation", ec2.describe_instances)
    refused("DeleteConflict", iam.delete_role, RoleName="starter")

    # What is known of the session counts in all services: what client it is, the role's tags, when it began.
    iam.tag_role(RoleName="starter", Tags=[{"Key": "team", "Value": "red"}])
    own = {"StringEquals": {"aws:PrincipalTag/team": "red"}, "StringLike": {"aws:UserAgent": "*Boto3*"},
           "Null": {"aws:TokenIssueTime": "false"}, "Bool": {"aws:MultiFactorAuthPresent": "false"}}
    iam.put_role_policy(RoleName="starter", PolicyName="p", PolicyDocument=policy(
        ("Allow", ["ec2:DescribeInstances", "s3:ListAllMyBuckets"], "*", own)))
    s3 = fixture.client("s3", keys(answer))
    ec2.describe_instances()
    s3.list_buckets()
    # As the console of AWS revokes sessions: all that began before a moment.
    iam.put_role_policy(RoleName="starter", PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy(
        ("Deny", "*", "*", {"DateLessThan": {"aws:TokenIssueTime": time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))}})))
    refused("UnauthorizedOperation", ec2.describe_instances)
    refused("AccessDenied", s3.list_buckets)
    time.sleep(1.1)
    later = keys(sts.assume_role(RoleArn=arn, RoleSessionName="run"))
    fixture.client("ec2", later).describe_instances()
    fixture.client("s3", later).list_buckets()


def accounts_are_apart(binaries, venv):
    fixture = Fixture(binaries, venv)
    iam = fixture.client("iam")
    # The original's account actions are no part of boto3's model, so the request is made by hand.
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    import urllib.parse
    import urllib.request

    def euare(action, **parameters):
        body = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08", **parameters})
        request = AWSRequest(
            "POST", f"http://127.0.0.1:{fixture.cloud.base}/services/Euare", data=body,
            headers={"Content-Type": "application/x-www-form-urlencoded"})
        SigV4Auth(Credentials(*fixture.root[:2]), "iam", "us-east-1").add_auth(request)
        sent = urllib.request.Request(request.url, body.encode(), dict(request.headers))
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return answer.read().decode()

    assert "<AccountName>lab</AccountName>" in euare("CreateAccount", AccountName="lab")
    made = euare("CreateAccessKey", DelegateAccount="lab", UserName="admin")
    pick = lambda name: made.split(f"<{name}>")[1].split("<")[0]
    lab = (pick("AccessKeyId"), pick("SecretAccessKey"), None)
    assert fixture.client("sts", lab).get_caller_identity()["Arn"].endswith(":root")
    assert fixture.client("iam", lab).list_users()["Users"] == []
    ec2 = fixture.client("ec2")
    group = ec2.create_security_group(GroupName="private", Description="d")["GroupId"]
    pair = ec2.create_key_pair(KeyName="private")["KeyPairId"]
    theirs = fixture.client("ec2", lab)
    refused("InvalidGroup.NotFound", theirs.describe_security_groups, GroupIds=[group])
    refused("InvalidGroup.NotFound", theirs.delete_security_group, GroupId=group)
    refused("InvalidKeyPair.NotFound", theirs.describe_key_pairs, KeyPairIds=[pair])
    found = theirs.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["*"]}])["SecurityGroups"]
    assert [g["GroupName"] for g in found] == ["default"]
    assert theirs.describe_key_pairs(Filters=[{"Name": "key-name", "Values": ["*"]}])["KeyPairs"] == []
    fixture.client("s3").create_bucket(Bucket="private-bucket")
    refused("AccessDenied", fixture.client("s3", lab).list_objects_v2, Bucket="private-bucket")
    # Quotas as the original spelled them.
    limit = json.dumps({"Statement": [
        {"Effect": "Limit", "Action": "s3:CreateBucket", "Resource": "*",
         "Condition": {"NumericLessThanEquals": {"s3:quota-bucketnumber": "1"}}},
        {"Effect": "Limit", "Action": "ec2:CreateSecurityGroup", "Resource": "*",
         "Condition": {"NumericLessThanEquals": {"ec2:quota-securitygroupnumber": "2"}}}]})
    euare("PutAccountPolicy", AccountName="lab", PolicyName="quota", PolicyDocument=limit)
    s3 = fixture.client("s3", lab)
    s3.create_bucket(Bucket="lab-one")
    refused("QuotaExceeded", s3.create_bucket, Bucket="lab-two")
    theirs.create_security_group(GroupName="one", Description="d")
    refused("SecurityGroupLimitExceeded", theirs.create_security_group, GroupName="two", Description="d")


def aws_cli_speaks_iam(binaries, venv):
    fixture = Fixture(binaries, venv)
    environment = {**fixture.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{fixture.cloud.base}/"}

    def aws(*arguments):
        done = subprocess.run(
            [os.path.join(fixture.cloud.venv, "bin", "aws"), *arguments, "--output", "json"], env=environment,
            capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    assert aws("sts", "get-caller-identity")["Arn"].endswith(":root")
    aws("iam", "create-user", "--user-name", "cli")
    aws("iam", "attach-user-policy", "--user-name", "cli", "--policy-arn",
        "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
    attached = aws("iam", "list-attached-user-policies", "--user-name", "cli")["AttachedPolicies"]
    assert [p["PolicyName"] for p in attached] == ["AmazonEC2ReadOnlyAccess"]
    made = aws("iam", "create-access-key", "--user-name", "cli")["AccessKey"]
    environment.update(AWS_ACCESS_KEY_ID=made["AccessKeyId"], AWS_SECRET_ACCESS_KEY=made["SecretAccessKey"])
    assert aws("ec2", "describe-regions")["Regions"]


def one_time_code(seed, at):
    """RFC 6238, as authenticator programs have it."""
    digest = hmac.new(base64.b32decode(seed), struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    offset = digest[19] & 15
    return "%06d" % ((struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1000000)


def passwords_and_devices(binaries, venv):
    fixture = Fixture(binaries, venv)
    iam = fixture.client("iam")
    iam.create_user(UserName="zoe")
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireNumbers=True, MaxPasswordAge=90)
    found = iam.get_account_password_policy()["PasswordPolicy"]
    assert found["MinimumPasswordLength"] == 12 and found["RequireNumbers"] and found["ExpirePasswords"], found
    refused("PasswordPolicyViolation", iam.create_login_profile, UserName="zoe", Password="no number in it")
    iam.create_login_profile(UserName="zoe", Password="a number in it: 1")
    iam.delete_account_password_policy()
    refused("NoSuchEntity", iam.get_account_password_policy)

    # A policy that wants MFA: the key alone does not do, with a code it does, and each code does once.
    key = keys(iam.create_access_key(UserName="zoe"))
    iam.put_user_policy(UserName="zoe", PolicyName="mfa", PolicyDocument=policy(
        ("Allow", "ec2:*", "*", {"Bool": {"aws:MultiFactorAuthPresent": "true"}})))
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="fob")["VirtualMFADevice"]
    assert device["QRCodePNG"].startswith(b"\x89PNG")
    serial, seed = device["SerialNumber"], device["Base32StringSeed"]

    def enable():
        now = time.time()
        iam.enable_mfa_device(
            UserName="zoe", SerialNumber=serial, AuthenticationCode1=one_time_code(seed, now - 60),
            AuthenticationCode2=one_time_code(seed, now - 30))
    enable()
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"][0]["User"]["UserName"] == "zoe"
    assert iam.get_account_summary()["SummaryMap"]["MFADevicesInUse"] == 1
    refused("UnauthorizedOperation", fixture.client("ec2", key).describe_regions)
    sts = fixture.client("sts", key)
    refused("AccessDenied", sts.get_session_token, SerialNumber=serial, TokenCode="000000")
    code = one_time_code(seed, time.time())
    session = keys(sts.get_session_token(SerialNumber=serial, TokenCode=code))
    refused("AccessDenied", sts.get_session_token, SerialNumber=serial, TokenCode=code)
    assert fixture.client("ec2", session).describe_regions()["Regions"]

    assert iam.generate_credential_report()["State"] in ("STARTED", "COMPLETE")
    report = list(csv.DictReader(iam.get_credential_report()["Content"].decode().splitlines()))
    row = next(row for row in report if row["user"] == "zoe")
    assert row["mfa_active"] == "true" and row["password_enabled"] == "true", row
    assert row["access_key_1_last_used_service"] in ("ec2", "sts"), row
    details = iam.get_account_authorization_details(Filter=["User"])["UserDetailList"]
    zoe = next(user for user in details if user["UserName"] == "zoe")
    assert zoe["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == "ec2:*"
    answer = iam.simulate_principal_policy(
        PolicySourceArn=zoe["Arn"], ActionNames=["ec2:RunInstances", "s3:GetObject"], ContextEntries=[
            {"ContextKeyName": "aws:MultiFactorAuthPresent", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"}])
    assert [result["EvalDecision"] for result in answer["EvaluationResults"]] == ["allowed", "implicitDeny"]
    refused("UnsupportedOperation", iam.create_service_linked_role, AWSServiceName="autoscaling.amazonaws.com")

    # By the aws CLI, the picture of another device; then everything is taken back.
    picture = os.path.join(fixture.cloud.state, "fob.png")
    environment = {**fixture.environment, "PATH": os.environ["PATH"], "AWS_PAGER": ""}
    subprocess.run(
        [os.path.join(venv, "bin", "aws"), "iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "other",
         "--outfile", picture, "--bootstrap-method", "QRCodePNG", "--endpoint-url",
         f"http://127.0.0.1:{fixture.cloud.base}", "--region", "us-east-1"],
        env=environment, check=True, capture_output=True, timeout=120)
    with open(picture, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    iam.delete_virtual_mfa_device(SerialNumber=serial.replace("fob", "other"))
    refused("DeleteConflict", iam.delete_virtual_mfa_device, SerialNumber=serial)
    iam.deactivate_mfa_device(UserName="zoe", SerialNumber=serial)
    iam.delete_virtual_mfa_device(SerialNumber=serial)
    iam.delete_login_profile(UserName="zoe")
    iam.delete_user_policy(UserName="zoe", PolicyName="mfa")
    iam.delete_access_key(UserName="zoe", AccessKeyId=key[0])
    iam.delete_user(UserName="zoe")


def nothing_is_left(binaries, venv):
    fixture = Fixture(binaries, venv)
    left = fixture.cloud.remove()
    assert not left, f"processes left: {left}"


if __name__ == "__main__":
    main([
        boto3_manages_identities, users_share_buckets_as_policies_say, roles_are_taken_on, accounts_are_apart,
        aws_cli_speaks_iam, passwords_and_devices, nothing_is_left,
    ])
