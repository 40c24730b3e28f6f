"""What is checked before a port opens, on stores that are not as they should be."""

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
import redis.asyncio

from adapters.embedded.valkey import EmbeddedValkey
from entrypoints.config import BootConfig
from entrypoints.datadir import with_secrets
from entrypoints.preflight import Check, check_dependencies
from entrypoints.roles import ALL_ROLES, StoreUrls

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
