"""Which processes a server consists of."""

from entrypoints.roles import ALL_ROLES, Role


def processes(roles: frozenset[Role], workers: int) -> dict[str, frozenset[Role]]:
    """Return the processes by name with their roles.

    `workers` gateway processes, and one for console and jobs, so that they never share an
    interpreter with the data plane; with 0 workers one process does everything.
    """
    if roles == ALL_ROLES and workers == 0:
        return {"all": roles}
    layout: dict[str, frozenset[Role]] = {}
    if Role.GATEWAY in roles:
        layout |= {f"gateway-{n}": frozenset({Role.GATEWAY}) for n in range(max(workers, 1))}
    rest = roles - {Role.GATEWAY}
    if rest:
        layout["-".join(sorted(rest))] = rest
    return layout
