"""`thinkwatch keys`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from application.console.keys import IssuedKey, ListedKey, NewKey
from domain.durations import format_duration
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.rotation import DEFAULT_GRACE_MS
from domain.secret import Secret
from entrypoints.cli.administering import BY_COMMAND, Duration, administer, moment
from entrypoints.cli.options import data_dir_option, json_option
from entrypoints.container.administration import Administration

_EPILOG = """\b
Examples:
  thinkwatch keys create --name ci --owner dev@example.com --model 'gpt-*'
  thinkwatch keys list --json
  thinkwatch keys rotate ci --grace 1h
  thinkwatch keys revoke ci
"""


class KeyView(Struct, frozen=True, kw_only=True):
    """A key as `--json` prints it; `secret` is there only when it was just made."""

    id: str
    lineage_id: str
    name: str
    owner: str
    prefix: str
    condition: str
    surfaces: tuple[str, ...]
    models: tuple[str, ...] | None
    created_at: str | None
    expires_at: str | None
    grace_ends_at: str | None
    last_used_at: str | None


class IssuedView(KeyView, frozen=True, kw_only=True):
    """A key with its secret, which is told this once."""

    secret: str


@click.group("keys", epilog=_EPILOG)
def command() -> None:
    """Create, list, rotate and revoke API keys."""


@command.command("create")
@click.option("--name", required=True, help="Name, unique among the owner's active keys.")
@click.option("--owner", help="E-mail of the owner; needed when there are several users.")
@click.option(
    "--surface",
    "surfaces",
    multiple=True,
    type=click.Choice([surface.value for surface in Surface]),
    default=(Surface.AI_GATEWAY.value,),
    show_default=True,
    help="What the key opens; may be repeated.",
)
@click.option("--model", "models", multiple=True, help="Model or glob; all models without it.")
@click.option("--tool", "tools", multiple=True, help="Tool or glob, server/tool; all without it.")
@click.option(
    "--permission", "permissions", multiple=True, help="What a console key may do, e.g. keys:read."
)
@click.option("--team", "teams", multiple=True, help="Team the key counts for.")
@click.option(
    "--ip", "ip_allow", multiple=True, help="Network it may be used from, e.g. 10.0.0.0/8."
)
@click.option("--expires-in", type=Duration(), help="Lifetime, e.g. 90d.")
@click.option("--inactivity", type=Duration(), help="Close it after this long without use.")
@click.option("--cost-centre", help="Whom its use is charged to.")
@click.option("--secret-stdin", is_flag=True, help="Read the key to import from standard input.")
@data_dir_option
@json_option
def create(
    *,
    name: str,
    owner: str | None,
    surfaces: Sequence[str],
    models: Sequence[str],
    tools: Sequence[str],
    permissions: Sequence[str],
    teams: Sequence[str],
    ip_allow: Sequence[str],
    expires_in: int | None,
    inactivity: int | None,
    cost_centre: str | None,
    secret_stdin: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Create a key and print it: it is shown only now."""
    secret = Secret(sys.stdin.readline().strip()) if secret_stdin else None
    policy = KeyPolicy(
        name=name,
        surfaces=frozenset(map(Surface, surfaces)),
        models=tuple(models) or None,
        tools=tuple(tools) or None,
        permissions=frozenset(permissions) or None,
        inactivity_ms=inactivity,
        ip_allow=tuple(ip_allow) or None,
        cost_centre=cost_centre,
    )
    wanted = NewKey(
        policy=policy,
        owner_email=owner,
        team_names=tuple(teams),
        lifetime_ms=expires_in,
        secret=secret,
    )

    async def work(administration: Administration) -> IssuedKey:
        return await administration.keys.create(BY_COMMAND, wanted)

    _print_issued(administer("keys", data_dir, work), as_json=as_json)


@command.command("list")
@click.option("--owner", help="Only keys of this user.")
@click.option("--all", "include_ended", is_flag=True, help="Also those that no longer work.")
@data_dir_option
@json_option
def list_keys(
    *, owner: str | None, include_ended: bool, data_dir: Path | None, as_json: bool
) -> None:
    """List keys; their secrets are not stored and cannot be shown."""

    async def work(administration: Administration) -> Sequence[ListedKey]:
        return await administration.keys.list(owner_email=owner, include_ended=include_ended)

    listed = administer("keys", data_dir, work)
    views = [_view(each.key, each.owner_email, each.condition) for each in listed]
    if as_json:
        click.echo(msgspec.json.encode(views))
        return
    for view in views:
        until = view.grace_ends_at or view.expires_at
        more = f"  until {until}" if until else ""
        used = f"  used {view.last_used_at}" if view.last_used_at else "  never used"
        click.echo(
            f"{view.id}  {view.prefix}…  {view.condition:<8} {view.name} ({view.owner}){more}{used}"
        )


@command.command("rotate")
@click.argument("key")
@click.option(
    "--grace",
    type=Duration(zero=True),
    default=DEFAULT_GRACE_MS,
    show_default=format_duration(DEFAULT_GRACE_MS),
    help="How long the old secret still works; 0 ends it at once.",
)
@data_dir_option
@json_option
def rotate(*, key: str, grace: int, data_dir: Path | None, as_json: bool) -> None:
    """Give KEY (an id, or a name only one active key has) a new secret and print it."""

    async def work(administration: Administration) -> IssuedKey:
        return await administration.keys.rotate(BY_COMMAND, key, grace_ms=grace)

    _print_issued(administer("keys", data_dir, work), as_json=as_json)


@command.command("revoke")
@click.argument("key")
@data_dir_option
@json_option
def revoke(*, key: str, data_dir: Path | None, as_json: bool) -> None:
    """End KEY (an id, or a name only one active key has) for good, grace periods included."""

    async def work(administration: Administration) -> ListedKey:
        return await administration.keys.revoke(BY_COMMAND, key)

    revoked = administer("keys", data_dir, work)
    view = _view(revoked.key, revoked.owner_email, revoked.condition)
    if as_json:
        click.echo(msgspec.json.encode(view))
    else:
        click.echo(f"The key '{view.name}' of {view.owner} is revoked.")


def _view(key: ApiKey, owner: str, condition: str) -> KeyView:
    return KeyView(
        id=key.id,
        lineage_id=key.lineage_id,
        name=key.policy.name,
        owner=owner,
        prefix=key.prefix,
        condition=condition,
        surfaces=tuple(sorted(key.policy.surfaces)),
        models=key.policy.models,
        created_at=moment(key.created_at_ms),
        expires_at=moment(key.policy.expires_at_ms),
        grace_ends_at=moment(key.grace_ends_at_ms),
        last_used_at=moment(key.last_used_at_ms),
    )


def _print_issued(issued: IssuedKey, *, as_json: bool) -> None:
    view = _view(issued.key, issued.owner_email, issued.key.state.value)
    if as_json:
        shown = {**msgspec.structs.asdict(view), "secret": issued.secret.reveal()}
        click.echo(msgspec.json.encode(msgspec.convert(shown, IssuedView)))
        return
    click.echo(f"The key '{view.name}' of {view.owner} (id {view.id}), shown only now:", err=True)
    click.echo(issued.secret.reveal())
