"""The field tables speak for every member OpenAI's client knows, and tell the truth."""

import json
from collections.abc import Iterator
from typing import Any, cast, get_args, get_type_hints

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParams
from typing_extensions import is_typeddict

from adapters.wire.openai_chat.fates import FATES
from adapters.wire.openai_chat.fields import OPENAI_FIELDS, RELATIVES_FIELDS, REQUEST_FIELDS
from application.ports.dialect import NOT_IN_URL
from domain.inference.fields import CANONICAL_FIELDS, Fate
from tests.unit.wire.openai_chat.reaches import CODEC


def leaves(kind: Any, path: str) -> Iterator[str]:
    """Yield the paths below which the client's types have no more members."""
    if is_typeddict(kind):
        for name, inner in get_type_hints(kind).items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
        return
    inside = [inner for inner in get_args(kind) if _has_members(inner)]
    for inner in inside:
        yield from leaves(inner, path)
    if not inside or any(inner is str for inner in get_args(kind)):
        yield path


def _has_members(kind: Any) -> bool:
    return is_typeddict(kind) or any(_has_members(inner) for inner in get_args(kind))


LEAVES = frozenset(leaves(CompletionCreateParams, ""))


def test_every_member_of_the_client_has_an_entry_or_is_kept_whole() -> None:
    kept_whole = {path for path, field in OPENAI_FIELDS.items() if field.fate is not Fate.MAPPED}
    choices = {"tool_choice", "function_call"}  # a word, or an object that has entries
    missing = {
        path
        for path in LEAVES - OPENAI_FIELDS.keys() - choices
        if not any(path.startswith(f"{whole}.") for whole in kept_whole)
    }

    assert missing == set()


def test_every_entry_is_a_member_of_the_client() -> None:
    known = {path[:end] for path in LEAVES for end in _ends(path)}

    assert OPENAI_FIELDS.keys() - known == set()
    assert RELATIVES_FIELDS.keys() & known == set()


def _ends(path: str) -> list[int]:
    return [at for at, char in enumerate(path) if char == "."] + [len(path)]


def test_every_canonical_field_has_a_fate_and_a_name() -> None:
    assert FATES.keys() == set(CANONICAL_FIELDS)
    # These are called the same here.
    same = {
        "parallel_tool_calls",
        "stop",
        "verbosity",
        "metadata",
        "service_tier",
        "modalities",
        "audio",
        "store",
        "previous_response_id",
    }
    same |= {"tools.function", "tools.custom", "response_format.json_schema"}
    unnamed = {field for field in CANONICAL_FIELDS if CODEC.field_name(field) == field}
    assert unnamed == same
    assert CODEC.field_name("extensions.min_p") == "min_p"


def test_a_mapped_entry_says_to_which_field() -> None:
    families = {field.partition(".")[0] for field in CANONICAL_FIELDS}
    known = {"model", "stream", "messages"} | families

    for path, field in REQUEST_FIELDS.items():
        if field.fate is Fate.MAPPED:
            assert field.to.partition(".")[0] in known, path


MARK = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}
EVERYTHING: dict[str, Any] = {
    "model": "public",
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": True},
    "messages": [
        {"role": "system", "content": "a", "name": "b"},
        {
            "role": "user",
            "name": "u",
            "content": [
                {"type": "text", "text": "a", **MARK},
                {"type": "image_url", "image_url": {"url": "https://a.example", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {
                    "type": "file",
                    "file": {"file_data": "AAAA", "file_id": "file-1", "filename": "a.pdf"},
                },
                {"type": "audio_url", "audio_url": {"url": "https://a.example"}},
                {"type": "video_url", "video_url": {"url": "https://a.example"}},
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "refusal", "refusal": "No."},
            ],
            "refusal": "No.",
            "audio": {"id": "audio_1"},
            "reasoning_content": "hm",
            "reasoning": "hm",
            "reasoning_details": [{"type": "reasoning.text"}],
            "annotations": [],
            "function_call": {"name": "f", "arguments": "{}"},
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "c2ln"}},
                },
                {"id": "b", "type": "custom", "custom": {"name": "c", "input": "x"}},
            ],
        },
        {
            "role": "assistant",
            "content": "abc",
            "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {}, "strict": True},
            "cache_control": {"type": "ephemeral"},
        },
        {
            "type": "custom",
            "custom": {
                "name": "c",
                "description": "d",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
            },
        },
    ],
    "functions": [{"name": "g", "description": "d", "parameters": {}}],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    },
    "parallel_tool_calls": True,
    "max_tokens": 5,
    "max_completion_tokens": 5,
    "n": 2,
    "stop": ["x"],
    "temperature": 1,
    "top_p": 1,
    "top_k": 5,
    "seed": 1,
    "frequency_penalty": 1,
    "presence_penalty": 1,
    "logit_bias": {"5": 1},
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "schema": {}, "strict": True},
    },
    "reasoning_effort": "low",
    "reasoning": {"max_tokens": 5, "enabled": True, "exclude": False},
    "verbosity": "low",
    "modalities": ["text"],
    "audio": {"voice": {"id": "v"}, "format": "mp3"},
    "user": "u",
    "metadata": {"a": "b"},
    "service_tier": "flex",
    "store": True,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
    "prompt_cache_retention": "24h",
    "prediction": {"type": "content", "content": "x"},
    "moderation": {"model": "omni-moderation-latest"},
    "web_search_options": {"search_context_size": "low"},
}


def test_what_the_table_calls_mapped_is_read_and_what_it_calls_passed_is_kept() -> None:
    read = CODEC.decode(json.dumps(EVERYTHING).encode(), NOT_IN_URL)

    passed = {path for path, field in OPENAI_FIELDS.items() if field.fate is Fate.PASSED}
    assert read.extensions.keys() == passed
    assert read.unmapped == ("stream_options.include_obfuscation",)


def test_everything_there_is_was_tried() -> None:
    given = set(_paths(EVERYTHING, ""))
    elsewhere = {
        "tool_choice.function.name",  # of other kinds of choices
        "tool_choice.custom.name",
        "function_call.name",
        "reasoning.effort",
        "safety_identifier",
        "models",
        "fallbacks",
    }

    untried = {
        path
        for path in REQUEST_FIELDS
        if not any(each == path or each.startswith(f"{path}.") for each in given)
    }
    assert untried == elsewhere


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, inner in cast("dict[str, Any]", value).items():
            yield from _paths(inner, f"{path}.{name}" if path else name)
        return
    yield path
    for inner in cast("list[Any]", value) if isinstance(value, list) else ():
        if isinstance(inner, dict):
            yield from _paths(inner, path)


@pytest.mark.parametrize("name", ["user", "safety_identifier"])
def test_the_end_user_has_two_names(name: str) -> None:
    body = {"model": "public", "messages": EVERYTHING["messages"][:1], name: "u"}

    assert CODEC.decode(json.dumps(body).encode(), NOT_IN_URL).end_user == "u"
