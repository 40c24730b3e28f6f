"""Sums over records in process memory."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from application.ports.ledger import Ledger, Spent
from domain.records.events import RequestRecord
from domain.subjects import PLATFORM, SubjectKind


class MemoryLedger(Ledger):
    """Reads a collection of final records that others fill, one per request."""

    def __init__(self, records: Iterable[RequestRecord]) -> None:
        """`records` is iterated again for every question."""
        self._records = records

    async def spent(
        self, since_ms: int, until_ms: int, cuts_ms: Sequence[int] = ()
    ) -> Sequence[Spent]:
        """See `Ledger`."""
        sums: dict[tuple[SubjectKind, str, int], tuple[int, int]] = {}
        for record in self._records:
            if since_ms <= record.started_at_ms < until_ms:
                part = bisect_right(cuts_ms, record.ended_at_ms)
                for kind, name in _bearers(record):
                    tokens, nano_usd = sums.get((kind, name, part), (0, 0))
                    sums[kind, name, part] = (
                        tokens + record.weighted_tokens,
                        nano_usd + record.cost_nano_usd,
                    )
        return [
            Spent(kind, name, *total, part)
            for (kind, name, part), total in sums.items()
            if any(total)
        ]


def _bearers(record: RequestRecord) -> Iterator[tuple[SubjectKind, str]]:
    named = (
        (SubjectKind.API_KEY, record.key_lineage),
        (SubjectKind.USER, record.user_id),
        *((SubjectKind.TEAM, team) for team in record.team_ids),
        (SubjectKind.MODEL, record.model_requested),
        (SubjectKind.PROVIDER, record.provider),
        (PLATFORM.kind, PLATFORM.id),
    )
    yield from (bearer for bearer in named if bearer[1])
