"""The one decision: default deny, denials win, and nobody gives more than he has."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.access.permissions import CATALOGUE, Permission, Scope
from domain.access.rights import (
    INSTALLATION,
    UNLIMITED,
    Held,
    Rights,
    Statement,
    Target,
    statements,
)
from domain.identifiers import TeamId, UserId

ANN, BOB = UserId("ann"), UserId("bob")
RED, BLUE, GREEN = TeamId("red"), TeamId("blue"), TeamId("green")
TEAMS = (RED, BLUE, GREEN)


def held(word: str, team: TeamId | None = None) -> Held:
    return Held(statement=statements(word)[0], role="some", team_id=team)


def rights(
    *grants: Held,
    denials: tuple[Held, ...] = (),
    user: UserId = ANN,
    teams: tuple[TeamId, ...] = (),
    **more: object,
) -> Rights:
    return Rights(
        user_id=user,
        team_ids=frozenset(teams),
        grants=grants,
        denials=denials,
        **more,  # pyright: ignore[reportArgumentType]
    )


def own(owner: Rights) -> Target:
    return Target(owner_id=owner.user_id, team_ids=owner.team_ids)


def of_team(*teams: TeamId) -> Target:
    return Target(team_ids=frozenset(teams))


@pytest.mark.parametrize("permission", Permission)
def test_without_a_grant_everything_is_denied(permission: Permission) -> None:
    decision = rights(teams=(RED,)).decide(permission, of_team(RED))
    assert not decision.allowed
    assert decision.reasons == (f"no role allows '{permission.value}' here",)


@pytest.mark.parametrize(
    ("word", "reached"),
    [
        ("keys:read@own", {"mine"}),
        ("keys:read@team", {"mine", "of my team"}),
        ("keys:read@all", {"mine", "of my team", "of another", "of nobody"}),
    ],
)
def test_a_scope_reaches_what_it_says(word: str, reached: set[str]) -> None:
    mine = rights(held(word), teams=(RED,))
    targets = {
        "mine": own(mine),
        "of my team": of_team(RED),
        "of another": Target(owner_id=BOB, team_ids=frozenset({BLUE})),
        "of nobody": INSTALLATION,
    }
    allowed = {name for name, each in targets.items() if mine.allows(Permission.KEYS_READ, each)}
    assert allowed == reached


def test_a_denial_wins_over_every_grant_and_is_the_reason() -> None:
    mine = rights(held("keys:read@all"), denials=(held("keys:read@team"),), teams=(RED,))
    decision = mine.decide(Permission.KEYS_READ, of_team(RED))
    assert not decision.allowed
    assert decision.reasons == ("role 'some': keys:read@team denies it",)
    assert mine.allows(Permission.KEYS_READ, of_team(BLUE))


@pytest.mark.parametrize("scope", ["team", "all"])
def test_what_a_team_gives_stays_inside_the_team(scope: str) -> None:
    mine = rights(held(f"keys:read@{scope}", RED), teams=(RED, BLUE))
    assert mine.allows(Permission.KEYS_READ, of_team(RED, GREEN))
    for outside in (of_team(BLUE), INSTALLATION, Target(owner_id=BOB)):
        assert not mine.allows(Permission.KEYS_READ, outside)


def test_a_denial_of_a_team_stays_inside_the_team() -> None:
    mine = rights(held("keys:read@all"), denials=(held("keys:read@all", RED),), teams=(RED,))
    assert not mine.allows(Permission.KEYS_READ, of_team(RED))
    assert mine.allows(Permission.KEYS_READ, of_team(BLUE))


def test_a_super_admin_may_do_everything_but_what_the_key_does_not_name() -> None:
    denied = (held("keys:read@all"),)
    admin = rights(denials=denied, unlimited=True)
    assert all(admin.allows(permission) for permission in Permission)
    key = replace(admin, ceiling=frozenset({Permission.KEYS_READ}))
    assert [permission for permission in Permission if key.allows(permission)] == [
        Permission.KEYS_READ
    ]
    assert key.decide(Permission.KEYS_ROTATE).reasons == ("the key does not name 'keys:rotate'",)


@pytest.mark.parametrize("own_denial", [held("keys:read@all", RED), held("keys:read@team")])
def test_nothing_is_held_where_all_of_it_is_denied(own_denial: Held) -> None:
    mine = rights(held("keys:read@own"), denials=(own_denial,), teams=(RED,))
    assert not mine.allows(Permission.KEYS_READ, own(mine))
    assert not mine.holds(Permission.KEYS_READ)
    team_only = rights(held("keys:read@team"), denials=(own_denial,), teams=(RED,))
    assert not team_only.holds(Permission.KEYS_READ)


@pytest.mark.parametrize("word", ["keys:fly@all", "providers:read@own", "keys:read@everywhere"])
def test_a_statement_without_meaning_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="'"):
        statements(word)


def test_a_statement_without_a_scope_has_the_widest() -> None:
    assert statements("ai_gateway:use", "keys:read") == (
        Statement(permission=Permission.AI_GATEWAY_USE, scope=Scope.OWN),
        Statement(permission=Permission.KEYS_READ, scope=Scope.ALL),
    )


BOBS = {
    "a scope that is wider": rights(held("keys:read@all"), user=BOB),
    "a team that is not the giver's": rights(held("keys:read@team"), user=BOB, teams=(RED, BLUE)),
    "team scope, as long as there is no team": rights(held("keys:read@team"), user=BOB),
    "another permission": rights(held("keys:rotate@own"), user=BOB),
    "everything": rights(user=BOB, unlimited=True),
}


@pytest.mark.parametrize("what", BOBS)
def test_what_is_beyond_is_named(what: str) -> None:
    giver = rights(held("keys:read@own"), held("users:read@team"), teams=(RED,))
    assert giver.may_give(BOBS[what])


def test_within_a_team_its_members_rights_can_be_given() -> None:
    giver = rights(held("keys:read@team"), held("keys:rotate@all", RED), teams=(RED,))
    for given_rights in (
        rights(held("keys:read@own"), held("keys:rotate@own"), user=BOB),
        rights(held("keys:read@team"), held("keys:rotate@team"), user=BOB, teams=(RED,)),
        rights(held("keys:rotate@all", RED), user=BOB, teams=(RED, BLUE)),
    ):
        assert giver.may_give(given_rights) == ()
    assert giver.may_give(rights(held("keys:rotate@all", BLUE), user=BOB, teams=(BLUE,)))


def test_a_super_admin_gives_everything_and_his_key_what_it_names() -> None:
    admin = rights(unlimited=True)
    bob = rights(held("keys:read@all"), held("keys:rotate@all"), user=BOB)
    assert admin.may_give(bob) == ()
    key = replace(admin, ceiling=frozenset({Permission.KEYS_READ}))
    assert key.may_give(bob) == ("role 'some': keys:rotate@all",)
    assert key.may_give(UNLIMITED) == ("super_admin",)


def test_what_is_denied_to_the_giver_is_given_only_to_whom_it_is_denied_too() -> None:
    giver = rights(held("keys:read@all"), denials=(held("keys:read@team"),), teams=(RED,))
    bob = rights(held("keys:read@all"), user=BOB, teams=(RED,))
    assert giver.may_give(bob)
    assert giver.may_give(replace(bob, denials=(held("keys:read@all", RED),))) == ()


_GIVEN_PERMISSIONS = (Permission.KEYS_READ, Permission.USERS_UPDATE, Permission.PROVIDERS_READ)


_HELD = [
    Held(statement=Statement(permission=permission, scope=scope), role="some", team_id=team)
    for permission in _GIVEN_PERMISSIONS
    for scope in CATALOGUE[permission].scopes
    for team in (None, *TEAMS)
]
_ANY_HELD = st.sampled_from(_HELD)
_CEILINGS = (None, None, None, frozenset[Permission](), frozenset({Permission.KEYS_READ}))


def _inside(teams: frozenset[TeamId], some: list[Held]) -> tuple[Held, ...]:
    """Return what somebody in these teams can hold."""
    return tuple(each for each in some if each.team_id is None or each.team_id in teams)


def _rights(user: UserId) -> st.SearchStrategy[Rights]:
    def made(
        teams: frozenset[TeamId],
        grants: list[Held],
        denials: list[Held],
        one_in_ten: int,
        ceiling: frozenset[Permission] | None,
    ) -> Rights:
        return Rights(
            user_id=user,
            team_ids=teams,
            grants=_inside(teams, grants),
            denials=_inside(teams, denials),
            unlimited=one_in_ten == 0,
            ceiling=ceiling,
        )

    return st.builds(
        made,
        st.frozensets(st.sampled_from(TEAMS)),
        st.lists(_ANY_HELD, max_size=4),
        st.lists(_ANY_HELD, max_size=2),
        st.integers(0, 9),
        st.sampled_from(_CEILINGS),
    )


_ANY_TEAMS = st.frozensets(st.sampled_from(TEAMS))
_TARGETS = st.builds(
    Target, owner_id=st.sampled_from((None, ANN, BOB, UserId("cyd"))), team_ids=_ANY_TEAMS
)


@given(_rights(ANN), st.sampled_from(_GIVEN_PERMISSIONS), _TARGETS)
def test_lists_show_exactly_what_the_decision_allows(
    mine: Rights, permission: Permission, target: Target
) -> None:
    reach = mine.reach(permission)
    assert reach.covers(target) is mine.allows(permission, target)
    if reach.nothing:
        assert not mine.allows(permission, target)


@given(_rights(ANN))
def test_nobody_is_beyond_himself(mine: Rights) -> None:
    limited_super_admin = mine.unlimited and mine.ceiling is not None
    assert mine.may_give(mine) == (("super_admin",) if limited_super_admin else ())


@settings(max_examples=300)
@given(_rights(ANN), _rights(BOB), st.sampled_from(_GIVEN_PERMISSIONS), _ANY_TEAMS)
def test_what_may_be_given_reaches_no_further_than_the_giver(
    giver: Rights, receiver: Rights, permission: Permission, teams: frozenset[TeamId]
) -> None:
    if giver.may_give(receiver):
        return
    for target in (
        INSTALLATION,
        Target(team_ids=teams),
        own(giver),
        Target(owner_id=UserId("cyd"), team_ids=teams),
    ):
        if receiver.allows(permission, target):
            assert giver.allows(permission, target)
    if receiver.allows(permission, own(receiver)):
        assert giver.holds(permission)


@given(_rights(ANN), _rights(BOB), _ANY_HELD)
def test_more_for_the_receiver_is_never_easier_to_give(
    giver: Rights, receiver: Rights, more: Held
) -> None:
    if giver.may_give(receiver) and _inside(receiver.team_ids, [more]):
        assert giver.may_give(replace(receiver, grants=(*receiver.grants, more)))
