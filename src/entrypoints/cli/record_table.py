"""Request records as aligned lines for a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from domain.records.events import RequestRecord

HEADINGS = (
    "TIME",
    "STATUS",
    "OUTCOME",
    "MODEL",
    "PROVIDER",
    "IN",
    "OUT",
    "COST USD",
    "TTFT",
    "DURATION",
    "KEY",
    "REQUEST ID",
)
_RIGHT = frozenset({"IN", "OUT", "COST USD", "TTFT", "DURATION"})
_LEAST = (20, 6, 9, 14, 8, 6, 6, 9, 7, 8, 8, 10)
_WIDEST = 40

_record = msgspec.json.Decoder(RequestRecord)


class RecordTable:
    """Turns records into lines; columns grow with what they have shown, up to a bound."""

    def __init__(self) -> None:
        """Start with the least widths."""
        self._widths = list(_LEAST)

    def lines(self, records: Sequence[bytes]) -> list[str]:
        """Return one line per record."""
        rows = [_cells(_record.decode(record)) for record in records]
        for row in rows:
            self._widths = [max(w, len(cell)) for w, cell in zip(self._widths, row, strict=True)]
        return [self._line(row) for row in rows]

    def heading(self) -> str:
        """Return the heading for the present widths."""
        return self._line(HEADINGS)

    def _line(self, cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
            for heading, width, cell in zip(HEADINGS, self._widths, cells, strict=True)
        )
        return "  ".join(aligned).rstrip()


def _cells(record: RequestRecord) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(record.started_at_ms / 1000, tz=UTC)
    tokens_in = (
        record.tokens_input_uncached
        + record.tokens_cache_read
        + record.tokens_cache_write_5m
        + record.tokens_cache_write_1h
        + record.tokens_audio_in
    )
    tokens_out = record.tokens_output + record.tokens_audio_out
    return (
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        str(record.status) if record.status else "-",
        record.outcome,
        _text(record.model_served or record.model_requested),
        _text(record.provider),
        str(tokens_in),
        str(tokens_out),
        _dollars(record.cost_nano_usd) if record.price_known else "-",
        _duration(record.ttft_ms),
        _duration(record.duration_ms),
        _text(record.key_name),
        _text(record.request_id),
    )


def _text(value: str) -> str:
    """Return text that cannot command the terminal: names come from clients."""
    shown = "".join(char if char.isprintable() else "?" for char in value)
    return (shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…") or "-"


def _dollars(nano: int) -> str:
    return f"{Decimal(nano) / 1_000_000_000:.6f}"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f}ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f}s"
