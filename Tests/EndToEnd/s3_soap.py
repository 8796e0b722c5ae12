"""S3 by SOAP, from a toolkit that was not written here: zeep reads the WSDL, and signs by access key as AWS had it, or by
certificate (xmlsec) as the original had it. lxml holds every answer against the schema of the WSDL, and boto3 sees by
REST what SOAP did. The last test is the way of an image: bundled with the credentials that the cloud gives out, uploaded
and registered by SOAP, run."""

import base64
import copy
import datetime
import hashlib
import hmac
import os
import subprocess
import tarfile
import time
import zipfile

import zeep
import zeep.transports
from lxml import etree

from harness import main, wait_for
from soap import SOAP, WSS4J, WSU, Identity, SchemaCheck, SOAPCloud, fault, items, part, q, schema_of

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
READ = {"GetMetadata": True, "GetData": True, "InlineData": True}


class S3Client:
    """The operations by zeep, signed by access key (`key`), by certificate (`wsse`), or not at all."""

    def __init__(self, cloud, key=None, wsse=None):
        self.url = cloud.url + "services/Walrus"
        wsdl = cloud.session.get(self.url + "?wsdl", timeout=30)
        assert wsdl.status_code == 200, wsdl.text
        self.check = SchemaCheck(schema_of(wsdl.content))
        self.client = zeep.Client(
            self.url + "?wsdl", wsse=wsse, plugins=[self.check], settings=zeep.Settings(strict=True),
            transport=zeep.transports.Transport(session=cloud.session, timeout=30, operation_timeout=60))
        self.key = key
        self.last = None

    def signature(self, operation):
        """Of a moment of its own: milliseconds count."""
        now = datetime.datetime.now(datetime.timezone.utc)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if self.last and now <= self.last:
            now = self.last + datetime.timedelta(milliseconds=1)
        self.last = now
        text = now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        code = hmac.new(self.key[1].encode(), ("AmazonS3" + operation + text).encode(), hashlib.sha1).digest()
        return {"AWSAccessKeyId": self.key[0], "Timestamp": now, "Signature": base64.b64encode(code).decode()}

    def __getattr__(self, name):
        operation = getattr(self.client.service, name)
        return lambda **arguments: operation(**arguments, **(self.signature(name) if self.key else {}))

    def grant(self, permission, **grantee):
        kind = "Group" if "URI" in grantee else "CanonicalUser"
        make = self.client.get_type(q(NAMESPACE, kind))
        return {"Grantee": make(**grantee), "Permission": permission}


def use(cloud, s3, bucket):
    """Every operation, seen by REST as well."""
    s3.CreateBucket(Bucket=bucket)
    owner = s3.ListAllMyBuckets()
    assert bucket in [entry.Name for entry in owner.Buckets.Bucket]
    s3.CreateBucket(Bucket=bucket + "-logs", AccessControlList={"Grant": [
        s3.grant("WRITE", URI="http://acs.amazonaws.com/groups/s3/LogDelivery"),
        s3.grant("READ_ACP", URI="http://acs.amazonaws.com/groups/s3/LogDelivery"),
        s3.grant("FULL_CONTROL", ID=owner.Owner.ID)]})

    key = "a folder/ä+%20&<b>"
    body = bytes(range(256)) * 64
    written = s3.PutObjectInline(
        Bucket=bucket, Key=key, Data=body, ContentLength=len(body),
        Metadata=[{"Name": "Content-Type", "Value": "text/x-test"}, {"Name": "family", "Value": "Muntz"}],
        AccessControlList={"Grant": [s3.grant("READ", URI=EVERYBODY), s3.grant("FULL_CONTROL", ID=owner.Owner.ID)]})
    seen = cloud.s3.get_object(Bucket=bucket, Key=key)
    assert seen["Body"].read() == body and seen["ETag"] == written.ETag
    assert seen["ContentType"] == "text/x-test" and seen["Metadata"] == {"family": "Muntz"}
    assert abs((seen["LastModified"] - written.LastModified).total_seconds()) < 1
    acl = s3.GetObjectAccessControlPolicy(Bucket=bucket, Key=key)
    assert {(grant.Permission, getattr(grant.Grantee, "URI", None)) for grant in acl.AccessControlList.Grant} == {
        ("READ", EVERYBODY), ("FULL_CONTROL", None)}

    read = s3.GetObject(Bucket=bucket, Key=key, **READ)
    assert read.Data == body and read.Status.Code == 200 and read.ETag == written.ETag
    assert {entry.Name: entry.Value for entry in read.Metadata}["family"] == "Muntz"
    part = s3.GetObjectExtended(Bucket=bucket, Key=key, **READ, ByteRangeStart=10, ByteRangeEnd=19, IfMatch=[read.ETag])
    assert part.Data == body[10:20] and part.Status.Code == 206
    assert s3.GetObject(Bucket=bucket, Key=key, GetMetadata=False, GetData=False, InlineData=False).Data is None
    fault(lambda: s3.GetObjectExtended(Bucket=bucket, Key=key, **READ, IfNoneMatch=[read.ETag]), "Client.NotModified")
    fault(lambda: s3.GetObjectExtended(Bucket=bucket, Key=key, **READ, IfMatch=['"x"']), "Client.PreconditionFailed")

    copied = s3.CopyObject(
        SourceBucket=bucket, SourceKey=key, DestinationBucket=bucket, DestinationKey="copy", MetadataDirective="COPY")
    assert copied.ETag == written.ETag
    listed = s3.ListBucket(Bucket=bucket, Delimiter="/", MaxKeys=10)
    assert [entry.Key for entry in listed.Contents] == ["copy"] and listed.IsTruncated is False
    assert [entry.Prefix for entry in listed.CommonPrefixes] == ["a folder/"]
    assert s3.ListBucket(Bucket=bucket, Prefix="a folder/").Contents[0].Key == key
    page = s3.ListBucket(Bucket=bucket, MaxKeys=1)
    assert page.IsTruncated and s3.ListBucket(Bucket=bucket, Marker=page.Contents[0].Key).Contents[0].Key == "copy"

    s3.SetObjectAccessControlPolicy(
        Bucket=bucket, Key=key, AccessControlList={"Grant": [s3.grant("FULL_CONTROL", ID=owner.Owner.ID)]})
    assert len(cloud.s3.get_object_acl(Bucket=bucket, Key=key)["Grants"]) == 1
    s3.SetBucketAccessControlPolicy(Bucket=bucket, AccessControlList={"Grant": [
        s3.grant("READ", URI=EVERYBODY), s3.grant("FULL_CONTROL", ID=owner.Owner.ID)]})
    assert len(s3.GetBucketAccessControlPolicy(Bucket=bucket).AccessControlList.Grant) == 2
    anonymous = S3Client(cloud)
    assert len(anonymous.ListBucket(Bucket=bucket).Contents) == 2
    fault(lambda: anonymous.DeleteObject(Bucket=bucket, Key=key), "Client.AccessDenied")
    s3.SetBucketLoggingStatus(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {
        "TargetBucket": bucket + "-logs", "TargetPrefix": "log-"}})
    status = s3.GetBucketLoggingStatus(Bucket=bucket)
    assert status.TargetBucket == bucket + "-logs"
    assert cloud.s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetPrefix"] == "log-"
    s3.SetBucketLoggingStatus(Bucket=bucket, BucketLoggingStatus={})

    fault(lambda: s3.DeleteBucket(Bucket=bucket), "Client.BucketNotEmpty")
    assert s3.DeleteObject(Bucket=bucket, Key=key).Code == 200
    s3.DeleteObject(Bucket=bucket, Key="copy")
    fault(lambda: s3.GetObject(Bucket=bucket, Key=key, **READ), "Client.NoSuchKey")
    assert s3.DeleteBucket(Bucket=bucket).Code == 204
    fault(lambda: s3.ListBucket(Bucket=bucket), "Client.NoSuchBucket")
    large = bytes((1 << 20) + 1)
    fault(lambda: s3.PutObjectInline(Bucket=bucket, Key="k", Data=large, ContentLength=len(large)),
          "Client.InlineDataTooLarge")
    assert s3.check.checked >= 20, s3.check.checked


def test_every_operation_signed_by_access_key_and_by_certificate(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        values = cloud.cloud.environment()
        use(cloud, S3Client(cloud, key=(values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"])), "by-key")
        use(cloud, S3Client(cloud, wsse=WSS4J(cloud.user)), "by-certificate")


def test_what_is_not_signed_as_it_should_be(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        values = cloud.cloud.environment()
        secret = values["EC2_SECRET_KEY"]

        def post(envelope):
            """The fault's code; None for a result."""
            message = envelope if isinstance(envelope, bytes) else etree.tostring(envelope)
            answer = cloud.session.post(
                cloud.url + "services/Walrus", data=message, timeout=60, headers={"Content-Type": "text/xml"})
            content = etree.fromstring(answer.content).find(q(SOAP, "Body"))[0]
            if content.tag != q(SOAP, "Fault"):
                return None
            return content.findtext("faultcode").removeprefix("soapenv:")

        def message(bucket="stolen", identity=None, **options):
            envelope = etree.Element(q(SOAP, "Envelope"), nsmap={"soapenv": SOAP})
            etree.SubElement(envelope, q(SOAP, "Header"))
            call = etree.SubElement(
                etree.SubElement(envelope, q(SOAP, "Body")), q(NAMESPACE, "CreateBucket"), nsmap={None: NAMESPACE})
            etree.SubElement(call, q(NAMESPACE, "Bucket")).text = bucket
            return WSS4J(identity or cloud.user, **options).apply(envelope, {})[0]

        def refused(envelope, code):
            got = post(envelope)
            assert got == code, f"{got}, not {code}"
            assert "stolen" not in [bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]]

        good = etree.tostring(message("good"))
        assert post(good) is None
        refused(good, "Client.InvalidSecurity")  # a copy
        refused(etree.tostring(message("other")).replace(b">other<", b">stolen<"), "Client.SignatureDoesNotMatch")
        wrapped = message("other")
        header, body = wrapped
        evil = copy.deepcopy(message()[1])
        wrapped.replace(body, evil)
        etree.SubElement(header, "wrapper").append(body)
        refused(wrapped, "Client.SignatureDoesNotMatch")
        evil.set(q(WSU, "Id"), body.get(q(WSU, "Id")))
        refused(wrapped, "Client.InvalidSecurity")
        refused(message(age=301), "Client.RequestTimeTooSkewed")
        refused(message(age=-900), "Client.RequestTimeTooSkewed")
        refused(message(identity=Identity(cloud.directory, "foreign")), "Client.InvalidSecurity")
        other = cloud.register("other")
        cloud.iam.update_signing_certificate(CertificateId=other.id, Status="Inactive")
        refused(message(identity=other), "Client.InvalidSecurity")
        cloud.iam.delete_signing_certificate(CertificateId=other.id)
        refused(message(identity=other), "Client.InvalidSecurity")

        s3 = S3Client(cloud, key=(values["EC2_ACCESS_KEY"], "wrong"))
        fault(lambda: s3.CreateBucket(Bucket="stolen"), "Client.SignatureDoesNotMatch")
        s3.key = ("AKIAUNKNOWN", secret)
        fault(lambda: s3.CreateBucket(Bucket="stolen"), "Client.InvalidAccessKeyId")
        s3.key = (values["EC2_ACCESS_KEY"], secret)
        signed = s3.signature("CreateBucket")
        s3.key = None
        fault(lambda: s3.DeleteBucket(Bucket="good", **signed), "Client.SignatureDoesNotMatch")
        s3.CreateBucket(Bucket="good", **signed)
        fault(lambda: s3.CreateBucket(Bucket="stolen", **signed), "Client.InvalidSecurity")
        old = dict(signed, Timestamp=signed["Timestamp"] - datetime.timedelta(hours=1))
        fault(lambda: s3.CreateBucket(Bucket="stolen", **old), "Client.SignatureDoesNotMatch")
        fault(lambda: s3.CreateBucket(Bucket="stolen"), "Client.AccessDenied")

        # A restart does not open the door to copies.
        cloud.cloud.stop()
        cloud.cloud.start()
        refused(good, "Client.RequestTimeTooSkewed")
        time.sleep(1.1)
        assert post(message("good")) is None


def tool(*arguments, data=None):
    return subprocess.run(arguments, input=data, capture_output=True, check=True, timeout=60).stdout


def bundle(directory, image, account, key, certificate, cloud_certificate):
    """What ec2-bundle-image made of an image: parts of an encrypted archive and a signed manifest."""
    name = os.path.basename(image)
    archive = os.path.join(directory, "archive.tar")
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as out:
        out.add(image, name)
    with open(archive, "rb") as file:
        plain = file.read()
    secret, vector = os.urandom(16).hex(), os.urandom(16).hex()
    encrypted = tool("openssl", "enc", "-aes-128-cbc", "-K", secret, "-iv", vector, data=tool("gzip", data=plain))
    size = 700_000
    parts = [(f"{name}.part.{n:02}", encrypted[at:at + size]) for n, at in enumerate(range(0, len(encrypted), size))]

    def wrapped(text, reader):
        return tool("openssl", "pkeyutl", "-encrypt", "-certin", "-inkey", reader, data=text.encode()).hex()
    machine = "<machine_configuration><architecture>x86_64</architecture></machine_configuration>"
    described = (
        f"<image><name>{name}</name><user>{account}</user><type>machine</type>"
        f'<digest algorithm="SHA1">{hashlib.sha1(plain).hexdigest()}</digest><size>{os.path.getsize(image)}</size>'
        f"<bundled_size>{len(encrypted)}</bundled_size>"
        f'<ec2_encrypted_key algorithm="AES-128-CBC">{wrapped(secret, cloud_certificate)}</ec2_encrypted_key>'
        f'<user_encrypted_key algorithm="AES-128-CBC">{wrapped(secret, certificate)}</user_encrypted_key>'
        f"<ec2_encrypted_iv>{wrapped(vector, cloud_certificate)}</ec2_encrypted_iv>"
        f"<user_encrypted_iv>{wrapped(vector, certificate)}</user_encrypted_iv>"
        f'<parts count="{len(parts)}">' + "".join(
            f'<part index="{n}"><filename>{part_name}</filename>'
            f'<digest algorithm="SHA1">{hashlib.sha1(data).hexdigest()}</digest></part>'
            for n, (part_name, data) in enumerate(parts)) + "</parts></image>")
    signature = tool("openssl", "dgst", "-sha1", "-sign", key, data=(machine + described).encode()).hex()
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest><version>2007-10-10</version><bundler><name>test</name>'
        f"<version>1</version></bundler>{machine}{described}<signature>{signature}</signature></manifest>")
    return [*parts, (name + ".manifest.xml", manifest.encode())]


def test_a_bundle_goes_by_soap_alone(binaries, venv):
    with SOAPCloud(binaries, venv) as cloud:
        archive = os.path.join(cloud.directory, "credentials.zip")
        environment = dict(os.environ, **cloud.cloud.environment())
        for command in (["create", "bundler"], ["credentials", "bundler", "-o", archive]):
            subprocess.run([cloud.cloud.mallee, "account", *command], env=environment, check=True, capture_output=True,
                           timeout=60)
        credentials = os.path.join(cloud.directory, "credentials")
        with zipfile.ZipFile(archive) as file:
            file.extractall(credentials)

        def path(beginning, ending):
            return next(os.path.join(credentials, name) for name in os.listdir(credentials)
                        if name.startswith(beginning) and name.endswith(ending))
        with open(path("eucarc", "")) as file:
            line = next(line for line in file if line.startswith("export EC2_USER_ID="))
        account = line.split("=", 1)[1].strip("'\n")
        user = Identity.__new__(Identity)
        user.key, user.certificate = path("euca2-", "-pk.pem"), path("euca2-", "-cert.pem")
        image = os.path.join(cloud.directory, "disk.img")
        with open(image, "wb") as file:
            file.write(os.urandom(2 << 20))
            file.truncate(8 << 20)
        s3 = S3Client(cloud, wsse=WSS4J(user))
        s3.CreateBucket(Bucket="bundles")
        files = bundle(cloud.directory, image, account, user.key, user.certificate, path("cloud-cert", ""))
        assert len(files) >= 4
        for name, data in files:
            s3.PutObjectInline(Bucket="bundles", Key="x/" + name, Data=data, ContentLength=len(data))
        location = "bundles/x/disk.img.manifest.xml"
        for version in ("2008-02-01", "2009-11-30", "2012-12-01"):
            ec2, _ = cloud.client(version, identity=user)
            described = {} if version < "2009-10-31" else {"name": "bundle " + version}
            made = part(ec2.RegisterImage(imageLocation=location, **described), "imageId")

            def state():
                return items(ec2.DescribeImages(imagesSet={"item": [{"imageId": made}]}), "imagesSet")[0].imageState
            wait_for("the image is put together", lambda: state() == "available", 60)
            reservation = ec2.RunInstances(
                imageId=made, minCount=1, maxCount=1, groupSet={"item": []}, instanceType="m1.small")
            selection = {"item": [{"instanceId": reservation.instancesSet.item[0].instanceId}]}

            def running():
                found = items(ec2.DescribeInstances(instancesSet=selection), "reservationSet")[0]
                return found.instancesSet.item[0].instanceState.name == "running"
            wait_for("an instance of it runs", running, 60)
            ec2.TerminateInstances(instancesSet=selection)
            ec2.DeregisterImage(imageId=made)
        # A part that is not what the manifest says, and a manifest that is not what was signed
        for number, (name, data) in enumerate(files):
            if number == 1:
                data = data[:-1] + bytes([data[-1] ^ 1])
            s3.PutObjectInline(Bucket="bundles", Key="y/" + name, Data=data, ContentLength=len(data))
        forged = files[-1][1].replace(b"x86_64", b"i386")
        s3.PutObjectInline(Bucket="bundles", Key="x/forged.manifest.xml", Data=forged, ContentLength=len(forged))
        fault(lambda: ec2.RegisterImage(imageLocation="bundles/x/forged.manifest.xml", name="forged"),
              "Client.InvalidParameterValue")
        s3.DeleteObject(Bucket="bundles", Key="x/" + files[0][0])
        fault(lambda: ec2.RegisterImage(imageLocation=location, name="incomplete"), "Client.InvalidParameterValue")


if __name__ == "__main__":
    main([test_every_operation_signed_by_access_key_and_by_certificate, test_what_is_not_signed_as_it_should_be,
          test_a_bundle_goes_by_soap_alone])
