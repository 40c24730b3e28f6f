"""Leases on concurrent calls (limits.md section 5): a set of members that expire."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class LeaseSet:
    """The calls in flight of one subject: reservation id -> Unix ms at which it lapses.

    A lease that is neither released nor renewed lapses by itself, so that a killed process holds
    its places for one lifetime at most.
    """

    members: dict[str, int] = field(default_factory=dict[str, int])

    def held(self, now_ms: int) -> int:
        """Return how many leases are alive."""
        return sum(expiry > now_ms for expiry in self.members.values())

    def wait_ms(self, now_ms: int, limit: int) -> int | None:
        """Return how long until one more fits if nobody releases or renews, 0 if it does now.

        None when `limit` is 0.
        """
        if limit < 1:
            return None
        alive = sorted(expiry for expiry in self.members.values() if expiry > now_ms)
        excess = len(alive) - limit
        return alive[excess] - now_ms if excess >= 0 else 0

    def take(self, member: str, now_ms: int, expires_at_ms: int) -> None:
        """Add `member`, dropping the ones that lapsed."""
        self.members = {m: expiry for m, expiry in self.members.items() if expiry > now_ms}
        self.members[member] = expires_at_ms

    def release(self, member: str) -> None:
        """Remove `member`, if it is there."""
        self.members.pop(member, None)
