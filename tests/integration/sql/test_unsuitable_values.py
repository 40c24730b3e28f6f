"""What PostgreSQL cannot store is the fault of whoever sent it, not of the store."""

from typing import Any

import pytest

from domain.errors import InvalidRequest
from tests.support.configuration import a_key, a_team, a_user, sql_configuration


@pytest.mark.parametrize("name", ["with \0 in it", "with \ud800 in it"])
async def test_a_text_that_cannot_be_stored_is_an_invalid_request(
    postgres_url: str, name: str
) -> None:
    async with sql_configuration(postgres_url) as stored, stored.uow.begin() as tx:
        with pytest.raises(InvalidRequest, match="cannot be stored"):
            await tx.teams.add(a_team(name=name))


@pytest.mark.parametrize("policy", [{"expires_at_ms": 2**70}, {"inactivity_ms": 2**70}])
async def test_a_number_that_cannot_be_stored_is_an_invalid_request(
    postgres_url: str, policy: dict[str, Any]
) -> None:
    async with sql_configuration(postgres_url) as stored, stored.uow.begin() as tx:
        user = a_user()
        await tx.users.add(user)
        with pytest.raises(InvalidRequest, match="cannot be stored"):
            await tx.keys.add(a_key(user, **policy))
