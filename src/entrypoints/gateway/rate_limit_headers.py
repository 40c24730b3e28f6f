"""Rate-limit headers of governed answers, accepted or not (limits.md section 6)."""

import datetime

from application.gateway.call import RateLimits
from domain.inference.dialect import Dialect
from domain.limits.reservations import Reading


def rate_limit_headers(
    limits: RateLimits | None, dialect: Dialect, now_ms: int
) -> list[tuple[bytes, bytes]]:
    """Return the tightest rule per metric as the dialect's vendor names them.

    Anthropic has names of its own and tells an instant
    (https://docs.anthropic.com/en/api/rate-limits#response-headers), everybody else gets OpenAI's
    names and a duration such as `1s` or `6m0s`
    (https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers).
    """
    if limits is None:
        return []
    headers: list[tuple[bytes, bytes]] = []
    for metric, reading in ((b"requests", limits.requests), (b"tokens", limits.tokens)):
        if reading is not None:
            if dialect is Dialect.ANTHROPIC_MESSAGES:
                headers += _for_anthropic(metric, reading, now_ms)
            else:
                headers += _of(metric, reading)
    return headers


def _for_anthropic(metric: bytes, reading: Reading, now_ms: int) -> list[tuple[bytes, bytes]]:
    name = b"anthropic-ratelimit-" + metric
    reset = datetime.datetime.fromtimestamp(-(-(now_ms + reading.reset_ms) // 1000), datetime.UTC)
    return [
        (name + b"-limit", b"%d" % reading.limit),
        (name + b"-remaining", b"%d" % reading.remaining),
        (name + b"-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ").encode()),
    ]


def _of(metric: bytes, reading: Reading) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-limit-" + metric, b"%d" % reading.limit),
        (b"x-ratelimit-remaining-" + metric, b"%d" % reading.remaining),
        (b"x-ratelimit-reset-" + metric, _duration(reading.reset_ms)),
    ]


def _duration(milliseconds: int) -> bytes:
    """Write a duration the way OpenAI does: `17ms`, `1s`, `6m0s`, `1h0m0s`."""
    if milliseconds < 1000:
        return b"%dms" % milliseconds
    seconds = -(-milliseconds // 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds
