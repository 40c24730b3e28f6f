"""Two teams with everything in them, and one person of each built-in role: for tests of routes.

Every call finds the world as it was made.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import httpx
from msgspec import Struct, field
from msgspec.structs import replace

from adapters.crypto.cipher import AesGcmCipher
from adapters.identity.passwords import Argon2Passwords
from adapters.memory.repositories import Draft
from adapters.memory.request_log import MemoryRequestLog
from adapters.memory.store import MemoryStore
from adapters.system.clock import SystemClock
from adapters.system.randomness import SystemRandomness
from application.console.key_handovers import new_handover
from application.console.request_records import RequestRecords
from application.identity.denials import Denials
from domain.access.accounts import SERVICE_DOMAIN, Role, Team, User, UserKind
from domain.access.invites import Invite, invite_token, invite_token_hash
from domain.access.rights import statements
from domain.access.roles import Assignment, RoleDefinition
from domain.access.second_factor import SecondFactor
from domain.accounting.pricing import PriceList
from domain.identifiers import LineageId
from domain.keys.policy import ApiKey
from domain.limits.rules import Holder, HolderKind
from domain.records.audit import AuditEntry
from domain.secret import Secret
from domain.subjects import Subject, SubjectKind
from entrypoints.console.app import create_console_app
from entrypoints.console.services import Console
from tests.support.answers import answer
from tests.support.configuration import (
    a_budget,
    a_key,
    a_model,
    a_price,
    a_provider,
    a_route,
    a_rule,
    a_secret,
    a_team,
    a_user,
    an_override,
    memory_configuration,
    new_id,
)
from tests.support.console import console_over
from tests.support.identity_services import identity_services
from tests.support.installation_services import installation_services
from tests.support.key_services import RING
from tests.support.manual_clock import ManualClock
from tests.support.provider_calls import provider_spec
from tests.support.request_records import batch_of_records, make_record
from tests.support.route_table import ROLES
from tests.support.scripted_upstream import ScriptedUpstream

PASSWORD = "Correct-Horse-9-Battery"
ADDRESS, AGENT = "192.0.2.7", "route-table/1"
COLLEAGUE, STRANGER = "colleague", "stranger"
ABSENT = "absent"
"""Whose things are not there."""
_LISTING = {"object": "list", "data": [{"id": "gpt-4o"}]}


class SignedIn(Struct, frozen=True):
    """What somebody has after signing in."""

    bearer: str = field(name="access_token")
    csrf: str = field(name="csrf_token")
    cookies: str = ""


class World(Struct, kw_only=True):
    """The console, who acts, and the ids of what there is."""

    console: Console
    http: httpx.AsyncClient
    store: MemoryStore
    minutes: ManualClock
    ids: dict[tuple[str, str], str]
    signed_in: dict[str, SignedIn] = field(default_factory=dict[str, SignedIn])
    made: Draft = field(default_factory=Draft)
    recorded: int = 0

    def id(self, kind: str, of: str = "") -> str:
        """Return the id (or name, or token) of the thing of this kind that is somebody's."""
        return new_id() if of == ABSENT else self.ids[kind, of]

    def keep(self) -> None:
        """Make everything up to now what every call finds."""
        self.made, self.recorded = self.store.draft.copy(), len(self.store.trail.rows)

    def restore(self) -> None:
        """Undo what the last call did; what was recorded stays."""
        self.store.draft = self.made.copy()
        self.recorded = len(self.store.trail.rows)
        self.minutes.advance(60)  # the bound of recorded refusals is for each minute

    def news(self) -> list[AuditEntry]:
        """Return what was recorded since the world was last restored."""
        return [row.entry() for row in self.store.trail.rows[self.recorded :]]

    async def send(
        self,
        role: str,
        method: str,
        path: str,
        body: object = None,
        *,
        by_cookie: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> httpx.Response:
        """Ask as somebody who is signed in."""
        known = self.signed_in[role]
        proof = {"authorization": f"Bearer {known.bearer}"}
        if by_cookie:
            proof = {"cookie": known.cookies, "x-csrf-token": known.csrf}
        content = {"json": body} if body is not None else {}
        found = await self.http.request(method, path, headers={**headers, **proof}, **content)  # pyright: ignore[reportArgumentType]
        self.http.cookies.clear()
        return found

    async def sign_in(self, name: str) -> tuple[str, SignedIn]:
        """Begin a session; return its id too."""
        form = {"email": f"{name}@example.com", "password": PASSWORD}
        begun = await self.http.post("/api/auth/login", json=form)
        assert begun.status_code == 200, begun.text
        cookies = "; ".join(f"{each}={value}" for each, value in self.http.cookies.items())
        self.http.cookies.clear()
        told: dict[str, Any] = begun.json()
        return told["session_id"], SignedIn(told["access_token"], told["csrf_token"], cookies)


@asynccontextmanager
async def route_world() -> AsyncGenerator[World]:
    """Yield a world with everything in it."""
    store, clock, minutes = MemoryStore(), SystemClock(), ManualClock()
    stored = memory_configuration(store)
    identity = identity_services(stored.audited, clock)
    log = MemoryRequestLog(clock=clock)
    console = console_over(
        stored.audited,
        clock,
        identity=replace(identity, denials=Denials(stored.audited, minutes)),
        installation=installation_services(stored),
        request_records=RequestRecords(log, clock=clock),
    )
    transport = httpx.ASGITransport(app=create_console_app(console), client=(ADDRESS, 50_000))  # pyright: ignore[reportArgumentType]
    async with (
        ScriptedUpstream() as upstream,
        httpx.AsyncClient(
            transport=transport, base_url="http://console", headers={"user-agent": AGENT}
        ) as http,
    ):
        upstream.always(answer(200, body=_LISTING))
        world = World(console=console, http=http, store=store, minutes=minutes, ids={})
        builder = _Builder(store.draft, world.ids, clock.now_ms())
        people = await builder.build(upstream.base_url)
        await log.deliver([batch_of_records(*builder.records)])
        for name in people:
            world.ids["session", name] = (await world.sign_in(name))[0]
            if name in ROLES:
                world.signed_in[name] = (await world.sign_in(name))[1]
        await _stage_a_setting(world)
        world.keep()
        yield world


async def _stage_a_setting(world: World) -> None:
    staged = await world.send(
        "super_admin", "PATCH", "/api/settings/staged", {"values": {"routing.max_attempts": 7}}
    )
    assert staged.status_code == 200, staged.text
    changed = {"values": {"routing.deadline_ms": 45_000}, "reason": "slow models"}
    done = await world.send("super_admin", "PATCH", "/api/settings", changed)
    assert done.status_code == 200, done.text


class _Builder:
    """Puts things into the store."""

    def __init__(self, draft: Draft, ids: dict[tuple[str, str], str], now_ms: int) -> None:
        self._draft = draft
        self._ids = ids
        self._now_ms = now_ms
        self._numbers = iter(range(1, 1_000))
        self._dice = SystemRandomness()
        self.records: list[Any] = []

    async def build(self, upstream: str) -> list[str]:
        """Make everything and return the names of who can sign in."""
        draft = self._draft
        near, far = a_team("near"), a_team("far")
        draft.teams |= {near.id: near, far.id: far}
        draft.roles["helper"] = RoleDefinition(name="helper", allow=statements("requests:read@own"))
        draft.roles["unused"] = replace(draft.roles["helper"], name="unused")
        self._catalogue(upstream)
        hashed = await Argon2Passwords(time_cost=1, memory_kib=64, lanes=1).hash(Secret(PASSWORD))
        people = [*ROLES, COLLEAGUE, STRANGER]
        for name in people:
            role = Role(name) if name in ROLES else Role.DEVELOPER
            team = far if name == STRANGER else near
            user = a_user(f"{name}@example.com", role=role, team_ids=frozenset({team.id}))
            self._belongings(name, user)
            draft.passwords[user.id] = hashed
            if name not in ROLES:
                draft.second_factors[user.id] = SecondFactor(
                    user_id=user.id, sealed_secret="", created_at_ms=self._now_ms
                )
        # A second one, so that the first is not the last.
        root = a_user("root@example.com", role=Role.SUPER_ADMIN)
        draft.users[root.id] = root
        for target, team in (("team", near), ("other", far), ("none", None)):
            self._of_team(target, team)
        return people

    def _catalogue(self, upstream: str) -> None:
        vendor = provider_spec(
            base_url=upstream, credentials={"api_key": "sk-of-this-test"}, provider_id=new_id()
        )
        vendor = replace(vendor, name="vendor")
        spare, gone = a_provider("spare"), a_provider("gone")
        route = a_route(vendor)
        model = a_model("gpt-4o", route, prices=PriceList((a_price(),)))
        self._draft.providers |= {vendor.id: vendor, spare.id: spare}
        self._draft.removed_providers[gone.id] = gone
        self._draft.removed_at_ms[gone.id] = self._now_ms
        self._draft.models[model.id] = model
        self._ids |= {
            ("provider", ""): vendor.id,
            ("spare", ""): spare.id,
            ("removed_provider", ""): gone.id,
            ("model", ""): model.id,
            ("route", ""): route.id,
            ("unused_role", ""): "unused",
        }

    def _belongings(self, name: str, user: User) -> None:
        draft, holder = self._draft, Holder(HolderKind.USER, user.id)
        draft.users[user.id] = user
        key, gone, waiting = (self._key(user, each) for each in ("key", "gone", "waiting"))
        draft.keys |= {key.id: key, waiting.id: waiting}
        draft.removed_keys[gone.id] = gone
        draft.removed_at_ms[gone.lineage_id] = self._now_ms
        rule, budget = a_rule(holder), a_budget(holder)
        override = an_override(rule, Subject(SubjectKind.USER, user.id))
        draft.limits |= {rule.id: rule, budget.id: budget}
        draft.overrides[override.id] = override
        given = Assignment(id=new_id(), role="helper", user_id=user.id, created_at_ms=self._now_ms)
        draft.assignments[given.id] = given
        record = make_record(
            event_id=new_id(), user_id=user.id, team_ids=tuple(user.team_ids), key_id=key.id
        )
        self.records.append(record)
        self._ids |= {
            ("user", name): user.id,
            ("key", name): key.id,
            ("lineage", name): gone.lineage_id,
            ("handover", name): self._handover(waiting),
            ("rule", name): rule.id,
            ("budget", name): budget.id,
            ("override", name): override.id,
            ("assignment", name): given.id,
            ("event", name): record.event_id,
        }

    def _key(self, owner: User, name: str) -> ApiKey:
        key = a_key(owner, number=next(self._numbers), name=name)
        return replace(key, lineage_id=LineageId(key.id))

    def _handover(self, key: ApiKey) -> str:
        handover, token = new_handover(
            AesGcmCipher(RING, self._dice),
            handover_id=new_id(),
            key=key,
            secret=a_secret(next(self._numbers)),
            random_bytes=self._dice.token_bytes(32),
            now_ms=self._now_ms,
            old_works_until_ms=self._now_ms + 86_400_000,
        )
        self._draft.handovers[handover.id] = handover
        return token.reveal()

    def _of_team(self, target: str, team: Team | None) -> None:
        draft, teams = self._draft, frozenset({team.id} if team is not None else ())
        account = a_user(f"bot-{target}@{SERVICE_DOMAIN}", team_ids=teams, kind=UserKind.SERVICE)
        gone = a_user(f"gone-{target}@example.com", team_ids=teams)
        token = invite_token(self._dice.token_bytes(32))
        invite = Invite(
            id=new_id(),
            email=f"new-{target}@example.com",
            role="developer",
            team_ids=teams,
            token_hash=invite_token_hash(token),
            inviter_id=None,
            created_at_ms=self._now_ms,
            expires_at_ms=self._now_ms + 86_400_000,
        )
        draft.users[account.id] = account
        draft.removed_users[gone.id] = gone
        draft.removed_at_ms[gone.id] = self._now_ms
        draft.invites[invite.id] = invite
        self._ids |= {
            ("team", target): team.id if team is not None else "",
            ("account", target): account.id,
            ("removed_user", target): gone.id,
            ("invite", target): invite.id,
            ("invite_token", target): token.reveal(),
        }
