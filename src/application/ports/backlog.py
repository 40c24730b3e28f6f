"""Records in a journal that no sink has confirmed yet, as the shipping jobs read them."""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct

from application.ports.records import Receipt


class Mark(Struct, frozen=True, order=True):
    """A place in a journal; later records have greater marks."""

    segment: int
    offset: int


class Reading(Struct, frozen=True):
    """Final records as JSON objects without newline, and the place after the last of them."""

    lines: tuple[bytes, ...]
    mark: Mark


class Progress(Struct, frozen=True):
    """How far a backlog is.

    Attributes:
        confirmed: everything before it is stored in every sink and may be forgotten.
        shipped: everything before it was handed to the bus.
        receipt: the bus's answer to the last batch before `shipped`; None when nothing is on the way.
    """

    confirmed: Mark
    shipped: Mark
    receipt: Receipt | None = None


class Backlog(Protocol):
    """The final records of one journal, in order, readable again until confirmed."""

    @property
    @abstractmethod
    def progress(self) -> Progress:
        """What was saved last, possibly by a process that died since."""
        ...

    @abstractmethod
    async def read(self, after: Mark, *, max_records: int, max_bytes: int) -> Reading:
        """Return records after a mark; none when there are no more at present.

        At least one record is returned, whatever its size, if there is one.
        """
        ...

    @abstractmethod
    async def save(self, progress: Progress) -> None:
        """Remember progress across a crash, and free what is confirmed.

        Never raises for a full disk: forgetting progress only means shipping again.
        """
        ...


class DeadBacklog(Backlog, Protocol):
    """What a dead process left behind, held exclusively by this process.

    Requests it never closed read as their `if_abandoned` record, after all closed ones.
    """

    @abstractmethod
    async def remove(self) -> None:
        """Delete the journal: everything in it is confirmed."""
        ...

    @abstractmethod
    def release(self) -> None:
        """Let go of the journal, so that another process can adopt it. Safe to call twice."""
        ...


class DeadJournals(Protocol):
    """The journals of processes that are no longer alive."""

    @abstractmethod
    async def adopt(self) -> DeadBacklog | None:
        """Take the next dead journal that nobody else holds, or None if there is none."""
        ...
