"""Merge patches of documents that have objects inside (RFC 7396)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar, cast

import msgspec
from msgspec import Struct

from domain.errors import InvalidRequest, ValidationFailed

E = TypeVar("E", bound=Struct)


def merge_patch(target: object, patch: object) -> object:
    """Return `target` changed by `patch` (RFC 7396 section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    members = dict(cast("Mapping[str, object]", target)) if isinstance(target, Mapping) else {}
    for name, value in cast("Mapping[str, object]", patch).items():
        if value is None:
            members.pop(name, None)
        else:
            members[name] = merge_patch(members.get(name), value)
    return members


def patched(entry: E, changes: Struct) -> E:
    """Return an entry with `changes` merged in, objects inside member by member.

    A member of `changes` that is UNSET stays as it is, one that is None goes back to its default.

    Raises:
        InvalidRequest: a member without a default is cleared.
    """
    merged = merge_patch(_plain(entry), _plain(changes))
    try:
        return msgspec.convert(merged, type(entry), builtin_types=(Decimal,))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"After this change: {error}.") from error


def refuse(faults: Sequence[str]) -> None:
    """Raise when there are faults, each `.field: what is wrong with it`.

    Raises:
        InvalidRequest: there is one; `param` names the field.
        ValidationFailed: there are several.
    """
    told = [fault.removeprefix(".") for fault in faults]
    if len(told) > 1:
        raise ValidationFailed(told)
    for fault in told:
        raise InvalidRequest(f"{fault}.", param=fault.partition(": ")[0])


def _plain(value: Struct) -> object:
    return msgspec.to_builtins(value, builtin_types=(Decimal,))
