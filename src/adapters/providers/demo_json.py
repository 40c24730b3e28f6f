"""A value that a simple JSON schema accepts, always the same one."""

from collections.abc import Mapping
from typing import cast

from domain.errors import UpstreamRejected

_DEEPEST = 12
_MOST_VALUES = 10_000
_LONGEST_TEXT = 4096
_TEXT_OF_FORMAT = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

Schema = Mapping[str, object]


def example_of(schema: Schema) -> object:
    """Return a value for `schema`.

    Honours `const`, `enum`, `default`, `type`, `properties`, `items`, `anyOf`/`oneOf` (the first),
    `allOf` of objects, local `$ref`, common formats, and length and number bounds. Patterns and
    conditions are not honoured.

    Raises:
        UpstreamRejected: the schema refers to itself without an end, or to nothing.
    """
    return _Example(schema).of(schema, depth=0)


class _Example:
    """One walk over a schema, with a bound on its size: references can multiply."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._values = 0

    def of(self, given: object, *, depth: int) -> object:
        self._values += 1
        if self._values > _MOST_VALUES or depth > 2 * _DEEPEST:
            raise _unusable("it is too large or refers to itself without an end")
        schema = self._resolved(given)
        for fixed in ("const", "default"):
            if fixed in schema:
                return schema[fixed]
        if options := _list(schema.get("enum")):
            return options[0]
        for combined in ("anyOf", "oneOf"):
            if options := _list(schema.get(combined)):
                return self.of(
                    _simplest(options) if depth >= _DEEPEST else options[0], depth=depth + 1
                )
        if parts := _list(schema.get("allOf")):
            return self._merged(schema, parts, depth)
        return self._by_type(schema, depth)

    def _by_type(self, schema: Schema, depth: int) -> object:
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return _text(schema)
            case "integer" | "number" as kind:
                number = _number(schema)
                return round(number) if kind == "integer" else number
            case "boolean":
                return True
            case _:
                return None

    def _object(self, schema: Schema, depth: int) -> dict[str, object]:
        properties = _mapping(schema.get("properties"))
        required = _list(schema.get("required"))
        names = [name for name in properties if depth < _DEEPEST or name in required]
        return {name: self.of(properties[name], depth=depth + 1) for name in names}

    def _array(self, schema: Schema, depth: int) -> list[object]:
        fewest = _whole(schema.get("minItems"), 0)
        count = max(fewest, 1 if depth < _DEEPEST else 0)
        count = min(count, _whole(schema.get("maxItems"), count), _MOST_VALUES)
        return [self.of(schema.get("items", {}), depth=depth + 1) for _ in range(count)]

    def _merged(self, schema: Schema, parts: list[object], depth: int) -> object:
        values = [self.of(part, depth=depth + 1) for part in parts]
        merged: dict[str, object] = self._object(schema, depth)
        for value in values:
            if not isinstance(value, dict):
                return value
            merged.update(cast("dict[str, object]", value))
        return merged

    def _resolved(self, given: object) -> Schema:
        schema = _mapping(given)
        for _ in range(_DEEPEST):
            target = schema.get("$ref")
            if not isinstance(target, str):
                return schema
            schema = self._at(target)
        raise _unusable("it refers to itself without an end")

    def _at(self, pointer: str) -> Schema:
        """Follow a local JSON pointer (RFC 6901)."""
        found: object = self._root
        for step in pointer.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = _mapping(found).get(name)
        if not pointer.startswith("#") or not isinstance(found, dict):
            raise _unusable("it refers to something that is not in it")
        return _mapping(cast("object", found))


def _unusable(problem: str) -> UpstreamRejected:
    return UpstreamRejected(
        400, f"The JSON schema cannot be used: {problem}.", kind="invalid_request_error"
    )


def _type_of(schema: Schema) -> str:
    """Return the wanted type; of several the first that is not null."""
    wanted = schema.get("type")
    if isinstance(wanted, str):
        return wanted
    for option in _list(wanted):
        if isinstance(option, str) and option != "null":
            return option
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _simplest(options: list[object]) -> object:
    """Prefer null, to come to an end."""
    return next(
        (option for option in options if _mapping(option).get("type") == "null"), options[0]
    )


def _text(schema: Schema) -> str:
    text = _TEXT_OF_FORMAT.get(str(schema.get("format")), "example")
    fewest = min(_whole(schema.get("minLength"), 0), _LONGEST_TEXT)
    return text.ljust(fewest, ".")[: _whole(schema.get("maxLength"), _LONGEST_TEXT)]


def _number(schema: Schema) -> int | float:
    """Return the smallest allowed number from 1 up, or the largest allowed one below it."""
    step = _numeric(schema.get("multipleOf")) or 1
    value: int | float = step
    lowest = _numeric(schema.get("minimum"))
    above = _numeric(schema.get("exclusiveMinimum"))
    highest = _numeric(schema.get("maximum"))
    below = _numeric(schema.get("exclusiveMaximum"))
    if lowest is not None and value < lowest:
        value = -(-lowest // step) * step
    if above is not None and value <= above:
        value = (above // step + 1) * step
    if highest is not None and value > highest:
        value = highest // step * step
    if below is not None and value >= below:
        value = (-(-below // step) - 1) * step
    return value


def _numeric(value: object) -> int | float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return cast("int | float", value) if usable and abs(cast("float", value)) < 1e15 else None


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _mapping(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}
