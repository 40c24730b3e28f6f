"""Applying documents, over every store: planned, all or nothing, and nothing the second time."""

import asyncio
from typing import Any

import pytest

from application.console.configuration.interpolation import Interpolated
from application.console.configuration.plan import Action, Applied
from application.ports.change_feed import Section
from domain.access.accounts import Role
from domain.errors import Conflict, ValidationFailed
from domain.keys.api_key import KeyState
from domain.keys.secret import key_hash
from tests.support.acting import OPERATOR
from tests.support.administration import Administration, administration, plan, resolved
from tests.support.configuration import Configuration, a_secret

DOCUMENT: dict[str, Any] = {
    "settings": {"gateway.max_json_depth": 32},
    "providers": [
        {"name": "openai", "kind": "openai", "credentials": {"api_key": "sk-one"}},
        {"name": "local", "kind": "openai_compatible", "base_url": "http://127.0.0.1:8000/v1"},
        {"name": "demo", "kind": "demo", "options": {"latency_ms": 5}, "enabled": False},
    ],
    "models": [
        {
            "name": "gpt-4o",
            "input_multiplier": 0.5,
            "price": {"input": 2.50, "cache_read": 1.25, "output": 10.00},
            "routes": [
                {"provider": "openai", "upstream_model": "gpt-4o-2024", "tier": 0, "weight": 70},
                {"provider": "local", "tier": 1},
            ],
        },
        {"name": "free", "routes": [{"provider": "demo"}], "enabled": False},
    ],
    "teams": [{"name": "core"}, {"name": "edge"}],
    "users": [
        {"email": "Boss@example.com", "role": "super_admin"},
        {"email": "dev@example.com", "role": "developer", "teams": ["core"], "enabled": False},
    ],
    "keys": [
        {"name": "ci", "owner": "dev@example.com", "surfaces": ["ai_gateway"], "models": ["gpt-*"]},
        {
            "name": "ops",
            "owner": "boss@example.com",
            "surfaces": ["ai_gateway", "console"],
            "teams": ["edge"],
            "secret": a_secret(9).reveal(),
            "tools": ["files/*"],
            "permissions": ["keys:read", "users:read"],
            "expires_at": "2026-10-01T00:00:00Z",
            "inactivity_timeout": "90d",
            "rotation_period": "30d",
            "ip_allow": ["10.0.0.0/8", "192.0.2.1"],
            "cost_centre": "4711",
            "tags": {"price": "5$ and $${x}"},
        },
    ],
    "limits": [
        {"subject": "user:dev@example.com", "metric": "requests", "window": "1m", "limit": 60},
        {"subject": "api_key:boss@example.com/ops", "metric": "concurrency", "limit": 4},
    ],
    "budgets": [
        {"subject": "role:developer", "period": "monthly", "unit": "usd", "limit": 12.5},
    ],
}


@pytest.fixture
def office(stored: Configuration) -> Administration:
    return administration(stored)


def changed(**members: Any) -> dict[str, Any]:
    return {**DOCUMENT, **members}


def changes_of(applied: Applied, name: str) -> dict[str, tuple[str, str]]:
    (step,) = [step for step in applied.steps if step.name == name]
    return {change.field: (change.before, change.after) for change in step.changes}


async def faults_of(office: Administration, *, prune: bool = False, **members: Any) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        await office.apply(_prune=prune, **members)
    return list(refused.value.faults)


async def test_everything_is_created_once(office: Administration) -> None:
    first = await office.apply(**DOCUMENT)
    assert first.applied
    assert {action for action, _ in plan(first)} == {"create"}
    assert first.count(Action.CREATE) == 15
    (made,) = first.secrets
    assert (made.name, made.owner) == ("ci", "dev@example.com")
    before = await office.stored.source.revisions()
    office.clock.advance(60)
    second = await office.apply(**DOCUMENT)
    assert plan(second) == []
    assert not second.applied
    assert second.secrets == ()
    assert await office.stored.source.revisions() == before
    assert {before[section] for section in (Section.KEYS, Section.CATALOG, Section.SETTINGS)} == {1}


async def test_what_was_applied_is_what_the_gateway_reads(office: Administration) -> None:
    applied = await office.apply(**DOCUMENT)
    catalog = await office.stored.source.catalog()
    model = catalog.models["gpt-4o"]
    providers = {provider.name: provider for provider in catalog.providers.values()}
    openai = providers["openai"]
    assert openai.sealed_credentials is not None
    assert "sk-one" not in openai.sealed_credentials
    opened = office.cipher.open(openai.sealed_credentials, context=f"provider:{openai.id}")
    assert opened.reveal() == '{"api_key":"sk-one"}'
    assert {(route.provider_id, route.upstream_model, route.weight) for route in model.routes} == {
        (openai.id, "gpt-4o-2024", 70),
        (providers["local"].id, "gpt-4o", 100),
    }
    price = model.prices.at(0)
    assert price is not None
    assert str(price.of("cache_read")).startswith("1.25")
    minted = await office.stored.directory.find(key_hash(applied.secrets[0].secret.reveal()))
    given = await office.stored.directory.find(key_hash(a_secret(9).reveal()))
    assert minted is not None
    assert given is not None
    assert (minted.owner_active, minted.team_names) == (False, ("core",))
    assert given.ip_allow == ("10.0.0.0/8", "192.0.2.1/32")
    assert given.team_names == ("edge",)
    assert (await office.stored.source.settings()).integer("gateway.max_json_depth") == 32


async def test_a_dry_run_plans_the_same_and_changes_nothing(office: Administration) -> None:
    planned = await office.apply(_dry_run=True, **DOCUMENT)
    assert not planned.applied
    assert planned.secrets == ()
    assert await office.stored.source.revisions() == dict.fromkeys(Section, 0)
    assert plan(planned) == plan(await office.apply(**DOCUMENT))


async def test_an_export_is_a_document_that_changes_nothing(office: Administration) -> None:
    await office.apply(**DOCUMENT)
    exported = await office.export.export()
    assert "sk-one" not in str(exported)
    assert a_secret(9).reveal() not in str(exported)
    applied = await office.configuration.apply(OPERATOR, resolved(exported), prune=True)
    assert plan(applied) == []


async def test_what_is_not_named_stays_unless_pruned(office: Administration) -> None:
    await office.apply(**DOCUMENT)
    rest: dict[str, Any] = {
        "users": [{"email": "boss@example.com", "role": "super_admin"}],
        "providers": DOCUMENT["providers"][:1],
        "models": [{**DOCUMENT["models"][0], "routes": [{"provider": "openai"}]}],
    }
    assert plan(await office.apply(**rest)) == [("update", "model gpt-4o")]
    pruned = await office.apply(_prune=True, **rest)
    assert plan(pruned) == [
        ("delete", "setting gateway.max_json_depth"),
        ("delete", "budget role:developer budget/monthly in usd"),
        ("delete", "limit user:dev@example.com requests/1m"),
        ("delete", "limit api_key:boss@example.com/ops concurrency"),
        ("delete", "key ci (dev@example.com)"),
        ("delete", "key ops (boss@example.com)"),
        ("delete", "model free"),
        ("delete", "provider local"),
        ("delete", "provider demo"),
        ("delete", "user dev@example.com"),
        ("delete", "team core"),
        ("delete", "team edge"),
    ]
    caller = await office.stored.directory.find(key_hash(a_secret(9).reveal()))
    assert caller is not None
    assert caller.state is KeyState.REVOKED
    assert plan(await office.apply(_prune=True, **rest)) == []


async def test_pruning_leaves_the_last_super_admin(office: Administration) -> None:
    await office.apply(users=[{"email": "a@example.com", "role": "super_admin"}])
    await office.apply(users=[{"email": "b@example.com", "role": "super_admin"}])
    pruned = await office.apply(_prune=True)
    assert plan(pruned) == [("delete", "user b@example.com")]
    assert [step.note for step in pruned.steps if step.name == "a@example.com"] == [
        "kept: it is the last super admin"
    ]


@pytest.mark.parametrize("member", [{"role": "admin"}, {"role": "super_admin", "enabled": False}])
async def test_the_last_super_admin_cannot_be_demoted(
    office: Administration, member: dict[str, Any]
) -> None:
    await office.apply(users=[{"email": "a@example.com", "role": "super_admin"}])
    demoted = [{"email": "a@example.com", **member}]
    assert await faults_of(office, users=demoted) == [
        "users: this would leave no active super_admin"
    ]
    assert await faults_of(office, prune=True, users=demoted) == [
        "users: this would leave no active super_admin"
    ]


async def test_one_fault_anywhere_stops_everything(office: Administration) -> None:
    await faults_of(office, **changed(settings={"no.such": 1}))
    assert await office.stored.source.revisions() == dict.fromkeys(Section, 0)
    async with office.stored.uow.begin() as tx:
        assert list(await tx.users.all()) == []


async def test_a_failure_while_writing_undoes_everything(office: Administration) -> None:
    """A secret that a removed key once had is only found by the store itself."""
    await office.apply(**DOCUMENT)
    await office.apply(_prune=True, **changed(keys=[], limits=[]))
    before = await office.stored.source.revisions()
    with pytest.raises(Conflict, match="secret"):
        await office.apply(**changed(settings={"gateway.max_json_depth": 40}))
    assert await office.stored.source.revisions() == before
    assert (await office.stored.source.settings()).integer("gateway.max_json_depth") == 32


class TestProviders:
    async def test_new_credentials_are_an_update_without_the_secret(
        self, office: Administration
    ) -> None:
        await office.apply(**DOCUMENT)
        openai = {"name": "openai", "kind": "openai", "credentials": {"api_key": "sk-two"}}
        applied = await office.apply(providers=[openai])
        assert changes_of(applied, "openai") == {"credentials": ("(secret)", "(secret)")}
        assert "sk-" not in str(applied)
        assert plan(await office.apply(providers=[openai])) == []

    async def test_credentials_left_out_are_kept(self, office: Administration) -> None:
        await office.apply(**DOCUMENT)
        openai = {"name": "openai", "kind": "openai", "base_url": "http://127.0.0.1:1/v1"}
        applied = await office.apply(providers=[openai])
        assert changes_of(applied, "openai") == {"base_url": ("-", "http://127.0.0.1:1/v1")}
        (stored,) = [
            provider
            for provider in (await office.stored.source.catalog()).providers.values()
            if provider.name == "openai"
        ]
        assert stored.sealed_credentials is not None
        assert stored.revision == 2

    async def test_credentials_sealed_with_a_lost_key_are_replaced(
        self, office: Administration, stored: Configuration
    ) -> None:
        await office.apply(**DOCUMENT)
        other = administration(stored, b"n" * 32)
        applied = await other.apply(providers=DOCUMENT["providers"][:1])
        (step,) = applied.steps
        assert step.action is Action.UPDATE
        assert "cannot be opened" in step.note

    async def test_a_configuration_that_cannot_work_is_refused(
        self, office: Administration
    ) -> None:
        faults = await faults_of(
            office,
            providers=[
                {"name": "a", "kind": "openai"},
                {"name": "b", "kind": "openai_compatible", "base_url": "ftp://x"},
                {"name": "c", "kind": "demo", "options": {"speed": 1}},
                {"name": "d", "kind": "demo", "credentials": {"api_key": "k"}},
                {"name": "d", "kind": "demo"},
                {"name": "e e", "kind": "demo"},
            ],
        )
        assert [fault.partition(": ")[0] for fault in faults] == [
            "providers[0].credentials",
            "providers[1].base_url",
            "providers[2].options.speed",
            "providers[3].credentials",
            "providers[4].name",
            "providers[5].name",
        ]


class TestModels:
    async def test_a_new_price_is_added_and_history_kept(self, office: Administration) -> None:
        await office.apply(**DOCUMENT)
        office.clock.advance(100)
        model = {**DOCUMENT["models"][0], "price": {"input": 3, "output": 10, "reasoning": "0.5"}}
        applied = await office.apply(models=[model])
        assert changes_of(applied, "gpt-4o") == {
            "price.input": ("2.5", "3"),
            "price.cache_read": ("1.25", "-"),
            "price.reasoning": ("-", "0.5"),
        }
        prices = (await office.stored.source.catalog()).models["gpt-4o"].prices
        assert len(prices.rows) == 2
        now = office.clock.now_ms()
        before, after = prices.at(now - 1), prices.at(now)
        assert before is not None
        assert after is not None
        assert (before.input, after.input) == (2.5, 3)

    async def test_two_price_changes_in_one_millisecond_are_both_kept(
        self, office: Administration
    ) -> None:
        for amount in (1, 2, 3):
            await office.apply(
                providers=[{"name": "demo", "kind": "demo"}],
                models=[
                    {
                        "name": "m",
                        "routes": [{"provider": "demo"}],
                        "price": {"input": amount, "output": 1},
                    }
                ],
            )
        rows = (await office.stored.source.catalog()).models["m"].prices.rows
        assert [row.input for row in rows] == [1, 2, 3]

    async def test_a_route_that_leads_where_it_led_keeps_its_identity(
        self, office: Administration
    ) -> None:
        await office.apply(**DOCUMENT)
        before = (await office.stored.source.catalog()).models["gpt-4o"].routes
        routes = [{**DOCUMENT["models"][0]["routes"][0], "weight": 1}]
        applied = await office.apply(models=[{**DOCUMENT["models"][0], "routes": routes}])
        assert set(changes_of(applied, "gpt-4o")) == {"routes"}
        (after,) = (await office.stored.source.catalog()).models["gpt-4o"].routes
        assert after.weight == 1
        assert after.id in {route.id for route in before}

    async def test_amounts_that_would_be_rounded_or_lost_are_refused(
        self, office: Administration
    ) -> None:
        models: list[dict[str, Any]] = [
            {"name": "a", "routes": [], "input_multiplier": "0.0000001"},
            {"name": "b", "routes": [], "output_multiplier": -1},
            {"name": "c", "routes": [], "price": {"input": "NaN", "output": "1e9"}},
            {"name": "d", "routes": [{"provider": "nix", "tier": -1, "weight": -1}]},
            {"name": "no blank", "routes": []},
        ]
        assert [fault.partition(": ")[0] for fault in await faults_of(office, models=models)] == [
            "models[0].input_multiplier",
            "models[1].output_multiplier",
            "models[2].price.input",
            "models[2].price.output",
            "models[3].routes[0].tier",
            "models[3].routes[0].weight",
            "models[3].routes[0].provider",
            "models[4].name",
        ]


class TestKeys:
    async def test_a_new_secret_replaces_the_old_one_at_once(self, office: Administration) -> None:
        await office.apply(**DOCUMENT)
        ops = {**DOCUMENT["keys"][1], "secret": a_secret(10).reveal(), "cost_centre": "42"}
        applied = await office.apply(keys=[ops])
        assert changes_of(applied, "ops (boss@example.com)") == {
            "cost_centre": ("4711", "42"),
            "secret": ("(secret)", "(secret)"),
        }
        assert applied.secrets == ()
        old = await office.stored.directory.find(key_hash(a_secret(9).reveal()))
        new = await office.stored.directory.find(key_hash(a_secret(10).reveal()))
        assert old is not None
        assert new is not None
        assert (old.state, old.grace_ends_at_ms) == (KeyState.ROTATED, office.clock.now_ms())
        assert (new.lineage_id, new.cost_centre) == (old.lineage_id, "42")
        assert plan(await office.apply(keys=[ops])) == []

    async def test_a_key_rotated_elsewhere_is_left_alone(self, office: Administration) -> None:
        await office.apply(**DOCUMENT)
        await office.keys.rotate(OPERATOR, "ops")
        applied = await office.apply(**DOCUMENT)
        assert plan(applied) == []
        assert any("rotated since" in step.note for step in applied.steps)

    async def test_a_secret_belongs_to_one_key(self, office: Administration) -> None:
        await office.apply(**DOCUMENT)
        secret = a_secret(9).reveal()
        ci = {**DOCUMENT["keys"][0], "secret": secret}
        new = {**DOCUMENT["keys"][0], "name": "new", "secret": secret}
        for key in (ci, new):
            (fault,) = await faults_of(office, keys=[key])
            assert fault == "keys[0].secret: it belongs to another key already"
        (fault,) = await faults_of(office, keys=[DOCUMENT["keys"][1], new])
        assert fault.startswith("keys[1].secret: another key of the document")

    async def test_a_revoked_secret_stays_revoked(self, office: Administration) -> None:
        await office.apply(**DOCUMENT)
        await office.keys.revoke(OPERATOR, "ops")
        (fault,) = await faults_of(office, keys=[DOCUMENT["keys"][1]])
        assert fault == "keys[0].secret: it was revoked; a revoked secret stays revoked"

    async def test_references_and_fields_of_a_key_are_checked(self, office: Administration) -> None:
        key = {"name": "k", "owner": "dev@example.com", "surfaces": ["ai_gateway"]}
        faults = await faults_of(
            office,
            users=[{"email": "dev@example.com", "role": "developer"}],
            keys=[
                {**key, "owner": "nobody@example.com"},
                {**key, "teams": ["nix"], "models": ["a b"], "secret": "tw-no"},
                {**key, "expires_at": "2001-01-01T00:00:00Z"},
                {**key, "name": "k2", "expires_at": "2040-01-01T00:00:00"},
                {**key, "name": "k3", "inactivity_timeout": "soon", "surfaces": ["console"]},
                {**key, "name": "k4", "expires_at": "9999-12-31T23:59:59-23:59"},
            ],
        )
        assert [fault.partition(": ")[0] for fault in faults] == [
            "keys[0].owner",
            "keys[1].teams[0]",
            "keys[1]",
            "keys[1].secret",
            "keys[2].expires_at",
            "keys[3].expires_at",
            "keys[4].inactivity_timeout",
            "keys[4]",
            "keys[4]",
            "keys[5].expires_at",
        ]


class TestReferences:
    async def test_what_is_stored_may_be_referred_to_unless_it_is_pruned(
        self, office: Administration
    ) -> None:
        await office.apply(**DOCUMENT)
        rest: dict[str, Any] = {
            "users": [{"email": "boss@example.com", "role": "super_admin", "teams": ["core"]}],
            "models": [{"name": "m", "routes": [{"provider": "openai"}]}],
            "keys": [{"name": "x", "owner": "dev@example.com", "surfaces": ["ai_gateway"]}],
        }
        faults = await faults_of(office, prune=True, **rest)
        assert [fault.partition(": ")[0] for fault in faults] == [
            "users[0].teams[0]",
            "models[0].routes[0].provider",
            "keys[0].owner",
        ]
        assert (await office.apply(**rest)).applied

    async def test_an_entry_with_a_fault_is_not_called_missing(
        self, office: Administration
    ) -> None:
        faults = await faults_of(
            office,
            providers=[{"name": "p", "kind": "nix"}],
            models=[{"name": "m", "routes": [{"provider": "p"}]}],
        )
        assert [fault.partition(": ")[0] for fault in faults] == ["providers[0].kind"]


class TestInterpolation:
    async def test_inserted_values_never_show(self, office: Administration) -> None:
        tree = {
            "version": 1,
            "providers": [
                {
                    "name": "p",
                    "kind": "openai_compatible",
                    "base_url": "${URL}",
                    "credentials": {"api_key": "${file:key.txt}"},
                }
            ],
            "users": [{"email": "a@example.com", "role": "${ROLE}"}],
        }
        source = resolved(tree, URL="http://hidden.example/v1", ROLE="hunter2")
        with pytest.raises(ValidationFailed) as refused:
            await office.configuration.apply(OPERATOR, source)
        assert "hunter2" not in str(refused.value)
        first = resolved(tree, URL="http://hidden.example/v1", ROLE="viewer")
        second = resolved(tree, URL="http://other.example/v1", ROLE="viewer")
        assert (await office.configuration.apply(OPERATOR, first)).applied
        applied = await office.configuration.apply(OPERATOR, second)
        assert changes_of(applied, "p") == {"base_url": ("http://hidden.example/v1", "…")}

    async def test_an_unresolved_reference_is_told_once(self, office: Administration) -> None:
        tree = {
            "version": 1,
            "providers": [{"name": "p", "kind": "openai", "credentials": {"api_key": "${NOPE}"}}],
        }
        with pytest.raises(ValidationFailed) as refused:
            await office.configuration.apply(OPERATOR, resolved(tree))
        (fault,) = refused.value.faults
        assert fault.startswith("providers[0].credentials.api_key: ")


async def test_concurrent_applies_take_turns(office: Administration) -> None:
    """Ten replicas apply the same document at the same moment: one creates, nine find it done."""
    source = Interpolated({"version": 1, **DOCUMENT})
    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(
            *(office.configuration.apply(OPERATOR, source) for _ in range(5))
        )
    assert sorted(outcome.applied for outcome in outcomes) == [False] * 4 + [True]
    assert sum(len(outcome.secrets) for outcome in outcomes) == 1
    async with office.stored.uow.begin() as tx:
        users = await tx.users.all()
    assert {user.role for user in users} == {Role.SUPER_ADMIN, Role.DEVELOPER}
