"""What was spent, as the stored request records say."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.subjects import SubjectKind


class Spent(Struct, frozen=True):
    """A sum over requests of one bearer of costs.

    `part` is the number of instants asked for that lie at or before the end of those requests.
    `name` is what records keep: the row id of users and teams, the lineage of keys, the *name* of
    models and providers, and `platform` for everything.
    """

    kind: SubjectKind
    name: str
    tokens: int
    nano_usd: int
    part: int = 0


class Ledger(Protocol):
    """Sums of stored records; what is still on its way to the store is missing."""

    @abstractmethod
    async def spent(
        self, since_ms: int, until_ms: int, cuts_ms: Sequence[int] = ()
    ) -> Sequence[Spent]:
        """Return what every bearer spent by requests that began in [since, until).

        They are summed apart by the part of time in which they ended (`RequestRecord.ended_at_ms`),
        parted at the rising instants `cuts_ms`: part 0 ended before the first. Parts in which a
        bearer spent nothing are left out. The order is not defined.

        Raises:
            ServiceUnavailable
        """
        ...
