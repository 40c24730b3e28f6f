"""`thinkwatch apply`."""

from pathlib import Path

import click
import msgspec
from msgspec import Struct

from application.console.configuration.plan import Action, Applied, Step
from entrypoints.cli.administering import BY_COMMAND, administer
from entrypoints.cli.documents import load_document
from entrypoints.cli.options import data_dir_option, json_option
from entrypoints.config import environment
from entrypoints.container.administration import Administration

_EPILOG = """\b
References in the document: ${NAME} is an environment variable, ${file:path} a file beside the
document, $$ a plain $. Credentials and key secrets that are left out stay as they are stored.
Objects that are not named stay as they are, unless --prune deletes them.

\b
Examples:
  thinkwatch apply -f thinkwatch.yaml --dry-run
  thinkwatch apply -f thinkwatch.yaml
  thinkwatch apply -f thinkwatch.yaml --prune --json
  thinkwatch export | thinkwatch apply -f - --dry-run
"""
_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}


class MintedSecret(Struct, frozen=True, kw_only=True):
    """A secret that is told this once."""

    kind: str
    name: str
    owner: str
    secret: str


class Report(Struct, frozen=True, kw_only=True):
    """What `apply --json` prints."""

    applied: bool
    dry_run: bool
    steps: tuple[Step, ...]
    secrets: tuple[MintedSecret, ...]


@click.command("apply", epilog=_EPILOG)
@click.option(
    "-f",
    "--file",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="The document, YAML or JSON; - reads standard input.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option("--prune", is_flag=True, help="Delete what the document does not name.")
@data_dir_option
@json_option
def command(
    path: Path, data_dir: Path | None, *, dry_run: bool, prune: bool, as_json: bool
) -> None:
    """Make the configuration what a document says: everything, or nothing at all.

    Prints the plan. Secrets that were made for new keys are printed once.
    """
    source = load_document(path, environment())

    async def work(administration: Administration) -> Applied:
        return await administration.apply.apply(BY_COMMAND, source, dry_run=dry_run, prune=prune)

    applied = administer("apply", data_dir, work)
    if as_json:
        click.echo(msgspec.json.encode(_report(applied, dry_run=dry_run)))
    else:
        _print(applied, dry_run=dry_run)


def _report(applied: Applied, *, dry_run: bool) -> Report:
    return Report(
        applied=applied.applied,
        dry_run=dry_run,
        steps=applied.steps,
        secrets=tuple(
            MintedSecret(
                kind=made.kind, name=made.name, owner=made.owner, secret=made.secret.reveal()
            )
            for made in applied.secrets
        ),
    )


def _print(applied: Applied, *, dry_run: bool) -> None:
    for step in applied.steps:
        note = f"  # {step.note}" if step.note else ""
        if step.action is not Action.UNCHANGED or note:
            click.echo(f"{_SIGNS.get(step.action, ' ')} {step.kind} {step.name}{note}")
        for change in step.changes:
            click.echo(f"    {change.field}: {change.before} -> {change.after}")
    counts = ", ".join(
        f"{applied.count(action)} {_counted(action, dry_run=dry_run)}" for action in Action
    )
    click.echo(f"{'Planned' if dry_run else 'Applied'}: {counts}.")
    for made in applied.secrets:
        click.echo(f"\nThe {made.kind} '{made.name}' of {made.owner}, shown only now:")
        click.echo(made.secret.reveal())


def _counted(action: Action, *, dry_run: bool) -> str:
    if action is Action.UNCHANGED:
        return action.value
    return f"to {action.value}" if dry_run else f"{action.value}d"
