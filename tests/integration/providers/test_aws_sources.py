"""Every source of AWS keys against servers that answer as AWS's do, and signed requests on sockets."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters.providers.aws_config import read_aws_credentials
from adapters.providers.aws_signing import converse_path
from adapters.providers.credentials import Credential
from adapters.providers.factory import ProvidersByKind
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from application.ports.dialect import RequestTarget
from application.ports.provider import ProviderCall
from application.ports.upstream import UpstreamRequest, UpstreamTransport
from application.runtime.large_bodies import LargeBodies
from domain.errors import UpstreamCredentialRejected, UpstreamUnavailable
from domain.routing.address_policy import AddressPolicy
from domain.routing.catalog import ProviderKind
from tests.support.answers import Answer, answer
from tests.support.model import converse
from tests.support.model.signing import ACCESS_KEY, REGION, SECRET_KEY, check_signature
from tests.support.model.talk import Tokens, Turn
from tests.support.provider_calls import TIMEOUTS, StoppedClock, cipher, provider_spec, relayed
from tests.support.scripted_upstream import ReceivedRequest, ScriptedUpstream

ROLE = "arn:aws:iam::111122223333:role/Gateway"
STATIC = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
OPTIONS = TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running
        assert running.errors == []


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no test find the keys of whoever runs it, nor ask the metadata service."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "1")


def credential(sealed: dict[str, Any] | None = None, **options: object) -> Credential:
    (found,), _ = read_aws_credentials(
        {"region": REGION, **options},
        [sealed] if sealed else [],
        clock=StoppedClock(),
        bodies=LargeBodies(),
    )
    return found


async def signed(subject: Credential) -> dict[str, str]:
    """Return the headers of a request that is signed with the keys of the server's secret."""
    request = UpstreamRequest(
        method="POST",
        url="https://bedrock.example/model/m/converse",
        headers=((b"content-type", b"application/json"),),
        body=b"{}",
        timeouts=TIMEOUTS,
    )
    authorized = await subject.authorize(request)
    headers = {name.decode(): value.decode() for name, value in authorized.headers}
    check_signature("/model/m/converse", headers | {"host": "bedrock.example"}, b"{}")
    return headers


def soon(seconds: int = 3600) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def assumed(operation: str, token: str = "role-token") -> Answer:
    """Return what STS answers: https://docs.aws.amazon.com/STS/latest/APIReference ."""
    return answer(
        200,
        body=f"""<{operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <{operation}Result>
          <AssumedRoleUser><Arn>{ROLE}/x</Arn><AssumedRoleId>R:x</AssumedRoleId></AssumedRoleUser>
          <Credentials>
            <AccessKeyId>{ACCESS_KEY}</AccessKeyId>
            <SecretAccessKey>{SECRET_KEY}</SecretAccessKey>
            <SessionToken>{token}</SessionToken>
            <Expiration>{soon()}</Expiration>
          </Credentials>
        </{operation}Result>
        </{operation}Response>""".encode(),
        headers=[("content-type", "text/xml")],
    )


def form(request: ReceivedRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


async def test_access_keys_sign_without_asking_anybody() -> None:
    headers = await signed(credential(STATIC | {"session_token": "token"}))
    assert headers["x-amz-security-token"] == "token"


async def test_a_role_is_assumed_with_keys_and_an_external_id(
    server: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    server.enqueue(assumed("AssumeRole"))
    subject = credential(
        STATIC | {"external_id": "between-us"}, role_arn=ROLE, role_session_name="gateway-1"
    )
    for _ in range(3):
        assert (await signed(subject))["x-amz-security-token"] == "role-token"
    (request,) = server.requests
    asked = form(request)
    assert (asked["Action"], asked["RoleArn"]) == ("AssumeRole", ROLE)
    assert (asked["ExternalId"], asked["RoleSessionName"]) == ("between-us", "gateway-1")
    assert f"Credential={ACCESS_KEY}/" in (request.header("authorization") or "")


async def test_a_role_that_may_not_be_assumed_is_a_refused_credential(
    server: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    denied = (
        b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
        b"<Message>not authorized</Message></Error></ErrorResponse>"
    )
    server.always(answer(403, body=denied, headers=[("content-type", "text/xml")]))
    with pytest.raises(UpstreamCredentialRejected):
        await signed(credential(STATIC, role_arn=ROLE))


async def test_a_token_service_that_is_not_there_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(UpstreamUnavailable):
        await signed(credential(STATIC, role_arn=ROLE))


async def test_a_web_identity_is_exchanged_for_a_role(
    server: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    token = tmp_path / "token"
    token.write_text("a.web.token")
    server.enqueue(assumed("AssumeRoleWithWebIdentity"))
    headers = await signed(
        credential(
            credential_source="web_identity", role_arn=ROLE, web_identity_token_file=str(token)
        )
    )
    assert headers["x-amz-security-token"] == "role-token"
    (request,) = server.requests
    asked = form(request)
    assert (asked["WebIdentityToken"], asked["RoleArn"]) == ("a.web.token", ROLE)
    assert request.header("authorization") is None


async def test_a_web_identity_of_the_environment_is_found(
    server: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a.web.token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    server.enqueue(assumed("AssumeRoleWithWebIdentity"))
    await signed(credential(credential_source="web_identity"))
    assert form(server.requests[0])["RoleArn"] == ROLE


async def test_a_missing_token_file_is_a_refused_credential(tmp_path: Path) -> None:
    with pytest.raises(UpstreamCredentialRejected):
        await signed(
            credential(
                credential_source="web_identity",
                role_arn=ROLE,
                web_identity_token_file=str(tmp_path / "nothing"),
            )
        )


async def test_a_profile_is_read_from_the_shared_files(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        f"[prod]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"
    )
    await signed(credential(credential_source="profile", profile="prod"))
    with pytest.raises(UpstreamCredentialRejected):
        await signed(credential(credential_source="profile", profile="test"))


async def test_a_profile_may_name_a_role(
    server: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    (tmp_path / "config").write_text(
        f"[profile prod]\nrole_arn={ROLE}\nexternal_id=x-1\nsource_profile=base\n"
        f"region={REGION}\n"
        f"[profile base]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"
    )
    server.enqueue(assumed("AssumeRole"))
    await signed(credential(credential_source="profile", profile="prod"))
    assert form(server.requests[0])["ExternalId"] == "x-1"


async def test_the_environment_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = credential(credential_source="environment")
    with pytest.raises(UpstreamCredentialRejected):
        await signed(subject)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    await signed(subject)


def keys_of_a_role(token: str) -> Answer:
    body = {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": ACCESS_KEY,
        "SecretAccessKey": SECRET_KEY,
        "Token": token,
        "Expiration": soon(),
        "LastUpdated": soon(-60),
    }
    return answer(200, body=json.dumps(body).encode())


async def test_a_container_has_a_role(
    server: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/v2/credentials")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token")
    server.enqueue(keys_of_a_role("container-token"))
    headers = await signed(credential(credential_source="container"))
    assert headers["x-amz-security-token"] == "container-token"
    assert server.requests[0].header("authorization") == "pod-token"


async def test_an_instance_has_a_role(
    server: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)

    def metadata(request: ReceivedRequest) -> Answer:
        if request.path == "/latest/api/token":
            return answer(200, body=b"session")
        assert request.header("x-aws-ec2-metadata-token") == "session"
        if request.path.endswith("/security-credentials/"):
            return answer(200, body=b"the-role")
        return keys_of_a_role("instance-token")

    server.always(metadata)
    headers = await signed(credential(credential_source="instance"))
    assert headers["x-amz-security-token"] == "instance-token"
    assert server.requests[-1].path.endswith("/security-credentials/the-role")


async def test_a_machine_without_a_role_is_a_refused_credential() -> None:
    with pytest.raises(UpstreamCredentialRejected):
        await signed(credential(credential_source="instance"))


# On sockets


def by_http11() -> UpstreamTransport:
    return Http11Transport(OPTIONS)


def by_httpx() -> UpstreamTransport:
    return HttpxTransport(OPTIONS)


CODEC = BedrockConverseCodec()
ARN = "arn:aws:bedrock:eu-central-1:111122223333:inference-profile/eu.anthropic.claude-v1:0"
BODY = b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}], "of_the_future" :1.50}'


@pytest.mark.parametrize("model", [ARN, "eu.amazon.nova-lite-v1:0", "odd/na me~"])
@pytest.mark.parametrize("transport", [by_http11, by_httpx])
async def test_what_is_signed_is_what_arrives(
    server: ScriptedUpstream, transport: Any, model: str
) -> None:
    turn = Turn(text="Hello", tokens=Tokens(uncached=3, output=2))
    stream = b"".join(converse.events(turn))

    def transport_for(*_: object) -> UpstreamTransport:
        return transport()

    server.enqueue(
        answer(200, body=stream, headers=[("content-type", "application/vnd.amazon.eventstream")])
    )
    provider = ProvidersByKind(cipher(), transport_for, StoppedClock()).build(
        provider_spec(
            ProviderKind.BEDROCK,
            base_url=server.url,
            credentials=STATIC | {"session_token": "tok/en=="},
            options={"region": REGION},
        )
    )
    target = RequestTarget(model="public", stream=True)
    call = ProviderCall(
        codec=CODEC,
        body=BODY,
        head=CODEC.peek(BODY, 64, target),
        target=target,
        upstream_model=model,
        request_id="req-1",
        reply_id="reply-1",
        created_s=1,
        timeouts=TIMEOUTS,
        max_reply_bytes=1 << 20,
    )
    reply = await provider.open(call)
    assert await relayed(reply) == stream
    assert reply.scanner.summary.terminated
    await provider.aclose()
    (request,) = server.requests
    assert request.target == converse_path(model, stream=True)
    assert request.body == BODY
    headers = {name.lower(): value for name, value in request.headers}
    check_signature(request.target, headers, request.body)
    assert headers["x-amz-security-token"] == "tok/en=="
