"""What signatures cost: the same small call, signed in version 2, version 4 and by X.509 (WS-Security), in one run.

DescribeRegions takes nothing from the store, so that what is between the rates is mostly reading and verifying. Messages
of SOAP are signed beforehand, each one once, as a copy would be refused.
"""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse

import boto3
from lxml import etree

from client import Client
from harness import Cloud

CONNECTIONS = 8
SECONDS = 10


def version2(client, moment):
    """A path that is signed in version 2 and good until `Expires`."""
    query = {
        "Action": "DescribeRegions", "Version": "2012-12-01", "AWSAccessKeyId": client.credentials.access_key,
        "SignatureVersion": "2", "SignatureMethod": "HmacSHA256",
        "Expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment + 3600))}
    text = "&".join(f"{name}={urllib.parse.quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    signed = "\n".join(["GET", f"{client.host}:{client.port}", "/", text])
    signature = base64.b64encode(
        hmac.new(client.credentials.secret_key.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    return f"/?{text}&Signature={urllib.parse.quote(signature, safe='')}"


def posted(url, messages):
    """Rate at which messages are answered, each sent once."""
    with tempfile.NamedTemporaryFile("wb", suffix=".messages") as file:
        for message in messages:
            file.write(b"%d\n%s" % (len(message), message))
        file.flush()
        done = subprocess.run(
            ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "120s", "--timeout", "60s", "-s",
             os.path.join(os.path.dirname(os.path.abspath(__file__)), "messages.lua"), url, "--", file.name],
            capture_output=True, text=True, timeout=240, check=True)
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    if figures["refused"]:
        raise RuntimeError(f"messages were refused: {figures}")
    figures["rate"] = figures["answers"] / figures["seconds"]
    return figures


def measure(binaries, venv, note):
    # The test's signer is that of ec2-api-tools.
    import soap
    count = int(os.environ.get("SOAP_MESSAGES", "10000"))
    cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "1")
    try:
        cloud.start()
        client = Client.of(cloud)
        values = cloud.environment()
        url = values["EC2_URL"]
        with tempfile.TemporaryDirectory() as directory:
            identity = soap.Identity(directory, "user")
            boto3.client(
                "iam", endpoint_url=url + "services/Euare", region_name="us-east-1",
                aws_access_key_id=values["EC2_ACCESS_KEY"], aws_secret_access_key=values["EC2_SECRET_KEY"],
            ).upload_signing_certificate(CertificateBody=identity.pem)

            def messages(sha256):
                made = []
                for _ in range(count):
                    envelope = etree.fromstring(
                        f'<e:Envelope xmlns:e="{soap.SOAP}"><e:Body><DescribeRegions '
                        'xmlns="http://ec2.amazonaws.com/doc/2012-12-01/"><regionSet/></DescribeRegions></e:Body>'
                        "</e:Envelope>")
                    made.append(etree.tostring(soap.WSS4J(identity, sha256=sha256).apply(envelope, {})[0]))
                return made

            rates = {
                "version 2": client.load([version2(client, time.time())], CONNECTIONS, SECONDS)["rate"],
                "version 4": client.load([client.path("DescribeRegions")], CONNECTIONS, SECONDS)["rate"],
                "WS-Security, RSA-SHA1": posted(url + "services/Eucalyptus/", messages(False))["rate"],
                "WS-Security, RSA-SHA256": posted(url + "services/Eucalyptus/", messages(True))["rate"],
            }
            beside = client.get("/healthz")[0]
            plain = client.load(["/healthz"], CONNECTIONS, SECONDS)["rate"]
            print(f"   /healthz answers {beside}", file=sys.stderr)
        note.raw["signatures"] = dict(rates, unsigned=plain)
        for name, rate in rates.items():
            note.row(
                f"DescribeRegions signed in {name}, {CONNECTIONS} connections", f"{rate:,.0f}/s",
                f"{plain:,.0f}/s of /healthz, unsigned", f"{rate / plain:.2f}", "–", None)
        note.row(
            "SOAP against Query, the same call", f"{rates['WS-Security, RSA-SHA1']:,.0f}/s",
            f"{rates['version 4']:,.0f}/s by Query", f"{rates['WS-Security, RSA-SHA1'] / rates['version 4']:.2f}", "–",
            None)
    finally:
        cloud.remove()
