"""The field tables against the request types of the official client."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count_tokens_params
from anthropic.types.beta import message_create_params as beta_create_params
from typing_extensions import TypedDict, is_typeddict

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.fields import FATES, REQUEST_FIELDS
from domain.inference.fields import CANONICAL_FIELDS, Fate

CODEC = AnthropicMessagesCodec()
SDK_TYPES = (
    message_create_params.MessageCreateParamsNonStreaming,
    message_create_params.MessageCreateParamsStreaming,
    message_count_tokens_params.MessageCountTokensParams,
    beta_create_params.MessageCreateParamsNonStreaming,
    beta_create_params.MessageCreateParamsStreaming,
    beta_count_tokens_params.MessageCountTokensParams,
)
HEADERS = {"betas", "workspace_id"}
"""Parameters of the client that it sends as headers."""
OLDER = {"temperature", "top_p", "top_k", "output_format"}
"""Members that models still take and the client no longer offers."""


def dictionaries(hint: Any) -> Iterator[type]:
    """Yield the typed dictionaries in a type."""
    if is_typeddict(hint):
        yield hint
    for inner in get_args(hint):
        yield from dictionaries(inner)


def leaves(shape: type, path: str = "", around: tuple[type, ...] = ()) -> Iterator[str]:
    """Yield the paths of the members that have none of their own, or only repeat what is around."""
    for name, hint in get_type_hints(shape).items():
        here = f"{path}.{name}" if path else name
        inner = [each for each in dictionaries(hint) if each not in around]
        if not inner or has_entry(here):
            yield here
        else:
            for each in inner:
                yield from leaves(each, here, (*around, each))


def has_entry(path: str) -> bool:
    return path in REQUEST_FIELDS


SDK_LEAVES = {leaf for shape in SDK_TYPES for leaf in leaves(shape)} - HEADERS


def test_every_member_of_the_official_clients_requests_has_a_fate() -> None:
    assert sorted(leaf for leaf in SDK_LEAVES if not has_entry(leaf)) == []


def test_no_fate_is_of_a_member_that_no_longer_exists() -> None:
    assert sorted(set(REQUEST_FIELDS) - SDK_LEAVES - OLDER) == []


class _Nested(TypedDict):
    budget_tokens: int
    brand_new: str


class _Newer(TypedDict):
    thinking: _Nested | None
    stream: bool
    also_new: list[int]


def test_new_members_would_be_noticed_at_any_depth() -> None:
    found = [leaf for leaf in leaves(_Newer) if not has_entry(leaf)]
    assert found == ["thinking.brand_new", "also_new"]


def test_mapped_members_name_a_canonical_field_or_an_attribute_of_the_request() -> None:
    groups = {name.partition(".")[0] for name in CANONICAL_FIELDS}
    attributes = {"model", "stream", "messages"}
    for path, field in REQUEST_FIELDS.items():
        if field.fate is Fate.MAPPED:
            assert field.to in {*CANONICAL_FIELDS, *groups, *attributes}, path
        else:
            assert field.to == "", path


def test_every_canonical_field_has_a_fate() -> None:
    assert set(FATES) == set(CANONICAL_FIELDS)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("max_output_tokens", "max_tokens"),
        ("sampling.top_k", "top_k"),
        ("end_user", "metadata.user_id"),
        ("extensions.container", "container"),
        ("vendor.anthropic_messages.web_search_20250305", "web_search_20250305"),
        ("verbosity", "verbosity"),
    ],
)
def test_fields_have_the_clients_names(field: str, name: str) -> None:
    assert CODEC.field_name(field) == name
