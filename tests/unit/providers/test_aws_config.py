"""Options and credentials of a Bedrock provider: what is taken, and what is refused by name."""

from typing import Any

import pytest

from adapters.providers.aws_config import AwsCredential, read_aws_credentials, read_region
from adapters.providers.aws_credentials import AwsIdentity, AwsKeys, AwsSource
from adapters.providers.aws_signing import SigV4Credential
from adapters.providers.credentials import HeaderCredential
from application.ports.upstream import UpstreamRequest
from application.runtime.large_bodies import LargeBodies
from domain.errors import InvalidRequest
from tests.support.manual_clock import ManualClock
from tests.support.provider_calls import TIMEOUTS

REGION = {"region": "eu-central-1"}
KEYS = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG"}
ROLE = "arn:aws:iam::111122223333:role/path/Gateway"


def read(
    *credentials: dict[str, Any], **options: object
) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    return read_aws_credentials(
        REGION | options, credentials, clock=ManualClock(), bodies=LargeBodies()
    )


def refused(*credentials: dict[str, Any], **options: object) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        read(*credentials, **options)
    assert all(text not in caught.value.message for text in KEYS.values())
    return caught.value.param


@pytest.mark.parametrize(
    "region", ["us-east-1", "ap-southeast-5", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"]
)
def test_a_region_is_a_name_such_as_aws_gives(region: str) -> None:
    assert read_region({"region": region}) == region


@pytest.mark.parametrize(
    "region", [None, "", "useast1", "us-east-1.evil.example", "us-east-1/x", "US-EAST-1", 7]
)
def test_anything_else_is_no_region(region: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_region({} if region is None else {"region": region})
    assert caught.value.param == "options.region"


async def test_an_api_key_is_a_bearer_token_and_needs_no_signature() -> None:
    (credential,), secrets = read({"api_key": "bedrock-api-key-abc"})
    assert isinstance(credential, HeaderCredential)
    request = UpstreamRequest(
        method="POST", url="https://a.example/", headers=(), body=b"", timeouts=TIMEOUTS
    )
    authorized = await credential.authorize(request)
    assert authorized.headers == ((b"authorization", b"Bearer bedrock-api-key-abc"),)
    assert "bedrock-api-key-abc" in secrets


def test_several_credentials_are_used_in_turn() -> None:
    found, secrets = read(KEYS, {"api_key": "k"}, KEYS | {"session_token": "tok"})
    assert [type(each) for each in found] == [SigV4Credential, HeaderCredential, SigV4Credential]
    assert {*KEYS.values(), "k", "tok"} <= set(secrets)


@pytest.mark.parametrize(
    "options",
    [
        {"credential_source": "instance"},
        {"credential_source": "container"},
        {"credential_source": "environment"},
        {"credential_source": "web_identity"},
        {"credential_source": "profile", "profile": "prod"},
        {"credential_source": "instance", "role_arn": ROLE, "external_id": "ours:1"},
        {
            "credential_source": "web_identity",
            "role_arn": ROLE,
            "web_identity_token_file": "/var/run/token",
            "role_session_name": "gateway@one",
        },
    ],
)
def test_a_source_needs_no_credentials(options: dict[str, object]) -> None:
    (credential,), _ = read(**options)
    assert isinstance(credential, SigV4Credential)


def test_what_names_the_account_is_private() -> None:
    _, secrets = read(KEYS | {"external_id": "sealed"}, role_arn=ROLE, credential_source="static")
    assert {ROLE, "sealed"} <= set(secrets)


@pytest.mark.parametrize(
    ("credentials", "options", "param"),
    [
        ({}, {}, "credentials"),
        ({}, {"credential_source": "static"}, "options.credential_source"),
        ({}, {"credential_source": "chain"}, "options.credential_source"),
        (KEYS, {"credential_source": "instance"}, "options.credential_source"),
        ({"access_key_id": "AKIAIOSFODNN7EXAMPLE"}, {}, "credentials"),
        ({"secret_access_key": "x"}, {}, "credentials"),
        ({"session_token": "x"}, {"credential_source": "instance"}, "credentials"),
        (KEYS | {"access_key_id": "short"}, {}, "credentials.access_key_id"),
        (KEYS | {"secret_access_key": "a\nb"}, {}, "credentials.secret_access_key"),
        (KEYS | {"session_token": ""}, {}, "credentials.session_token"),
        (KEYS | {"password": "x"}, {}, "credentials"),
        (KEYS | {"api_key": "k"}, {}, "credentials.api_key"),
        ({"api_key": "a b\n"}, {}, "credentials.api_key"),
        ({"api_key": "k"}, {"role_arn": ROLE}, "options.role_arn"),
        ({"api_key": "k"}, {"credential_source": "instance"}, "options.credential_source"),
        ({"api_key": "k", "external_id": "xx"}, {}, "credentials.api_key"),
        (KEYS, {"profile": "p"}, "options.profile"),
        ({}, {"credential_source": "profile"}, "options.profile"),
        (KEYS, {"role_arn": "Gateway"}, "options.role_arn"),
        (KEYS, {"role_arn": ROLE, "role_session_name": "a b"}, "options.role_session_name"),
        (KEYS, {"role_arn": ROLE, "external_id": "x"}, "options.external_id"),
        (KEYS, {"external_id": "xx"}, "options.external_id"),
        (KEYS | {"external_id": "x y"}, {"role_arn": ROLE}, "credentials.external_id"),
        (
            KEYS | {"external_id": "xx"},
            {"role_arn": ROLE, "external_id": "xx"},
            "credentials.external_id",
        ),
        (
            {},
            {"credential_source": "web_identity", "web_identity_token_file": "/t"},
            "options.web_identity_token_file",
        ),
        (
            KEYS,
            {"role_arn": ROLE, "web_identity_token_file": "/t"},
            "options.web_identity_token_file",
        ),
        ({}, {"credential_source": 7}, "options.credential_source"),
    ],
)
def test_what_cannot_work_is_refused_by_name(
    credentials: dict[str, Any], options: dict[str, object], param: str
) -> None:
    assert refused(credentials, **options) == param


def test_no_secret_is_shown_by_accident() -> None:
    keys = AwsKeys("AKIAIOSFODNN7EXAMPLE", "very-secret", "token")
    identity = AwsIdentity(region="us-east-1", source=AwsSource.STATIC, keys=keys)
    shown = repr((keys, identity, AwsCredential(api_key="very-secret")))
    assert "very-secret" not in shown
