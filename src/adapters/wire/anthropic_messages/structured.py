"""JSON schemas in the form in which Anthropic holds a model to them.

It takes a part of JSON Schema and refuses the rest with 400: every object must be closed
(`additionalProperties: false`), and bounds of numbers, lengths and sizes are not enforced
(https://docs.claude.com/en/docs/build-with-claude/structured-outputs). What it would refuse goes
into the description, where the model reads it.
"""

import re
from typing import cast

import msgspec

from adapters.wire.reading import JsonObject

_KEPT = frozenset({"type", "enum", "const", "title", "description", "default", "required", "$ref"})
_MAPS = frozenset({"properties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "allOf", "oneOf"})
_FORMATS = frozenset(
    {
        "date-time",
        "time",
        "date",
        "duration",
        "email",
        "hostname",
        "uri",
        "ipv4",
        "ipv6",
        "uuid",
    }
)
# Notes for people and tools, without a say in what is valid.
_IDLE = frozenset({"$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly"})
_HARD_PATTERN = re.compile(r"\(\?|\\[1-9bB]")


class SchemaFitter:
    """Fits one schema; `loosened` tells afterwards whether it allows more, or less, than it did."""

    def __init__(self) -> None:
        """Nothing is loosened yet."""
        self.loosened = False

    def fit(self, schema: JsonObject) -> JsonObject:
        """Return the schema that Anthropic takes."""
        fitted: JsonObject = {}
        hints: JsonObject = {}
        for name, value in schema.items():
            if name in _IDLE:
                continue
            if not self._take(name, value, fitted):
                hints[name] = value
        if _is_object(schema):
            fitted.setdefault("properties", {})
            hints.pop("additionalProperties", None)
            if schema.get("additionalProperties", False) is not False:
                self.loosened = True
            fitted["additionalProperties"] = False
        if hints:
            self.loosened = True
            told = msgspec.json.encode(hints).decode()
            before = schema.get("description")
            fitted["description"] = f"{before}\n\n{told}" if isinstance(before, str) else told
        return fitted

    def _take(self, name: str, value: object, fitted: JsonObject) -> bool:
        """Put a member into `fitted`; False when Anthropic does not take it."""
        if name in _MAPS and isinstance(value, dict):
            inner = cast("JsonObject", value)
            fitted[name] = {key: self._fit_any(each) for key, each in inner.items()}
        elif name in _LISTS and isinstance(value, list):
            if (name := "anyOf" if name == "oneOf" else name) in fitted:
                return False
            fitted[name] = [self._fit_any(each) for each in cast("list[object]", value)]
        elif name == "items" and isinstance(value, dict):
            fitted[name] = self._fit_any(cast("JsonObject", value))
        elif _is_taken(name, value):
            fitted[name] = value
        else:
            return False
        return True

    def _fit_any(self, schema: object) -> object:
        return self.fit(cast("JsonObject", schema)) if isinstance(schema, dict) else schema


def _is_taken(name: str, value: object) -> bool:
    match name:
        case "format":
            return isinstance(value, str) and value in _FORMATS
        case "minItems":
            return value in (0, 1)
        case "pattern":
            return isinstance(value, str) and _HARD_PATTERN.search(value) is None
        case _:
            return name in _KEPT


def _is_object(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)
