"""Credentials of a provider: what each does to a request, and which one is used next."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import structs

from application.ports.clock import Clock
from application.ports.upstream import UpstreamRequest

REJECTED_FOR_MS = 60_000
"""How long a credential that the provider refused is tried last."""
LIMITED_FOR_MS = 5_000
"""How long one is tried last after a 429 that said nothing about when to come back."""


class Credential(Protocol):
    """Puts one credential into requests."""

    @abstractmethod
    async def authorize(self, request: UpstreamRequest) -> UpstreamRequest:
        """Return `request` with the credential in it.

        Raises:
            UpstreamCredentialRejected: there is none to be had now (a token endpoint refuses).
            UpstreamUnavailable, UpstreamTimeout: its source does not answer.
        """
        ...

    def refused(self) -> None:
        """Take note that the provider refused what `authorize` gave; what is cached may be stale."""


class HeaderCredential(Credential):
    """Headers that stay the same."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """`headers` hold the secret."""
        self._headers = tuple(headers)

    async def authorize(self, request: UpstreamRequest) -> UpstreamRequest:
        """Append the headers."""
        return structs.replace(request, headers=(*request.headers, *self._headers))


class CredentialRing:
    """Several credentials of one provider, the healthy ones first."""

    def __init__(self, credentials: Sequence[Credential], clock: Clock) -> None:
        """`credentials` are at least one, in order of preference."""
        self._credentials = tuple(credentials)
        self._clock = clock
        self._resting_until_ms = [0] * len(self._credentials)
        self._next = 0

    def __iter__(self) -> Iterator[tuple[int, Credential]]:
        """Yield every credential once with its number: rested ones in turn, then the others."""
        now_ms = self._clock.now_ms()
        count = len(self._credentials)
        first, self._next = self._next, (self._next + 1) % count
        turn = [(first + step) % count for step in range(count)]
        turn.sort(key=lambda number: max(0, self._resting_until_ms[number] - now_ms))
        for number in turn:
            yield number, self._credentials[number]

    def rest(self, number: int, for_ms: int) -> None:
        """Use a credential after the others for a while."""
        until = self._clock.now_ms() + for_ms
        self._resting_until_ms[number] = max(self._resting_until_ms[number], until)

    def well(self, number: int) -> None:
        """Note that a credential works."""
        self._resting_until_ms[number] = 0
