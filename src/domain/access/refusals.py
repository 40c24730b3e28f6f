"""Refusals of people who sign in to the console.

```
AuthenticationFailed
├── SignInFailed            address, password or code is wrong; nothing says which
├── TotpRequired            the password was right and a code is needed
└── SessionEnded            no such session any more, or a token that is not its present one
    └── SessionElsewhere    the token came from another network or browser
AccessDenied
├── CsrfRefused             a change by cookie without the token of the page
├── PasswordChangeRequired  nothing but a new password is accepted
├── TotpEnrolmentRequired   the role needs a second factor
├── SessionRequired         a key cannot do this for its owner
└── TokenRefused            a token was shown, and it is not the right one
DomainError
└── TooManyAttempts         wait, then try again
```
"""

from domain.errors import AccessDenied, AuthenticationFailed, DomainError, TokenRequired


class SignInFailed(AuthenticationFailed):
    """One text for every cause, so that nobody learns which accounts there are.

    Attributes:
        account: whose it would have been, for the audit trail.
    """

    code = "sign_in_failed"
    account: str | None = None

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("The address, the password or the code is not right.")


class TotpRequired(AuthenticationFailed):
    """The account has a second factor and no code was sent."""

    code = "totp_required"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("Send a code of your authenticator, or a recovery code.")


class SessionEnded(AuthenticationFailed):
    """The session is over, or the token is not one of its present ones.

    Attributes:
        reason: for the audit trail; the caller gets one text for all.
        session_id: set when the token was one that we made.
        ordinary: as it happens every day, or recorded already: nothing for the trail.
    """

    code = "session_ended"

    def __init__(
        self,
        reason: str = "no such session",
        *,
        session_id: str | None = None,
        ordinary: bool = False,
    ) -> None:
        """See the attributes."""
        super().__init__("The session has ended. Sign in again.")
        self.reason = reason
        self.session_id = session_id
        self.ordinary = ordinary


class SessionElsewhere(SessionEnded):
    """A token was used from another network or browser than the session's; the session stays."""


class CsrfRefused(AccessDenied):
    """A change that is authenticated by a cookie must prove that our own page made it."""

    code = "csrf_refused"

    def __init__(
        self,
        message: str = "The header 'X-CSRF-Token' is missing or not right.",
        *,
        session_id: str | None = None,
    ) -> None:
        """`message` says what was missing, `session_id` whose cookie it was."""
        super().__init__(message)
        self.session_id = session_id


class PasswordChangeRequired(AccessDenied):
    """Somebody else has set this password."""

    code = "password_change_required"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("Set a new password first.")


class TotpEnrolmentRequired(AccessDenied):
    """`security.totp_required_roles` names a role of this user."""

    code = "totp_enrolment_required"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("Your role needs a second factor. Set one up first.")


class SessionRequired(AccessDenied):
    """Something that people do for themselves, and not by a key."""

    code = "session_required"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("Only somebody who has signed in can do this.")


class TokenRefused(TokenRequired):
    """The caller is told the same as one who showed nothing.

    Attributes:
        reason: for the audit trail.
    """

    def __init__(self, reason: str) -> None:
        """`reason` says what was wrong."""
        super().__init__()
        self.reason = reason


class TooManyAttempts(DomainError):
    """The account, from this network, or the network as a whole has failed too often."""

    code = "too_many_attempts"
    account: str | None = None

    def __init__(self, retry_after_ms: int) -> None:
        """Nothing is tried before `retry_after_ms` are over."""
        super().__init__("Too many attempts. Try again later.")
        self.retry_after_ms = retry_after_ms
