"""AWS keys kept fresh without holding the event loop."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from adapters.providers.aws_credentials import AwsIdentity, AwsKeys, Loaded, load
from application.ports.clock import Clock
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)

REFRESH_BEFORE_S = 15 * 60
"""Keys that expire sooner are renewed in the background, as botocore does."""
WAIT_BEFORE_S = 60
"""Keys that expire sooner are not used any more: a request may wait in queues for a while."""
READ_AGAIN_AFTER_S = 15 * 60
"""Keys without an expiry are read again after this time: files and variables are rotated too."""
TRY_AGAIN_AFTER_S = 60
TIMEOUT_S = 20.0
"""How long a request waits for keys."""


class KeySource(Protocol):
    """Gives the keys of the moment."""

    async def keys(self) -> AwsKeys:
        """Return keys that are valid for a minute at least.

        Raises:
            UpstreamCredentialRejected: there are none: not configured, or the role may not be
                assumed.
            UpstreamUnavailable, UpstreamTimeout: the source does not answer.
        """
        ...

    def refused(self) -> None:
        """Note that AWS refused the keys: they may have been withdrawn before their expiry."""


class StaticKeys(KeySource):
    """Keys that stay the same."""

    def __init__(self, keys: AwsKeys) -> None:
        """`keys` are valid until the configuration changes."""
        self._keys = keys

    async def keys(self) -> AwsKeys:
        """Return them."""
        return self._keys


class RenewedKeys(KeySource):
    """Keys that botocore gets and renews, in one thread at a time."""

    def __init__(
        self, load: Callable[[], Loaded | None], clock: Clock, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        """`load` may block; it is called in a thread."""
        self._load = load
        self._clock = clock
        self._timeout_s = timeout_s
        self._loaded: Loaded | None = None
        self._keys: AwsKeys | None = None
        self._read_at = 0.0
        self._tried_at = 0.0
        self._pending: asyncio.Future[AwsKeys] | None = None

    async def keys(self) -> AwsKeys:
        """Return the keys; only a request that finds none, or dying ones, waits for new ones."""
        held = self._keys
        if held is None or self._expires_within(WAIT_BEFORE_S):
            return await self._wait()
        if self._due() and self._pending is None:
            self._start()
        return held

    def refused(self) -> None:
        """Ask the source anew for the next request."""
        if self._pending is None:
            self._keys = self._loaded = None

    def _due(self) -> bool:
        now = self._clock.monotonic()
        if now - self._tried_at < TRY_AGAIN_AFTER_S:
            return False
        if hasattr(self._loaded, "refresh_needed"):
            return self._expires_within(REFRESH_BEFORE_S)
        return now - self._read_at >= READ_AGAIN_AFTER_S

    def _expires_within(self, seconds: int) -> bool:
        needed: Callable[[int], bool] | None = getattr(self._loaded, "refresh_needed", None)
        return needed is not None and needed(seconds)

    async def _wait(self) -> AwsKeys:
        pending = self._pending or self._start()
        try:
            async with asyncio.timeout(self._timeout_s):
                # One caller that gives up must not take the keys from the others.
                return await asyncio.shield(pending)
        except TimeoutError:
            raise UpstreamTimeout("connect") from None

    def _start(self) -> asyncio.Future[AwsKeys]:
        self._tried_at = self._clock.monotonic()
        pending = asyncio.get_running_loop().run_in_executor(None, self._resolve)
        self._pending = pending
        pending.add_done_callback(self._take)
        return pending

    def _take(self, pending: asyncio.Future[AwsKeys]) -> None:
        self._pending = None
        if pending.cancelled() or pending.exception() is not None:
            return  # whoever waits for it is told; the keys at hand stay
        self._keys = pending.result()
        self._read_at = self._clock.monotonic()

    def _resolve(self) -> AwsKeys:
        try:
            if not hasattr(self._loaded, "refresh_needed"):
                self._loaded = self._load()
            frozen = self._loaded.get_frozen_credentials() if self._loaded is not None else None
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError, KeyError) as error:
            raise _failure(error) from error
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise UpstreamCredentialRejected
        return AwsKeys(frozen.access_key, frozen.secret_key, frozen.token)


def _failure(error: Exception) -> UpstreamFailure:
    if isinstance(error, HTTPClientError | NoConnection):
        return UpstreamUnavailable(error_class="connect")
    if isinstance(error, ClientError):
        status = _status(cast("Mapping[str, object]", error.response))
        if status == 429 or status >= 500:
            return UpstreamUnavailable(status=status, error_class="server_error")
        return UpstreamCredentialRejected(status=status)
    return UpstreamCredentialRejected()


def _status(response: Mapping[str, object]) -> int:
    metadata = response.get("ResponseMetadata")
    status = cast("Mapping[str, object]", metadata or {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else 401


def key_source(identity: AwsIdentity, clock: Clock) -> KeySource:
    """Return the keys of `identity`; nothing is read or asked before they are needed."""
    if identity.keys is not None and identity.role_arn is None:
        return StaticKeys(identity.keys)
    return RenewedKeys(lambda: load(identity), clock)
