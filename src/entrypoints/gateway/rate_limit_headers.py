"""Rate-limit headers of governed answers, accepted or not (limits.md section 6)."""

from application.gateway.call import RateLimits
from domain.limits.reservations import Reading


def rate_limit_headers(limits: RateLimits | None) -> list[tuple[bytes, bytes]]:
    """Return the tightest rule per metric as OpenAI names them; none without such a rule.

    `reset` is a duration such as `1s` or `6m0s`, as
    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers has it.
    """
    if limits is None:
        return []
    headers: list[tuple[bytes, bytes]] = []
    for metric, reading in ((b"requests", limits.requests), (b"tokens", limits.tokens)):
        if reading is not None:
            headers += _of(metric, reading)
    return headers


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
