"""The field tables against the request types of the official client."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from typing_extensions import TypedDict, is_typeddict

from adapters.wire.openai_responses.dialect import OpenAIResponsesCodec
from adapters.wire.openai_responses.fields import FATES, REQUEST_FIELDS, fates_for
from domain.inference.dialect import Dialect
from domain.inference.fields import CANONICAL_FIELDS, Fate

CODEC = OpenAIResponsesCodec()
SDK_TYPES = (ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming)


def dictionaries(hint: Any) -> Iterator[type]:
    """Yield the typed dictionaries in a type."""
    if is_typeddict(hint):
        yield hint
    for inner in get_args(hint):
        yield from dictionaries(inner)


def kinds(shape: type) -> tuple[str, ...]:
    """Return the values of a dictionary's `type`, if they tell it from others."""

    def literals(hint: Any) -> Iterator[str]:
        if get_origin(hint) is Literal:
            yield from get_args(hint)
        else:
            for inner in get_args(hint):
                yield from literals(inner)

    return tuple(literals(get_type_hints(shape).get("type")))


def leaves(shape: type, path: str = "", around: tuple[type, ...] = ()) -> Iterator[str]:
    """Yield the paths of the members that nothing deeper in the table speaks of.

    Where a member may be one of several dictionaries, their kinds are in brackets.
    """
    for name, hint in get_type_hints(shape).items():
        here = f"{path}.{name}" if path else name
        inner = [each for each in dictionaries(hint) if each not in around]
        if not inner or not goes_deeper(here):
            yield here
            continue
        several = len(inner) > 1 or any(known.startswith(f"{here}[") for known in REQUEST_FIELDS)
        for each in inner:
            for kind in kinds(each) if several else ("",):
                place = f"{here}[{kind}]" if kind else here
                if kind and place in REQUEST_FIELDS and not goes_deeper(place):
                    yield place
                else:
                    yield from leaves(each, place, (*around, each))


def goes_deeper(path: str) -> bool:
    return any(known.startswith((f"{path}.", f"{path}[")) for known in REQUEST_FIELDS)


SDK_LEAVES = {leaf for shape in SDK_TYPES for leaf in leaves(shape)}
CONTAINERS = {path for path in REQUEST_FIELDS if goes_deeper(path)}


def test_every_member_of_the_official_clients_requests_has_a_fate() -> None:
    assert sorted(leaf for leaf in SDK_LEAVES if leaf not in REQUEST_FIELDS) == []


def test_no_fate_is_of_a_member_that_does_not_exist() -> None:
    ours = {
        # Some clients give them to every item, as the vendor's answers have them.
        path
        for path in REQUEST_FIELDS
        if path.endswith(("].id", "].status"))
    }
    assert sorted(set(REQUEST_FIELDS) - SDK_LEAVES - CONTAINERS - ours) == []


class _NewItem(TypedDict):
    type: Literal["brand_new_call"]
    code: str


class _Newer(TypedDict):
    input: list[_NewItem] | str
    reasoning: "_NewReasoning"
    also_new: list[int]


class _NewReasoning(TypedDict):
    effort: str
    depth: int


def test_new_members_and_new_kinds_of_items_would_be_noticed_at_any_depth() -> None:
    found = [leaf for leaf in leaves(_Newer) if leaf not in REQUEST_FIELDS]
    assert found == [
        "input[brand_new_call].type",
        "input[brand_new_call].code",
        "reasoning.depth",
        "also_new",
    ]


def test_mapped_members_name_a_canonical_field_or_an_attribute_of_the_request() -> None:
    groups = {name.partition(".")[0] for name in CANONICAL_FIELDS}
    attributes = {"model", "stream", "messages"}
    for path, field in REQUEST_FIELDS.items():
        if field.fate is Fate.MAPPED:
            assert field.to in {*CANONICAL_FIELDS, *groups, *attributes}, path
        else:
            assert field.to == "", path


@pytest.mark.parametrize("source", list(Dialect))
def test_every_canonical_field_has_a_fate(source: Dialect) -> None:
    plain = {name for name in fates_for(source) if not name.startswith("extensions.")}
    assert plain == set(CANONICAL_FIELDS)
    assert set(FATES) <= set(fates_for(source))


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("sampling.top_logprobs", "top_logprobs"),
        ("end_user", "safety_identifier"),
        ("tool_choice.required", "tool_choice"),
        ("response_format.json_schema", "text.format"),
        ("extensions.moderation", "moderation"),
        ("vendor.openai_responses.web_search", "web_search"),
        ("store", "store"),
        ("input[2].phase", "input[2].phase"),
    ],
)
def test_fields_have_the_clients_names(field: str, name: str) -> None:
    assert CODEC.field_name(field) == name
