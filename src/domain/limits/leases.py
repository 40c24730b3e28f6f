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

    def take(self, member: str, now_ms: int, expires_at_ms: int) -> None:
        """Add `member`, dropping the ones that lapsed."""
        self.members = {m: expiry for m, expiry in self.members.items() if expiry > now_ms}
        self.members[member] = expires_at_ms

    def release(self, member: str) -> None:
        """Remove `member`, if it is there."""
        self.members.pop(member, None)
