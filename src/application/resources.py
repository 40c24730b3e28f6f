"""What all resources of the REST API have in common (console.md section 1).

Lists are walked by key, editable views have an entity tag, a change merges (RFC 7396), and of many
changes each has an outcome of its own.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct

from domain.errors import (
    AccessDenied,
    Conflict,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
)

MOST_PER_PAGE = 500
MOST_ROWS = 500
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

T = TypeVar("T")
V = TypeVar("V")
E = TypeVar("E", bound=Struct)
R = TypeVar("R")
Status = Literal["created", "updated", "unchanged", "deleted", "failed"]


class Versioned(Struct, Generic[V], frozen=True):
    """A view with the entity tag (RFC 9110 section 8.8.3) that `If-Match` is compared with."""

    view: V
    etag: str


class Page(Struct, Generic[V], frozen=True):
    """Some views, oldest first; `next_cursor` is None on the last page."""

    items: tuple[V, ...]
    next_cursor: str | None
    total: int


class Outcome(Struct, Generic[V], frozen=True, kw_only=True):
    """What became of a row: `created`, `updated`, `unchanged`, `deleted` or `failed`."""

    index: int
    status: Status
    item: V | None = None
    code: str | None = None
    message: str | None = None
    field: str | None = None


def versioned(view: V) -> Versioned[V]:
    """Return a view with its entity tag: a digest of everything it shows."""
    encoded = msgspec.json.encode(view, order="sorted")
    return Versioned(view, f'"{sha256(encoded).hexdigest()[:24]}"')


def require_version(present: Versioned[V] | None, if_match: str | None, kind: str) -> None:
    """Raise unless `if_match` is None or the tag of what is there.

    Raises:
        PreconditionFailed: somebody changed it meanwhile; `kind` is what the text calls it.
    """
    if if_match is not None and (present is None or present.etag != if_match):
        raise PreconditionFailed(f"The {kind} was changed meanwhile; read it again.")


def check_page(limit: int, cursor: str | None) -> None:
    """Check the parameters of a page; a cursor is the id of the last item seen.

    Raises:
        InvalidRequest: one is out of bounds; `param` names it.
    """
    if not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidRequest(f"'limit' must be between 1 and {MOST_PER_PAGE}.", param="limit")
    if cursor is not None and not _ID.fullmatch(cursor):
        raise InvalidRequest("'cursor' was not made by this API.", param="cursor")


def page_of(
    found: Sequence[T],
    *,
    limit: int,
    cursor: str | None,
    key: Callable[[T], str],
    view: Callable[[T], V],
) -> Page[V]:
    """Return one page of what was found, which must be in the order of its keys (ids)."""
    rest = [each for each in found if cursor is None or key(each) > cursor]
    shown = rest[:limit]
    return Page(
        items=tuple(map(view, shown)),
        next_cursor=key(shown[-1]) if len(rest) > limit else None,
        total=len(found),
    )


def merged(entry: E, changes: Struct) -> E:
    """Return an entry with the members that `changes` has (RFC 7396).

    A member of `changes` that is UNSET stays as it is, one that is None goes back to its default.

    Raises:
        InvalidRequest: a member without a default is None.
    """
    given = msgspec.structs.asdict(entry)
    for name in changes.__struct_fields__:
        value = getattr(changes, name)
        if value is None:
            given.pop(name, None)
        elif value is not UNSET:
            given[name] = value
    for field in msgspec.structs.fields(type(entry)):
        if field.required and field.name not in given:
            raise InvalidRequest(f"'{field.name}' cannot be cleared.", param=field.name)
    return type(entry)(**given)


async def each_on_its_own(
    rows: Sequence[R], work: Callable[[R], Awaitable[tuple[Status, V | None]]]
) -> list[Outcome[V]]:
    """Carry out each row on its own; one that fails does not stop the others.

    Raises:
        InvalidRequest: too many rows.
        ServiceUnavailable: the store does not answer; the rows before were carried out.
    """
    if not 1 <= len(rows) <= MOST_ROWS:
        raise InvalidRequest(f"Between 1 and {MOST_ROWS} items are taken.", param="items")
    outcomes: list[Outcome[V]] = []
    for index, row in enumerate(rows):
        try:
            status, item = await work(row)
        except (InvalidRequest, NotFound, Conflict, AccessDenied) as error:
            field = error.param if isinstance(error, InvalidRequest) else None
            outcomes.append(
                Outcome(
                    index=index,
                    status="failed",
                    code=error.code,
                    message=error.message,
                    field=field,
                )
            )
        else:
            outcomes.append(Outcome(index=index, status=status, item=item))
    return outcomes
