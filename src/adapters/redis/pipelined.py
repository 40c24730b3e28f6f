"""Commands to the server that owns the hot keys, over one self-pipelining connection."""

import asyncio
from collections.abc import Sequence
from hashlib import sha1

from msgspec import Struct

from adapters.redis.discovery import Resolve, resolver
from adapters.redis.endpoint import Endpoint
from adapters.redis.link import CommandRefused, Link, Part, Reply, dial
from domain.errors import LimitStoreUnavailable

CONNECT_TIMEOUT_S = 0.05
OPERATION_TIMEOUT_S = 0.1
# Answers of a server that is no longer the one to talk to; the command was not carried out.
_ELSEWHERE = frozenset({"MOVED", "READONLY"})


class Script(Struct, frozen=True):
    """A Lua script and the SHA-1 it is called by."""

    source: str
    sha: str

    @classmethod
    def of(cls, source: str) -> "Script":
        """Name `source` the way the server does."""
        return cls(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


class PipelinedCommands:
    """Connects when first used and again whenever the connection has failed.

    A command is sent once. The exceptions are answers that prove it was not carried out: an
    unknown script is sent in full, and a cluster that moved the keys is asked again for the owner.
    """

    def __init__(
        self,
        resolve: Resolve,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = OPERATION_TIMEOUT_S,
    ) -> None:
        """`timeout_s` bounds every wait for a reply, `connect_timeout_s` every connect."""
        self._resolve = resolve
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._link: Link | None = None
        self._dialling = asyncio.Lock()
        self._failed_dials = 0
        self._closed = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = OPERATION_TIMEOUT_S,
    ) -> "PipelinedCommands":
        """Build from a URL as `resolver` reads it. Raises `ValueError`; connects later."""
        return cls(resolver(url), connect_timeout_s=connect_timeout_s, timeout_s=timeout_s)

    async def call(self, *parts: Part) -> Reply:
        """Send one command.

        Raises:
            LimitStoreUnavailable: no answer, or an error.
        """
        try:
            return await self._send(parts)
        except CommandRefused as error:
            raise LimitStoreUnavailable(str(error)) from None

    async def run(self, script: Script, keys: Sequence[Part], arguments: Sequence[Part]) -> Reply:
        """Run `script`, loading it if the server does not know it. Raises like `call`."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self._send(("EVALSHA", script.sha, *rest))
        except CommandRefused as error:
            if error.code != "NOSCRIPT":
                raise LimitStoreUnavailable(str(error)) from None
        return await self.call("EVAL", script.source, *rest)

    async def aclose(self) -> None:
        """Close the connection; commands that wait for a reply fail."""
        self._closed = True
        if self._link is not None:
            self._link.fail("the limit store was closed")

    async def _send(self, parts: tuple[Part, ...]) -> Reply:
        link = self._link
        if link is None or link.broken:
            link = await self._connected()
        try:
            return await link.call(*parts)
        except CommandRefused as error:
            if error.code not in _ELSEWHERE:
                raise
            link.fail(f"the keys are elsewhere: {error}")
        return await (await self._connected()).call(*parts)

    async def _connected(self) -> Link:
        """Return a working link; callers that waited for the same failed dial share its failure."""
        failed_dials = self._failed_dials
        async with self._dialling:
            if self._closed:
                raise LimitStoreUnavailable("the limit store was closed")
            if self._link is not None and not self._link.broken:
                return self._link
            if self._failed_dials != failed_dials:
                raise LimitStoreUnavailable("cannot connect (tried a moment ago)")
            try:
                self._link = await dial(
                    await self._located(),
                    connect_timeout_s=self._connect_timeout_s,
                    timeout_s=self._timeout_s,
                )
            except LimitStoreUnavailable:
                self._failed_dials += 1
                raise
            return self._link

    async def _located(self) -> Endpoint:
        try:
            async with asyncio.timeout(self._connect_timeout_s + self._timeout_s):
                return await self._resolve()
        except TimeoutError:
            raise LimitStoreUnavailable("nobody said in time which server owns the keys") from None
