"""From a tree of plain values to the document, collecting every fault with its path."""

from collections.abc import Mapping
from enum import StrEnum
from types import UnionType
from typing import Union, cast, get_args, get_origin

import msgspec
from msgspec import Struct

from application.console.configuration.document import (
    LISTS,
    NOT_AVAILABLE,
    VERSION,
    Document,
)

_TYPE_NAMES: Mapping[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "nothing",
}


class Reading(Struct, frozen=True):
    """The document as far as it could be read, and what was wrong with the rest.

    Attributes:
        names: for each list, the identifying texts written in it, also of entries with faults, so
            that a reference to such an entry is not called a second fault.
    """

    document: Document
    faults: tuple[str, ...]
    names: Mapping[str, frozenset[str]]


def read_document(tree: object) -> Reading:
    """Read a document; nothing of it is ignored."""
    faults: list[str] = []
    if not isinstance(tree, dict):
        return Reading(Document(), (f"document: expected a mapping, got {_kind(tree)}",), {})
    members = cast("dict[object, object]", tree)
    _check_version(members, faults)
    for name in members:
        if name in NOT_AVAILABLE:
            faults.append(f"{name}: not available in this version")
        elif name not in ("version", "settings", *LISTS):
            faults.append(f"{name}: there is no such member; known are {_known()}")
    settings = members.get("settings", {})
    if not isinstance(settings, dict):
        faults.append(f"settings: expected a mapping, got {_kind(settings)}")
        settings = {}
    lists = {
        name: _entries(entry, members[name], name, faults)
        for name, entry in LISTS.items()
        if name in members
    }
    names = {name: _names(members.get(name)) for name in LISTS}
    document = msgspec.structs.replace(
        Document(settings=cast("dict[str, object]", settings)), **lists
    )
    return Reading(document, tuple(faults), names)


def _check_version(members: Mapping[object, object], faults: list[str]) -> None:
    version = members.get("version")
    if "version" not in members:
        faults.append(f"version: is required; write 'version: {VERSION}'")
    elif version != VERSION or type(version) is not int:
        faults.append(f"version: this program reads version {VERSION} only")


def _entries(
    entry: type[Struct], value: object, path: str, faults: list[str]
) -> tuple[Struct | None, ...]:
    if not isinstance(value, list):
        faults.append(f"{path}: expected a list, got {_kind(value)}")
        return ()
    elements = cast("list[object]", value)
    return tuple(
        _struct(entry, element, f"{path}[{index}]", faults)
        for index, element in enumerate(elements)
    )


def _struct(kind: type[Struct], value: object, path: str, faults: list[str]) -> Struct | None:
    """Return the Struct, after adding a line per wrong member.

    A wrong member is left at its default, so that the others can still be checked for their sense;
    without a default there is nothing to return.
    """
    if not isinstance(value, dict):
        faults.append(f"{path}: expected a mapping, got {_kind(value)}")
        return None
    members = cast("dict[object, object]", value)
    fields = {info.encode_name: info for info in msgspec.structs.fields(kind)}
    faults.extend(
        f"{path}.{name}: there is no such member; known are {', '.join(fields)}"
        for name in members
        if name not in fields
    )
    given: dict[str, object] = {}
    for name, info in fields.items():
        if name in members:
            before = len(faults)
            member = _member(info.type, members[name], f"{path}.{name}", faults)
            if len(faults) == before:
                given[info.name] = member
        elif info.required:
            faults.append(f"{path}.{name}: is required")
    if any(info.required and info.name not in given for info in fields.values()):
        return None
    return kind(**given)


def _member(kind: object, value: object, path: str, faults: list[str]) -> object:
    options = get_args(kind) if get_origin(kind) in (UnionType, Union) else (kind,)
    if value is None and type(None) in options:
        return None
    (wanted, *_) = [option for option in options if option is not type(None)]
    if isinstance(wanted, type) and issubclass(wanted, Struct):
        return _struct(wanted, value, path, faults)
    if get_origin(wanted) is tuple:
        return _list(get_args(wanted)[0], value, path, faults)
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return _choice(wanted, value, path, faults)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        faults.append(f"{path}: {_explained(error)}")
        return None


def _list(element: object, value: object, path: str, faults: list[str]) -> object:
    if not isinstance(value, list):
        faults.append(f"{path}: expected a list, got {_kind(value)}")
        return None
    elements = cast("list[object]", value)
    return tuple(
        _member(element, each, f"{path}[{index}]", faults) for index, each in enumerate(elements)
    )


def _choice(kind: type[StrEnum], value: object, path: str, faults: list[str]) -> StrEnum | None:
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    known = ", ".join(kind)
    if isinstance(value, str):
        faults.append(f"{path}: '{value[:60]}' is not available; known are {known}")
    else:
        faults.append(f"{path}: expected one of {known}, got {_kind(value)}")
    return None


def _explained(error: msgspec.ValidationError) -> str:
    """Return msgspec's text in our words; it names types and places, never values."""
    text = str(error).replace("`", "").replace(" - at $", " at ").replace("[...]", "a member")
    return text[:1].lower() + text[1:]


def _kind(value: object) -> str:
    return _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")


def _names(value: object) -> frozenset[str]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    found: set[str] = set()
    for entry in entries:
        members = cast("dict[object, object]", entry) if isinstance(entry, dict) else {}
        name = members.get("email", members.get("name"))
        if isinstance(name, str):
            found.add(name)
    return frozenset(found)


def _known() -> str:
    return ", ".join(("version", "settings", *LISTS))
