"""Several credentials of one provider: which is used, which rests, and what is told in the end."""

from typing import Any

import pytest

from adapters.providers.credentials import (
    LIMITED_FOR_MS,
    REJECTED_FOR_MS,
    CredentialRing,
    HeaderCredential,
)
from adapters.providers.factory import ProvidersByKind
from application.ports.provider import Provider
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.support.captured import JSON, CannedResponse, CapturedTransport
from tests.support.manual_clock import ManualClock
from tests.support.openai_bodies import completion
from tests.support.provider_calls import cipher, provider_call, provider_spec, relayed


def ring(count: int, clock: ManualClock) -> CredentialRing:
    return CredentialRing([HeaderCredential([]) for _ in range(count)], clock)


def order(credentials: CredentialRing) -> list[int]:
    return [number for number, _ in credentials]


def test_credentials_take_turns() -> None:
    three = ring(3, ManualClock())
    assert [order(three) for _ in range(4)] == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]


def test_a_resting_credential_comes_last_until_its_time_is_over() -> None:
    clock = ManualClock()
    three = ring(3, clock)
    three.rest(0, 10_000)
    assert [order(three)[-1] for _ in range(3)] == [0, 0, 0]
    clock.advance(10)
    assert [order(three)[0] for _ in range(3)] == [0, 1, 2]


def test_among_resting_credentials_the_one_that_is_due_first_comes_first() -> None:
    three = ring(3, ManualClock())
    three.rest(0, 30_000)
    three.rest(1, 10_000)
    three.rest(2, 20_000)
    assert [order(three) for _ in range(3)] == [[1, 2, 0]] * 3


def test_a_shorter_rest_does_not_end_a_longer_one_and_success_does() -> None:
    clock = ManualClock()
    two = ring(2, clock)
    two.rest(0, 60_000)
    two.rest(0, 1_000)
    clock.advance(2)
    assert [order(two)[-1] for _ in range(2)] == [0, 0]
    two.well(0)
    assert sorted(order(two)[0] for _ in range(2)) == [0, 1]


class Account:
    """A provider with keys k0, k1, …, and the answers of its server."""

    def __init__(self, keys: int, *answers: CannedResponse | Exception) -> None:
        self.clock = ManualClock()
        self.transport = CapturedTransport(*answers)
        factory = ProvidersByKind(cipher(), lambda _spec, _proxy: self.transport, self.clock)
        self.provider: Provider = factory.build(
            provider_spec(
                base_url="http://localhost/v1",
                credentials={"any_of": [{"api_key": f"k{n}"} for n in range(keys)]},
            )
        )

    @property
    def used(self) -> list[str]:
        return [
            each["authorization"].removeprefix("Bearer ") for each in self.transport.header_sets
        ]

    async def ask(self) -> None:
        await relayed(await self.provider.open(provider_call()))

    async def failure(self) -> UpstreamFailure:
        with pytest.raises(UpstreamFailure) as caught:
            await self.ask()
        return caught.value


def ok() -> CannedResponse:
    return CannedResponse(200, completion())


def refusal(status: int, *headers: tuple[bytes, bytes]) -> CannedResponse:
    body: dict[str, Any] = {"error": {"message": "no"}}
    return CannedResponse(status, body, (*JSON, *headers))


@pytest.mark.parametrize("status", [401, 402, 403, 429, 529])
async def test_a_refused_credential_is_replaced_by_the_next_within_one_call(status: int) -> None:
    account = Account(3, refusal(status), refusal(status), ok())
    await account.ask()
    assert account.used == ["k0", "k1", "k2"]
    assert [given.closed for given in account.transport.given] == [True, True, True]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_rejected_credential_rests_and_is_tried_again_later(status: int) -> None:
    account = Account(2, refusal(status), *(ok() for _ in range(6)))
    for _ in range(3):
        await account.ask()
    assert account.used == ["k0", "k1", "k1", "k1"]
    account.clock.advance(REJECTED_FOR_MS / 1000)
    await account.ask()
    await account.ask()
    assert sorted(account.used[-2:]) == ["k0", "k1"]


async def test_a_limited_credential_rests_as_long_as_the_provider_says() -> None:
    account = Account(2, refusal(429, (b"retry-after", b"20")), *(ok() for _ in range(7)))
    await account.ask()
    account.clock.advance(LIMITED_FOR_MS / 1000)
    await account.ask()
    await account.ask()
    assert account.used == ["k0", "k1", "k1", "k1"]
    account.clock.advance(20)
    await account.ask()
    await account.ask()
    assert sorted(account.used[-2:]) == ["k0", "k1"]


async def test_when_all_are_refused_the_last_failure_is_told() -> None:
    account = Account(2, refusal(401), refusal(429, (b"retry-after", b"7")))
    failure = await account.failure()
    assert isinstance(failure, UpstreamRateLimited)
    assert failure.retry_after_ms == 7000

    account = Account(2, refusal(429), refusal(403))
    failure = await account.failure()
    assert isinstance(failure, UpstreamCredentialRejected)
    assert failure.status == 403


async def test_resting_credentials_are_still_tried_when_there_is_no_other() -> None:
    account = Account(2, refusal(401), refusal(401), refusal(401), ok())
    await account.failure()
    await account.ask()
    assert len(account.used) == 4


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(400), UpstreamRejected),
        (refusal(404), UpstreamRejected),
        (refusal(500), UpstreamUnavailable),
        (UpstreamUnavailable(error_class="connect"), UpstreamUnavailable),
    ],
)
async def test_what_is_not_the_credentials_fault_is_not_tried_with_another(
    answer: CannedResponse | Exception, expected: type[UpstreamFailure]
) -> None:
    account = Account(2, answer, ok(), ok())
    assert isinstance(await account.failure(), expected)
    assert account.used == ["k0"]
    await account.ask()
    await account.ask()
    assert account.used == ["k0", "k1", "k0"]
