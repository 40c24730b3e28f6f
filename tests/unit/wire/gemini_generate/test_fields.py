"""The field tables against the request types of the official SDK, in the names of REST."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from google.genai import types
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.fields import FATES, REQUEST_FIELDS
from domain.inference.fields import CANONICAL_FIELDS, Fate

CODEC = GeminiCodec()
OF_THE_CLIENT = {
    "http_options",
    "should_return_http_response",
    "automatic_function_calling",
    "automatic_continuation",
}
"""Members of the SDK's configuration that it keeps to itself."""
BESIDE = {
    "system_instruction",
    "safety_settings",
    "tools",
    "tool_config",
    "labels",
    "cached_content",
    "model_armor_config",
    "service_tier",
    "continuation_token",
    "generation_output_config",
    "store",
}
"""Members of the SDK's configuration that stand beside `generationConfig` in REST."""
FREE = {"functionCall.args", "functionResponse.response", "partMetadata", "parameters", "schema"}
NOT_OF_THE_SDK = {"model", "generationConfig", "generationConfig._responseJsonSchema"}
ON_THE_WIRE = {"generationConfig.modelConfig"}
"""What the SDK sends under another name than it has."""


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the SDK's types inside a type; of a union those of content, not of its shorthands."""
    plain = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    if plain and annotation is not types.File:
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def entry_above(path: str) -> bool:
    """Tell whether an entry speaks for all below it: anything but `mapped` does."""
    names = path.split(".")
    above = [".".join(names[:length]) for length in range(1, len(names))]
    return any(
        name in REQUEST_FIELDS and (REQUEST_FIELDS[name].fate is not Fate.MAPPED or is_free(name))
        for name in above
    )


def is_free(path: str) -> bool:
    return any(path.endswith(f".{name}") for name in FREE) or path.endswith("Schema")


def members(shape: type[BaseModel], path: str) -> Iterator[str]:
    """Yield the paths of all members that no entry above speaks for, at any depth."""
    for name, field in shape.model_fields.items():
        here = f"{path}{wire_name(shape, name, field.alias)}"
        if entry_above(here):
            continue
        yield here
        if not is_free(here):
            for inner in models(field.annotation):
                yield from members(inner, f"{here}.")


def wire_name(shape: type[BaseModel], name: str, alias: str | None) -> str:
    """Return the name in REST; the SDK has one member whose alias is the name."""
    if shape is types.TextResponseFormat and alias == "schema":
        return alias
    return to_camel(name)


def sdk_paths() -> Iterator[str]:
    for name in types.GenerateContentConfig.model_fields:
        if name not in OF_THE_CLIENT:
            yield to_camel(name) if name in BESIDE else f"generationConfig.{to_camel(name)}"
    for name in BESIDE:
        for inner in models(types.GenerateContentConfig.model_fields[name].annotation):
            if inner is not types.Part:
                yield from members(inner, f"{to_camel(name)}.")
    yield from members(types.Tool, "tools.")
    yield from members(types.GenerationConfig, "generationConfig.")
    yield "contents"
    yield from members(types.Content, "contents.")


SDK_PATHS = {path for path in sdk_paths() if not entry_above(path)}


def test_every_member_of_the_official_clients_requests_has_a_fate() -> None:
    assert sorted(path for path in SDK_PATHS if path not in REQUEST_FIELDS) == []


def test_no_fate_is_of_a_member_that_no_longer_exists() -> None:
    assert sorted(set(REQUEST_FIELDS) - SDK_PATHS - NOT_OF_THE_SDK - ON_THE_WIRE) == []


class _Nested(BaseModel):
    name: str
    brand_new: int


class _Newer(BaseModel):
    function_call: _Nested | None
    also_new: list[_Nested]


def test_new_members_would_be_noticed_at_any_depth() -> None:
    found = members(_Newer, "contents.parts.")
    assert [path for path in found if path not in REQUEST_FIELDS] == [
        "contents.parts.functionCall.brandNew",
        "contents.parts.alsoNew",
        "contents.parts.alsoNew.name",
        "contents.parts.alsoNew.brandNew",
    ]


def test_mapped_members_name_a_canonical_field_or_an_attribute_of_the_request() -> None:
    for path, field in REQUEST_FIELDS.items():
        if field.fate is Fate.MAPPED:
            assert field.to in {*CANONICAL_FIELDS, "model"}, path
        else:
            assert field.to == "", path


def test_every_canonical_field_has_a_fate() -> None:
    assert set(FATES) == set(CANONICAL_FIELDS)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("max_output_tokens", "generationConfig.maxOutputTokens"),
        ("sampling.top_k", "generationConfig.topK"),
        ("metadata", "labels"),
        ("extensions.safetySettings", "safetySettings"),
        ("extensions.generationConfig.speechConfig", "generationConfig.speechConfig"),
        ("vendor.gemini_generate.googleSearch", "tools.googleSearch"),
        ("vendor.gemini_generate.executableCode", "contents.parts.executableCode"),
        ("verbosity", "verbosity"),
        ("contents[0].parts[1].videoMetadata", "contents[0].parts[1].videoMetadata"),
    ],
)
def test_fields_have_the_clients_names(field: str, name: str) -> None:
    assert CODEC.field_name(field) == name
