"""SecondFactors: no code counts twice, over every store."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from application.ports.unit_of_work import Transaction
from domain.access.accounts import User
from tests.support.configuration import Configuration, a_user
from tests.support.signing_in import a_factor


async def with_factor(stored: Configuration) -> User:
    user = a_user()
    async with stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.second_factors.put(a_factor(user))
        await tx.commit()
    return user


async def at_once(
    stored: Configuration, act: Callable[[Transaction], Awaitable[bool]]
) -> list[bool]:
    async def one() -> bool:
        async with stored.uow.begin() as tx:
            done = await act(tx)
            await tx.commit()
        return done

    return sorted(await asyncio.gather(*(one() for _ in range(4))))


async def test_a_factor_comes_back_and_is_replaced_and_removed(stored: Configuration) -> None:
    user = await with_factor(stored)
    async with stored.uow.begin() as tx:
        assert await tx.second_factors.find(user.id) == a_factor(user)
        changed = replace(a_factor(user), sealed_secret="other", recovery_hashes=())
        await tx.second_factors.put(changed)
        assert await tx.second_factors.find(user.id) == changed
        assert await tx.second_factors.remove(user.id)
        assert not await tx.second_factors.remove(user.id)
        assert await tx.second_factors.find(user.id) is None


async def test_a_time_step_is_accepted_once_and_never_an_earlier_one(
    stored: Configuration,
) -> None:
    user = await with_factor(stored)
    accepted = await at_once(stored, lambda tx: tx.second_factors.accept_step(user.id, 100))
    assert accepted == [False, False, False, True]
    async with stored.uow.begin() as tx:
        assert not await tx.second_factors.accept_step(user.id, 99)
        assert await tx.second_factors.accept_step(user.id, 101)


async def test_a_recovery_code_is_used_once(stored: Configuration) -> None:
    user = await with_factor(stored)
    used = await at_once(stored, lambda tx: tx.second_factors.use_recovery_code(user.id, b"a" * 32))
    assert used == [False, False, False, True]
    async with stored.uow.begin() as tx:
        assert not await tx.second_factors.use_recovery_code(user.id, b"c" * 32)
        found = await tx.second_factors.find(user.id)
        assert found is not None
        assert found.recovery_hashes == (b"b" * 32,)
