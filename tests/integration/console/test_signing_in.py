"""Sessions over two replicas: revoked by the next request, and of no use to who has copied them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace

from domain.access.accounts import Role, User, UserState
from domain.records.audit import AuditOutcome
from tests.support.acting import OPERATOR
from tests.support.administration import administration
from tests.support.configuration import Configuration, a_key, a_user
from tests.support.console_replicas import Browser, Replicas, console_replicas
from tests.support.signing_in import IP, PASSWORD

NEIGHBOUR, ELSEWHERE = "203.0.113.99", "198.51.100.1"
NEW = "Another-Horse-8-Battery"


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Replicas]:
    async with console_replicas(postgres_url) as replicas:
        yield replicas


async def signed_in(office: Replicas, role: Role = Role.DEVELOPER) -> tuple[User, Browser, Browser]:
    """Return a user, the user's browser, and the same browser at the other replica."""
    user = await office.user(f"{role.value}@example.com", role)
    browser = office.browser()
    await browser.sign_in(user)
    return user, browser, office.same(browser)


async def test_who_signs_in_is_known_on_every_replica_until_he_signs_out(office: Replicas) -> None:
    user, here, there = await signed_in(office)
    me = await there.call("GET", "/api/me", 200)
    assert (me["email"], me["roles"], me["restriction"]) == (user.email, ["developer"], None)
    assert "keys:create" in me["permissions"]
    assert "users:delete" not in me["permissions"]
    await here.call("POST", "/api/auth/logout", 200)
    assert here.cookie("tw_access") is None
    assert await there.refused("GET", "/api/me", 401) == "session_ended"
    assert await there.refused("POST", "/api/auth/refresh", 401) == "session_ended"
    (begun,) = await office.trail("session.create")
    assert (begun.actor_name, begun.ip, begun.outcome) == (user.email, IP, AuditOutcome.SUCCESS)
    assert [each.outcome for each in await office.trail("session.use")] == [AuditOutcome.FAILED] * 2
    async with office.stored.uow.begin() as tx:
        seen = await tx.users.find(user.id)
        assert seen is not None
        assert seen.last_sign_in_at_ms == office.clock.now_ms()


async def _deactivate(stored: Configuration, user: User) -> None:
    async with stored.uow.begin() as tx:
        await tx.users.update(replace(user, state=UserState.DEACTIVATED))
        await tx.commit()


async def _delete(stored: Configuration, user: User) -> None:
    async with stored.uow.begin() as tx:
        await tx.users.remove(user.id)
        await tx.commit()


async def _reset_by_command(stored: Configuration, user: User) -> None:
    await administration(stored).administrators.reset_password(OPERATOR, user.email)


@pytest.mark.parametrize("revoke", [_deactivate, _delete, _reset_by_command])
async def test_a_user_who_is_gone_or_reset_is_refused_by_the_next_request(
    office: Replicas, revoke: Callable[[Configuration, User], Awaitable[None]]
) -> None:
    user, here, there = await signed_in(office)
    await revoke(office.stored, user)
    for browser in (here, there):
        assert await browser.refused("GET", "/api/me", 401) == "session_ended"
    await office.browser().sign_in(user, 401)


async def test_a_role_that_is_taken_away_opens_nothing_any_more(office: Replicas) -> None:
    user, _, there = await signed_in(office, Role.ADMIN)
    await there.call("GET", "/api/sessions", 200)
    async with office.stored.uow.begin() as tx:
        await tx.users.update(replace(user, role=Role.DEVELOPER))
        await tx.commit()
    assert await there.refused("GET", "/api/sessions", 403) == "permission_denied"
    (refused,) = await office.trail("request.refuse")
    assert (refused.actor_id, refused.outcome) == (user.id, AuditOutcome.DENIED)
    assert refused.session_id is not None


async def test_what_is_refused_to_single_rows_is_recorded_once_for_a_call(
    office: Replicas,
) -> None:
    user, browser, _ = await signed_in(office, Role.VIEWER)
    owner = a_user("owner@example.com")
    keys = [a_key(owner, number=n, name=f"k{n}") for n in (1, 2)]
    async with office.stored.uow.begin() as tx:
        await tx.users.add(owner)
        for key in keys:
            await tx.keys.add(key)
        await tx.commit()
    rows = [{"op": op, "id": key.id} for key in keys for op in ("revoke", "delete")]
    answer = await browser.call("POST", "/api/keys/bulk", 200, {"items": rows})
    assert {each["code"] for each in answer["items"]} == {"permission_denied"}
    refused = await office.trail("request.refuse")
    assert {(each.actor_id, each.target.name) for each in refused} == {(user.id, "/api/keys/bulk")}
    [reason] = [each.reason or "" for each in refused]
    assert "4 of 4 rows" in reason


async def test_a_new_password_ends_all_other_sessions(office: Replicas) -> None:
    user, here, _ = await signed_in(office)
    other = office.browser(ip=ELSEWHERE)
    await other.sign_in(user)
    form = {"current_password": PASSWORD, "new_password": NEW}
    wrong = {**form, "current_password": "Wrong-Horse-7"}
    assert (await here.call("PUT", "/api/me/password", 403, wrong))["type"].endswith(
        "wrong_password"
    )
    for bad in ("short", "Password1", PASSWORD, "no-upper-case-7"):
        await here.call("PUT", "/api/me/password", 400, {**form, "new_password": bad})
    await here.call("PUT", "/api/me/password", 200, form)
    await here.call("GET", "/api/me", 200)
    await other.refused("GET", "/api/me", 401)
    await office.browser().sign_in(user, 401)
    await office.browser().sign_in(user, password=NEW)


@pytest.mark.parametrize("thief", [{"ip": ELSEWHERE}, {"name": "curl/8.0"}])
async def test_tokens_are_refused_elsewhere_and_the_session_stays(
    office: Replicas, thief: dict[str, str]
) -> None:
    _, here, _ = await signed_in(office)
    stolen = office.same(here, 1, **thief)
    assert await stolen.refused("GET", "/api/me", 401) == "session_ended"
    assert await stolen.refused("POST", "/api/auth/refresh", 401) == "session_ended"
    bearer = office.browser(1, **thief)
    token = {"authorization": f"Bearer {here.cookie('tw_access')}"}
    await bearer.call("GET", "/api/me", 401, **token)
    reasons = [str(each.reason) for each in await office.trail("session.use")]
    assert len(reasons) == 3
    assert all("used from another" in each for each in reasons)
    await here.call("POST", "/api/auth/refresh", 200)
    await here.call("GET", "/api/me", 200)


async def test_a_session_is_bound_to_its_network_or_by_setting_to_its_address(
    office: Replicas,
) -> None:
    user, here, _ = await signed_in(office)
    await office.same(here, ip=NEIGHBOUR).call("GET", "/api/me", 200)
    await office.setting("session.ip_binding", "exact")
    exact = office.browser()
    await exact.sign_in(user)
    await office.same(exact, ip=NEIGHBOUR).refused("GET", "/api/me", 401)
    await exact.call("GET", "/api/me", 200)


async def test_after_a_refresh_tokens_of_the_generation_before_count_no_more(
    office: Replicas,
) -> None:
    _, here, old = await signed_in(office)
    await here.call("POST", "/api/auth/refresh", 200)
    assert await old.refused("GET", "/api/me", 401) == "session_ended"
    old_csrf = str(old.cookie("tw_csrf"))
    assert (
        await here.refused("DELETE", "/api/me/sessions", 403, x_csrf_token=old_csrf)
        == "csrf_refused"
    )
    trail = await office.trail("session.use")
    assert [each.outcome for each in trail] == [AuditOutcome.DENIED, AuditOutcome.FAILED]
    await office.same(here).call("DELETE", "/api/me/sessions", 200)


async def test_a_refresh_token_in_two_hands_ends_the_session(office: Replicas) -> None:
    _, here, old = await signed_in(office)
    await here.call("POST", "/api/auth/refresh", 200)
    assert await old.refused("POST", "/api/auth/refresh", 409) == "refreshed_already"
    await here.call("GET", "/api/me", 200)
    office.clock.advance(11)
    assert await old.refused("POST", "/api/auth/refresh", 401) == "session_ended"
    assert await here.refused("GET", "/api/me", 401) == "session_ended"
    assert await here.refused("POST", "/api/auth/refresh", 401) == "session_ended"
    (ended,) = await office.trail("session.refresh")
    assert ended.outcome is AuditOutcome.DENIED


async def test_of_many_refreshes_at_once_one_wins_and_none_ends_the_session(
    office: Replicas,
) -> None:
    _, here, there = await signed_in(office)
    token = str(here.cookie("tw_csrf"))
    replies = await asyncio.gather(
        *(
            browser.http.post("/api/auth/refresh", headers={"x-csrf-token": token})
            for browser in (here, there, office.same(here), office.same(here, 0))
        )
    )
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]


async def test_access_ends_by_time_and_so_does_a_session(office: Replicas) -> None:
    _, here, _ = await signed_in(office)
    office.clock.advance(5 * 60)
    assert await here.refused("GET", "/api/me", 401) == "session_ended"
    assert await office.trail("session.use") == [], "that is no attack"
    await here.call("POST", "/api/auth/refresh", 200)
    office.clock.advance(8 * 3600)
    assert await here.refused("POST", "/api/auth/refresh", 401) == "session_ended"


async def test_failures_slow_an_account_down_from_that_network_only(office: Replicas) -> None:
    user = await office.user("admin@example.com", Role.SUPER_ADMIN)
    attacker = office.browser()
    for _ in range(5):
        await attacker.sign_in(user, 401, password="Wrong-Horse-7")
    reply = await attacker.http.post(
        "/api/auth/login", json={"email": user.email, "password": PASSWORD}
    )
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    await office.browser(1, ip=NEIGHBOUR).sign_in(user, 429)
    await office.browser(1, ip=ELSEWHERE).sign_in(user)
    office.clock.advance(1)
    await attacker.sign_in(user)
    failed = [each for each in await office.trail("session.create") if each.outcome != "success"]
    assert {each.target.name for each in failed} == {user.email}
    assert len(failed) == 7


async def test_every_failure_looks_alike(office: Replicas) -> None:
    gone = await office.user("gone@example.com", state=UserState.DEACTIVATED)
    known = await office.user("known@example.com")
    browser = office.browser()
    answers = [
        await browser.sign_in(known, 401, password="Wrong-Horse-7"),
        await browser.sign_in(known, 401, password="W" * 100_000),
        await browser.sign_in("nobody@example.com", 401),
        await browser.sign_in("no address", 401),
        await browser.sign_in(gone, 401),
    ]
    assert len({(each["type"], each["detail"]) for each in answers}) == 1


async def test_a_reset_password_has_to_be_changed_before_anything_else(office: Replicas) -> None:
    user, here, _ = await signed_in(office)
    admin = await office.user("boss@example.com", Role.ADMIN)
    desk = office.browser(ip=ELSEWHERE)
    await desk.sign_in(admin)
    made = await desk.call("POST", f"/api/users/{user.id}/password-reset", 200)
    await here.refused("GET", "/api/me", 401)
    browser = office.browser()
    await browser.sign_in(user, password=made["password"])
    me = await browser.call("GET", "/api/me", 200)
    assert me["restriction"] == "password_change_required"
    assert await browser.refused("GET", "/api/me/sessions", 403) == "password_change_required"
    assert await browser.refused("POST", "/api/me/totp", 403) == "password_change_required"
    form = {"current_password": made["password"], "new_password": NEW}
    await browser.call("PUT", "/api/me/password", 200, form)
    await browser.call("GET", "/api/me/sessions", 200)


async def test_nobody_resets_or_ends_what_belongs_to_somebody_mightier(office: Replicas) -> None:
    chief, _, _ = await signed_in(office, Role.SUPER_ADMIN)
    admin = await office.user("boss@example.com", Role.ADMIN)
    desk = office.browser()
    await desk.sign_in(admin)
    beyond = "beyond_own_rights"
    assert await desk.refused("POST", f"/api/users/{chief.id}/password-reset", 403) == beyond
    assert await desk.refused("POST", f"/api/users/{chief.id}/totp-reset", 403) == beyond
    listed = await desk.call("GET", "/api/sessions", 200, None)
    theirs = next(each["id"] for each in listed["items"] if each["user_id"] == chief.id)
    assert await desk.refused("DELETE", f"/api/sessions/{theirs}", 403) == beyond
    await desk.call("POST", f"/api/users/{admin.id}/password-reset", 400)
    developer = await office.user("dev@example.com")
    low = office.browser()
    await low.sign_in(developer)
    await low.refused("GET", "/api/sessions", 403)
    await low.refused("DELETE", f"/api/sessions/{theirs}", 404)
    await low.refused("POST", f"/api/users/{chief.id}/password-reset", 404)
    mine = next(
        each["id"]
        for each in (await desk.call("GET", "/api/sessions", 200))["items"]
        if each["user_id"] == developer.id
    )
    await desk.call("DELETE", f"/api/sessions/{mine}", 200)
    await low.refused("GET", "/api/me", 401)


async def test_people_see_and_end_their_own_sessions(office: Replicas) -> None:
    user, here, _ = await signed_in(office)
    other = office.browser(ip=ELSEWHERE)
    await other.sign_in(user)
    listed = (await here.call("GET", "/api/me/sessions", 200))["items"]
    assert [(each["ip"], each["current"]) for each in listed] == [(IP, True), (ELSEWHERE, False)]
    await here.call("DELETE", f"/api/me/sessions/{listed[1]['id']}", 200)
    await here.call("DELETE", f"/api/me/sessions/{listed[1]['id']}", 404)
    await other.refused("GET", "/api/me", 401)
    await other.sign_in(user)
    assert await here.call("DELETE", "/api/me/sessions", 200) == {"ended": 1}
    await other.refused("GET", "/api/me", 401)


async def test_a_flood_of_refusals_does_not_flood_the_trail(office: Replicas) -> None:
    browser = office.browser()
    for _ in range(3):
        await browser.call("GET", "/api/me", 401)
    for _ in range(40):
        await browser.call("GET", "/api/me", 401, authorization="Bearer forged")
    assert len(await office.trail("request.refuse")) == 30
