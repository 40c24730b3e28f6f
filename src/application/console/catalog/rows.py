"""One change of many, in bulk requests."""

from typing import Generic, Literal, TypeVar

from msgspec import Struct

from domain.errors import InvalidRequest

E = TypeVar("E", bound=Struct)
P = TypeVar("P", bound=Struct)
VERBS = {"created": "create", "updated": "update", "deleted": "delete"}
"""What the audit trail calls what became of a row."""


class Row(Struct, Generic[E, P], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of many.

    Attributes:
        op: `create` takes `entry`, `update` takes `id` and `changes`, `delete` takes `id`.
        id: the id or the name of what is changed.
    """

    op: Literal["create", "update", "delete"]
    id: str | None = None
    entry: E | None = None
    changes: P | None = None


def entry_of(row: Row[E, P]) -> E:
    """Return what is to be created. Raises `InvalidRequest`: the row does not say."""
    if row.entry is None:
        raise InvalidRequest(f"'{row.op}' needs 'entry'.", param="entry")
    return row.entry


def changes_of(row: Row[E, P]) -> P:
    """Return what is to be changed. Raises `InvalidRequest`: the row does not say."""
    if row.changes is None:
        raise InvalidRequest(f"'{row.op}' needs 'changes'.", param="changes")
    return row.changes
