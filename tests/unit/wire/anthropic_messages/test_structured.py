from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.anthropic_messages.structured import SchemaFitter

Schema = dict[str, Any]


def fit(schema: Schema) -> tuple[Schema, bool]:
    fitter = SchemaFitter()
    return fitter.fit(schema), fitter.loosened


CLOSED: Schema = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        CLOSED,
        {"type": ["string", "null"], "enum": ["a", None], "description": "d", "title": "t"},
        {"type": "array", "items": {"type": "number", "default": 1}, "minItems": 1},
        {"type": "string", "format": "date-time", "pattern": "^[a-z]+$"},
        {"anyOf": [{"const": 1}, CLOSED], "$defs": {"a": CLOSED}},
        {"$ref": "#/$defs/a", "definitions": {"a": {"type": "null"}}},
        CLOSED | {"properties": {"minimum": {"type": "string"}}, "required": ["minimum"]},
    ],
)
def test_what_anthropic_takes_stays_as_it_is(schema: Schema) -> None:
    assert fit(schema) == (schema, False)


def test_objects_are_closed() -> None:
    assert fit({"type": "object"}) == (CLOSED, False)
    assert fit({"type": ["object", "null"]})[0]["additionalProperties"] is False


def test_an_object_that_was_open_is_not_the_same() -> None:
    assert fit({"type": "object", "additionalProperties": {"type": "string"}}) == (CLOSED, True)


@pytest.mark.parametrize(
    ("schema", "fitted"),
    [
        (
            {"type": "integer", "minimum": 1, "maximum": 9},
            {"type": "integer", "description": '{"minimum":1,"maximum":9}'},
        ),
        (
            {"type": "string", "minLength": 2, "description": "A name."},
            {"type": "string", "description": 'A name.\n\n{"minLength":2}'},
        ),
        (
            {"type": "string", "format": "iri"},
            {"type": "string", "description": '{"format":"iri"}'},
        ),
        (
            {"type": "string", "format": {"a": []}},
            {"type": "string", "description": '{"format":{"a":[]}}'},
        ),
        ({"type": "array", "minItems": 2}, {"type": "array", "description": '{"minItems":2}'}),
        (
            {"type": "string", "pattern": "(?=a)"},
            {"type": "string", "description": '{"pattern":"(?=a)"}'},
        ),
        (
            {"anyOf": [{"type": "null"}], "oneOf": [{"const": 1}]},
            {"anyOf": [{"type": "null"}], "description": '{"oneOf":[{"const":1}]}'},
        ),
    ],
)
def test_what_it_does_not_take_is_told_in_the_description(schema: Schema, fitted: Schema) -> None:
    assert fit(schema) == (fitted, True)


def test_one_of_is_any_of_and_notes_are_left_out() -> None:
    schema = {"oneOf": [{"const": 1}], "$schema": "https://json-schema.org/draft/2020-12/schema"}
    assert fit(schema) == ({"anyOf": [{"const": 1}]}, False)


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [{"type": "string", "minLength": 1}, {"type": "object"}, {"const": 1}, {}, None, True]
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(st.sampled_from("ab"), inner),
                "additionalProperties": inner,
            },
        ),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, max_size=2)}),
    ),
    max_leaves=6,
)


def objects(schema: Any) -> list[Schema]:
    """Return every schema of an object in a fitted schema."""
    if not isinstance(schema, dict):
        return []
    shape = cast("Schema", schema)
    found: list[Schema] = [shape] if shape.get("type") == "object" else []
    inner: list[Any] = [
        *shape.get("properties", {}).values(),
        *shape.get("anyOf", []),
        shape.get("items"),
    ]
    return found + [each for one in inner for each in objects(one)]


@settings(deadline=None)
@given(schema=SCHEMAS.filter(lambda schema: isinstance(schema, dict)))
def test_every_object_is_closed_and_fitting_twice_changes_nothing(schema: Schema) -> None:
    fitted, _ = fit(schema)
    assert all(each["additionalProperties"] is False for each in objects(fitted))
    assert fit(fitted) == (fitted, False)
