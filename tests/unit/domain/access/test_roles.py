"""Roles: what the built-in ones allow, what several give together, and what opens the gateway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.accounts import Role, User
from domain.access.permissions import CATALOGUE, Permission, Scope
from domain.access.rights import INSTALLATION, Target, statements
from domain.access.roles import (
    BUILT_IN,
    RANKING,
    Assignment,
    GatewayAccess,
    RoleDefinition,
    gateway_access,
    rights_of,
)
from domain.identifiers import TeamId, UserId
from domain.inference.dialect import Surface

RED, BLUE = TeamId("red"), TeamId("blue")


def a_person(role: str, *teams: TeamId) -> User:
    return User(
        id=UserId("ann"),
        email="ann@example.com",
        role=role,
        team_ids=frozenset(teams),
        created_at_ms=0,
    )


def given_to(role: str, *, user: str | None = None, team: TeamId | None = None) -> Assignment:
    return Assignment(
        id=f"{role} {user} {team}",
        role=role,
        user_id=UserId(user) if user is not None else None,
        team_id=team,
        created_at_ms=0,
    )


def test_built_in_roles_say_only_what_has_a_meaning() -> None:
    for role in BUILT_IN.values():
        assert role.faults() == []
        for each in role.allow:
            assert each.scope in CATALOGUE[each.permission].scopes, each.text()


def test_a_mightier_role_may_give_the_weaker_ones_and_never_the_other_way_round() -> None:
    givers = {name: rights_of(a_person(name, RED), (), {}) for name in RANKING}
    may = {
        giver: [each for each in RANKING if not givers[giver].may_give(givers[each])]
        for giver in RANKING
    }
    assert may == {
        "super_admin": ["super_admin", "admin", "team_manager", "developer", "viewer"],
        "admin": ["admin", "team_manager", "developer", "viewer"],
        "team_manager": ["team_manager", "developer"],
        "developer": ["developer"],
        "viewer": ["viewer"],
    }


def test_a_viewer_changes_nothing_and_an_admin_lacks_only_what_is_for_super_admins() -> None:
    assert all(each.permission.value.endswith(":read") for each in BUILT_IN["viewer"].allow)
    everything = {each.permission for each in BUILT_IN["super_admin"].allow}
    assert everything == set(Permission)
    assert everything - {each.permission for each in BUILT_IN["admin"].allow} == {
        permission for permission, spec in CATALOGUE.items() if spec.super_admin_only
    }


@pytest.mark.parametrize("role", RANKING)
@pytest.mark.parametrize("to_all_members", [True, False])
def test_a_role_attached_to_a_team_never_becomes_global(role: str, to_all_members: bool) -> None:
    given = given_to(role, user=None if to_all_members else "ann", team=RED)
    rights = rights_of(a_person("nothing", RED, BLUE), [given], {})
    assert not rights.unlimited
    for permission in Permission:
        for outside in (
            INSTALLATION,
            Target(team_ids=frozenset({BLUE})),
            Target(owner_id=UserId("bob")),
        ):
            assert not rights.allows(permission, outside)
    inside = Target(team_ids=frozenset({RED}))
    allowed = {each for each in Permission if rights.allows(each, inside)}
    assert allowed == {
        each.permission for each in BUILT_IN[role].allow if each.scope is not Scope.OWN
    }


def test_what_is_given_to_others_gives_nothing() -> None:
    person = a_person("nothing", RED)
    for each in (
        given_to("super_admin", user="bob"),
        given_to("super_admin", team=BLUE),
        given_to("super_admin", user="ann", team=BLUE),
        given_to("super_admin", user="bob", team=RED),
        given_to("super_admin"),
        given_to("unknown", user="ann"),
    ):
        assert rights_of(person, [each], {}).grants == ()


def test_several_roles_add_up_and_a_denial_of_one_wins_over_the_others() -> None:
    custom = RoleDefinition(
        name="careful",
        allow=statements("audit:read@all"),
        deny=statements("keys:rotate@own"),
    )
    person = a_person("developer", RED)
    rights = rights_of(person, [given_to("careful", user="ann")], {"careful": custom})
    own = Target(owner_id=person.id, team_ids=person.team_ids)
    assert rights.allows(Permission.AUDIT_READ)
    assert rights.allows(Permission.KEYS_READ, own)
    assert not rights.allows(Permission.KEYS_ROTATE, own)
    assert rights.roles == ("developer", "careful")


@pytest.mark.parametrize(
    ("role", "surfaces"),
    [
        ("developer", frozenset(Surface)),
        ("viewer", frozenset({Surface.CONSOLE})),
        ("unknown", frozenset({Surface.CONSOLE})),
        ("super_admin", frozenset(Surface)),
    ],
)
def test_a_surface_opens_with_its_permission(role: str, surfaces: frozenset[Surface]) -> None:
    assert gateway_access(a_person(role), (), {}).surfaces == surfaces


def test_models_are_those_any_role_names_less_those_any_role_denies() -> None:
    custom = {
        "wide": RoleDefinition(name="wide", models=("gpt-*",)),
        "narrow": RoleDefinition(name="narrow", models=("o3",), denied_models=("gpt-4*",)),
    }
    given = [given_to("wide", user="ann"), given_to("narrow", team=RED)]
    access = gateway_access(a_person("developer", RED), given, custom)
    assert [m for m in ("gpt-5", "gpt-4o", "o3", "claude") if access.may_use(m)] == ["gpt-5", "o3"]
    assert gateway_access(a_person("developer"), (), custom).may_use("claude")
    admin = gateway_access(a_person(Role.SUPER_ADMIN, RED), given, custom)
    assert admin.may_use("gpt-4o")


@pytest.mark.parametrize(
    ("mine", "theirs", "beyond"),
    [
        (GatewayAccess(), GatewayAccess(), ()),
        (GatewayAccess(models=("*",)), GatewayAccess(models=("gpt-*", "o3")), ()),
        (GatewayAccess(models=("gpt-*",)), GatewayAccess(models=("gpt-4o", "gpt-*")), ()),
        (GatewayAccess(models=("gpt-*",)), GatewayAccess(), ("model '*'",)),
        (GatewayAccess(models=("gpt-*",)), GatewayAccess(models=("g*",)), ("model 'g*'",)),
        (GatewayAccess(models=("gpt-*",)), GatewayAccess(models=("o3",)), ("model 'o3'",)),
        (
            GatewayAccess(denied_models=("o3",)),
            GatewayAccess(models=("o3",)),
            ("model 'o3' (denied)",),
        ),
        (GatewayAccess(denied_models=("o3",)), GatewayAccess(denied_models=("o3", "o1")), ()),
        (GatewayAccess(denied_models=("o3",)), GatewayAccess(denied_models=("*",)), ()),
        (
            GatewayAccess(tools=("git/*",)),
            GatewayAccess(tools=("mail/send",)),
            ("tool 'mail/send'",),
        ),
        (
            GatewayAccess(surfaces=frozenset({Surface.CONSOLE})),
            GatewayAccess(),
            ("surface ai_gateway", "surface mcp_gateway"),
        ),
        (
            GatewayAccess(models=("gpt-*",), tools=()),
            GatewayAccess(surfaces=frozenset({Surface.CONSOLE})),
            (),
        ),
    ],
)
def test_what_opens_more_of_the_gateway_is_named(
    mine: GatewayAccess, theirs: GatewayAccess, beyond: tuple[str, ...]
) -> None:
    assert mine.beyond(theirs) == beyond


_PATTERNS = st.lists(st.sampled_from(["*", "a*", "a", "ab", "b", "?b", "[ab]", "b*"]), max_size=3)
_ACCESS = st.builds(
    GatewayAccess,
    surfaces=st.sampled_from([frozenset(Surface), frozenset({Surface.AI_GATEWAY})]),
    models=st.none() | _PATTERNS.map(tuple),
    denied_models=_PATTERNS.map(tuple),
)


@given(_ACCESS, _ACCESS)
def test_access_that_is_not_beyond_opens_no_model_more(
    mine: GatewayAccess, theirs: GatewayAccess
) -> None:
    assert mine.beyond(mine) == ()
    if not mine.beyond(theirs):
        names = ("a", "b", "ab", "bb", "abc", "c", "[ab]")
        assert [name for name in names if theirs.may_use(name) and not mine.may_use(name)] == []


@pytest.mark.parametrize(
    ("role", "fault"),
    [
        (RoleDefinition(name="A"), "name must be"),
        (RoleDefinition(name="x"), "name must be"),
        (RoleDefinition(name="admin"), "built-in"),
        (RoleDefinition(name="ok", description="x" * 501), "description"),
        (RoleDefinition(name="ok", models=("a b",)), "models: 'a b'"),
        (RoleDefinition(name="ok", denied_tools=tuple(map(str, range(501)))), "denied_tools"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(role: RoleDefinition, fault: str) -> None:
    assert len(role.faults()) == 1
    assert fault in role.faults()[0]
