"""What a key may be used for, and the stored key itself."""

from ipaddress import ip_network

from msgspec import Struct
from msgspec.structs import replace

from domain.access.permissions import Permission
from domain.durations import format_duration
from domain.errors import InvalidRequest
from domain.identifiers import ApiKeyId, LineageId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import KeyState
from domain.names import model_name_fault, title_fault

MOST_MODELS = 500
MOST_NETWORKS = 200
MOST_TAGS = 50
LONGEST_TAG = 200
LONGEST_CONSOLE_LIFE_MS = 366 * 86_400_000
"""A key that opens the console ends at most this far from the moment it is made or changed."""


class KeyPolicy(Struct, frozen=True, kw_only=True):
    """The part of a key that is kept through rotations and may be edited.

    Attributes:
        name: unique among the owner's active keys.
        models: exact names or globs; None means every model, an empty tuple none.
        tools: tools of MCP servers as `server/tool`, likewise.
        permissions: names of the permissions that a console key may use, of those its owner has;
            None for a key that does not open the console.
        team_ids: teams the key counts for besides those of its owner.
        expires_at_ms: first instant (Unix milliseconds) at which it no longer works.
        inactivity_ms: closes the key when it was not used for this long.
        rotation_period_ms: the key is rotated by itself before it gets this old.
        ip_allow: networks in CIDR form; None means from anywhere.
    """

    name: str
    surfaces: frozenset[Surface]
    models: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    permissions: frozenset[str] | None = None
    team_ids: frozenset[TeamId] = frozenset()
    expires_at_ms: int | None = None
    inactivity_ms: int | None = None
    rotation_period_ms: int | None = None
    ip_allow: tuple[str, ...] | None = None
    cost_centre: str | None = None
    tags: dict[str, str] = {}

    def faults(self, now_ms: int | None = None) -> list[str]:
        """Return what is wrong, one line per fault starting with the field; empty when fine.

        With `now_ms` (Unix milliseconds) the life of a console key that is made or changed then is
        judged too.
        """
        faults: list[str] = []
        if fault := title_fault(self.name):
            faults.append(f"name {fault}")
        if not self.surfaces:
            faults.append("surfaces must name at least one of " + ", ".join(Surface))
        if Surface.CONSOLE in self.surfaces and self.expires_at_ms is None:
            faults.append("expires_at is required for a key that opens the console")
        if now_ms is not None and self._lives_too_long(now_ms):
            longest = format_duration(LONGEST_CONSOLE_LIFE_MS)
            faults.append(f"expires_at of a key that opens the console is at most {longest} away")
        faults.extend(_permission_faults(self.permissions, self.surfaces))
        faults.extend(_pattern_faults("models", self.models))
        faults.extend(_pattern_faults("tools", self.tools))
        for field, length_ms in (
            ("inactivity_timeout", self.inactivity_ms),
            ("rotation_period", self.rotation_period_ms),
        ):
            if length_ms is not None and length_ms <= 0:
                faults.append(f"{field} must be above zero")
        faults.extend(_network_faults(self.ip_allow))
        faults.extend(_tag_faults(self.tags))
        if self.cost_centre is not None and (fault := title_fault(self.cost_centre)):
            faults.append(f"cost_centre {fault}")
        return faults

    def checked(self, now_ms: int | None = None) -> "KeyPolicy":
        """Return the policy in its stored form; `now_ms` is for `faults`.

        Raises:
            InvalidRequest: it names every fault.
        """
        if faults := self.faults(now_ms):
            raise InvalidRequest("; ".join(faults), param=faults[0].split(" ", 1)[0].rstrip(":"))
        return self.normal()

    def normal(self) -> "KeyPolicy":
        """Return the form that is stored and compared: networks in their canonical text.

        Raises:
            ValueError: a network cannot be read; `faults` tells which.
        """
        if self.ip_allow is None:
            return self
        return replace(self, ip_allow=tuple(str(ip_network(each)) for each in self.ip_allow))

    def _lives_too_long(self, now_ms: int) -> bool:
        return (
            Surface.CONSOLE in self.surfaces
            and self.expires_at_ms is not None
            and self.expires_at_ms - now_ms > LONGEST_CONSOLE_LIFE_MS
        )


def _permission_faults(
    permissions: frozenset[str] | None, surfaces: frozenset[Surface]
) -> list[str]:
    if Surface.CONSOLE not in surfaces:
        return [] if permissions is None else ["permissions are for keys that open the console"]
    if not permissions:
        return ["permissions must name at least one for a key that opens the console"]
    known = {permission.value for permission in Permission}
    return [
        f"permissions: '{name[:60]}' is not a permission" for name in sorted(permissions - known)
    ]


def _pattern_faults(field: str, patterns: tuple[str, ...] | None) -> list[str]:
    if patterns is None:
        return []
    faults = [
        f"{field}: '{pattern[:40]}' {fault}"
        for pattern in patterns
        if (fault := model_name_fault(pattern))
    ]
    if len(patterns) > MOST_MODELS:
        faults.append(f"{field}: at most {MOST_MODELS} entries")
    return faults


def _network_faults(networks: tuple[str, ...] | None) -> list[str]:
    if networks is None:
        return []
    faults: list[str] = []
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            faults.append(f"ip_allow: '{network[:60]}' is not a network such as 10.0.0.0/8")
    if not networks:
        faults.append("ip_allow must name at least one network, or be left out")
    if len(networks) > MOST_NETWORKS:
        faults.append(f"ip_allow: at most {MOST_NETWORKS} entries")
    return faults


def _tag_faults(tags: dict[str, str]) -> list[str]:
    faults = [
        f"tags: '{name[:40]}' must be short printable text"
        for name, value in tags.items()
        if title_fault(name) or len(value) > LONGEST_TAG or not value.isprintable()
    ]
    if len(tags) > MOST_TAGS:
        faults.append(f"tags: at most {MOST_TAGS} entries")
    return faults


class ApiKey(Struct, frozen=True, kw_only=True):
    """A stored key: one secret in a lineage of rotations.

    Attributes:
        lineage_id: the id of the first key of the line; limits and history hang on it.
        parent_id: the key this one replaced.
        secret_hash: SHA-256 of the whole plaintext key.
        prefix: its first characters, for people to recognise it by.
        grace_ends_at_ms: set exactly when the state is `rotated`.
    """

    id: ApiKeyId
    lineage_id: LineageId
    parent_id: ApiKeyId | None = None
    owner_id: UserId
    policy: KeyPolicy
    secret_hash: bytes
    prefix: str
    state: KeyState = KeyState.ACTIVE
    created_at_ms: int
    grace_ends_at_ms: int | None = None
    last_used_at_ms: int | None = None

    def condition(self, now_ms: int) -> str:
        """Return `active`, `rotated` (in its grace period), `expired`, `inactive` or `revoked`."""
        if self.state is KeyState.REVOKED:
            return self.state.value
        expires_at_ms = self.policy.expires_at_ms
        if expires_at_ms is not None and now_ms >= expires_at_ms:
            return "expired"
        if self.grace_ends_at_ms is not None and now_ms >= self.grace_ends_at_ms:
            return "expired"
        inactivity_ms = self.policy.inactivity_ms
        if inactivity_ms is not None and now_ms - self.last_sign_of_life_ms >= inactivity_ms:
            return "inactive"
        return self.state.value

    @property
    def last_sign_of_life_ms(self) -> int:
        """When it was used last; when it was made, while it never was."""
        return max(self.created_at_ms, self.last_used_at_ms or 0)
