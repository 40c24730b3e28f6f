"""What the database itself refuses, whoever asks: raw SQL past every check of the program."""

import uuid

import asyncpg
import pytest

from tests.support.configuration import a_key, a_secret, a_user
from tests.support.stores import connect_postgres

USER, KEY, OTHER = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
COLUMNS = {
    "id": f"'{KEY}'",
    "lineage_id": f"'{KEY}'",
    "parent_id": "NULL",
    "owner_id": f"'{USER}'",
    "name": "'ci'",
    "secret_hash": r"decode(repeat('00', 32), 'hex')",
    "prefix": "'tw-12345678'",
    "state": "'active'",
    "surfaces": "ARRAY['ai_gateway']",
    "models": "NULL",
    "ip_allow": "NULL",
    "tags": "'{}'",
    "inactivity_ms": "NULL",
    "rotation_period_ms": "NULL",
    "expires_at": "NULL",
    "grace_ends_at": "NULL",
    "created_at": "now()",
    "deleted_at": "NULL",
}


def insert_key(**changed: str) -> str:
    values = {**COLUMNS, **changed}
    return f"INSERT INTO api_keys ({', '.join(values)}) VALUES ({', '.join(values.values())})"


@pytest.fixture
async def with_user(postgres_url: str) -> str:
    async with connect_postgres(postgres_url) as connection:
        await connection.execute(
            "INSERT INTO users (id, email, role, state, created_at)"
            f" VALUES ('{USER}', 'a@example.com', 'developer', 'active', now())"
        )
    return postgres_url


@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"lineage_id": f"'{OTHER}'"}, "ck_api_keys_root_names_lineage"),
        ({"parent_id": f"'{OTHER}'"}, "ck_api_keys_root_names_lineage"),
        ({"secret_hash": "'short'"}, "ck_api_keys_hash_is_sha256"),
        ({"prefix": "'tw-'"}, "ck_api_keys_prefix_length"),
        ({"state": "'paused'"}, "ck_api_keys_state"),
        ({"state": "'rotated'"}, "ck_api_keys_rotated_grace"),
        ({"grace_ends_at": "now()"}, "ck_api_keys_active_no_grace"),
        ({"surfaces": "ARRAY[]::text[]"}, "ck_api_keys_surfaces"),
        ({"surfaces": "ARRAY['attic']"}, "ck_api_keys_surfaces"),
        ({"surfaces": "ARRAY['console']"}, "ck_api_keys_console_expires"),
        ({"ip_allow": "ARRAY[]::cidr[]"}, "ck_api_keys_ip_allow"),
        ({"tags": "'[]'"}, "ck_api_keys_tags"),
        ({"inactivity_ms": "0"}, "ck_api_keys_inactivity"),
        ({"rotation_period_ms": "0"}, "ck_api_keys_rotation_period"),
        ({"owner_id": f"'{OTHER}'"}, "fk_api_keys_owner_id"),
    ],
)
async def test_an_impossible_key_is_refused(
    with_user: str, changed: dict[str, str], constraint: str
) -> None:
    async with connect_postgres(with_user) as connection:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await connection.execute(insert_key(**changed))
    assert getattr(refused.value, "constraint_name", None) == constraint


@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"lineage_id": f"'{KEY}'"}, "uq_api_keys_active_lineage"),
        ({"lineage_id": f"'{OTHER}'", "parent_id": "NULL"}, "uq_api_keys_active_name"),
        ({"secret_hash": COLUMNS["secret_hash"]}, "uq_api_keys_hash"),
    ],
)
async def test_a_second_key_cannot_take_what_the_first_one_has(
    with_user: str, changed: dict[str, str], constraint: str
) -> None:
    second = {
        "id": f"'{OTHER}'",
        "lineage_id": f"'{KEY}'",
        "parent_id": f"'{KEY}'",
        "secret_hash": r"decode(repeat('01', 32), 'hex')",
    }
    async with connect_postgres(with_user) as connection:
        await connection.execute(insert_key())
        with pytest.raises(asyncpg.UniqueViolationError) as refused:
            await connection.execute(insert_key(**{**second, **changed}))
    assert getattr(refused.value, "constraint_name", None) == constraint


async def test_a_key_has_one_successor_even_among_ended_keys(with_user: str) -> None:
    successor = {
        "lineage_id": f"'{KEY}'",
        "parent_id": f"'{KEY}'",
        "state": "'revoked'",
    }
    async with connect_postgres(with_user) as connection:
        await connection.execute(insert_key())
        await connection.execute(
            insert_key(**successor, id=f"'{OTHER}'", secret_hash=r"decode(repeat('01', 32), 'hex')")
        )
        with pytest.raises(asyncpg.UniqueViolationError) as refused:
            await connection.execute(
                insert_key(
                    **successor,
                    id=f"'{uuid.UUID(int=4)}'",
                    secret_hash=r"decode(repeat('02', 32), 'hex')",
                )
            )
    assert getattr(refused.value, "constraint_name", None) == "uq_api_keys_parent_id"


RULE = "INSERT INTO limit_rules VALUES (gen_random_uuid(), {}, true, now())"
CAP = "INSERT INTO budget_caps VALUES (gen_random_uuid(), {}, true, now(), DEFAULT, now())"


@pytest.mark.parametrize(
    "values",
    [
        "'role', 'x', 'ai_gateway', 'requests', '1m', 1, 'soft', 'enforce'",
        "'user', 'x', 'console', 'requests', '1m', 1, 'soft', 'enforce'",
        "'provider', 'x', 'mcp_gateway', 'requests', '1m', 1, 'soft', 'enforce'",
        "'mcp_server', 'x', 'ai_gateway', 'requests', '1m', 1, 'soft', 'enforce'",
        "'user', 'x', 'mcp_gateway', 'tokens', '1m', 1, 'soft', 'enforce'",
        "'user', 'x', 'ai_gateway', 'money', '1m', 1, 'soft', 'enforce'",
        "'user', 'x', 'ai_gateway', 'requests', '2m', 1, 'soft', 'enforce'",
        "'user', 'x', 'ai_gateway', 'requests', '1m', -1, 'soft', 'enforce'",
        "'user', 'x', 'ai_gateway', 'requests', '1m', 9007199254740993, 'soft', 'enforce'",
        "'user', 'x', 'ai_gateway', 'requests', '1m', 1, 'strict', 'enforce'",
        "'user', 'x', 'ai_gateway', 'requests', '1m', 1, 'soft', 'watch'",
    ],
)
async def test_an_impossible_rule_is_refused(postgres_url: str, values: str) -> None:
    async with connect_postgres(postgres_url) as connection:
        fine = "'user', 'x', 'ai_gateway', 'requests', '1m', 1, 'soft', 'enforce'"
        await connection.execute(RULE.format(fine))
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(RULE.format(values))
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(RULE.format(fine))


@pytest.mark.parametrize(
    "values",
    [
        "'mcp_server', 'x', 'daily', 'usd', 1, 'UTC', 'soft', 'enforce'",
        "'user', 'x', 'hourly', 'usd', 1, 'UTC', 'soft', 'enforce'",
        "'user', 'x', 'daily', 'eur', 1, 'UTC', 'soft', 'enforce'",
        "'user', 'x', 'daily', 'usd', -1, 'UTC', 'soft', 'enforce'",
        "'user', 'x', 'daily', 'usd', 1, '', 'soft', 'enforce'",
        "'user', 'x', 'daily', 'usd', 1, 'UTC', 'hard', 'enforce'",
    ],
)
async def test_an_impossible_cap_is_refused(postgres_url: str, values: str) -> None:
    async with connect_postgres(postgres_url) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(CAP.format(values))


@pytest.mark.parametrize(
    "values",
    [
        "'user', 'u', 'replace', 1, 'ops', 'why', now(), NULL",
        "'user', 'u', 'replace', 1, 'ops', 'why', now(), now()",
        "'user', 'u', 'replace', 1, 'ops', 'why', now(), now() + INTERVAL '2161 hours'",
        "'user', 'u', 'replace', 1, 'ops', '  ', now(), now() + INTERVAL '1 hour'",
        "'user', 'u', 'replace', 1, '', 'why', now(), now() + INTERVAL '1 hour'",
        "'user', 'u', 'replace', -1, 'ops', 'why', now(), now() + INTERVAL '1 hour'",
        "'user', 'u', 'loosen', 1, 'ops', 'why', now(), now() + INTERVAL '1 hour'",
        "'team_members', 't', 'tighten', 1, 'ops', 'why', now(), NULL",
    ],
)
async def test_an_impossible_override_is_refused(postgres_url: str, values: str) -> None:
    insert = (
        "INSERT INTO limit_overrides (id, limit_id, subject_kind, subject_id, action, limit_value,"
        " set_by, reason, set_at, until_at) VALUES (gen_random_uuid(), gen_random_uuid(), {})"
    )
    fine = "'user', 'u', 'replace', 1, 'ops', 'why', now(), now() + INTERVAL '2160 hours'"
    async with connect_postgres(postgres_url) as connection:
        await connection.execute(insert.format(fine))
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(insert.format(values))


async def test_a_price_is_a_number(postgres_url: str) -> None:
    async with connect_postgres(postgres_url) as connection:
        await connection.execute(
            f"INSERT INTO models VALUES ('{KEY}', 'm', 1, 1, true, now(), NULL)"
        )
        for amount in ("'NaN'", "-0.000000001"):
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(
                    "INSERT INTO prices (id, model_id, effective_from, input, output, cache_read)"
                    f" VALUES (gen_random_uuid(), '{KEY}', now(), 1, 1, {amount})"
                )


@pytest.mark.parametrize(
    "change",
    [
        "models SET strategy = 'random'",
        "models SET affinity = 'always'",
        "models SET capabilities = '[]'",
        "routes SET capabilities = '1'",
        "routes SET prices = '{}'",
        "routes SET rpm = 0",
        "routes SET tpm = 9007199254740992",
        "routes SET max_in_flight = -1, rpm = 5",
        "routes SET weight = -1",
        "model_aliases SET name = ''",
    ],
)
async def test_an_impossible_way_of_routing_is_refused(postgres_url: str, change: str) -> None:
    async with connect_postgres(postgres_url) as connection:
        await connection.execute(
            f"INSERT INTO models VALUES ('{KEY}', 'm', 1, 1, true, now(), NULL);"
            f"INSERT INTO model_aliases VALUES ('other', '{KEY}');"
            "INSERT INTO providers (id, name, kind, options, enabled, revision, created_at)"
            f" VALUES ('{OTHER}', 'p', 'openai', '{{}}', true, 1, now());"
            "INSERT INTO routes (id, model_id, provider_id, upstream_model, tier, weight, enabled)"
            f" VALUES (gen_random_uuid(), '{KEY}', '{OTHER}', 'm', 0, 0, true)"
        )
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"UPDATE {change}")


async def test_credentials_are_never_stored_in_the_clear(postgres_url: str) -> None:
    async with connect_postgres(postgres_url) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "INSERT INTO providers (id, name, kind, sealed_credentials, options, enabled,"
                " revision, created_at)"
                f" VALUES ('{KEY}', 'p', 'openai', '{{\"api_key\":\"sk\"}}', '{{}}', true, 1, now())"
            )


def test_the_sample_key_is_what_the_program_would_store() -> None:
    key = a_key(a_user(), number=1)
    assert len(key.secret_hash) == 32
    assert len(key.prefix) == 11
    assert a_secret(1).reveal().startswith(key.prefix)
