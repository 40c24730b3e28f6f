"""Signatures against a verifier written from AWS's description, which also verifies boto3's."""

import hashlib
import hmac
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.providers.aws_credentials import AwsKeys
from adapters.providers.aws_keys import StaticKeys
from adapters.providers.aws_signing import SigV4Credential, bedrock_url, converse_path, sign
from application.ports.upstream import UpstreamRequest
from application.runtime.large_bodies import LargeBodies
from tests.support.provider_calls import TIMEOUTS

ACCESS_KEY, SECRET_KEY, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", "a/token+=="
KEYS = AwsKeys(ACCESS_KEY, SECRET_KEY, TOKEN)
REGION = "us-west-2"
ARN = "arn:aws:bedrock:us-west-2:111122223333:inference-profile/us.anthropic.claude-v1:0"
MODELS = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.amazon.nova-pro-v1:0",
    ARN,
    "arn:aws:sagemaker:us-west-2:111122223333:endpoint/my-endpoint",
    "odd name/ü~*'()%41",
]


def verified(
    method: str, url: str, headers: dict[str, str], body: bytes, region: str = REGION
) -> None:
    """Check a signature as a server would, from what arrived.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    scheme, _, rest = headers["authorization"].partition(" ")
    assert scheme == "AWS4-HMAC-SHA256"
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    names = given["SignedHeaders"].split(";")
    assert {"host", "content-type", "x-amz-date"} <= set(names)
    parts = urlsplit(url)
    path = "/".join(quote(segment, safe="-_.~") for segment in parts.path.split("/"))
    pairs = sorted(tuple(pair.partition("=")[::2]) for pair in parts.query.split("&") if pair)
    canonical = "\n".join(
        [
            method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            given["SignedHeaders"],
            hashlib.sha256(body).hexdigest(),
        ]
    )
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/bedrock/aws4_request"
    assert given["Credential"] == f"{ACCESS_KEY}/{scope}"
    key = f"AWS4{SECRET_KEY}".encode()
    for text in scope.split("/"):
        key = hmac.digest(key, text.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    assert hmac.digest(key, to_sign.encode(), "sha256").hex() == given["Signature"]


def request(model: str = ARN, body: bytes = b"{}", **members: Any) -> UpstreamRequest:
    values: dict[str, Any] = {
        "method": "POST",
        "url": bedrock_url(REGION) + converse_path(model, stream=True),
        "headers": ((b"content-type", b"application/json"), (b"x-request-id", b"r-1")),
        "body": body,
        "timeouts": TIMEOUTS,
    }
    return UpstreamRequest(**(values | members))


def arrived(signed: UpstreamRequest) -> dict[str, str]:
    """Return the headers as the server gets them; the transport adds the host."""
    names = [name for name, _ in signed.headers]
    assert len(names) == len(set(names))
    headers = {name.decode(): value.decode() for name, value in signed.headers}
    return headers | {"host": urlsplit(signed.url).netloc}


@pytest.mark.parametrize("model", MODELS)
def test_a_server_accepts_the_signature_whatever_the_models_id_is(model: str) -> None:
    signed = sign(request(model), KEYS, REGION)
    headers = arrived(signed)
    verified("POST", signed.url, headers, signed.body)
    assert headers["x-amz-security-token"] == TOKEN
    assert headers["x-request-id"] == "r-1"
    assert unquote(urlsplit(signed.url).path.split("/")[2]) == model


@settings(deadline=None)
@given(model=st.text(min_size=1, max_size=40), body=st.binary(max_size=50))
def test_any_id_of_a_model_can_be_signed(model: str, body: bytes) -> None:
    if set(model) <= {"."}:
        model += "x"
    signed = sign(request(model.encode(errors="replace").decode(), body), KEYS, REGION)
    verified("POST", signed.url, arrived(signed), body)


def test_a_list_of_models_is_signed_with_its_query() -> None:
    url = "https://bedrock.us-west-2.amazonaws.com/inference-profiles?z=1&maxResults=1000&a=%2F"
    signed = sign(request(url=url, method="GET", body=b""), KEYS, REGION)
    verified("GET", url, arrived(signed), b"")


def test_a_port_is_part_of_the_host_that_is_signed() -> None:
    signed = sign(request(url="http://127.0.0.1:8080/model/m/converse"), KEYS, REGION)
    verified("POST", signed.url, arrived(signed), b"{}")


def test_what_was_signed_before_is_signed_anew() -> None:
    once = sign(request(), AwsKeys(ACCESS_KEY, "another secret", "another token"), REGION)
    headers = arrived(sign(once, KEYS, REGION))
    verified("POST", once.url, headers, b"{}")


def test_keys_without_a_token_send_none() -> None:
    headers = arrived(sign(request(), AwsKeys(ACCESS_KEY, SECRET_KEY), REGION))
    assert "x-amz-security-token" not in headers
    verified("POST", request().url, headers, b"{}")


async def test_a_large_body_is_signed_as_a_small_one() -> None:
    bodies = LargeBodies(above_bytes=10)
    credential = SigV4Credential(StaticKeys(KEYS), REGION, bodies)
    for body in (b"{}", b"x" * 100_000):
        signed = await credential.authorize(request(body=body))
        verified("POST", signed.url, arrived(signed), body)


@pytest.mark.parametrize("model", MODELS[:4])
@pytest.mark.parametrize("stream", [True, False])
def test_boto3_sends_the_same_path_and_its_signature_is_verified_alike(
    model: str, stream: bool
) -> None:
    sent: list[Any] = []

    def answer(request: Any, **_: object) -> AWSResponse:
        sent.append(request)
        raise ConnectionError

    client = cast("Any", boto3).client(
        "bedrock-runtime",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        aws_session_token=TOKEN,
    )
    client.meta.events.register("before-send.bedrock-runtime", answer)
    operation = client.converse_stream if stream else client.converse
    with pytest.raises(ConnectionError):
        operation(modelId=model, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    (request,) = sent
    assert request.url == bedrock_url(REGION) + converse_path(model, stream=stream)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    headers["host"] = urlsplit(request.url).netloc
    verified("POST", request.url, headers, request.body)


def test_the_url_of_a_region_is_the_one_botocore_would_ask_in_every_partition() -> None:
    session = cast("Any", botocore.session.get_session())
    partitions = session.get_available_partitions()
    assert len(partitions) >= 7
    for partition in partitions:
        for region in session.get_available_regions("ec2", partition)[:2]:
            client = session.create_client(
                "bedrock-runtime",
                region_name=region,
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
            )
            assert bedrock_url(region) == client.meta.endpoint_url
