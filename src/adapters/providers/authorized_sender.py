"""Sends requests with one credential after the other, until one is not refused."""

from collections.abc import Awaitable, Callable

from adapters.providers.credentials import LIMITED_FOR_MS, REJECTED_FOR_MS, CredentialRing
from application.ports.upstream import UpstreamRequest, UpstreamResponse, UpstreamTransport
from domain.errors import UpstreamCredentialRejected, UpstreamFailure, UpstreamRateLimited

Check = Callable[[UpstreamResponse], Awaitable[None]]
"""Raises for an answer that is not to be used; whether its credential is to blame, the error says."""


class AuthorizedSender:
    """A transport and the credentials for it."""

    def __init__(self, transport: UpstreamTransport, ring: CredentialRing) -> None:
        """The transport stays its owner's to close."""
        self._transport = transport
        self._ring = ring

    async def send(self, request: UpstreamRequest, check: Check) -> UpstreamResponse:
        """Return the first answer that `check` accepts.

        Raises:
            UpstreamFailure: what the last credential met with, or at once a failure that another
                credential would not change.
        """
        failure: UpstreamFailure | None = None
        for number, credential in self._ring:
            try:
                authorized = await credential.authorize(request)
            except UpstreamFailure as error:
                rejected = isinstance(error, UpstreamCredentialRejected)
                self._ring.rest(number, REJECTED_FOR_MS if rejected else LIMITED_FOR_MS)
                failure = error
                continue
            response = await self._transport.send(authorized)
            try:
                await check(response)
            except UpstreamCredentialRejected as error:
                await response.aclose()
                credential.refused()
                self._ring.rest(number, REJECTED_FOR_MS)
                failure = error
            except UpstreamRateLimited as error:
                await response.aclose()
                self._ring.rest(number, error.retry_after_ms or LIMITED_FOR_MS)
                failure = error
            except BaseException:
                await response.aclose()
                raise
            else:
                self._ring.well(number)
                return response
        assert failure is not None
        raise failure
