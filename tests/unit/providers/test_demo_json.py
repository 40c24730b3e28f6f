from typing import Any

import pytest

from adapters.providers.demo_json import example_of
from domain.errors import UpstreamRejected


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "example"),
        ({"type": "string", "minLength": 10}, "example..."),
        ({"type": "string", "maxLength": 3}, "exa"),
        ({"type": "string", "format": "date"}, "2025-01-01"),
        ({"type": "string", "enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer", "default": 5}, 5),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "number", "multipleOf": 0.5, "minimum": 0.75}, 1.0),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "maxItems": 0}, []),
        ({"items": {"const": 1}}, [1]),
        ({"properties": {"a": {"const": 1}, "b": {}}}, {"a": 1, "b": "example"}),
        ({"anyOf": [{"const": "first"}, {"type": "null"}]}, "first"),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
            {"a": 1, "b": 2},
        ),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": "found"}}}, "found"),
        ({}, "example"),
    ],
)
def test_an_example_is_valid_for_its_schema(schema: dict[str, Any], value: object) -> None:
    assert example_of(schema) == value


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "next": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}]},
                },
                "required": ["name", "children"],
            },
            "leaf": {"type": "object", "properties": {"value": {"type": "integer"}}},
        },
    }
    value = example_of(tree)
    assert isinstance(value, dict)
    assert value["name"] == "example"
    assert value["next"] == {"value": 1}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/schema"},
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"properties": {name: {"$ref": "#"} for name in "abcdefgh"}},
    ],
)
def test_a_schema_without_an_end_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UpstreamRejected) as caught:
        example_of(schema)
    assert caught.value.status == 400
