"""The table of `route_table.txt`: what each operation answers each built-in role."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import Struct

from domain.access.accounts import Role

ROLES = tuple(role.value for role in Role)
_FILE = Path(__file__).with_suffix(".txt")
_BODILESS = frozenset({"HEAD", "OPTIONS"})


class Case(Struct, frozen=True, kw_only=True):
    """One cell: an operation, by whom, on what, and the answer it should have."""

    operation: str
    role: str
    target: str
    expected: str

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.operation.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path with its parameters."""
        return self.operation.partition(" ")[2]

    @property
    def place(self) -> str:
        """Where in the table it is."""
        of = "" if self.target == "-" else f" of {self.target}"
        return f"{self.operation} by {self.role}{of}"


def table() -> dict[str, list[Case]]:
    """Return the cells of each operation, in the order of the roles and targets."""
    rows: dict[str, list[Case]] = {}
    for line in _FILE.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, words, *columns = (column.strip() for column in line.split("|"))
        operation, targets = " ".join(name.split()), words.split()
        assert operation not in rows, f"{operation} is there twice"
        assert len(columns) == len(ROLES), f"{operation}: a column for each of {ROLES}"
        rows[operation] = [
            Case(operation=operation, role=role, target=target, expected=expected)
            for role, column in zip(ROLES, columns, strict=True)
            for target, expected in zip(targets, column.split(), strict=True)
        ]
    return rows


ASKED_ELSEWHERE = frozenset(
    {
        "GET /api/auth/sso/{name}/begin",
        "GET /api/auth/sso/callback",
        "GET /api/sso-providers/{provider_id}",
        "PATCH /api/sso-providers/{provider_id}",
        "DELETE /api/sso-providers/{provider_id}",
        "POST /api/sso-providers/{provider_id}/discover",
        "POST /api/sso-providers/{provider_id}/test",
        "POST /api/sso-providers/{provider_id}/activate",
        "POST /api/sso-providers/{provider_id}/disable",
        "DELETE /api/sso-providers/{provider_id}/identities/{user_id}",
        "POST /api/me/sso/{name}/link",
        "DELETE /api/me/sso/{name}",
        "POST /api/service-accounts/{account_id}/restore",
    }
)
"""What goes on with an identity provider, which `tests/integration/identity` asks with a real one;
and a restoration that `tests/unit/application/console/test_service_accounts.py` asks."""


def operations(api: Litestar) -> set[str]:
    """Return every operation under `/api/` that an app answers, as `METHOD /path`."""
    return {
        f"{method} {route.path_format}"
        for route in api.routes
        if isinstance(route, HTTPRoute) and route.path_format.startswith("/api/")
        for handler in route.route_handlers
        for method in handler.http_methods
        if method not in _BODILESS and f"{method} {route.path_format}" not in ASKED_ELSEWHERE
    }


def differences(expected: Iterable[Case], seen: Mapping[str, str]) -> str:
    """Return the cells that are otherwise, one line each; empty when there is none."""
    return "\n".join(
        f"{case.place}: the table says {case.expected}, the answer was {seen[case.place]}"
        for case in expected
        if seen[case.place].split(" ")[0] != case.expected
    )
