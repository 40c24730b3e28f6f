"""Sums over the stored request records."""

from collections.abc import Sequence

import msgspec

from adapters.clickhouse.client import ClickHouse
from application.ports.ledger import Ledger, Spent
from domain.subjects import PLATFORM

TIMEOUT_S = 60

# FINAL: a record that was delivered twice, or abandoned and then closed, is counted once.
_QUERY = f"""
SELECT bearer.1 AS kind, bearer.2 AS name,
    sum(weighted_tokens) AS tokens, sum(cost_nano_usd) AS nano_usd, part
FROM
(
    SELECT weighted_tokens, cost_nano_usd,
        arrayCount(
            cut -> cut <= started_at_ms + toInt64(duration_ms), {{cuts_ms:Array(Int64)}}
        ) AS part,
        arrayJoin(arrayConcat(
        [('api_key', key_lineage), ('user', user_id), ('model', model_requested),
         ('provider', toString(provider)), ('{PLATFORM.kind}', '{PLATFORM.id}')],
        arrayMap(team -> ('team', team), team_ids)
    )) AS bearer
    FROM requests FINAL
    WHERE started_at_ms >= {{since_ms:Int64}} AND started_at_ms < {{until_ms:Int64}}
        AND (weighted_tokens > 0 OR cost_nano_usd > 0)
)
WHERE bearer.2 != ''
GROUP BY bearer, part
SETTINGS output_format_json_quote_64bit_integers = 0, max_execution_time = {TIMEOUT_S - 5}
FORMAT JSONEachRow"""  # noqa: S608 - constants of this program

_decode = msgspec.json.Decoder(Spent).decode


class ClickHouseLedger(Ledger):
    """One grouped query over the table `requests`."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        """Ask through `clickhouse`."""
        self._clickhouse = clickhouse

    async def spent(
        self, since_ms: int, until_ms: int, cuts_ms: Sequence[int] = ()
    ) -> Sequence[Spent]:
        """See `Ledger`."""
        answer = await self._clickhouse.run(
            lambda client: client.raw_query(
                _QUERY,
                parameters={
                    "since_ms": since_ms,
                    "until_ms": until_ms,
                    "cuts_ms": list(cuts_ms),
                },
            ),
            timeout_s=TIMEOUT_S,
        )
        return [_decode(line) for line in answer.splitlines()]
