"""Back-off of failed sign-ins (console.md section 2).

Failures are counted by account and network together, so that nobody elsewhere can lock somebody
out, and by network over all accounts, so that trying one password on many accounts is slow too. An
attempt counts as failed from its beginning: many at once do not get more tries than one by one.
"""

from hashlib import sha256

from msgspec import Struct

from domain.access.session import network_of

LONGEST_WAIT_MS = 15 * 60_000
FORGOTTEN_AFTER_MS = 60 * 60_000
"""Without a further attempt for this long, it begins anew."""
_FIRST_WAIT_MS = 1_000


class Attempts(Struct, frozen=True, kw_only=True):
    """Attempts under one key that have not succeeded, and when the last one began."""

    failures: int = 0
    last_at_ms: int = 0

    def wait_ms(self, free: int, now_ms: int) -> int:
        """Return how long the next attempt has to wait; 0 when it may begin.

        The first `free` attempts wait for nothing, then 1 s, 2 s, 4 s … up to 15 minutes.
        """
        if self.is_forgotten(now_ms) or self.failures < free:
            return 0
        wait = min(_FIRST_WAIT_MS << min(self.failures - free, 20), LONGEST_WAIT_MS)
        return max(0, self.last_at_ms + wait - now_ms)

    def one_more(self, now_ms: int) -> "Attempts":
        """Return the attempts with one that begins now."""
        before = 0 if self.is_forgotten(now_ms) else self.failures
        return Attempts(failures=before + 1, last_at_ms=max(now_ms, self.last_at_ms))

    def is_forgotten(self, now_ms: int) -> bool:
        """Tell whether they no longer count."""
        return now_ms - self.last_at_ms >= FORGOTTEN_AFTER_MS


class Throttle(Struct, frozen=True):
    """What attempts are counted under, and how many are free."""

    key: str
    free: int


FREE_OF_ACCOUNT = 5
FREE_OF_NETWORK = 50
FREE_OF_SSO = 50


def account_throttle(account: str, ip: str | None) -> Throttle:
    """Return the throttle of an account (its normalised address, known or not) from a network."""
    name = sha256(account.encode("utf-8", "replace")).hexdigest()[:32]
    return Throttle(f"account {name} {network_of(ip)}", FREE_OF_ACCOUNT)


def network_throttle(ip: str | None) -> Throttle:
    """Return the throttle of a network over all accounts."""
    return Throttle(f"network {network_of(ip)}", FREE_OF_NETWORK)


def sso_throttle(ip: str | None) -> Throttle:
    """Return the throttle of rounds to identity providers that a network has not finished.

    It is not that of passwords: a page elsewhere can make a browser begin rounds.
    """
    return Throttle(f"sso {network_of(ip)}", FREE_OF_SSO)
