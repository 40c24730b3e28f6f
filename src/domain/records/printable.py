"""Making any record expressible in UTF-8."""

from typing import cast

from msgspec import Struct, structs

from domain.records.events import RequestRecord


def printable(record: RequestRecord) -> RequestRecord:
    """Return `record` with text that UTF-8 cannot express (lone surrogates) replaced by `?`."""
    return structs.replace(
        record,
        **{name: _printable(getattr(record, name)) for name in record.__struct_fields__},
    )


def _printable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            items = cast("dict[object, object]", value).items()
            return {_printable(key): _printable(item) for key, item in items}
        case tuple():
            return tuple(_printable(item) for item in cast("tuple[object, ...]", value))
        case Struct():
            fields = {name: _printable(getattr(value, name)) for name in value.__struct_fields__}
            return structs.replace(value, **fields)
        case _:
            return value
