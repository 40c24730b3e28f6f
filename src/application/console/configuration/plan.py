"""What applying a document would do, and did."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from msgspec import Struct

from application.ports.unit_of_work import Transaction
from domain.secret import Secret

SHOWN_SECRET = "(secret)"  # noqa: S105 - it is what is shown instead


class Action(StrEnum):
    """What happens to an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"


class FieldChange(Struct, frozen=True):
    """A field before and after, as text; secrets are masked."""

    field: str
    before: str
    after: str


class Step(Struct, frozen=True, kw_only=True):
    """One object of the plan. `note` says what is surprising about it, if anything is."""

    action: Action
    kind: str
    name: str
    changes: tuple[FieldChange, ...] = ()
    note: str = ""


class CreatedSecret(Struct, frozen=True, kw_only=True):
    """A secret that was made and can be told only now."""

    kind: str
    name: str
    owner: str
    secret: Secret


class Applied(Struct, frozen=True, kw_only=True):
    """Outcome of an `apply`; `applied` is False for a dry run and when nothing had to change."""

    steps: tuple[Step, ...]
    applied: bool
    secrets: tuple[CreatedSecret, ...] = ()

    def count(self, action: Action) -> int:
        """Return how many objects have this action."""
        return sum(step.action is action for step in self.steps)


Work = Callable[[Transaction], Awaitable[CreatedSecret | None]]


class Planned(Struct, frozen=True):
    """A step and the work behind it; None when nothing is to be done."""

    step: Step
    work: Work | None = None


def field_changes(pairs: Sequence[tuple[str, object, object]]) -> tuple[FieldChange, ...]:
    """Return those of (field, before, after) that differ, as text."""
    return tuple(
        FieldChange(name, shown(before), shown(after))
        for name, before, after in pairs
        if before != after
    )


def shown(value: object) -> str:
    """Return a value as a plan prints it."""
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case tuple() | frozenset() | set():
            elements: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            texts = [shown(element) for element in elements]
            return f"[{', '.join(texts if isinstance(value, tuple) else sorted(texts))}]"
        case _:
            return str(value)
