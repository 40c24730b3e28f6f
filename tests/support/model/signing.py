"""Whether a request to Bedrock is signed with the right secret, by AWS's own signer."""

import re
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.model.talk import Refused, need

ACCESS_KEY = "AKIASCRIPTEDMODEL000"
SECRET_KEY = "scripted/secret+0123456789abcdefghijklmn"
REGION = "eu-central-1"
BEARER = "ABSKscripted0123456789"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/bedrock/"
    r"aws4_request, ?SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def check_signature(target: str, headers: dict[str, str], body: bytes) -> None:
    """Refuse a request that is signed with another secret, or whose signed parts were changed."""
    given = headers.get("authorization", "")
    if given.startswith("Bearer "):
        need(given == f"Bearer {BEARER}", "The security token included in the request is invalid.")
        return
    found = _AUTHORIZATION.fullmatch(given)
    if found is None:
        raise Refused("Missing Authentication Token")
    need(found["key"] == ACCESS_KEY, "The security token included in the request is invalid.")
    signed = found["signed"].split(";")
    need({"host", "x-amz-date"} <= set(signed), "host and x-amz-date must be signed")
    parts = urlsplit(target)
    request = AWSRequest(
        "POST",
        f"http://{headers['host']}{parts.path}" + (f"?{parts.query}" if parts.query else ""),
        {name: headers[name] for name in signed if name != "host"},
        body,
    )
    request.context["timestamp"] = headers["x-amz-date"]
    signer = cast("Any", SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "bedrock", found["region"]))
    canonical = signer.canonical_request(request)
    text = signer.string_to_sign(request, canonical)
    need(
        signer.signature(text, request) == found["signature"],
        "The request signature we calculated does not match the signature you provided.",
    )
    moment = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    age = abs((datetime.now(UTC) - moment).total_seconds())
    need(age < 300, "Signature expired")
