"""`thinkwatch admin`."""

import sys
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from application.console.administrators import Administrator
from domain.secret import Secret
from entrypoints.cli.administering import BY_COMMAND, administer
from entrypoints.cli.options import data_dir_option, json_option
from entrypoints.container.administration import Administration

_EPILOG = """\b
Examples:
  thinkwatch admin create --email admin@example.com
  thinkwatch admin reset-password --email admin@example.com --password-stdin < password.txt
"""
_email = click.option("--email", required=True, help="E-mail address to sign in with.")
_password_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input instead of making one.",
)


class AdministratorView(Struct, frozen=True, kw_only=True):
    """What `--json` prints; `password` is null when it was given."""

    id: str
    email: str
    role: str
    password: str | None


@click.group("admin", epilog=_EPILOG)
def command() -> None:
    """Create administrators, and help them when they forgot their password."""


@command.command("create")
@_email
@_password_stdin
@data_dir_option
@json_option
def create(*, email: str, password_stdin: bool, data_dir: Path | None, as_json: bool) -> None:
    """Create a super admin. A generated password is shown only now."""
    password = _given_password() if password_stdin else None

    async def work(administration: Administration) -> Administrator:
        return await administration.administrators.create(BY_COMMAND, email, password)

    _print(administer("admin", data_dir, work), as_json=as_json)


@command.command("reset-password")
@_email
@_password_stdin
@data_dir_option
@json_option
def reset_password(
    *, email: str, password_stdin: bool, data_dir: Path | None, as_json: bool
) -> None:
    """Give a user a new password. A generated password is shown only now."""
    password = _given_password() if password_stdin else None

    async def work(administration: Administration) -> Administrator:
        return await administration.administrators.reset_password(BY_COMMAND, email, password)

    _print(administer("admin", data_dir, work), as_json=as_json)


def _given_password() -> Secret:
    return Secret(sys.stdin.readline().rstrip("\r\n"))


def _print(made: Administrator, *, as_json: bool) -> None:
    password = made.generated.reveal() if made.generated is not None else None
    user = made.user
    if as_json:
        view = AdministratorView(
            id=user.id, email=user.email, role=str(user.role), password=password
        )
        click.echo(msgspec.json.encode(view))
    elif password is None:
        click.echo(f"{user.email} ({user.role!s}) has the password you gave.")
    else:
        click.echo(f"The password of {user.email} ({user.role!s}), shown only now:", err=True)
        click.echo(password)
