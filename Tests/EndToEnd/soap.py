"""EC2 by SOAP, from toolkits that were not written here: zeep and suds read the WSDL, xmlsec signs as WSS4J did in
ec2-api-tools (a BinarySecurityToken, Timestamp and Body signed by RSA-SHA1 over exclusive canonical XML), and lxml holds
every answer against the schema of the WSDL."""

import base64
import copy
import datetime
import http.client
import os
import random
import shutil
import subprocess
import tempfile
import time
import uuid

import boto3
import botocore.config
import requests
import suds.client
import suds.plugin
import xmlsec
import zeep
import zeep.exceptions
import zeep.plugins
import zeep.transports
from lxml import etree

from harness import Cloud, main, room, wait_for

OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = OASIS + "wssecurity-secext-1.0.xsd"
WSU = OASIS + "wssecurity-utility-1.0.xsd"
XSD = "http://www.w3.org/2001/XMLSchema"
X509V3 = OASIS + "x509-token-profile-1.0#X509v3"
VERSIONS = [
    "2008-02-01", "2008-05-05", "2008-08-08", "2008-12-01", "2009-03-01", "2009-04-04", "2009-07-15", "2009-08-15",
    "2009-10-31", "2009-11-30", "2010-06-15", "2010-08-31", "2010-11-15", "2011-01-01", "2011-02-28", "2011-05-15",
    "2011-07-15", "2011-11-01", "2011-12-01", "2011-12-15", "2012-03-01", "2012-04-01", "2012-05-01", "2012-06-01",
    "2012-06-15", "2012-07-20", "2012-08-15", "2012-10-01", "2012-11-15", "2012-12-01", "2013-02-01"]
USED = ["2008-02-01", "2009-11-30", "2010-08-31", "2012-12-01"]


# MARK: Signing

def q(namespace, name):
    return f"{{{namespace}}}{name}"


class Identity:
    """A key and its certificate."""

    def __init__(self, directory, name, life=30 * 86_400):
        self.key = os.path.join(directory, name + ".key")
        self.certificate = os.path.join(directory, name + ".crt")
        request = os.path.join(directory, name + ".csr")
        place = os.path.join(directory, name + ".ca")
        os.makedirs(place)
        with open(os.path.join(place, "index"), "w"), open(os.path.join(place, "openssl.cnf"), "w") as file:
            file.write(f"[ca]\ndefault_ca=one\n[one]\ndatabase={place}/index\nnew_certs_dir={place}\nrand_serial=yes\n"
                       "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
        # Of x509's ways to a certificate only this one has ends of its life to the second.
        self.end = int(time.time()) + life
        start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at)) for at in (self.end - life - 3600, self.end))
        for command in (
                ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", self.key, "-out",
                 request],
                ["ca", "-batch", "-notext", "-config", place + "/openssl.cnf", "-selfsign", "-keyfile", self.key, "-in",
                 request, "-out", self.certificate, "-startdate", start, "-enddate", end]):
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=60)

    @property
    def pem(self):
        with open(self.certificate) as file:
            return file.read()

    @property
    def token(self):
        return "".join(line for line in self.pem.splitlines() if "-----" not in line)


class WSS4J:
    """Signs envelopes; zeep calls `apply`."""

    def __init__(self, identity, sha256=False, age=0, life=300):
        self.identity = identity
        transform = xmlsec.constants
        self.method = transform.TransformRsaSha256 if sha256 else transform.TransformRsaSha1
        self.digest = transform.TransformSha256 if sha256 else transform.TransformSha1
        self.age, self.life = age, life

    def apply(self, envelope, headers):
        header = envelope.find(q(SOAP, "Header"))
        if header is None:
            header = etree.Element(q(SOAP, "Header"))
            envelope.insert(0, header)
        body = envelope.find(q(SOAP, "Body"))
        security = etree.SubElement(
            header, q(WSSE, "Security"), {q(SOAP, "mustUnderstand"): "1"}, nsmap={"wsse": WSSE, "wsu": WSU})
        token = etree.SubElement(
            security, q(WSSE, "BinarySecurityToken"),
            {"EncodingType": OASIS + "soap-message-security-1.0#Base64Binary", "ValueType": X509V3,
             q(WSU, "Id"): "CertId-" + uuid.uuid4().hex})
        token.text = self.identity.token
        signature = xmlsec.template.create(
            security, xmlsec.constants.TransformExclC14N, self.method, ns="ds")
        security.append(signature)
        created = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=self.age)
        timestamp = etree.SubElement(security, q(WSU, "Timestamp"), {q(WSU, "Id"): "Timestamp-" + uuid.uuid4().hex})
        for name, moment in (("Created", created), ("Expires", created + datetime.timedelta(seconds=self.life))):
            etree.SubElement(timestamp, q(WSU, name)).text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        body.set(q(WSU, "Id"), "id-" + uuid.uuid4().hex)
        context = xmlsec.SignatureContext()
        for element in (timestamp, body):
            context.register_id(element, "Id", WSU)
            reference = xmlsec.template.add_reference(
                signature, self.digest, uri="#" + element.get(q(WSU, "Id")))
            xmlsec.template.add_transform(reference, xmlsec.constants.TransformExclC14N)
        info = xmlsec.template.ensure_key_info(signature)
        reference = etree.SubElement(info, q(WSSE, "SecurityTokenReference"))
        etree.SubElement(reference, q(WSSE, "Reference"), URI="#" + token.get(q(WSU, "Id")), ValueType=X509V3)
        context.key = xmlsec.Key.from_file(self.identity.key, xmlsec.constants.KeyDataFormatPem)
        context.sign(signature)
        return envelope, headers

    def verify(self, envelope):
        return envelope


class SchemaCheck(zeep.plugins.Plugin):
    """Holds the bodies of answers against the WSDL's own schema, and keeps what was sent."""

    def __init__(self, schema):
        self.schema = schema
        self.checked = 0
        self.sent = None

    def egress(self, envelope, http_headers, operation, binding_options):
        self.sent = etree.tostring(envelope)
        return envelope, http_headers

    def ingress(self, envelope, http_headers, operation):
        content = envelope.find(q(SOAP, "Body"))[0]
        if content.tag != q(SOAP, "Fault"):
            self.schema.assertValid(etree.fromstring(etree.tostring(content)))
            self.checked += 1
        return envelope, http_headers


def schema_of(wsdl):
    """The schema in a WSDL, as a document of its own."""
    return etree.XMLSchema(etree.fromstring(etree.tostring(etree.fromstring(wsdl).find(".//" + q(XSD, "schema")))))


# MARK: The cloud

class SOAPCloud:
    """A cloud with simulated nodes, an image, and a user's certificate."""

    def __init__(self, binaries, venv):
        self.cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "1")
        self.directory = tempfile.mkdtemp(prefix="mallee-soap-")

    def __enter__(self):
        self.cloud.start()
        values = self.cloud.environment()
        self.url = values["EC2_URL"]
        session = boto3.session.Session(values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"], region_name="us-east-1")
        plain = botocore.config.Config(retries={"max_attempts": 0})
        self.ec2 = session.client("ec2", endpoint_url=self.url, config=plain)
        self.iam = session.client("iam", endpoint_url=self.url + "services/Euare", config=plain)
        self.s3 = session.client("s3", endpoint_url=values["S3_URL"], config=plain)
        self.s3.create_bucket(Bucket="images")
        self.s3.put_object(Bucket="images", Key="disk.img", Body=b"\0" * (1 << 20))
        # Messages of the second of the start could be copies; no message is made in it.
        time.sleep(1.1)
        self.image = self.ec2.register_image(
            ImageLocation="images/disk.img", Name="soap", RootDeviceName="/dev/sda1")["ImageId"]
        self.iam.create_role(RoleName="soap", AssumeRolePolicyDocument=(
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
            ' "Principal": {"Service": "ec2.amazonaws.com"}}]}'))
        self.iam.create_instance_profile(InstanceProfileName="soap")
        self.iam.add_role_to_instance_profile(InstanceProfileName="soap", RoleName="soap")
        self.user = self.register("user")
        self.session = requests.Session()
        self.session.trust_env = False
        room(self.ec2, 2)
        return self

    def register(self, name, **options):
        """A new certificate of the account."""
        identity = Identity(self.directory, name, **options)
        identity.id = self.iam.upload_signing_certificate(CertificateBody=identity.pem)["Certificate"]["CertificateId"]
        return identity

    def __exit__(self, kind, error, trace):
        if error is not None:
            print(self.cloud.logs())
        left = self.cloud.remove()
        shutil.rmtree(self.directory, ignore_errors=True)
        assert error is not None or not left, left

    def wsdl_url(self, version):
        return f"{self.url}services/Eucalyptus/{version}?wsdl"

    def client(self, version, **options):
        """A zeep client, strict, of one version; its service and the check of its answers."""
        wsdl = self.session.get(self.wsdl_url(version), timeout=30)
        assert wsdl.status_code == 200, wsdl.text
        check = SchemaCheck(schema_of(wsdl.content))
        client = zeep.Client(
            self.wsdl_url(version), wsse=WSS4J(options.pop("identity", self.user), **options), plugins=[check],
            settings=zeep.Settings(strict=True),
            transport=zeep.transports.Transport(session=self.session, timeout=30, operation_timeout=60))
        return client.service, check

    def post(self, envelope, content_type="text/xml; charset=utf-8"):
        """Any bytes as a message. Returns the fault's code and text, or None and the answer."""
        answer = self.session.post(
            self.url + "services/Eucalyptus/", data=envelope, timeout=60,
            headers={"Content-Type": content_type, "SOAPAction": '""'})
        content = etree.fromstring(answer.content).find(q(SOAP, "Body"))[0]
        if content.tag != q(SOAP, "Fault"):
            assert answer.status_code == 200
            return None, content
        assert answer.status_code == 500, "SOAP 1.1 sends faults with 500"
        assert content.findtext("detail/RequestID")
        return content.findtext("faultcode"), content.findtext("faultstring")

    def message(self, version="2009-11-30", body="<CreateKeyPair><keyName>stolen</keyName></CreateKeyPair>", **options):
        """A signed envelope, as a tree."""
        content = etree.fromstring(body.replace(">", f' xmlns="http://ec2.amazonaws.com/doc/{version}/">', 1)
                                   if "/>" not in body.split(">")[0] + ">" else
                                   body.replace("/>", f' xmlns="http://ec2.amazonaws.com/doc/{version}/"/>', 1))
        envelope = etree.Element(q(SOAP, "Envelope"), nsmap={"soapenv": SOAP})
        etree.SubElement(envelope, q(SOAP, "Header"))
        etree.SubElement(envelope, q(SOAP, "Body")).append(content)
        identity = options.pop("identity", self.user)
        return WSS4J(identity, **options).apply(envelope, {})[0]

    def keys(self):
        return {key["KeyName"] for key in self.ec2.describe_key_pairs()["KeyPairs"]}


def fault(call, code):
    """The call must be answered by this fault."""
    try:
        answer = call()
    except zeep.exceptions.Fault as problem:
        assert problem.code == "soapenv:" + code, f"{problem.code}: {problem.message}"
        assert problem.message
        return problem
    raise AssertionError(f"no fault but {answer}")


def part(answer, name):
    """An element of an answer; zeep gives the only one by itself."""
    return getattr(answer, name) if hasattr(answer, name) else answer


def items(answer, name):
    """The items of an element of an answer; of a set that is all there is, zeep gives just the list."""
    value = part(answer, name)
    return value if isinstance(value, list) else value.item


# MARK: Tests

def use(cloud, version):
    """What ec2-api-tools did, over one version."""
    ec2, check = cloud.client(version, sha256=version > "2012")
    by_id = version >= "2011-01-01"

    zones = ec2.DescribeAvailabilityZones(availabilityZoneSet={"item": []})
    zone = items(zones, "availabilityZoneInfo")[0].zoneName
    if version >= "2008-12-01":
        assert items(ec2.DescribeRegions(regionSet={"item": []}), "regionInfo")[0].regionName == "us-east-1"

    # Key pairs
    key = ec2.CreateKeyPair(keyName="soap-" + version)
    assert key.keyMaterial.startswith("-----BEGIN")
    pairs = ec2.DescribeKeyPairs(keySet={"item": [{"keyName": "soap-" + version}]})
    assert items(pairs, "keySet")[0].keyFingerprint == key.keyFingerprint
    fault(lambda: ec2.CreateKeyPair(keyName="soap-" + version), "Client.InvalidKeyPair.Duplicate")
    if version >= "2010-08-31":
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", os.path.join(cloud.directory, version)],
            check=True, timeout=60)
        with open(os.path.join(cloud.directory, version + ".pub"), "rb") as file:
            material = base64.b64encode(file.read()).decode()
        imported = ec2.ImportKeyPair(keyName="imported-" + version, publicKeyMaterial=material)
        assert imported.keyFingerprint
        ec2.DeleteKeyPair(keyName="imported-" + version)

    # Groups
    name = "soap-" + version
    ec2.CreateSecurityGroup(groupName=name, groupDescription="by SOAP")
    rule = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {"item": []},
            "ipRanges": {"item": [{"cidrIp": "0.0.0.0/0"}]}}
    owner = {} if by_id else {"userId": "ignored"}
    ec2.AuthorizeSecurityGroupIngress(groupName=name, ipPermissions={"item": [rule]}, **owner)

    def groups():
        answer = ec2.DescribeSecurityGroups(securityGroupSet={"item": [{"groupName": name}]})
        return items(answer, "securityGroupInfo")
    group = groups()[0]
    assert group.groupName == name and group.groupDescription == "by SOAP"
    assert group.ipPermissions.item[0].ipRanges.item[0].cidrIp == "0.0.0.0/0"
    ec2.RevokeSecurityGroupIngress(groupName=name, ipPermissions={"item": [rule]}, **owner)
    assert not (groups()[0].ipPermissions and groups()[0].ipPermissions.item)

    # Images
    location = f"images/{version}.img"
    cloud.s3.put_object(Bucket="images", Key=f"{version}.img", Body=b"\0" * 65536)
    described = {} if version < "2009-10-31" else {"name": "soap " + version, "description": "by SOAP"}
    answer = ec2.RegisterImage(imageLocation=location, **described)
    image = part(answer, "imageId")

    def images(**arguments):
        answer = ec2.DescribeImages(imagesSet={"item": [{"imageId": image}]}, **arguments)
        return items(answer, "imagesSet")
    assert images()[0].imageLocation == location and images()[0].isPublic is False
    assert images(ownersSet={"item": [{"owner": "self"}]})[0].imageId == image
    ec2.ModifyImageAttribute(
        imageId=image, launchPermission={"add": {"item": [{"group": "all"}]}})
    permission = ec2.DescribeImageAttribute(imageId=image, launchPermission=[{}])
    assert permission.launchPermission.item[0].group == "all"
    ec2.ResetImageAttribute(imageId=image, launchPermission=[{}])
    left = ec2.DescribeImageAttribute(imageId=image, launchPermission=[{}]).launchPermission
    assert not (left and left.item)
    ec2.DeregisterImage(imageId=image)
    fault(images, "Client.InvalidAMIID.NotFound")

    # Instances
    arguments = {"imageId": cloud.image, "minCount": 1, "maxCount": 1, "keyName": "soap-" + version,
                 "groupSet": {"item": [{"groupName" if by_id else "groupId": name}]}, "instanceType": "m1.small",
                 "userData": {"data": base64.b64encode(b"hello").decode(), "version": "1.0", "encoding": "base64"},
                 "placement": {"availabilityZone": zone}}
    if version >= "2012-06-01":
        arguments["iamInstanceProfile"] = {"name": "soap"}
    fault(lambda: ec2.RunInstances(**dict(arguments, imageId="ami-00000000")), "Client.InvalidAMIID.NotFound")
    reservation = ec2.RunInstances(**arguments)
    instance = reservation.instancesSet.item[0].instanceId
    assert reservation.groupSet.item is not None
    selection = {"item": [{"instanceId": instance}]}

    def find():
        answer = ec2.DescribeInstances(instancesSet=selection)
        return items(answer, "reservationSet")[0].instancesSet.item[0]
    wait_for(f"{instance} runs", lambda: find().instanceState.name == "running", 90)
    seen = cloud.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert seen["KeyName"] == find().keyName == "soap-" + version
    assert seen["SecurityGroups"][0]["GroupName"] == name
    if version >= "2012-06-01":
        assert find().iamInstanceProfile.arn == seen["IamInstanceProfile"]["Arn"]
    ec2.RebootInstances(instancesSet=selection)
    ec2.GetConsoleOutput(instanceId=instance)
    if version >= "2010-08-31":
        ec2.CreateTags(resourcesSet={"item": [{"resourceId": instance}]}, tagSet={"item": [{"key": "a", "value": "b"}]})
        answer = ec2.DescribeTags(filterSet={"item": [
            {"name": "resource-id", "valueSet": {"item": [{"value": instance}]}}]})
        assert [(tag.key, tag.value) for tag in items(answer, "tagSet")] == [("a", "b")]
        assert find().tagSet.item[0].value == "b"
    ended = ec2.TerminateInstances(instancesSet=selection)
    change = items(ended, "instancesSet")[0]
    now = change.currentState if version >= "2009-10-31" else change.shutdownState
    assert now.name in ("shutting-down", "terminated") and change.previousState.name == "running"
    wait_for(f"{instance} has ended", lambda: find().instanceState.name == "terminated", 90)
    ec2.DeleteSecurityGroup(groupName=name)
    ec2.DeleteKeyPair(keyName="soap-" + version)
    assert check.checked > 20


def test_the_calls_of_ec2_api_tools_over_four_versions(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        for version in USED:
            use(cloud, version)


def test_every_describe_call_of_every_version(binaries, venv):
    """Whatever can be asked without knowing anything answers in the shape of its version."""
    with SOAPCloud(binaries, venv) as cloud:
        run = cloud.ec2.run_instances(ImageId=cloud.image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        cloud.ec2.create_tags(Resources=[run, cloud.image], Tags=[{"Key": "k", "Value": "v"}])
        cloud.ec2.create_key_pair(KeyName="k")
        for version in VERSIONS:
            ec2, check = cloud.client(version)
            called = 0
            for name, operation in ec2._binding._operations.items():
                if not name.startswith("Describe") or name.endswith("Attribute"):
                    continue
                required = {element_name: {"item": []} for element_name, element in operation.input.body.type.elements
                            if element.min_occurs == 1}
                getattr(ec2, name)(**required)
                called += 1
            assert check.checked == called >= 6, (version, check.checked, called)


def test_the_wsdl_serves_other_toolkits(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        for path in ("services/compute", "services/Eucalyptus", "services/Eucalyptus/", ""):
            latest = cloud.session.get(f"{cloud.url}{path}?wsdl", timeout=30)
            assert b"/doc/2013-02-01/" in latest.content, path
        assert cloud.session.get(cloud.wsdl_url("2009-01-01"), timeout=30).status_code == 404

        # suds, from the same files
        class Sign(suds.plugin.MessagePlugin):
            def sending(self, context):
                envelope = etree.fromstring(context.envelope)
                context.envelope = etree.tostring(WSS4J(cloud.user).apply(envelope, {})[0])
        for version in USED:
            client = suds.client.Client(cloud.wsdl_url(version), plugins=[Sign()], cache=None)
            made = client.service.CreateKeyPair("suds-" + version)
            assert made.keyMaterial.startswith("-----BEGIN")
            zones = client.service.DescribeAvailabilityZones({"item": []})
            assert items(zones, "availabilityZoneInfo")[0].zoneName
            assert "suds-" + version in cloud.keys()
            try:
                client.service.DeleteKeyPair("")
            except suds.WebFault as problem:
                assert str(problem.fault.faultcode) == "soapenv:Client.MissingParameter", problem.fault
            else:
                raise AssertionError("no fault")
        # gSOAP makes C++ of them, where it is installed.
        if shutil.which("wsdl2h"):
            for version in USED:
                file = os.path.join(cloud.directory, version + ".wsdl")
                with open(file, "wb") as out:
                    out.write(cloud.session.get(cloud.wsdl_url(version), timeout=30).content)
                done = subprocess.run(
                    ["wsdl2h", "-s", "-o", file + ".h", file], capture_output=True, text=True, timeout=60, check=False,
                    cwd=cloud.directory)
                assert done.returncode == 0 and "rror" not in done.stderr, done.stderr


def test_what_is_not_signed_as_it_should_be(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        def refused(envelope, code, words):
            message = envelope if isinstance(envelope, bytes) else etree.tostring(envelope)
            got, text = cloud.post(message)
            assert got == "soapenv:" + code, f"{got}: {text}"
            assert words in text, text
            assert "stolen" not in cloud.keys()

        # It would work:
        assert cloud.post(etree.tostring(cloud.message(
            body="<DescribeKeyPairs><keySet/></DescribeKeyPairs>")))[0] is None

        # tampered
        tampered = etree.tostring(cloud.message(body="<CreateKeyPair><keyName>x</keyName></CreateKeyPair>"))
        refused(tampered.replace(b">x<", b">stolen<"), "Client.AuthFailure", "changed after signing")

        # wrapped: the signed body lies in the header, another one is in its place
        for place in ("header", "body"):
            wrapped = cloud.message(body="<DescribeKeyPairs><keySet/></DescribeKeyPairs>")
            header, body = wrapped
            evil = copy.deepcopy(cloud.message()[1])
            wrapped.replace(body, evil)
            etree.SubElement(header if place == "header" else evil[0], "wrapper").append(body)
            refused(wrapped, "Client.AuthFailure", "does not cover the envelope's Body")
            evil.set(q(WSU, "Id"), body.get(q(WSU, "Id")))
            refused(wrapped, "Client.InvalidSecurity", "stands twice")

        # in the past and in the future
        refused(cloud.message(age=301), "Client.InvalidSecurity", "Request has expired")
        refused(cloud.message(age=3600, life=7200), "Client.InvalidSecurity", "Request has expired")
        refused(cloud.message(age=-900), "Client.InvalidSecurity", "in the future")

        # foreign, expired, disabled, revoked
        credentials = "not able to validate the provided access credentials"
        refused(cloud.message(identity=Identity(cloud.directory, "foreign")), "Client.AuthFailure", credentials)
        other = cloud.register("other")
        assert cloud.post(etree.tostring(cloud.message(
            identity=other, body="<DescribeKeyPairs><keySet/></DescribeKeyPairs>")))[0] is None
        cloud.iam.update_signing_certificate(CertificateId=other.id, Status="Inactive")
        refused(cloud.message(identity=other), "Client.AuthFailure", credentials)
        cloud.iam.delete_signing_certificate(CertificateId=other.id)
        refused(cloud.message(identity=other), "Client.AuthFailure", credentials)

        # replayed
        message = etree.tostring(cloud.message(body="<CreateKeyPair><keyName>once</keyName></CreateKeyPair>"))
        assert cloud.post(message)[0] is None
        cloud.ec2.delete_key_pair(KeyName="once")
        refused(message, "Client.InvalidSecurity", "received before")
        refused(message.replace(b"<soapenv:Header>", b"<soapenv:Header> "), "Client.InvalidSecurity", "received before")
        assert "once" not in cloud.keys()

        # unsigned, in parts or at all
        naked = cloud.message()
        naked[0].clear()
        refused(naked, "Client.AuthFailure", "no Security header")
        partly = cloud.message()
        info = partly.find(".//{http://www.w3.org/2000/09/xmldsig#}SignedInfo")
        info.remove(info[-1])
        refused(partly, "Client.AuthFailure", "SignedInfo was changed")

        # not SOAP, or another one
        refused(b"x", "Client.MalformedSOAPMessage", "cannot be read")
        refused(b"<a/>", "Client.MalformedSOAPMessage", "no SOAP envelope")
        refused(etree.tostring(cloud.message()).replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope"),
                "VersionMismatch", "SOAP 1.1")

        # Query goes on at the same paths.
        assert cloud.ec2.describe_regions()["Regions"]


def test_a_certificate_ends(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        def asks(identity):
            return cloud.post(etree.tostring(cloud.message(
                identity=identity, body="<DescribeKeyPairs><keySet/></DescribeKeyPairs>")))
        for life in (5, 20, 60):
            short = cloud.register(f"short{life}", life=life)
            code, answer = asks(short)
            if code is None:
                break
            # Only a machine that takes so long for it may be late.
            assert time.time() >= short.end, (code, answer)
            cloud.iam.delete_signing_certificate(CertificateId=short.id)
        assert code is None, answer
        wait_for("it is over", lambda: time.time() > short.end + 1, 90, 0.2)
        code, text = asks(short)
        assert code == "soapenv:Client.AuthFailure" and "certificate has expired" in text, f"{code}: {text}"
        # Others of the account are as good as before.
        assert asks(cloud.user)[0] is None


def test_a_restart_does_not_open_the_door_to_copies(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        message = etree.tostring(cloud.message(body="<CreateKeyPair><keyName>copy</keyName></CreateKeyPair>"))
        assert cloud.post(message)[0] is None
        cloud.ec2.delete_key_pair(KeyName="copy")
        cloud.cloud.stop()
        cloud.cloud.start()
        code, text = cloud.post(message)
        assert code == "soapenv:Client.InvalidSecurity" and "before the service started" in text, text
        assert "copy" not in cloud.keys()
        time.sleep(1.1)
        assert cloud.post(etree.tostring(cloud.message(
            body="<DescribeKeyPairs><keySet/></DescribeKeyPairs>")))[0] is None


def memory(pid):
    """Resident memory in MiB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024


def test_hostile_messages_do_no_harm(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        original = etree.tostring(cloud.message(body="<DescribeKeyPairs><keySet/></DescribeKeyPairs>"))
        host = cloud.url.split("/")[2]
        connection = http.client.HTTPConnection(host, timeout=60)

        def send(message, kind="text/xml"):
            nonlocal connection
            connection.request("POST", "/services/Eucalyptus/", message, {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
            if answer.will_close:
                connection.close()
            assert b"Server.InternalError" not in text, (message[:500], text)
            root = etree.fromstring(text)
            code = root.findtext(".//faultcode")
            assert code is None or code.startswith("soapenv:Client.") or code in (
                "soapenv:VersionMismatch", "soapenv:MustUnderstand"), (message[:500], text)
            return code

        laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        entity = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        for hostile in [
                b"", b"\0" * 1000, b"<" * 100000, b"<a>" * 100000, b"<a " + b"b='' " * 100000 + b"/>",
                b"<a b='" + b"x" * 900000 + b"'/>", b"<a>" + b"&amp;" * 150000 + b"</a>",
                f'<!DOCTYPE l [<!ENTITY l0 "lol">{laughs}]><l>&l9;</l>'.encode(), entity + original,
                entity + b"<a>&x;</a>", original.decode().encode("utf-16"), original.decode().encode("utf-32"),
                b'<?xml version="1.0" encoding="UTF-7"?>' + original, b"\xff\xfe\xfd" + original,
                b"<!--" + b"-" * 100000, b"<![CDATA[" * 10000, b"<?xml " * 10000,
                original.replace(b"<soapenv:Header>", b"<soapenv:Header>" + b"<x>" * 1000 + b"</x>" * 1000),
                original.replace(b"<soapenv:Header>", b"<soapenv:Header>" + b"<?p?>" * 60000),
                b"x" * ((1 << 20) + 100)]:
            assert send(hostile) is not None
        for kind in ("text/xml; charset=utf-16", "text/xml;charset=\xff".encode("latin1"), "application/soap+xml"):
            send(original, kind)

        pid = cloud.cloud.process.pid
        before = memory(pid)
        generator = random.Random(5)
        pieces = [b"<a>", b"</a>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"&amp;", b"&#0;", b"&x;", b"<!DOCTYPE a>",
                  b" Id='x'", b"xmlns=''", b"\0", b"\xf0\x9f\x8c\xb3", b"<?p?>", b"ds:", b"#"]
        started = time.monotonic()
        for _ in range(10000):
            message = bytearray(original)
            for _ in range(generator.randint(1, 3)):
                at = generator.randrange(len(message))
                end = at + generator.randint(1, 100)
                kind = generator.randrange(5)
                if kind == 0:
                    message[at] = generator.randrange(256)
                elif kind == 1:
                    del message[at:end]
                    message = message or bytearray(b"x")
                elif kind == 2:
                    message[at:at] = message[at:end]
                elif kind == 3:
                    message[at:at] = generator.choice(pieces)
                else:
                    message[at] ^= 1 << generator.randrange(8)
            send(bytes(message))
        print(f"      10,000 mutations in {time.monotonic() - started:.1f} s, memory {before} → {memory(pid)} MiB")
        assert memory(pid) < before + 200
        assert cloud.ec2.describe_regions()["Regions"]


if __name__ == "__main__":
    main([test_the_calls_of_ec2_api_tools_over_four_versions, test_every_describe_call_of_every_version,
          test_the_wsdl_serves_other_toolkits, test_what_is_not_signed_as_it_should_be, test_a_certificate_ends,
          test_a_restart_does_not_open_the_door_to_copies, test_hostile_messages_do_no_harm])
