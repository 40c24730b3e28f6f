"""Gemini's `Schema`, a subset of OpenAPI 3.0's, as JSON Schema.

https://ai.google.dev/api/caching#Schema. Many clients put JSON Schema itself into these members, so
whatever is not the dialect's own stays as it is.
"""

from typing import cast

from adapters.wire.gemini_generate.reading import camel_case

JsonObject = dict[str, object]

_NAMES = {"defs": "$defs", "ref": "$ref"}
_COUNTS = frozenset(
    {"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"}
)
_SCHEMAS_BY_NAME = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_LISTS_OF_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMAS = frozenset({"items", "additionalProperties", "not"})
_KNOWN = frozenset(
    {
        *_COUNTS,
        "additionalProperties",
        "anyOf",
        "propertyOrdering",
    }
)


def to_json_schema(schema: JsonObject) -> JsonObject:
    """Return the JSON Schema of a `Schema`.

    Types become small letters, `nullable` a type, `example` a list, `propertyOrdering` the order of
    the properties, which is how others understand it.
    """
    found: JsonObject = {}
    for name, value in schema.items():
        camel = camel_case(name)
        known = camel if camel in _KNOWN else name
        found[_NAMES.get(known, known)] = value
    ordering = found.pop("propertyOrdering", None)
    nullable = found.pop("nullable", None)
    if "example" in found:
        found.setdefault("examples", [found.pop("example")])
    result = {name: _converted(name, value) for name, value in found.items()}
    if result.get("type") == "type_unspecified":
        del result["type"]
    if isinstance(ordering, list) and isinstance(result.get("properties"), dict):
        result["properties"] = _ordered(
            cast("JsonObject", result["properties"]), cast("list[object]", ordering)
        )
    return _with_null(result) if nullable is True else result


def _converted(name: str, value: object) -> object:
    if name == "type" and isinstance(value, str):
        return value.lower() if value.isupper() else value
    if (
        name in _COUNTS
        and isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) < 20
    ):
        return int(value)  # int64 is a string in protobuf JSON
    if name in _SCHEMAS:
        return _schema(value)
    if name in _LISTS_OF_SCHEMAS and isinstance(value, list):
        return [_schema(entry) for entry in cast("list[object]", value)]
    if name in _SCHEMAS_BY_NAME and isinstance(value, dict):
        return {key: _schema(entry) for key, entry in cast("JsonObject", value).items()}
    return value


def _schema(value: object) -> object:
    return to_json_schema(cast("JsonObject", value)) if isinstance(value, dict) else value


def _ordered(properties: JsonObject, ordering: list[object]) -> JsonObject:
    names = [name for name in ordering if isinstance(name, str) and name in properties]
    return {name: properties[name] for name in (*names, *properties)}


def _with_null(schema: JsonObject) -> JsonObject:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    result = {**schema, "type": [kind, "null"]}
    values = result.get("enum")
    if isinstance(values, list) and None not in values:
        result["enum"] = [*cast("list[object]", values), None]
    return result
