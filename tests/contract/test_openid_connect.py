"""OpenIdConnect: whoever the provider vouches for, and nobody when anything is wrong with it."""

import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import Key, RSAKey
from msgspec.structs import replace

from adapters.identity.openid_connect import AuthlibOpenIdConnect
from adapters.identity.provider_http import LARGEST_ANSWER
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.ports.single_sign_on import Authenticated, Authorization, Exchange, OpenIdConnect
from domain.access.single_sign_on import SsoProvider
from domain.access.sso_failures import SsoFailure
from domain.errors import SingleSignOnFailed
from domain.routing.address_policy import AddressPolicy
from domain.secret import Secret
from tests.support.forged_tokens import NOT_GENUINE
from tests.support.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    LEFT_OUT,
    REDIRECT,
    IdentityProvider,
    ec_key,
    ed_key,
    identity_provider,
    rsa_key,
)
from tests.support.manual_clock import ManualClock
from tests.support.single_sign_on import an_sso_provider

NONCE, VERIFIER = "n-0S6_WzA2Mj", Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
LOOPBACK = AddressPolicy.allowing(["127.0.0.0/8"])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def there(clock: ManualClock) -> AsyncIterator[IdentityProvider]:
    async with identity_provider(clock) as running:
        yield running


@pytest.fixture
async def oidc(clock: ManualClock, there: IdentityProvider) -> AsyncIterator[OpenIdConnect]:
    """Hangs up before the provider ends."""
    transport = HttpxTransport(TransportOptions(address_policy=LOOPBACK))
    yield AuthlibOpenIdConnect(transport, clock)
    await transport.aclose()


async def configured(oidc: OpenIdConnect, there: IdentityProvider, **more: Any) -> SsoProvider:
    more.setdefault("group_claim", "groups")
    provider = an_sso_provider(issuer=there.issuer, client_id=CLIENT_ID, **more)
    return replace(provider, metadata=await oidc.discover(there.issuer))


async def sign_in(
    oidc: OpenIdConnect, there: IdentityProvider, secret: str | None = CLIENT_SECRET, **more: Any
) -> Authenticated:
    """Go the whole way with the provider as it is."""
    provider = await configured(oidc, there, **more)
    code = there.approve(oidc.authorization_url(provider, authorization()))["code"]
    return await oidc.exchange(provider, exchange(code, secret))


def authorization(state: str = "af0ifjsldkj") -> Authorization:
    return Authorization(state=Secret(state), nonce=NONCE, verifier=VERIFIER, redirect_uri=REDIRECT)


def exchange(code: str, secret: str | None = CLIENT_SECRET, **more: Any) -> Exchange:
    fields: dict[str, Any] = {"nonce": NONCE, "verifier": VERIFIER, "redirect_uri": REDIRECT}
    return Exchange(
        code=Secret(code),
        client_secret=None if secret is None else Secret(secret),
        **{**fields, **more},
    )


async def reason_of(attempt: Any) -> str:
    with pytest.raises(SingleSignOnFailed) as refused:
        await attempt
    assert refused.value.message[-1] == "."
    assert CLIENT_SECRET not in refused.value.detail + refused.value.message
    return refused.value.reason


class TestDiscovery:
    async def test_the_document_tells_where_everything_is(
        self, oidc: OpenIdConnect, there: IdentityProvider, clock: ManualClock
    ) -> None:
        there.discovery = {"authorization_response_iss_parameter_supported": True}
        found = await oidc.discover(there.issuer)
        assert found.issuer == there.issuer
        assert found.token_endpoint == f"{there.issuer}/token"
        assert found.userinfo_endpoint == f"{there.issuer}/userinfo"
        assert found.auth_methods == ("client_secret_basic",)
        assert found.sends_issuer
        assert found.discovered_at_ms == clock.now_ms()

    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            ({"issuer": "https://login.example.com"}, SsoFailure.WRONG_ISSUER),
            ({"issuer": LEFT_OUT}, SsoFailure.INVALID_ANSWER),
            ({"jwks_uri": LEFT_OUT}, SsoFailure.INVALID_ANSWER),
            ({"token_endpoint": 7}, SsoFailure.INVALID_ANSWER),
            ({"response_types_supported": ["id_token"]}, SsoFailure.INVALID_ANSWER),
            ({"token_endpoint": "http://login.example.com/t"}, SsoFailure.INSECURE_ADDRESS),
            ({"userinfo_endpoint": "ftp://login.example.com"}, SsoFailure.INSECURE_ADDRESS),
        ],
    )
    async def test_a_document_that_is_not_good_enough_is_refused(
        self,
        oidc: OpenIdConnect,
        there: IdentityProvider,
        document: dict[str, Any],
        reason: SsoFailure,
    ) -> None:
        there.discovery = document
        assert await reason_of(oidc.discover(there.issuer)) == reason

    async def test_the_issuer_is_compared_exactly(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        assert await reason_of(oidc.discover(f"{there.issuer}/")) == SsoFailure.WRONG_ISSUER

    async def test_plain_http_is_for_this_machine_only(self, oidc: OpenIdConnect) -> None:
        reason = await reason_of(oidc.discover("http://login.example.com"))
        assert reason == SsoFailure.INSECURE_ADDRESS

    @pytest.mark.parametrize(
        "answer",
        [
            (302, b"{}"),
            (404, b"{}"),
            (500, b"{}"),
            (200, b"<html>"),
            (200, b"[]"),
            (200, b'{"a":' * 5000),
            (200, b'{"a":"' + b"a" * LARGEST_ANSWER + b'"}'),
        ],
        ids=["redirect", "missing", "broken", "a page", "a list", "deep", "large"],
    )
    async def test_an_answer_that_is_no_small_object_is_refused(
        self, oidc: OpenIdConnect, there: IdentityProvider, answer: tuple[int, bytes]
    ) -> None:
        there.raw["/.well-known/openid-configuration"] = answer
        assert await reason_of(oidc.discover(there.issuer)) == SsoFailure.INVALID_ANSWER
        assert there.paths == ["/.well-known/openid-configuration"]

    async def test_nobody_listens(self, oidc: OpenIdConnect) -> None:
        assert await reason_of(oidc.discover("http://127.0.0.1:9")) == SsoFailure.UNREACHABLE


class TestSignIn:
    async def test_the_browser_is_sent_with_state_nonce_and_challenge(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        provider = await configured(oidc, there, scopes=("openid", "email"))
        asked = parse_qs(urlsplit(oidc.authorization_url(provider, authorization())).query)
        assert asked == {
            "response_type": ["code"],
            "client_id": [CLIENT_ID],
            "redirect_uri": [REDIRECT],
            "scope": ["openid email"],
            "state": ["af0ifjsldkj"],
            "nonce": [NONCE],
            # RFC 7636 appendix B
            "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
            "code_challenge_method": ["S256"],
        }

    @pytest.mark.parametrize("key", [rsa_key, ec_key, ed_key], ids=["RS256", "ES256", "EdDSA"])
    async def test_the_claims_are_those_of_the_token(
        self, oidc: OpenIdConnect, there: IdentityProvider, key: Callable[[], Key]
    ) -> None:
        there.key = key()
        with warnings.catch_warnings(action="ignore"):  # of the provider, about the older name
            found = await sign_in(oidc, there)
        claims = found.claims
        assert (claims.issuer, claims.subject) == (there.issuer, there.person.subject)
        assert (claims.email, claims.email_verified) == ("jane@example.com", True)
        assert (claims.name, claims.groups) == ("Jane Doe", {"developers"})
        assert found.id_token.reveal().count(".") == 2
        assert "/userinfo" not in there.paths

    @pytest.mark.parametrize(
        ("methods", "secret", "way"),
        [
            (LEFT_OUT, CLIENT_SECRET, "basic"),
            (["client_secret_post", "client_secret_basic"], CLIENT_SECRET, "basic"),
            (["private_key_jwt", "client_secret_post"], CLIENT_SECRET, "post"),
            (["none"], None, "none"),
        ],
    )
    async def test_the_client_authenticates_as_the_provider_wants(
        self,
        oidc: OpenIdConnect,
        there: IdentityProvider,
        methods: Any,
        secret: str | None,
        way: str,
    ) -> None:
        there.discovery = {"token_endpoint_auth_methods_supported": methods}
        await sign_in(oidc, there, secret)
        headers, form = there.token_requests[0]
        assert ("authorization" in headers) == (way == "basic")
        assert form.get("client_secret") == (CLIENT_SECRET if way == "post" else None)

    async def test_a_provider_without_a_way_to_authenticate_is_refused(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.discovery = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.CLIENT_AUTH_UNSUPPORTED

    async def test_a_wrong_secret_is_told_from_a_wrong_code(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        assert await reason_of(sign_in(oidc, there, "wrong")) == SsoFailure.CLIENT_REFUSED

    async def test_a_code_is_good_once(self, oidc: OpenIdConnect, there: IdentityProvider) -> None:
        provider = await configured(oidc, there)
        code = there.approve(oidc.authorization_url(provider, authorization()))["code"]
        await oidc.exchange(provider, exchange(code))
        again = oidc.exchange(provider, exchange(code))
        assert await reason_of(again) == SsoFailure.CODE_REFUSED

    async def test_a_code_is_good_for_its_verifier_only(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        provider = await configured(oidc, there)
        code = there.approve(oidc.authorization_url(provider, authorization()))["code"]
        stolen = oidc.exchange(provider, exchange(code, verifier=Secret("x" * 43)))
        assert await reason_of(stolen) == SsoFailure.CODE_REFUSED


class TestUserinfo:
    async def test_what_the_token_lacks_is_asked_for(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.userinfo = there.person.claims
        there.person.claims = {"name": "From the token"}
        claims = (await sign_in(oidc, there)).claims
        assert (claims.email, claims.email_verified) == ("jane@example.com", True)
        assert (claims.name, claims.groups) == ("From the token", {"developers"})

    async def test_userinfo_of_somebody_else_is_refused(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.userinfo = {**there.person.claims, "sub": "another"}
        there.person.claims = {}
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.WRONG_SUBJECT

    async def test_verification_is_not_taken_for_another_address(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.userinfo = {"email": "mine@example.com", "email_verified": True}
        there.person.claims = {"email": "boss@example.com"}
        claims = (await sign_in(oidc, there)).claims
        assert (claims.email, claims.email_verified) == ("mine@example.com", True)

    async def test_without_an_endpoint_the_token_has_to_do(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.discovery = {"userinfo_endpoint": LEFT_OUT}
        there.person.claims = {}
        claims = (await sign_in(oidc, there)).claims
        assert (claims.email, claims.email_verified, claims.groups) == (None, False, frozenset())


class TestTokens:
    @pytest.mark.parametrize(
        ("claims", "reason"),
        [
            ({"nonce": "another"}, SsoFailure.WRONG_NONCE),
            ({"nonce": LEFT_OUT}, SsoFailure.WRONG_NONCE),
            ({"nonce": 7}, SsoFailure.INVALID_TOKEN),
            ({"iss": "https://evil.example.com"}, SsoFailure.WRONG_ISSUER),
            ({"iss": LEFT_OUT}, SsoFailure.INVALID_TOKEN),
            ({"aud": "another"}, SsoFailure.WRONG_AUDIENCE),
            ({"aud": ["another"]}, SsoFailure.WRONG_AUDIENCE),
            ({"aud": []}, SsoFailure.WRONG_AUDIENCE),
            ({"aud": [CLIENT_ID, "another"]}, SsoFailure.WRONG_AUTHORIZED_PARTY),
            ({"azp": "another"}, SsoFailure.WRONG_AUTHORIZED_PARTY),
            ({"sub": LEFT_OUT}, SsoFailure.INVALID_TOKEN),
            ({"sub": ""}, SsoFailure.INVALID_TOKEN),
            ({"sub": "s" * 256}, SsoFailure.INVALID_TOKEN),
            ({"sub": 248289761001}, SsoFailure.INVALID_TOKEN),
            ({"exp": 1}, SsoFailure.TOKEN_EXPIRED),
            ({"exp": "tomorrow"}, SsoFailure.INVALID_TOKEN),
            ({"exp": LEFT_OUT}, SsoFailure.INVALID_TOKEN),
            ({"iat": 9_999_999_999}, SsoFailure.TOKEN_FROM_FUTURE),
            ({"iat": LEFT_OUT}, SsoFailure.INVALID_TOKEN),
            ({"nbf": 9_999_999_999}, SsoFailure.TOKEN_FROM_FUTURE),
            ({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}, SsoFailure.WRONG_ACCESS_TOKEN),
        ],
    )
    async def test_claims_that_are_not_for_us_are_refused(
        self,
        oidc: OpenIdConnect,
        there: IdentityProvider,
        claims: dict[str, Any],
        reason: SsoFailure,
    ) -> None:
        there.claims = claims
        assert await reason_of(sign_in(oidc, there)) == reason

    @pytest.mark.parametrize("past", [True, False])
    async def test_clocks_may_be_a_minute_apart_and_not_more(
        self, oidc: OpenIdConnect, there: IdentityProvider, clock: ManualClock, *, past: bool
    ) -> None:
        now = clock.now_ms() // 1000
        for off_s, accepted in ((59, True), (61, False)):
            there.claims = {"exp": now - off_s} if past else {"iat": now + off_s}
            if accepted:
                await sign_in(oidc, there)
            else:
                reason = await reason_of(sign_in(oidc, there))
                assert reason in {SsoFailure.TOKEN_EXPIRED, SsoFailure.TOKEN_FROM_FUTURE}

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": [CLIENT_ID]},
            {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID},
            {"azp": CLIENT_ID},
            {"at_hash": LEFT_OUT},
        ],
    )
    async def test_other_ways_to_say_the_same_are_accepted(
        self, oidc: OpenIdConnect, there: IdentityProvider, claims: dict[str, Any]
    ) -> None:
        there.claims = claims
        assert (await sign_in(oidc, there)).claims.subject == there.person.subject

    @pytest.mark.parametrize("fault", NOT_GENUINE)
    async def test_a_token_that_is_not_the_providers_is_refused(
        self,
        oidc: OpenIdConnect,
        there: IdentityProvider,
        fault: str,
    ) -> None:
        there.minting, reason = NOT_GENUINE[fault]
        assert await reason_of(sign_in(oidc, there)) == reason

    async def test_no_id_token_is_no_sign_in(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.token_answer = {"id_token": LEFT_OUT}
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.NO_ID_TOKEN

    async def test_a_token_endpoint_that_redirects_is_not_followed(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.raw["/token"] = (307, b"{}")
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.INVALID_ANSWER
        assert "/elsewhere" not in there.paths


class TestKeys:
    async def test_keys_are_fetched_once_and_again_for_a_new_one(
        self, oidc: OpenIdConnect, there: IdentityProvider, clock: ManualClock
    ) -> None:
        for _ in range(3):
            await sign_in(oidc, there)
        assert there.paths.count("/keys") == 1
        there.key = rsa_key("mine")
        there.published = [there.key]
        clock.advance(31)
        for _ in range(2):
            await sign_in(oidc, there)
        assert there.paths.count("/keys") == 2

    async def test_unknown_keys_do_not_make_us_ask_all_the_time(
        self, oidc: OpenIdConnect, there: IdentityProvider, clock: ManualClock
    ) -> None:
        there.header = {"kid": "nobody's"}
        for _ in range(4):
            assert await reason_of(sign_in(oidc, there)) == SsoFailure.UNKNOWN_KEY
        assert there.paths.count("/keys") == 1
        clock.advance(31)
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.UNKNOWN_KEY
        assert there.paths.count("/keys") == 2

    async def test_a_withdrawn_key_is_forgotten_within_the_hour(
        self, oidc: OpenIdConnect, there: IdentityProvider, clock: ManualClock
    ) -> None:
        await sign_in(oidc, there)
        there.published = [rsa_key("mine")]
        clock.advance(3601)
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.UNKNOWN_KEY

    async def test_a_token_without_a_key_id_needs_a_single_key(
        self, oidc: OpenIdConnect, there: IdentityProvider, clock: ManualClock
    ) -> None:
        there.header = {"kid": LEFT_OUT}
        there.published = [ec_key(), rsa_key()]
        await sign_in(oidc, there)
        there.published = [rsa_key("mine"), rsa_key()]
        clock.advance(3601)
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.UNKNOWN_KEY

    async def test_keys_that_cannot_be_used_are_passed_over(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        good = rsa_key().as_dict(private=False)
        weak = {**good, "n": str(good["n"])[:100]}
        there.jwks = {
            "keys": [
                7,
                {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa-1"},
                {"kty": "AKP"},
                weak,
                {**good, "use": "enc"},
                {"kty": "RSA", "n": "x" * 400},
                good,
            ]
        }
        assert (await sign_in(oidc, there)).claims.subject == there.person.subject

    async def test_a_set_without_keys_is_refused(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        there.jwks = {}
        assert await reason_of(sign_in(oidc, there)) == SsoFailure.INVALID_ANSWER


class TestLogout:
    async def test_the_address_names_client_and_session(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        provider = await configured(oidc, there, ends_session=True)
        url = oidc.end_session_url(
            provider, id_token=Secret("a.b.c"), return_to="https://thinkwatch.example.com/"
        )
        assert url is not None
        assert url.startswith(f"{there.issuer}/logout?")
        assert parse_qs(urlsplit(url).query) == {
            "tenant": ["1"],
            "client_id": [CLIENT_ID],
            "id_token_hint": ["a.b.c"],
            "post_logout_redirect_uri": ["https://thinkwatch.example.com/"],
        }

    async def test_a_hint_too_long_for_an_address_is_left_out(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        provider = await configured(oidc, there, ends_session=True)
        url = oidc.end_session_url(provider, id_token=Secret("a" * 9000), return_to="https://t/")
        assert url is not None
        assert "id_token_hint" not in url

    async def test_there_is_none_unless_wanted_and_possible(
        self, oidc: OpenIdConnect, there: IdentityProvider
    ) -> None:
        unwanted = await configured(oidc, there)
        assert oidc.end_session_url(unwanted, id_token=None, return_to="https://t/") is None
        there.discovery = {"end_session_endpoint": LEFT_OUT}
        without = await configured(oidc, there, ends_session=True)
        assert oidc.end_session_url(without, id_token=None, return_to="https://t/") is None


async def test_a_provider_that_was_not_discovered_cannot_be_used(
    oidc: OpenIdConnect, there: IdentityProvider
) -> None:
    provider = replace(await configured(oidc, there), metadata=None)
    assert await reason_of(oidc.exchange(provider, exchange("x"))) == SsoFailure.NOT_DISCOVERED
    with pytest.raises(SingleSignOnFailed):
        oidc.authorization_url(provider, authorization())


def test_the_keys_of_this_suite_are_what_they_are_called() -> None:
    assert isinstance(rsa_key(), RSAKey)
    assert rsa_key("mine").as_dict(private=False) != rsa_key().as_dict(private=False)
