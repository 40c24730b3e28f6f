"""Sessions: what is stored, rotated once, and ended, over every store."""

import asyncio

from msgspec.structs import replace

from domain.access.accounts import User
from domain.access.session import Session, SignInMethod, SsoSession
from domain.identifiers import SsoProviderId
from tests.support.configuration import NOW_MS, Configuration, a_user, new_id
from tests.support.signing_in import a_session


async def kept(stored: Configuration, user: User, *sessions: Session) -> None:
    async with stored.uow.begin() as tx:
        if await tx.users.find(user.id) is None:
            await tx.users.add(user)
        for each in sessions:
            await tx.sessions.add(each)
        await tx.commit()


async def test_a_session_comes_back_as_it_was_and_its_user_was_seen(stored: Configuration) -> None:
    user = a_user()
    sso = SsoSession(provider_id=SsoProviderId(new_id()), sealed_id_token="v1.sealed")
    session = a_session(user, method=SignInMethod.SSO, generation=3, second_factor=True, sso=sso)
    await kept(stored, user)
    stored.feed.published.clear()
    await kept(stored, user, session)
    async with stored.uow.begin() as tx:
        assert await tx.sessions.find(session.id) == session
        assert await tx.sessions.find("no id") is None
        assert await tx.sessions.of_user(user.id) == [session]
        seen = await tx.users.find(user.id)
        assert seen is not None
        assert seen.last_sign_in_at_ms == NOW_MS
    assert stored.feed.published == [], "a sign-in does not tell every gateway to read its keys"


async def test_of_two_refreshes_at_once_one_counts(stored: Configuration) -> None:
    user = a_user()
    session = a_session(user)
    await kept(stored, user, session)

    async def refresh(filler: bytes) -> bool:
        async with stored.uow.begin() as tx:
            done = await tx.sessions.refresh(session.refreshed(filler * 32, NOW_MS + 5))
            await tx.commit()
        return done

    done = await asyncio.gather(refresh(b"1"), refresh(b"2"))
    assert sorted(done) == [False, True]
    async with stored.uow.begin() as tx:
        found = await tx.sessions.find(session.id)
    assert found is not None
    assert (found.generation, found.last_seen_at_ms) == (2, NOW_MS + 5)
    assert found.refresh_hash == (b"1" if done[0] else b"2") * 32


async def test_the_last_use_never_moves_back(stored: Configuration) -> None:
    user = a_user()
    session = a_session(user)
    await kept(stored, user, session)
    async with stored.uow.begin() as tx:
        await tx.sessions.touch(session.id, NOW_MS + 9)
        await tx.sessions.touch(session.id, NOW_MS + 4)
        await tx.sessions.prove_second_factor(session.id)
        assert await tx.sessions.find(session.id) == replace(
            session, last_seen_at_ms=NOW_MS + 9, second_factor=True
        )


async def test_sessions_end_one_by_one_or_all_but_one(stored: Configuration) -> None:
    user, other = a_user(), a_user("other@example.com")
    mine, theirs = [a_session(user) for _ in range(3)], a_session(other)
    await kept(stored, user, *mine)
    await kept(stored, other, theirs)
    async with stored.uow.begin() as tx:
        assert await tx.sessions.all() == sorted([*mine, theirs], key=lambda each: each.id)
        assert await tx.sessions.remove(mine[0].id)
        assert not await tx.sessions.remove(mine[0].id)
        assert not await tx.sessions.remove("no id")
        assert await tx.sessions.remove_of_user(user.id, except_id=mine[2].id) == 1
        assert await tx.sessions.all() == sorted([mine[2], theirs], key=lambda each: each.id)
        assert await tx.sessions.remove_of_user(user.id) == 1
        assert await tx.sessions.all() == [theirs]


async def test_expired_sessions_are_swept_when_one_begins(stored: Configuration) -> None:
    user = a_user()
    old = a_session(user, expires_at_ms=NOW_MS)
    await kept(stored, user, old)
    new = a_session(user)
    await kept(stored, user, new)
    async with stored.uow.begin() as tx:
        assert await tx.sessions.all() == [new]
