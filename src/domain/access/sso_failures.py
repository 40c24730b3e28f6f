"""Why a sign-in through an identity provider fails: a closed list, each with one safe sentence."""

from enum import StrEnum

from domain.errors import SingleSignOnFailed

_LONGEST_DETAIL = 500


class SsoFailure(StrEnum):
    """The reasons. Codes are stable: they are in the log, in the audit trail and in tests."""

    # The provider, or the way to it.
    UNREACHABLE = "provider_unreachable"
    INVALID_ANSWER = "invalid_answer"
    INSECURE_ADDRESS = "insecure_address"
    PROVIDER_REFUSED = "provider_refused"
    CODE_REFUSED = "code_refused"
    CLIENT_REFUSED = "client_refused"
    CLIENT_AUTH_UNSUPPORTED = "client_auth_unsupported"
    # The ID token (OpenID Connect Core 3.1.3.7) and what belongs to it.
    NO_ID_TOKEN = "no_id_token"  # noqa: S105 - a reason, not a password
    INVALID_TOKEN = "invalid_token"  # noqa: S105
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_AUTHORIZED_PARTY = "wrong_authorized_party"
    WRONG_NONCE = "wrong_nonce"
    WRONG_ACCESS_TOKEN = "wrong_access_token"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_FROM_FUTURE = "token_from_future"  # noqa: S105
    WRONG_SUBJECT = "wrong_subject"
    GROUPS_NOT_SENT = "groups_not_sent"
    # The attempt on our side.
    UNKNOWN_ATTEMPT = "unknown_attempt"
    ATTEMPT_EXPIRED = "attempt_expired"
    OTHER_BROWSER = "other_browser"
    OTHER_USER = "other_user"
    PROVIDER_INACTIVE = "provider_inactive"
    CONFIGURATION_CHANGED = "configuration_changed"
    NOT_DISCOVERED = "not_discovered"
    # Our rules about accounts.
    EMAIL_MISSING = "email_missing"
    EMAIL_NOT_VERIFIED = "email_not_verified"
    DOMAIN_NOT_ALLOWED = "domain_not_allowed"
    NO_ACCOUNT = "no_account"
    ACCOUNT_EXISTS = "account_exists"
    LINKED_OTHERWISE = "linked_otherwise"
    IDENTITY_TAKEN = "identity_taken"
    NO_ROLE = "no_role"
    USER_INACTIVE = "user_inactive"


PROVIDER_FAULTS = frozenset(
    {
        SsoFailure.UNREACHABLE,
        SsoFailure.INVALID_ANSWER,
        SsoFailure.INSECURE_ADDRESS,
        SsoFailure.CLIENT_REFUSED,
        SsoFailure.CLIENT_AUTH_UNSUPPORTED,
        SsoFailure.NO_ID_TOKEN,
        SsoFailure.INVALID_TOKEN,
        SsoFailure.ALGORITHM_NOT_ALLOWED,
        SsoFailure.UNKNOWN_KEY,
        SsoFailure.BAD_SIGNATURE,
        SsoFailure.WRONG_ISSUER,
        SsoFailure.WRONG_AUDIENCE,
        SsoFailure.WRONG_AUTHORIZED_PARTY,
        SsoFailure.WRONG_NONCE,
        SsoFailure.WRONG_ACCESS_TOKEN,
        SsoFailure.TOKEN_EXPIRED,
        SsoFailure.TOKEN_FROM_FUTURE,
        SsoFailure.WRONG_SUBJECT,
        SsoFailure.GROUPS_NOT_SENT,
    }
)
"""What the provider has to answer for; everything else is a refusal of whoever signs in."""

_PROVIDER = "The identity provider could not be used; an administrator finds the reason in the log."
_ANSWER = "The identity provider's answer was not valid, so nobody was signed in. Try again."
_START_AGAIN = "This sign-in is no longer valid. Start again from the sign-in page."
_SENTENCES = {
    SsoFailure.UNREACHABLE: "The identity provider cannot be reached right now. Try again later.",
    SsoFailure.INVALID_ANSWER: _PROVIDER,
    SsoFailure.INSECURE_ADDRESS: "The identity provider must be reached through https.",
    SsoFailure.PROVIDER_REFUSED: "The identity provider did not sign you in.",
    SsoFailure.CODE_REFUSED: _START_AGAIN,
    SsoFailure.CLIENT_REFUSED: _PROVIDER,
    SsoFailure.CLIENT_AUTH_UNSUPPORTED: _PROVIDER,
    SsoFailure.UNKNOWN_ATTEMPT: _START_AGAIN,
    SsoFailure.ATTEMPT_EXPIRED: "This sign-in took too long. Start again from the sign-in page.",
    SsoFailure.OTHER_BROWSER: "This sign-in was started in another browser. Start again in this one.",
    SsoFailure.OTHER_USER: "This was started by another user. Start again.",
    SsoFailure.PROVIDER_INACTIVE: "This identity provider is not in use.",
    SsoFailure.CONFIGURATION_CHANGED: "The identity provider was changed meanwhile. Start again.",
    SsoFailure.NOT_DISCOVERED: "The identity provider has not been discovered yet.",
    SsoFailure.GROUPS_NOT_SENT: "The identity provider did not send your groups. Ask an administrator.",
    SsoFailure.EMAIL_MISSING: "The identity provider did not tell your e-mail address.",
    SsoFailure.EMAIL_NOT_VERIFIED: "Your e-mail address is not verified at the identity provider.",
    SsoFailure.DOMAIN_NOT_ALLOWED: "Your e-mail address is not of a domain that may sign in here.",
    SsoFailure.NO_ACCOUNT: "There is no account for you here. Ask an administrator for one.",
    SsoFailure.ACCOUNT_EXISTS: (
        "There is an account with your e-mail address that is not linked to this identity provider. "
        "Sign in to it and link it, or ask an administrator."
    ),
    SsoFailure.LINKED_OTHERWISE: (
        "The account with your e-mail address belongs to another user of this identity provider. "
        "Ask an administrator."
    ),
    SsoFailure.IDENTITY_TAKEN: "This identity is linked to another account already.",
    SsoFailure.NO_ROLE: "None of your groups gives you a role here. Ask an administrator.",
    SsoFailure.USER_INACTIVE: "Your account is not active. Ask an administrator.",
}


def sso_failed(reason: SsoFailure, detail: str = "") -> SingleSignOnFailed:
    """Return the error for a reason; `detail` is for the log and is cut to a bearable length."""
    message = _SENTENCES.get(reason, _ANSWER)
    readable = detail[:_LONGEST_DETAIL].encode("utf-8", "replace").decode()
    return SingleSignOnFailed(reason.value, message, detail=readable)
