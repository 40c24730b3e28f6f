"""Which provider keeps an answer that clients may go on from (OpenAI Responses)."""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct

from domain.accounting.usage import TokenUsage


class ResponseOrigin(Struct, frozen=True, kw_only=True):
    """Where an answer came from, and whose it is.

    Attributes:
        response_id: the provider's id of it.
        provider_id: provider that keeps it.
        model: public name of the model that made it.
        lineage_id: key (through its rotations) that asked for it.
        user_id: owner of that key, empty without one.
        charged: what was charged for the answer by guess, as its provider had not told its use (it
            is made in the background, or was cut); None once nothing more is to be charged.
    """

    response_id: str
    provider_id: str
    model: str
    lineage_id: str
    user_id: str = ""
    charged: TokenUsage | None = None


class ResponseOrigins(Protocol):
    """Kept for a limited time. Each raises `ServiceUnavailable` when the store is away."""

    @abstractmethod
    async def remember(self, origin: ResponseOrigin) -> None:
        """Keep `origin` for 30 days; a later one of the same id replaces it."""
        ...

    @abstractmethod
    async def find(self, response_id: str) -> ResponseOrigin | None:
        """Return what is kept for an id, None when nothing is."""
        ...

    @abstractmethod
    async def forget(self, response_id: str) -> None:
        """Keep nothing for an id any more."""
        ...
