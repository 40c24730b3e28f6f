"""Writes docs/permissions.md from the catalogue: `python -m tests.support.permissions_page`."""

from pathlib import Path

from domain.access.permissions import CATALOGUE, Permission
from domain.access.roles import BUILT_IN, RoleDefinition

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
HEAD = """# Permissions and roles

Written from the program's own catalogue by `python -m tests.support.permissions_page`; a test fails
when it is not current.

A permission is granted with a scope: `own` (what is one's own), `team` (what belongs to one's
teams), `all`. A higher scope includes the lower ones. What belongs to nobody, like a provider or a
setting, is reached by `all` only. Everything is denied by default; a denial wins over every grant.
A role that is attached to a team, or to a user inside a team, holds inside that team and nowhere
else. Nobody can give, assign, reset or attach more than he may do himself, and the last active
super admin cannot be removed by any path. `POST /api/access/explain` says why something is allowed
or denied.

A custom role lists statements such as `keys:read@team`, denials in the same form, and globs of
models and tools that its holders may, or may not, use.

"""


def page() -> str:
    """Return the page."""
    names = list(BUILT_IN)
    lines = [
        HEAD + "| permission | what it is for | scopes | " + " | ".join(f"`{n}`" for n in names),
        "|---" * (3 + len(names)) + "|",
    ]
    lines[0] += " |"
    for permission, spec in CATALOGUE.items():
        scopes = ", ".join(scope.word for scope in spec.scopes)
        held = " | ".join(_widest(BUILT_IN[name], permission) for name in names)
        lines.append(f"| `{permission.value}` | {spec.description} | {scopes} | {held} |")
    return "\n".join(lines) + "\n"


def _widest(role: RoleDefinition, permission: Permission) -> str:
    scopes = [each.scope for each in role.allow if each.permission is permission]
    return max(scopes).word if scopes else ""


if __name__ == "__main__":
    PAGE.write_text(page())
