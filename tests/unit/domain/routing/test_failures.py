"""What errors of attempts mean, as a table."""

import asyncio

import pytest

from domain.errors import (
    BodyTimeout,
    ClientDisconnected,
    InvalidRequest,
    LimitExceeded,
    ModelNotFound,
    UnsupportedField,
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.routing.failures import TREATMENTS, FailureClass, Vote, understand
from tests.support.source_tree import ROOT

TABLE: list[tuple[BaseException, FailureClass]] = [
    *((UpstreamRejected(status, "no"), FailureClass.CLIENT_ERROR) for status in (400, 404, 413)),
    *((UpstreamRejected(status, "no"), FailureClass.CLIENT_ERROR) for status in (409, 422, 418)),
    *(
        (UpstreamCredentialRejected(status=status), FailureClass.BAD_CREDENTIAL)
        for status in (401, 402, 403)
    ),
    (UpstreamRateLimited(), FailureClass.RATE_LIMITED),
    (UpstreamRateLimited(2_000), FailureClass.RATE_LIMITED),
    (UpstreamRateLimited(status=529), FailureClass.OVERLOADED),
    (UpstreamUnavailable(status=503, error_class="server_error"), FailureClass.OVERLOADED),
    *(
        (UpstreamUnavailable(status=status, error_class="server_error"), FailureClass.SERVER_ERROR)
        for status in (408, 425, 500, 502, 504, 599)
    ),
    (UpstreamUnavailable(), FailureClass.SERVER_ERROR),
    (UpstreamUnavailable(error_class="server_error"), FailureClass.SERVER_ERROR),
    (UpstreamUnavailable(error_class="connect"), FailureClass.CONNECT),
    (UpstreamTimeout("connect"), FailureClass.CONNECT),
    *((UpstreamTimeout(phase), FailureClass.TIMEOUT) for phase in ("first_byte", "idle", "total")),
    (UpstreamProtocolError("garbage"), FailureClass.PROTOCOL),
    (UpstreamUnavailable(error_class="reset"), FailureClass.RESET),
    (UpstreamFailure("of a kind to come"), FailureClass.SERVER_ERROR),
    (LimitExceeded("provider:requests/1m", retry_after_ms=1), FailureClass.LIMITED),
    (UnsupportedField("no place"), FailureClass.UNSUPPORTED),
    (InvalidRequest("bad"), FailureClass.CLIENT_ERROR),
    (BodyTimeout(), FailureClass.CLIENT_ERROR),
    (ClientDisconnected(), FailureClass.CANCELLED),
    (asyncio.CancelledError(), FailureClass.CANCELLED),
    (ModelNotFound("m"), FailureClass.INTERNAL),
    (RuntimeError("a bug"), FailureClass.INTERNAL),
]


@pytest.mark.parametrize(
    ("error", "expected"), TABLE, ids=[f"{type(e).__name__}-{n}" for n, (e, _) in enumerate(TABLE)]
)
def test_an_error_has_one_class(error: BaseException, expected: FailureClass) -> None:
    assert understand(error).kind is expected


@pytest.mark.parametrize(("error", "kind"), TABLE)
def test_after_content_nothing_is_tried_again(error: BaseException, kind: FailureClass) -> None:
    failure = understand(error, content_started=True)
    if isinstance(error, UpstreamFailure):
        assert failure.kind is FailureClass.AFTER_CONTENT
        assert failure.fault is kind
        assert failure.treatment.is_final
    else:
        assert failure.kind is kind


def test_every_class_has_a_treatment_and_a_line_in_the_table_of_the_module() -> None:
    assert set(TREATMENTS) == set(FailureClass)
    text = (ROOT / "src/domain/routing/failures.py").read_text(encoding="utf-8")
    for kind, treatment in TREATMENTS.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{kind.value}` "))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2] == ("yes" if treatment.same_route else "no"), line
        assert cells[3] == ("yes" if treatment.next_route else "no"), line
        assert cells[4] == treatment.vote.value, line
        assert (cells[5] == "yes") == treatment.cools_down, line


def test_what_the_client_or_we_caused_never_trips_a_breaker() -> None:
    innocent = {kind for kind, treatment in TREATMENTS.items() if treatment.vote is Vote.EXCLUDED}
    assert innocent == {
        FailureClass.CLIENT_ERROR,
        FailureClass.RATE_LIMITED,
        FailureClass.LIMITED,
        FailureClass.UNSUPPORTED,
        FailureClass.CANCELLED,
        FailureClass.INTERNAL,
    }


def test_only_credentials_and_limits_of_theirs_are_a_matter_of_the_credential() -> None:
    rotating = {kind for kind, treatment in TREATMENTS.items() if treatment.next_credential}
    assert rotating == {FailureClass.BAD_CREDENTIAL, FailureClass.RATE_LIMITED}


@pytest.mark.parametrize(
    ("error", "asked_ms", "cools"),
    [
        (UpstreamRateLimited(2_000), 2_000, True),
        (UpstreamRateLimited(), None, True),
        (UpstreamRateLimited(2_000, status=529), 2_000, True),
        (UpstreamRateLimited(status=529), None, False),
        (UpstreamUnavailable(status=503, retry_after_ms=700), 700, True),
        (UpstreamUnavailable(status=503), None, False),
        (LimitExceeded("provider:requests/1m", retry_after_ms=9), 9, False),
        (UpstreamTimeout("idle"), None, False),
    ],
)
def test_a_named_time_is_passed_on_and_cools_the_route_down_if_it_is_theirs(
    error: BaseException, asked_ms: int | None, cools: bool
) -> None:
    failure = understand(error)
    assert failure.retry_after_ms == asked_ms
    assert (failure.treatment.cools_down or failure.asks_to_wait) == cools
