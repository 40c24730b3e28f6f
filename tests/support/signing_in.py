"""Sessions, factors and codes for tests of signing in."""

from adapters.identity.passwords import Argon2Passwords
from domain.access.accounts import User
from domain.access.second_factor import SecondFactor
from domain.access.session import Session, device_of, network_of
from tests.support.configuration import NOW_MS, new_id

IP = "203.0.113.7"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PASSWORD = "Correct-Horse-7-Battery"


def cheap_passwords() -> Argon2Passwords:
    """Return a hasher whose costs are for tests."""
    return Argon2Passwords(time_cost=1, memory_kib=64, lanes=1)


def a_session(user: User, **members: object) -> Session:
    """Return a session of `user`, begun at `NOW_MS`."""
    given: dict[str, object] = {
        "id": new_id(),
        "user_id": user.id,
        "ip": IP,
        "binding": network_of(IP),
        "device": device_of(BROWSER),
        "user_agent": BROWSER,
        "created_at_ms": NOW_MS,
        "last_seen_at_ms": NOW_MS,
        "refresh_hash": bytes(32),
        "refreshed_at_ms": NOW_MS,
        "idle_ms": 3_600_000,
        "expires_at_ms": NOW_MS + 24 * 3_600_000,
    }
    return Session(**{**given, **members})  # pyright: ignore[reportArgumentType]


def a_factor(user: User, **members: object) -> SecondFactor:
    """Return a confirmed factor of `user` with two recovery codes."""
    given: dict[str, object] = {
        "user_id": user.id,
        "sealed_secret": "sealed",
        "confirmed": True,
        "recovery_hashes": (b"a" * 32, b"b" * 32),
        "created_at_ms": NOW_MS,
    }
    return SecondFactor(**{**given, **members})  # pyright: ignore[reportArgumentType]
