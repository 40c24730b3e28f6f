"""What replicas tell one another of their routes, and what operators tell all of them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.routing.health import RouteHealth


class RouteHealthFeed(Protocol):
    """An exchange of reports. Each method raises `ServiceUnavailable` when the store is away."""

    @abstractmethod
    async def publish(self, reports: Sequence[RouteHealth]) -> None:
        """Replace what this replica reported before.

        The reports are all of one replica. They are forgotten when it publishes nothing for a
        while.
        """
        ...

    @abstractmethod
    async def order(self, health: RouteHealth) -> None:
        """Publish an operator's word on one route; it holds until the next one on that route.

        It names no replica, and outlives all of them.
        """
        ...

    @abstractmethod
    async def read(self) -> Sequence[RouteHealth]:
        """Return the latest reports of all replicas, and the orders in force."""
        ...
