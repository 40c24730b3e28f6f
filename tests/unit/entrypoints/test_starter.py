"""What a new installation starts with, depending on the environment."""

import asyncio
from typing import cast

import pytest

from application.console.configuration.reading import read_document
from entrypoints.starter import openai_document, starter_document
from tests.support.answers import answer
from tests.support.scripted_upstream import ScriptedUpstream

OWNER = "admin@thinkwatch.local"


def names(tree: object, member: str) -> list[str]:
    entries = cast("dict[str, list[dict[str, object]]]", tree)[member]
    return [str(entry["name"]) for entry in entries]


def test_without_credentials_there_is_the_demo_provider_an_owner_and_a_key() -> None:
    tree = starter_document({"PATH": "/bin", "OPENAI_API_KEY": ""}, owner=OWNER)
    assert names(tree, "providers") == ["demo"]
    assert names(tree, "models") == ["demo"]
    assert read_document(tree).faults == ()


def test_a_credential_in_the_environment_adds_its_provider_with_the_usual_models() -> None:
    tree = starter_document(
        {"OPENAI_API_KEY": "sk-x", "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": ""}, owner=OWNER
    )
    reading = read_document(tree)
    assert reading.faults == ()
    assert names(tree, "providers") == ["demo", "openai"]
    assert "gpt-4o-mini" in names(tree, "models")
    provider = reading.document.providers[1]
    assert provider is not None
    assert provider.base_url is None
    assert provider.credentials == {"api_key": "sk-x"}
    assert provider.options == {"organization": "org-1"}


def test_a_server_that_cannot_be_asked_for_models_is_configured_all_the_same() -> None:
    document = openai_document(
        {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1/"}
    )
    assert document is not None
    assert names(document, "models") == names(openai_document({"OPENAI_API_KEY": "sk-x"}), "models")
    reading = read_document(document)
    assert reading.document.providers[0] is not None
    assert reading.document.providers[0].base_url == "http://127.0.0.1:9/v1"


async def test_a_server_of_ones_own_is_asked_for_its_models() -> None:
    listing = b'{"object":"list","data":[{"id":"llama-3"},{"id":"two words"},{"id":"demo"}]}'
    async with ScriptedUpstream() as upstream:
        upstream.enqueue(answer(200, body=listing))
        environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        tree = await asyncio.to_thread(starter_document, environ, owner=OWNER)
        request = await upstream.next_request()
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert request.header("authorization") == "Bearer sk-x"
    assert read_document(tree).faults == ()
    assert "llama-3" in names(tree, "models")
    assert "two words" not in names(tree, "models")
    assert names(tree, "models").count("demo") == 1


@pytest.mark.parametrize("body", [b"not json", b'{"data": 3}', b'{"x": ' + b"[" * 100_000])
async def test_nonsense_instead_of_a_listing_stops_nothing(body: bytes) -> None:
    async with ScriptedUpstream() as upstream:
        upstream.enqueue(answer(200, body=body))
        environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        tree = await asyncio.to_thread(openai_document, environ)
    assert "gpt-4o" in names(tree, "models")
