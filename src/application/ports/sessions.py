"""Console sessions, second factors and the tokens that stand for sessions."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.access.second_factor import SecondFactor
from domain.access.session import Session
from domain.access.throttle import Throttle
from domain.identifiers import UserId
from domain.secret import Secret


class Sessions(Protocol):
    """Sessions inside a transaction. An expired one may be swept at any moment."""

    @abstractmethod
    async def add(self, session: Session) -> None:
        """Store a new session and, with its user, when that was; the user stays locked.

        So whoever changes the password at the same time waits, or is seen by what is read next.
        """
        ...

    @abstractmethod
    async def find(self, session_id: str) -> Session | None:
        """Return one session; None also for an id that cannot be one."""
        ...

    @abstractmethod
    async def of_user(self, user_id: UserId) -> Sequence[Session]:
        """Return the sessions of a user, oldest (lowest id) first."""
        ...

    @abstractmethod
    async def all(self) -> Sequence[Session]:
        """Return all sessions, oldest (lowest id) first."""
        ...

    @abstractmethod
    async def refresh(self, session: Session) -> bool:
        """Store the next generation of a session; False when somebody else did so first."""
        ...

    @abstractmethod
    async def touch(self, session_id: str, at_ms: int) -> None:
        """Note that the session was used; never moves the time back."""
        ...

    @abstractmethod
    async def prove_second_factor(self, session_id: str) -> None:
        """Note that the session's user has shown a second factor."""
        ...

    @abstractmethod
    async def remove(self, session_id: str) -> bool:
        """End a session; False when there is none."""
        ...

    @abstractmethod
    async def remove_of_user(self, user_id: UserId, *, except_id: str | None = None) -> int:
        """End the sessions of a user, but for one; return how many there were."""
        ...


class SecondFactors(Protocol):
    """Second factors inside a transaction."""

    @abstractmethod
    async def find(self, user_id: UserId) -> SecondFactor | None:
        """Return the factor of a user, also one that is not confirmed."""
        ...

    @abstractmethod
    async def put(self, factor: SecondFactor) -> None:
        """Store a factor in place of the one that the user had."""
        ...

    @abstractmethod
    async def accept_step(self, user_id: UserId, step: int) -> bool:
        """Make this the last accepted time step; False when it is not later than the stored one."""
        ...

    @abstractmethod
    async def use_recovery_code(self, user_id: UserId, code_hash: bytes) -> bool:
        """Strike a recovery code out; False when it is not among those left."""
        ...

    @abstractmethod
    async def remove(self, user_id: UserId) -> bool:
        """Remove the factor; False when there is none."""
        ...


class SignInAttempts(Protocol):
    """Counts of attempts to sign in, in short transactions of their own."""

    @abstractmethod
    async def begin(self, throttles: Sequence[Throttle], now_ms: int) -> int:
        """Count an attempt under all throttles, or under none when one of them has to wait.

        Returns the milliseconds to wait; 0 when the attempt has begun. Of many at once each is
        judged with those before it counted.

        Raises:
            ServiceUnavailable: the store cannot be asked.
        """
        ...

    @abstractmethod
    async def give_back(self, throttles: Sequence[Throttle]) -> None:
        """Take one attempt off each of them: it was none."""
        ...

    @abstractmethod
    async def forget(self, throttle: Throttle) -> None:
        """Forget all attempts under a throttle."""
        ...


class TokenClaims(Struct, frozen=True, kw_only=True):
    """What a token of a session says. `user_id` is in access tokens only, and only they expire."""

    session_id: str
    generation: int
    user_id: UserId | None = None
    expired: bool = False


class SessionTokens(Protocol):
    """Signs and reads the tokens of sessions: access, refresh and CSRF."""

    @abstractmethod
    def access(self, claims: TokenClaims, *, now_ms: int, expires_at_ms: int) -> Secret:
        """Return a JWT (RFC 7519) that opens the console until it expires."""
        ...

    @abstractmethod
    def read_access(self, token: Secret, now_ms: int) -> TokenClaims | None:
        """Return what an access token of ours says, also an expired one; None for anything else."""
        ...

    @abstractmethod
    def refresh(self, claims: TokenClaims, nonce: bytes) -> Secret:
        """Return a refresh token around 32 random bytes; the server keeps its hash."""
        ...

    @abstractmethod
    def read_refresh(self, token: Secret) -> TokenClaims | None:
        """Return what a refresh token of ours says, whether or not it still counts."""
        ...

    @abstractmethod
    def csrf(self, claims: TokenClaims) -> Secret:
        """Return the token that pages of this generation of the session send back."""
        ...

    @abstractmethod
    def is_csrf(self, token: Secret, claims: TokenClaims) -> bool:
        """Tell in constant time whether this is that token."""
        ...
