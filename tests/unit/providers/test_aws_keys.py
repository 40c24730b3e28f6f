"""Keys that expire: who waits for new ones, and what happens when there are none."""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    ProfileNotFound,
)

from adapters.providers.aws_credentials import AwsKeys, Loaded
from adapters.providers.aws_keys import READ_AGAIN_AFTER_S, TRY_AGAIN_AFTER_S, RenewedKeys
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.support.manual_clock import ManualClock

PATIENCE_S = 5


class Source:
    """Gives numbered keys; some expire, some fail, some have to be waited for."""

    def __init__(self, *, expires_in_s: int | None = None) -> None:
        self.expires_in_s = expires_in_s
        self.calls = 0
        self.error: Exception | None = None
        self.gate: threading.Event | None = None
        self.running = 0
        self.most_running = 0

    def load(self) -> Any:
        if self.expires_in_s is None:
            keys = self._next()
            return Credentials(keys["access_key"], keys["secret_key"], keys["token"])
        return DeferredRefreshableCredentials(self._next, "test")

    def _next(self) -> dict[str, str]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                assert self.gate.wait(PATIENCE_S)
            if self.error is not None:
                raise self.error
            self.calls += 1
        finally:
            self.running -= 1
        return {
            "access_key": f"key-{self.calls}",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": _in(self.expires_in_s or 0),
        }


def _in(seconds: int) -> str:
    # botocore goes by the clock of the machine.
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def keys(number: int) -> AwsKeys:
    return AwsKeys(f"key-{number}", "secret", "token")


def renewed(
    source: Source, clock: ManualClock | None = None, timeout_s: float = PATIENCE_S
) -> RenewedKeys:
    return RenewedKeys(source.load, clock or ManualClock(), timeout_s=timeout_s)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the other side is a thread
            await asyncio.sleep(0.001)


@contextmanager
def held(source: Source) -> Generator[threading.Event]:
    source.gate = threading.Event()
    try:
        yield source.gate
    finally:
        source.gate.set()


async def test_nothing_is_asked_before_it_is_needed() -> None:
    source = Source()
    renewed(source)
    await asyncio.sleep(0)
    assert source.calls == 0


async def test_keys_are_got_once_for_everybody() -> None:
    source = Source(expires_in_s=3600)
    subject = renewed(source)
    with held(source) as gate:
        waiting = [asyncio.ensure_future(subject.keys()) for _ in range(20)]
        await until(lambda: source.running == 1)
        gate.set()
        assert await asyncio.gather(*waiting) == [keys(1)] * 20
    assert await subject.keys() == keys(1)
    assert source.calls == 1


async def test_keys_that_expire_soon_are_renewed_while_they_still_serve() -> None:
    clock = ManualClock()
    source = Source(expires_in_s=300)
    subject = renewed(source, clock)
    assert await subject.keys() == keys(1)
    # Not at once again: they are as fresh as their source gives them.
    assert await subject.keys() == keys(1)
    clock.advance(TRY_AGAIN_AFTER_S)
    with held(source) as gate:
        for _ in range(5):
            assert await subject.keys() == keys(1)
        await until(lambda: source.running == 1)
        gate.set()
        await until(lambda: source.calls == 2)
    await until(lambda: source.running == 0)
    await asyncio.sleep(0)
    await until_keys(subject, keys(2))
    assert source.most_running == 1


async def until_keys(subject: RenewedKeys, expected: AwsKeys) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await subject.keys() != expected:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)


async def test_dying_keys_are_not_used_any_more() -> None:
    source = Source(expires_in_s=30)
    subject = renewed(source)
    assert await subject.keys() == keys(1)
    assert await subject.keys() == keys(2)


async def test_keys_at_hand_serve_on_when_their_source_fails() -> None:
    clock = ManualClock()
    source = Source(expires_in_s=300)
    subject = renewed(source, clock)
    await subject.keys()
    source.error = CredentialRetrievalError(provider="x", error_msg="gone")
    clock.advance(TRY_AGAIN_AFTER_S)
    for _ in range(5):
        assert await subject.keys() == keys(1)
        await asyncio.sleep(0.01)


async def test_keys_without_an_expiry_are_read_again_in_a_while() -> None:
    clock = ManualClock()
    source = Source()
    subject = renewed(source, clock)
    assert await subject.keys() == keys(1)
    clock.advance(READ_AGAIN_AFTER_S - 1)
    assert await subject.keys() == keys(1)
    clock.advance(1)
    assert await subject.keys() == keys(1)
    await until_keys(subject, keys(2))


async def test_keys_that_aws_refused_are_got_anew() -> None:
    source = Source(expires_in_s=3600)
    subject = renewed(source)
    assert await subject.keys() == keys(1)
    subject.refused()
    assert await subject.keys() == keys(2)


async def test_a_source_that_hangs_costs_a_bounded_wait_and_one_thread() -> None:
    source = Source()
    subject = renewed(source, timeout_s=0.02)
    with held(source) as gate:
        for _ in range(3):
            with pytest.raises(UpstreamTimeout):
                await subject.keys()
        assert source.most_running == 1
        gate.set()
        await until(lambda: source.calls == 1)
    await until_keys(subject, keys(1))


async def test_a_caller_that_gives_up_does_not_take_the_keys_from_the_others() -> None:
    source = Source()
    subject = renewed(source)
    with held(source) as gate:
        leaving, staying = (asyncio.ensure_future(subject.keys()) for _ in range(2))
        await until(lambda: source.running == 1)
        leaving.cancel()
        gate.set()
        assert await staying == keys(1)
    assert leaving.cancelled()


def refusal(status: int) -> ClientError:
    response: Any = {
        "Error": {"Code": "X", "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "AssumeRole")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (refusal(403), UpstreamCredentialRejected),
        (refusal(400), UpstreamCredentialRejected),
        (refusal(429), UpstreamUnavailable),
        (refusal(500), UpstreamUnavailable),
        (ConnectTimeoutError(endpoint_url="https://sts.example"), UpstreamUnavailable),
        (ProfileNotFound(profile="p"), UpstreamCredentialRejected),
        (CredentialRetrievalError(provider="x", error_msg="y"), UpstreamCredentialRejected),
        (FileNotFoundError("/no/token"), UpstreamCredentialRejected),
        (KeyError("AccessKeyId"), UpstreamCredentialRejected),
    ],
)
async def test_what_goes_wrong_at_the_source_is_told_in_our_terms(
    error: Exception, failure: type[UpstreamFailure]
) -> None:
    source = Source()
    source.error = error
    subject = renewed(source)
    with pytest.raises(failure) as caught:
        await subject.keys()
    assert type(caught.value) is failure
    assert caught.value.__cause__ is error
    # It is no state of ours: the next request asks again.
    source.error = None
    assert await subject.keys() == keys(1)


async def test_a_source_without_keys_has_none() -> None:
    def nothing() -> Loaded | None:
        return None

    with pytest.raises(UpstreamCredentialRejected):
        await RenewedKeys(nothing, ManualClock()).keys()
