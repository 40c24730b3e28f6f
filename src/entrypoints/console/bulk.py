"""Rows of a bulk call that were refused: the call succeeds, and the refusals are recorded."""

from collections.abc import Sequence
from typing import Protocol

from litestar.di import NamedDependency
from msgspec import Struct

from domain.errors import AccessDenied, BeyondOwnRights, DomainError, PermissionDenied
from entrypoints.asgi import AnyRequest
from entrypoints.console.problems import REFUSED

_CODES = frozenset({PermissionDenied.code, BeyondOwnRights.code})


class RowOutcome(Protocol):
    """What became of one row, as every kind of bulk call says it."""

    @property
    def code(self) -> str | None:
        """The code of the error; None for a row that was carried out."""
        ...

    @property
    def message(self) -> str | None:
        """What the error says."""
        ...


class NotedRefusals(Struct):
    """What a handler refused without raising; it is recorded before the answer leaves."""

    errors: list[DomainError]


Refusals = NamedDependency[NotedRefusals]
"""Where a handler notes them."""


def refusals_of(request: AnyRequest) -> NotedRefusals:
    """Return where refusals are noted; a dependency of the handlers called `refusals`."""
    return NotedRefusals(request.scope["state"].get(REFUSED, []))


class RowsRefused(AccessDenied):
    """Rows of one call that the actor may not carry out."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is that of the first of them."""
        super().__init__(message)
        self.code = code


def note_refused_rows(refusals: NotedRefusals, outcomes: Sequence[RowOutcome]) -> None:
    """Note the rows that were refused as one refusal: a call with 500 of them is one attempt."""
    refused = [each for each in outcomes if each.code in _CODES]
    if refused:
        first = refused[0]
        refusals.errors.append(
            RowsRefused(
                first.code or "",
                f"{len(refused)} of {len(outcomes)} rows, the first of them: {first.message}",
            )
        )
