"""The second factor: set up, asked for, used once, taken away."""

from collections.abc import AsyncIterator
from typing import Any

import pyotp
import pytest
from pyotp.totp import TOTP

from domain.access.accounts import Role, User
from tests.support.console_replicas import Browser, Replicas, console_replicas
from tests.support.signing_in import PASSWORD


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Replicas]:
    async with console_replicas(postgres_url) as replicas:
        yield replicas


def code_of(office: Replicas, totp: TOTP) -> str:
    """Return what the authenticator shows at this moment of the test."""
    return totp.generate_otp(office.clock.now_ms() // 30_000)


async def enrolled(office: Replicas, browser: Browser) -> tuple[TOTP, list[str]]:
    made = await browser.call("POST", "/api/me/totp", 201)
    totp = pyotp.parse_uri(made["otpauth_uri"])
    assert isinstance(totp, TOTP)
    assert totp.secret == made["secret"]
    assert made["qr_code"].startswith("data:image/svg+xml")
    await browser.call("POST", "/api/me/totp/confirm", 400, {"code": "000000"})
    codes = await browser.call("POST", "/api/me/totp/confirm", 200, {"code": code_of(office, totp)})
    return totp, codes["recovery_codes"]


async def a_user_with_factor(office: Replicas) -> tuple[User, Browser, TOTP, list[str]]:
    user = await office.user("dev@example.com")
    browser = office.browser()
    await browser.sign_in(user)
    return user, browser, *(await enrolled(office, browser))


def code_in(problem: Any) -> str:
    return problem["type"].rpartition(":")[2]


async def test_a_code_is_asked_for_and_counts_once(office: Replicas) -> None:
    user, _, totp, _ = await a_user_with_factor(office)
    browser = office.browser(1)
    assert code_in(await browser.sign_in(user, 401)) == "totp_required"
    used = code_of(office, totp)
    assert code_in(await browser.sign_in(user, 401, totp_code=used)) == "sign_in_failed"
    office.clock.advance(30)
    fresh = code_of(office, totp)
    await browser.sign_in(user, totp_code=fresh)
    await office.browser().sign_in(user, 401, totp_code=fresh)
    office.clock.advance(60)
    await office.browser().sign_in(user, 401, totp_code=fresh)


async def test_a_recovery_code_counts_once_in_any_spelling(office: Replicas) -> None:
    user, browser, _, codes = await a_user_with_factor(office)
    assert len(set(codes)) == 10
    await office.browser().sign_in(user, recovery_code=codes[0].upper().replace("-", " "))
    await office.browser().sign_in(user, 401, recovery_code=codes[0])
    assert (await browser.call("GET", "/api/me", 200))["recovery_codes"] == 9
    proof = {"password": PASSWORD}
    fresh = await browser.call("POST", "/api/me/totp/recovery-codes", 200, proof)
    await office.browser().sign_in(user, 401, recovery_code=codes[1])
    await office.browser().sign_in(user, recovery_code=fresh["recovery_codes"][1])


async def test_codes_cannot_be_guessed_with_the_password_known(office: Replicas) -> None:
    user, _, _, _ = await a_user_with_factor(office)
    statuses: list[int] = []
    for _ in range(8):
        for more in ({}, {"totp_code": "000000"}):
            form = {"email": user.email, "password": PASSWORD, **more}
            statuses.append(
                (await office.browser().http.post("/api/auth/login", json=form)).status_code
            )
    assert statuses.count(429) >= 4, "asking for the code in between gives no more tries"


async def test_a_new_factor_ends_sessions_without_it_and_is_set_up_once(office: Replicas) -> None:
    user = await office.user("dev@example.com")
    first, second = office.browser(), office.browser()
    await first.sign_in(user)
    await second.sign_in(user)
    await enrolled(office, first)
    await second.refused("GET", "/api/me", 401)
    await first.call("POST", "/api/me/totp", 409)
    me = await first.call("GET", "/api/me", 200)
    assert (me["totp"], me["recovery_codes"]) == (True, 10)


async def test_a_role_that_needs_a_factor_opens_only_its_setting_up(office: Replicas) -> None:
    user = await office.user("dev@example.com", Role.ADMIN)
    browser = office.browser()
    await browser.sign_in(user)
    await browser.call("GET", "/api/sessions", 200)
    await office.setting("security.totp_required_roles", "super_admin, admin")
    assert await browser.refused("GET", "/api/sessions", 403) == "totp_enrolment_required"
    me = await browser.call("GET", "/api/me", 200)
    assert me["restriction"] == "totp_enrolment_required"
    await enrolled(office, browser)
    await browser.call("GET", "/api/sessions", 200)


async def test_a_factor_is_turned_off_with_the_password_or_by_who_may(office: Replicas) -> None:
    user, browser, totp, _ = await a_user_with_factor(office)
    await browser.call("POST", "/api/me/totp/disable", 403, {"password": "Wrong-Horse-7"})
    await browser.call("POST", "/api/me/totp/disable", 200, {"password": PASSWORD})
    await office.browser().sign_in(user)
    office.clock.advance(30)
    await enrolled(office, browser)
    desk = office.browser()
    await desk.sign_in(await office.user("boss@example.com", Role.ADMIN))
    await desk.call("POST", f"/api/users/{user.id}/totp-reset", 200)
    await browser.refused("GET", "/api/me", 401)
    await office.browser().sign_in(user)
    await desk.call("POST", f"/api/users/{user.id}/totp-reset", 404)
    assert len(await office.trail("user.reset_second_factor")) == 1
    assert totp.secret not in str(await office.trail("second_factor.begin"))
