"""What every client does on the tour, and what it must have seen at the end."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from tests.support.model.tour import (
    ANSWER,
    CITY,
    LAST_ANSWER,
    LOOKING,
    ROUNDS,
    THOUGHTS,
    TOKENS,
    run_tool,
)

BOUND = 4096
BUDGET = 2048


@dataclass(frozen=True, slots=True)
class Spoken:
    """One answer, as the client's own parser understood it.

    Attributes:
        thought: None where this client has no place for it.
        cached: None where this client does not tell.
    """

    text: str
    calls: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list[tuple[str, dict[str, Any]]]
    )
    thought: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client goes: the gateway's URL, a key of it, and a model."""

    url: str
    key: str
    model: str


class Traveller(ABC):
    """A client at a place."""

    def __init__(self, place: Place) -> None:
        """Connect to nothing yet."""
        self.place = place

    @abstractmethod
    def tour(self, *, stream: bool) -> list[Spoken]:
        """Take the tour to its end."""

    @abstractmethod
    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Ask for an answer that fits the schema."""

    def close(self) -> None:  # noqa: B027 - most clients need none
        """Give connections back."""


def answers(calls: list[tuple[str, str, dict[str, Any]]]) -> list[tuple[str, str, str]]:
    """Run tools; return id, name and text of each, the last call first, as a slow first one would."""
    return [(call_id, name, run_tool(name, args)) for call_id, name, args in reversed(calls)]


def check_tour(spoken: list[Spoken]) -> bool:
    """Check what a client saw; return whether it saw what the model thought."""
    assert [each.text for each in spoken] == [LOOKING, "", ANSWER, LAST_ANSWER]
    expected = [[(call.name, call.arguments) for call in calls] for calls in ROUNDS]
    assert [each.calls for each in spoken] == [*expected, [], []]
    thoughts = [each.thought or "" for each in spoken]
    assert thoughts in ([*THOUGHTS, "", ""], [""] * len(spoken))
    for each in spoken:
        assert (each.input_tokens, each.output_tokens) == (TOKENS.input, TOKENS.generated)
        assert each.cached in (None, TOKENS.cache_read)
    return any(thoughts)


def check_city(city: dict[str, Any]) -> None:
    """Check an answer that fits the schema."""
    assert city == CITY
