"""What a new installation starts with, depending on the environment."""

from typing import Any, cast

import pytest

from application.console.configuration.reading import read_document
from entrypoints.found_providers import FoundProvider, Tree, found_providers
from entrypoints.starter import (
    MOST_LISTED_MODELS,
    models_document,
    providers_document,
    starter_document,
)

OWNER = "admin@thinkwatch.local"
KEYS = {
    "OPENAI_API_KEY": "sk-o",
    "ANTHROPIC_API_KEY": "sk-ant",
    "GEMINI_API_KEY": "AIza",
    "AZURE_OPENAI_API_KEY": "az-key",
    "AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com/",
    "AWS_REGION": "eu-central-1",
    "AWS_BEARER_TOKEN_BEDROCK": "ABSK",
}


def starter(environ: dict[str, str]) -> Tree:
    return starter_document(found_providers(environ), owner=OWNER)


def names(tree: object, member: str) -> list[str]:
    entries = cast("dict[str, list[dict[str, object]]]", tree)[member]
    return [str(entry["name"]) for entry in entries]


def found(environ: dict[str, str], name: str) -> FoundProvider:
    (provider,) = (each for each in found_providers(environ) if each.name == name)
    return provider


def entry(environ: dict[str, str], name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", found(environ, name).entry)


def test_without_credentials_there_is_the_demo_provider_an_owner_and_a_key() -> None:
    tree = starter({"PATH": "/bin", "OPENAI_API_KEY": ""})
    assert names(tree, "providers") == ["demo"]
    assert names(tree, "models") == ["demo"]
    assert names(tree, "keys") == ["quickstart"]
    assert read_document(tree).faults == ()


def test_every_vendor_whose_credentials_are_there_is_registered() -> None:
    tree = starter(KEYS)
    reading = read_document(tree)
    assert reading.faults == ()
    kinds = {provider.name: provider.kind for provider in reading.document.providers if provider}
    assert kinds == {
        "demo": "demo",
        "openai": "openai",
        "anthropic": "anthropic",
        "gemini": "gemini",
        "azure-openai": "azure_openai",
        "bedrock": "bedrock",
    }
    routed = {
        cast("list[dict[str, str]]", model["routes"])[0]["provider"]
        for model in cast("list[dict[str, object]]", tree["models"])
    }
    assert routed == set(kinds) - {"azure-openai"}


@pytest.mark.parametrize("missing", KEYS)
def test_half_of_what_a_vendor_needs_is_nothing(missing: str) -> None:
    environ = {name: value for name, value in KEYS.items() if name != missing}
    assert len(found_providers(environ)) == len(found_providers(KEYS)) - 1


def test_no_credential_is_in_a_representation_and_each_is_known_as_secret() -> None:
    providers = found_providers(KEYS)
    secrets = frozenset[str]().union(*(provider.secrets for provider in providers))
    assert secrets == {"sk-o", "sk-ant", "AIza", "az-key", "ABSK"}
    assert not [secret for secret in secrets if secret in repr(providers)]


def test_a_key_of_this_program_is_no_providers() -> None:
    keys = {name: "tw-0123456789" for name in KEYS if name.endswith("API_KEY")}
    assert found_providers(keys | {"AZURE_OPENAI_ENDPOINT": "https://x"}) == ()


def test_openai_is_registered_with_the_usual_models_and_prices() -> None:
    environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": ""}
    assert entry(environ, "openai") == {
        "name": "openai",
        "kind": "openai",
        "credentials": {"api_key": "sk-x"},
        "options": {"organization": "org-1"},
    }
    tree = starter(environ)
    assert "gpt-4o-mini" in names(tree, "models")
    assert all("price" in model for model in cast("list[dict[str, object]]", tree["models"]))


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("OPENAI_BASE_URL", "openai"),
        ("ANTHROPIC_BASE_URL", "anthropic"),
        ("GEMINI_BASE_URL", "gemini"),
        ("GOOGLE_GEMINI_BASE_URL", "gemini"),
        ("BEDROCK_BASE_URL", "bedrock"),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "bedrock"),
    ],
)
def test_another_base_url_is_taken_and_its_models_are_asked_for(variable: str, name: str) -> None:
    assert not found(KEYS, name).elsewhere
    environ = KEYS | {variable: "http://127.0.0.1:9/v1"}
    assert entry(environ, name)["base_url"] == "http://127.0.0.1:9/v1"
    assert found(environ, name).elsewhere


def test_the_vendors_own_url_is_not_written_down() -> None:
    environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "https://api.openai.com/v1/"}
    assert "base_url" not in entry(environ, "openai")


def test_google_s_name_of_the_key_wins() -> None:
    environ = {"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}
    assert entry(environ, "gemini")["credentials"] == {"api_key": "b"}


def test_azure_takes_endpoint_version_and_deployment() -> None:
    environ = KEYS | {"OPENAI_API_VERSION": "2024-10-21", "AZURE_OPENAI_DEPLOYMENT": "chat"}
    assert entry(environ, "azure-openai") == {
        "name": "azure-openai",
        "kind": "azure_openai",
        "base_url": "https://acme.openai.azure.com/",
        "credentials": {"api_key": "az-key"},
        "options": {"api_version": "2024-10-21"},
    }
    assert [model.name for model in found(environ, "azure-openai").models] == ["chat"]
    # Its list is of what could be deployed.
    assert not found(environ, "azure-openai").elsewhere
    assert "options" not in entry(KEYS | {"OPENAI_API_VERSION": "newest"}, "azure-openai")


def test_keys_of_aws_are_stored_and_temporary_ones_stay_where_they_are() -> None:
    keys = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE0000000",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    lasting = entry(keys, "bedrock")
    assert lasting["options"] == {"region": "us-east-1"}
    assert lasting["credentials"] == {
        "access_key_id": "AKIDEXAMPLE0000000",
        "secret_access_key": "secret",
    }
    temporary = entry(keys | {"AWS_SESSION_TOKEN": "t"}, "bedrock")
    assert temporary["options"] == {"region": "us-east-1", "credential_source": "environment"}
    assert "credentials" not in temporary


def test_a_name_that_is_taken_gets_its_provider_before_it() -> None:
    tree = starter(KEYS)
    models = names(tree, "models")
    assert len(set(models)) == len(models)
    assert {"claude-sonnet-5-5", "bedrock/claude-sonnet-5-5"} <= set(models)
    again = providers_document(
        [found(KEYS, "anthropic")], known_models=["claude-haiku-4-5", "anthropic/claude-haiku-4-5"]
    )
    assert not [name for name in names(again, "models") if "claude-haiku-4-5" in name]


def test_listed_models_are_added_as_far_as_they_can_be_named_and_are_new() -> None:
    listed = ["llama-3", "two words", "demo", "llama-3", *(f"m{n}" for n in range(1000))]
    tree = models_document("openai", listed, known_models=["demo"])
    assert names(tree, "models")[:2] == ["llama-3", "m0"]
    assert len(names(tree, "models")) == MOST_LISTED_MODELS
    assert read_document(tree).faults == ()
