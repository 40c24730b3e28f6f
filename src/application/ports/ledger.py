"""What was spent, as the stored request records say."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.subjects import SubjectKind


class Spent(Struct, frozen=True):
    """The sum over one bearer of costs.

    `name` is what records keep: the row id of users and teams, the lineage of keys, the *name* of
    models and providers, and `platform` for everything.
    """

    kind: SubjectKind
    name: str
    tokens: int
    nano_usd: int


class Ledger(Protocol):
    """Sums of stored records; what is still on its way to the store is missing."""

    @abstractmethod
    async def spent(self, since_ms: int, until_ms: int) -> Sequence[Spent]:
        """Return what every bearer spent by requests that began in [since, until).

        Those who spent nothing are left out. The order is not defined.

        Raises:
            ServiceUnavailable
        """
        ...
