"""What a conversation with a model is, whatever the vendor calls it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, by value."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """Thought given back to the model; `state` is its signature or encrypted content."""

    text: str = ""
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool. `id` is empty where the vendor has none."""

    name: str
    arguments: Json
    id: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool answered. `id` is empty where the vendor has none; then the order decides."""

    text: str
    name: str = ""
    id: str = ""
    images: tuple[Image, ...] = ()


Part = Text | Image | Thinking | Call | Result


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of somebody; consecutive messages of one side are one turn."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the model is asked.

    Attributes:
        gives_state: whether an answer to this request carries the state of its thinking.
        wants_thinking: whether the caller asked for thinking.
        shows_thinking: whether the caller asked to read it, where that is a question of its own.
        tools: name -> JSON schema of its arguments; of a free-text tool the schema is empty.
        free_text_tools: names of tools that take text instead of JSON.
        schema: the JSON schema that the answer must fit, if one was given.
    """

    api: str
    model: str
    system: str
    messages: tuple[Message, ...]
    stream: bool
    gives_state: bool
    wants_thinking: bool
    tools: dict[str, Json] = field(default_factory=dict[str, Json])
    free_text_tools: frozenset[str] = frozenset()
    schema: Json | None = None
    shows_thinking: bool = True

    @property
    def user_text(self) -> str:
        """Everything that the user wrote."""
        return "\n".join(
            part.text
            for message in self.messages
            for part in message.parts
            if message.role == "user" and isinstance(part, Text)
        )

    def parts(self, kind: type[Any]) -> list[Any]:
        """Return all parts of one kind, in order."""
        return [p for message in self.messages for p in message.parts if isinstance(p, kind)]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a turn used; the five numbers are disjoint."""

    uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def input(self) -> int:
        """All input."""
        return self.uncached + self.cache_read + self.cache_write

    @property
    def generated(self) -> int:
        """All output."""
        return self.output + self.reasoning


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model says. `state` belongs to `thought`; ids of calls are the model's own.

    Attributes:
        id: tells this answer from all others; agents take answers with one id for one answer.
    """

    text: str = ""
    thought: str = ""
    state: str = ""
    calls: tuple[Call, ...] = ()
    tokens: Tokens = Tokens()
    id: str = ""


Scenario = Callable[[Conversation], Turn]


class Refused(Exception):
    """The vendor would not take this request. The text says why, with the vendor's path."""


def need(condition: object, why: str) -> None:
    """Refuse the request unless the condition holds."""
    if not condition:
        raise Refused(why)


def known(given: Json, names: frozenset[str] | set[str], where: str) -> None:
    """Refuse members that the vendor does not know."""
    unknown = sorted(set(given) - names)
    need(not unknown, f"Unknown parameter: '{where}{unknown[0] if unknown else ''}'.")


def inside(given: Json, name: str) -> Json:
    """Return an object within, empty if there is none."""
    return given.get(name) or {}


def listed(given: Json, name: str) -> list[Any]:
    """Return a list within, empty if there is none."""
    return given.get(name) or []


def pieces(text: str, size: int = 7) -> list[str]:
    """Cut a text as a model streams it."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def joined(messages: list[Message]) -> tuple[Message, ...]:
    """Make one message of consecutive ones of the same side."""
    whole: list[Message] = []
    for message in messages:
        if whole and whole[-1].role == message.role:
            whole[-1] = Message(message.role, whole[-1].parts + message.parts)
        else:
            whole.append(message)
    return tuple(whole)


def answered(messages: tuple[Message, ...]) -> None:
    """Refuse a conversation in which a call has no result right after it, or the other way round."""
    for index, message in enumerate(messages):
        calls = [part for part in message.parts if isinstance(part, Call)]
        after = messages[index + 1].parts if index + 1 < len(messages) else ()
        results = [part for part in after if isinstance(part, Result)]
        need(
            sorted(call.id for call in calls) == sorted(result.id for result in results)
            or (message.role == "user"),
            f"messages.{index}: calls {[c.id for c in calls]} but results {[r.id for r in results]}",
        )
        if index == 0 or message.role == "assistant":
            need(
                not any(isinstance(part, Result) for part in message.parts),
                f"messages.{index}: a tool result without its call",
            )
