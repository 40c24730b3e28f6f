"""The immutable configuration a request runs on, from its first look-up to its last."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from application.ports.change_feed import Section
from application.ports.provider import Provider
from domain.identifiers import ProviderId
from domain.limits.policy import LimitPolicy
from domain.routing.catalog import Catalog
from domain.settings.catalog import Settings


class RuntimeSnapshot(Struct, frozen=True, kw_only=True):
    """One consistent state of the configuration.

    Attributes:
        limits: which limits bind whom; kept from snapshot to snapshot while no limit changes, so
            that its bindings stay warm.
        providers: running clients of the enabled providers that could be built.
        revisions: the revision of each section this snapshot was built from.
    """

    catalog: Catalog
    settings: Settings
    limits: LimitPolicy
    providers: Mapping[ProviderId, Provider]
    revisions: Mapping[Section, int]


class CurrentSnapshot:
    """Holder of the snapshot in force; swapping it is one assignment."""

    def __init__(self) -> None:
        """Start empty; `get` fails until the first `swap`."""
        self._snapshot: RuntimeSnapshot | None = None
        self._followers: list[Callable[[RuntimeSnapshot], None]] = []

    def get(self) -> RuntimeSnapshot:
        """Return the snapshot in force."""
        if self._snapshot is None:
            raise RuntimeError("the configuration has not been loaded yet")
        return self._snapshot

    def swap(self, snapshot: RuntimeSnapshot) -> None:
        """Put a new snapshot in force; running requests keep the one they started with."""
        self._snapshot = snapshot
        for follower in self._followers:
            follower(snapshot)

    def follow(self, follower: Callable[[RuntimeSnapshot], None]) -> None:
        """Call `follower` with the snapshot in force, if there is one, and with every later one."""
        self._followers.append(follower)
        if self._snapshot is not None:
            follower(self._snapshot)
