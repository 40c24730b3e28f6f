"""The cookies of a session (RFC 6265bis)."""

from collections.abc import Mapping

from litestar.datastructures import Cookie
from msgspec import Struct

from application.identity.sessions import SessionGrant
from application.identity.single_sign_on import Begun
from domain.secret import Secret

_PREFIX = "__Host-"
ACCESS, REFRESH, CSRF = "tw_access", "tw_refresh", "tw_csrf"
SSO = "tw_sso"


class SessionCookies(Struct, frozen=True):
    """The cookies as one request sent them."""

    access: Secret | None
    refresh: Secret | None


def read_cookies(cookies: Mapping[str, str], *, https: bool) -> SessionCookies:
    """Return what was sent. Over TLS only names count that no other host could have set."""

    def one(name: str) -> Secret | None:
        value = cookies.get(_name(name, https=https))
        return Secret(value) if value else None

    return SessionCookies(one(ACCESS), one(REFRESH))


def session_cookies(grant: SessionGrant, *, https: bool, now_ms: int) -> list[Cookie]:
    """Return the cookies of a grant. Scripts of our pages may read the CSRF token, nothing else."""
    session_s = max(0, (grant.session.expires_at_ms - now_ms) // 1000)
    access_s = max(0, (grant.access_expires_at_ms - now_ms) // 1000)
    return [
        _cookie(ACCESS, grant.access.reveal(), access_s, https=https),
        _cookie(REFRESH, grant.refresh.reveal(), session_s, https=https),
        _cookie(CSRF, grant.csrf.reveal(), session_s, https=https),
    ]


def no_cookies(*, https: bool) -> list[Cookie]:
    """Return what makes a browser forget them."""
    return [_cookie(name, "", 0, https=https) for name in (ACCESS, REFRESH, CSRF)]


def binding_cookie(begun: Begun, *, https: bool, now_ms: int) -> Cookie:
    """Return what ties a round to an identity provider to the browser that begins it."""
    lasts_s = max(0, (begun.expires_at_ms - now_ms) // 1000)
    return _cookie(SSO, begun.binding.reveal(), lasts_s, https=https)


def read_binding(cookies: Mapping[str, str], *, https: bool) -> Secret | None:
    """Return what `binding_cookie` has set in this browser."""
    value = cookies.get(_name(SSO, https=https))
    return Secret(value) if value else None


def no_binding(*, https: bool) -> Cookie:
    """Return what makes a browser forget it."""
    return _cookie(SSO, "", 0, https=https)


def _cookie(name: str, value: str, max_age_s: int, *, https: bool) -> Cookie:
    return Cookie(
        key=_name(name, https=https),
        value=value,
        max_age=max_age_s,
        path="/",
        secure=https,
        httponly=name != CSRF,
        samesite="lax",
    )


def _name(name: str, *, https: bool) -> str:
    # A browser refuses the prefix without `Secure`, and `Secure` without TLS.
    return f"{_PREFIX}{name}" if https else name
