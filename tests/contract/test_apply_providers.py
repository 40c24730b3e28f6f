"""Providers of every kind in documents: in, out, and in again; and what a wrong one is told."""

from typing import Any, cast

import pytest

from application.console.configuration.interpolation import Interpolated
from domain.errors import ValidationFailed
from tests.support.acting import OPERATOR
from tests.support.administration import Administration, administration, plan
from tests.support.configuration import Configuration

PROVIDERS: list[dict[str, Any]] = [
    {
        "name": "openai",
        "kind": "openai",
        "credentials": {"any_of": [{"api_key": "sk-1"}, {"api_key": "sk-2"}]},
        "options": {"organization": "org-1", "api": "chat_completions"},
    },
    {
        "name": "anthropic",
        "kind": "anthropic",
        "credentials": {"api_key": "sk-ant"},
        "options": {"version": "2023-06-01", "beta": "a-1,b-2", "on_disconnect": "drain"},
    },
    {
        "name": "gemini",
        "kind": "gemini",
        "base_url": "https://gemini.example",
        "credentials": {"api_key": "AIza"},
        "options": {"api_version": "v1"},
    },
    {
        "name": "azure-key",
        "kind": "azure_openai",
        "base_url": "https://acme.openai.azure.com",
        "credentials": {"api_key": "k"},
        "options": {"api_version": "2024-10-21"},
    },
    {
        "name": "azure-entra",
        "kind": "azure_openai",
        "base_url": "https://acme.openai.azure.com",
        "credentials": {"tenant_id": "t", "client_id": "c", "client_secret": "s"},
    },
    {
        "name": "bedrock-keys",
        "kind": "bedrock",
        "credentials": {
            "access_key_id": "AKIDEXAMPLE0000000",
            "secret_access_key": "wJalr/XUtnFEMI",
        },
        "options": {"region": "eu-central-1", "control_url": "https://bedrock.example"},
    },
    {
        "name": "bedrock-role",
        "kind": "bedrock",
        "options": {
            "region": "us-east-1",
            "credential_source": "instance",
            "role_arn": "arn:aws:iam::123456789012:role/models",
        },
    },
    {
        "name": "local",
        "kind": "openai_compatible",
        "base_url": "http://127.0.0.1:8000/v1",
        "options": {"headers": {"x-title": "gateway"}, "stream_usage": False},
    },
    {"name": "demo", "kind": "demo", "options": {"latency_ms": 5}},
]
SECRETS = ("sk-1", "sk-2", "sk-ant", "AIza", "AKIDEXAMPLE", "wJalr", "client_secret")


@pytest.fixture
def office(stored: Configuration) -> Administration:
    return administration(stored)


def without(entry: dict[str, Any], *members: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in members}


async def test_every_kind_goes_in_once_and_comes_out_without_secrets(
    office: Administration,
) -> None:
    first = await office.apply(providers=PROVIDERS)
    assert plan(first) == [("create", f"provider {entry['name']}") for entry in PROVIDERS]
    assert plan(await office.apply(providers=PROVIDERS)) == []
    exported = await office.export.export()
    entries = cast("list[dict[str, Any]]", exported["providers"])
    shown = {entry["name"]: entry for entry in entries}
    assert shown.keys() == {entry["name"] for entry in PROVIDERS}
    for entry in PROVIDERS:
        found = shown[entry["name"]]
        assert found["kind"] == entry["kind"]
        assert found.get("base_url") == entry.get("base_url")
        assert found.get("options", {}) == entry.get("options", {})
        assert "credentials" not in found
    assert not [secret for secret in SECRETS if secret in repr(exported)]


async def test_an_export_changes_nothing_where_it_came_from(office: Administration) -> None:
    await office.apply(providers=PROVIDERS)
    again = await office.configuration.apply(OPERATOR, Interpolated(await office.export.export()))
    assert plan(again) == []


async def test_an_export_with_its_credentials_sets_up_another_installation(
    office: Administration,
) -> None:
    exported = [without(entry, "credentials") for entry in PROVIDERS]
    with pytest.raises(ValidationFailed) as caught:
        await office.apply(providers=exported)
    told = "\n".join(caught.value.faults)
    for number, entry in enumerate(PROVIDERS):
        assert (f"providers[{number}].credentials" in told) is ("credentials" in entry), told
    credentials = [entry.get("credentials") for entry in PROVIDERS]
    filled = [
        entry if given is None else {**entry, "credentials": given}
        for entry, given in zip(exported, credentials, strict=True)
    ]
    assert len(plan(await office.apply(providers=filled))) == len(PROVIDERS)


@pytest.mark.parametrize(
    ("number", "change", "told"),
    [
        (3, {"base_url": None}, "providers[0].base_url: A provider of kind 'azure_openai' needs"),
        (3, {"options": {"api_version": "new"}}, "options.api_version: The option 'api_version'"),
        (3, {"options": {"region": "x"}}, "Unknown option 'region'; known are api, api_version"),
        (4, {"credentials": {"tenant_id": "t"}}, "'client_id' is missing"),
        (5, {"options": {}}, "options.region: A provider of kind 'bedrock' needs a region such as"),
        (6, {"options": {"region": "us-east-1"}}, "or a credential_source: one of profile"),
        (1, {"options": {"beta": "a b"}}, "must be names such as"),
        (2, {"options": {"api_version": "1"}}, "must be a version such as 'v1beta'"),
    ],
)
async def test_what_cannot_work_is_told_with_its_place_and_its_mend(
    office: Administration, number: int, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await office.apply(providers=[PROVIDERS[number] | change])
    (fault,) = caught.value.faults
    assert fault.startswith("providers[0].")
    assert told in fault
