"""What somebody may do, and the one decision about it (console.md section 3).

Default deny; a denial wins over every grant; what a role attached to a team grants or denies stays
inside that team. The same decision gates REST calls, lists, pages and the gateway.
"""

from collections.abc import Iterable

from msgspec import Struct

from domain.access.permissions import CATALOGUE, Permission, Scope
from domain.identifiers import TeamId, UserId


class Statement(Struct, frozen=True, kw_only=True, gc=False):
    """A permission with the scope it reaches over, as a role says it."""

    permission: Permission
    scope: Scope

    def text(self) -> str:
        """Return the form of documents: `keys:read@team`."""
        return f"{self.permission.value}@{self.scope.word}"


class Held(Struct, frozen=True, kw_only=True):
    """A statement as somebody holds it: by which role, and inside which team.

    `team_id` is None for what holds everywhere.
    """

    statement: Statement
    role: str
    team_id: TeamId | None = None


class Target(Struct, frozen=True, kw_only=True):
    """What is acted on: whose it is. Without owner and teams it belongs to the installation."""

    owner_id: UserId | None = None
    team_ids: frozenset[TeamId] = frozenset()


INSTALLATION = Target()
"""Things that belong to nobody: providers, settings, roles."""


class Decision(Struct, frozen=True, kw_only=True):
    """The verdict, and why in one sentence each: the statement that decided comes first."""

    allowed: bool
    reasons: tuple[str, ...]


class Area(Struct, frozen=True, kw_only=True):
    """The targets that a permission reaches: for lists, which filter by it.

    Attributes:
        everything: every target.
        team_ids: targets that belong to one of these teams.
        owner_id: targets of this user.
    """

    everything: bool = False
    team_ids: frozenset[TeamId] = frozenset()
    owner_id: UserId | None = None

    @property
    def nothing(self) -> bool:
        """Whether no target can be reached."""
        return not self.everything and not self.team_ids and self.owner_id is None


class Reach(Struct, frozen=True, kw_only=True):
    """Targets inside `allowed` and outside `denied`."""

    allowed: Area = Area()
    denied: Area = Area()

    @property
    def nothing(self) -> bool:
        """Whether no target can be reached."""
        allowed, denied = self.allowed, self.denied
        if denied.everything or allowed.everything:
            return denied.everything
        return allowed.team_ids <= denied.team_ids and allowed.owner_id in (None, denied.owner_id)

    def covers(self, target: Target) -> bool:
        """Tell whether the target is within reach."""
        return _within(self.allowed, target) and not _within(self.denied, target)


def _within(area: Area, target: Target) -> bool:
    return (
        area.everything
        or not area.team_ids.isdisjoint(target.team_ids)
        or (area.owner_id is not None and area.owner_id == target.owner_id)
    )


class Rights(Struct, frozen=True, kw_only=True):
    """Everything somebody holds.

    Attributes:
        user_id: whom `own` means; None for the program itself.
        team_ids: which teams `team` means.
        unlimited: a super admin, or the program itself: everything is allowed, denials included.
        ceiling: when not None, only these permissions count at all: those a console key names.
        roles: names of the roles that count, for people to read and for default limits.
    """

    user_id: UserId | None = None
    team_ids: frozenset[TeamId] = frozenset()
    grants: tuple[Held, ...] = ()
    denials: tuple[Held, ...] = ()
    unlimited: bool = False
    ceiling: frozenset[Permission] | None = None
    roles: tuple[str, ...] = ()

    def decide(self, permission: Permission, target: Target = INSTALLATION) -> Decision:
        """Decide about one act on one target."""
        if self.ceiling is not None and permission not in self.ceiling:
            return _no(f"the key does not name '{permission.value}'")
        if self.unlimited:
            return Decision(allowed=True, reasons=("a super admin may do everything",))
        for held in self._holding(self.denials, permission):
            if self._covers(held, target):
                return _no(f"{_said(held)} denies it")
        misses: list[str] = []
        for held in self._holding(self.grants, permission):
            if self._covers(held, target):
                return Decision(allowed=True, reasons=(f"{_said(held)} allows it", *misses))
            misses.append(f"{_said(held)} does not reach the target")
        return _no(*misses, f"no role allows '{permission.value}' here")

    def allows(self, permission: Permission, target: Target = INSTALLATION) -> bool:
        """Tell whether the act is allowed."""
        return self.decide(permission, target).allowed

    def holds(self, permission: Permission) -> bool:
        """Tell whether there is any target at all for which the act is allowed."""
        return self._reaches_any(self.reach(permission))

    def reach(self, permission: Permission) -> Reach:
        """Return the targets for which the act is allowed."""
        if self.ceiling is not None and permission not in self.ceiling:
            return Reach()
        if self.unlimited:
            return Reach(allowed=Area(everything=True))
        return Reach(
            allowed=self._area(self._holding(self.grants, permission)),
            denied=self._area(self._holding(self.denials, permission)),
        )

    def may_give(self, given: "Rights") -> tuple[str, ...]:
        """Return what of `given` is beyond these rights, one line each; empty: nothing is.

        Compared by scope: who holds a permission over a team may give it over that team or over
        what is the receiver's own. What is denied to oneself can only be given to somebody to
        whom it is denied too.
        """
        if self.unlimited and self.ceiling is None:
            return ()
        if given.unlimited:
            return ("super_admin",)
        return tuple(
            sorted({_said(held) for held in given.grants if not self._may_give(held, given)})
        )

    def _may_give(self, held: Held, given: "Rights") -> bool:
        permission, scope = held.statement.permission, held.statement.scope
        theirs, reach = given.reach(permission), self.reach(permission)
        joins_later = scope is Scope.TEAM and held.team_id is None and not given.team_ids
        if joins_later and given.ceiling is None and not theirs.denied.everything:
            # Who is in no team yet may join one: the scope itself must be within one's own.
            return not reach.denied.everything and (
                reach.allowed.everything or self._over_teams(permission)
            )
        if not given.holds(permission):
            return True  # it has no effect
        if not self.holds(permission) or not self._passes_on(reach.denied, theirs.denied, given):
            return False
        if reach.allowed.everything or scope is Scope.OWN:
            return True
        if held.team_id is not None:
            return held.team_id in reach.allowed.team_ids
        return scope is Scope.TEAM and given.team_ids <= reach.allowed.team_ids

    def _over_teams(self, permission: Permission) -> bool:
        return (self.ceiling is None or permission in self.ceiling) and any(
            held.team_id is None and held.statement.scope is not Scope.OWN
            for held in self._holding(self.grants, permission)
        )

    def _passes_on(self, denied: Area, theirs: Area, given: "Rights") -> bool:
        """Tell whether whatever is denied to oneself is denied to the receiver."""
        if denied.owner_id is not None and given.user_id != denied.owner_id:
            return False  # what is one's own is not what is theirs
        return (denied.owner_id is None or theirs.owner_id is not None) and (
            denied.team_ids <= theirs.team_ids
        )

    def _reaches_any(self, reach: Reach) -> bool:
        own_only = not reach.allowed.everything and reach.allowed.team_ids <= reach.denied.team_ids
        if own_only and not self.team_ids.isdisjoint(reach.denied.team_ids):
            return False  # what is one's own belongs to all of one's teams
        return not reach.nothing

    def _holding(self, held: Iterable[Held], permission: Permission) -> list[Held]:
        return [each for each in held if each.statement.permission is permission]

    def _covers(self, held: Held, target: Target) -> bool:
        if held.statement.scope is Scope.OWN:
            # What is one's own belongs to all of one's teams, also to that of the role.
            return self.user_id is not None and target.owner_id == self.user_id
        if held.team_id is not None:
            return held.team_id in target.team_ids
        return held.statement.scope is Scope.ALL or not self.team_ids.isdisjoint(target.team_ids)

    def _area(self, held: Iterable[Held]) -> Area:
        everything, own, teams = False, False, set[TeamId]()
        for each in held:
            scope = each.statement.scope
            if scope is Scope.OWN:
                own = True
            elif each.team_id is not None:
                teams.add(each.team_id)
            elif scope is Scope.TEAM:
                teams |= self.team_ids
            else:
                everything = True
        return Area(
            everything=everything,
            team_ids=frozenset(teams),
            owner_id=self.user_id if own else None,
        )


UNLIMITED = Rights(unlimited=True, roles=("super_admin",))
"""Of the program itself, and of whoever has the machine: commands on the stores."""


def statements(*words: str) -> tuple[Statement, ...]:
    """Return statements written as `keys:read@team`.

    Raises:
        ValueError: not a permission, or a scope that has no meaning for it; the text names both.
    """
    return tuple(map(_statement, words))


def _statement(word: str) -> Statement:
    name, _, scope_word = word.partition("@")
    try:
        permission = Permission(name)
    except ValueError:
        raise ValueError(f"'{name[:60]}' is not a permission") from None
    spec = CATALOGUE[permission]
    scope = Scope.of(scope_word) if scope_word else spec.widest
    if scope not in spec.scopes:
        possible = " or ".join(each.word for each in spec.scopes)
        raise ValueError(f"'{name}' is granted with scope {possible}, not {scope.word}")
    return Statement(permission=permission, scope=scope)


def _said(held: Held) -> str:
    inside = f" in team {held.team_id}" if held.team_id is not None else ""
    return f"role '{held.role}'{inside}: {held.statement.text()}"


def _no(*reasons: str) -> Decision:
    return Decision(allowed=False, reasons=reasons)
