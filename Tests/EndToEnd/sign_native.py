"""Signs the native interface's requests for schemathesis (SCHEMATHESIS_HOOKS=sign_native), and for our own calls."""

import os

import requests.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Signature(requests.auth.AuthBase):
    """Signature Version 4 with the access key of the environment."""

    def __init__(self, key=None, secret=None):
        self.credentials = Credentials(
            key or os.environ["AWS_ACCESS_KEY_ID"], secret or os.environ["AWS_SECRET_ACCESS_KEY"])

    def __call__(self, request):
        signed = AWSRequest(method=request.method, url=request.url, data=request.body or b"")
        SigV4Auth(self.credentials, "mallee", "us-east-1").add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


if os.environ.get("SCHEMATHESIS_HOOKS"):
    import schemathesis

    @schemathesis.auth()
    class Key:
        def get(self, case, context):
            return Signature()

        def set(self, case, data, context):
            # Signed when everything else of the request is known.
            case._auth = data
