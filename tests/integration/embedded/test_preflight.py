"""What is checked before a port opens, on stores that are not as they should be."""

import shutil
import tempfile
from base64 import b64decode
from collections.abc import Generator
from pathlib import Path

import pytest
import redis.asyncio

from adapters.embedded.valkey import EmbeddedValkey
from domain.secret import Secret
from entrypoints.config import BootConfig
from entrypoints.datadir import with_secrets
from entrypoints.preflight import Check, check_dependencies
from entrypoints.roles import ALL_ROLES, StoreUrls
from tests.support.answers import answer
from tests.support.scripted_upstream import ScriptedUpstream

NOWHERE = "postgresql://tw:hunter2@127.0.0.1:9/tw"


@pytest.fixture
def directory() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="twp-"))
    yield path
    shutil.rmtree(path)


async def checks(directory: Path, redis_url: str) -> dict[str, Check]:
    config = with_secrets(BootConfig(data_dir=directory / "data"))
    stores = StoreUrls(database_url=NOWHERE, redis_url=redis_url)
    return {check.name: check for check in await check_dependencies(config, stores, ALL_ROLES)}


async def test_a_redis_that_evicts_is_warned_about_and_one_that_does_not_is_fine(
    directory: Path,
) -> None:
    valkey = EmbeddedValkey(directory / "valkey", directory / "run")
    valkey.start()
    try:
        assert (await checks(directory, valkey.url))["Redis"] == Check(
            name="Redis", detail="answers"
        )
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            await client.config_set("maxmemory-policy", "allkeys-lru")
        warned = (await checks(directory, valkey.url))["Redis"]
    finally:
        valkey.stop()
    assert warned.failure is None
    assert warned.warning == (
        "Redis evicts (allkeys-lru): limits and records can be lost - "
        "set maxmemory-policy noeviction"
    )


async def test_a_redis_that_takes_no_changes_is_warned_about(directory: Path) -> None:
    valkey = EmbeddedValkey(directory / "valkey", directory / "run")
    valkey.start()
    try:
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            await client.config_set("min-replicas-to-write", "1")
        warned = (await checks(directory, valkey.url))["Redis"]
    finally:
        valkey.stop()
    assert warned.failure is None
    assert warned.warning is not None
    assert warned.warning.startswith("limits cannot be counted (NOREPLICAS")


async def test_clickhouse_is_asked_with_the_account_the_url_stands_for(directory: Path) -> None:
    async with ScriptedUpstream() as server:
        server.enqueue(answer(200, body=b"25.8.1\n"))
        url = server.base_url.removesuffix("/v1").replace("//", "//log%40tw:a%2Fb%25c@")
        config = with_secrets(
            BootConfig(data_dir=directory / "data", clickhouse_url=Secret(f"{url}/thinkwatch"))
        )
        stores = StoreUrls(database_url=NOWHERE, redis_url="redis://127.0.0.1:9/0")
        found = {each.name: each for each in await check_dependencies(config, stores, ALL_ROLES)}
        assert found["ClickHouse"].detail == "version 25.8.1"
        account = (await server.next_request()).header("authorization")
    assert account is not None
    assert b64decode(account.removeprefix("Basic ")) == b"log@tw:a/b%c"


async def test_every_failing_store_is_told_and_one_does_not_hide_another(directory: Path) -> None:
    found = await checks(directory, "redis://:hunter2@127.0.0.1:9/0")
    assert found.keys() == {"PostgreSQL", "Redis", "ClickHouse"}
    assert found["ClickHouse"].failure is None
    for name, setting in (("PostgreSQL", "DATABASE_URL"), ("Redis", "REDIS_URL")):
        failure = found[name].failure
        assert failure is not None
        assert failure.exit_code == 69
        assert failure.mend == f"check {setting} and that it runs there"
        assert "hunter2" not in str(failure)
