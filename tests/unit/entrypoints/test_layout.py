"""Which processes a server consists of."""

from entrypoints.layout import processes
from entrypoints.roles import ALL_ROLES, Role


def test_console_and_jobs_never_share_a_process_with_the_data_plane() -> None:
    assert processes(ALL_ROLES, 2) == {
        "gateway-0": {Role.GATEWAY},
        "gateway-1": {Role.GATEWAY},
        "console-worker": {Role.CONSOLE, Role.WORKER},
    }


def test_no_workers_means_one_process_for_everything() -> None:
    assert processes(ALL_ROLES, 0) == {"all": ALL_ROLES}


def test_a_single_role_gets_only_its_own_processes() -> None:
    assert processes(frozenset({Role.GATEWAY}), 0) == {"gateway-0": {Role.GATEWAY}}
    assert processes(frozenset({Role.WORKER}), 4) == {"worker": {Role.WORKER}}
