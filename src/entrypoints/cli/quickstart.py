"""`thinkwatch quickstart`: from nothing to an answered request with one command."""

import asyncio
from pathlib import Path
from typing import cast

import click
import msgspec
import structlog
from msgspec import Struct

from application.console.configuration.interpolation import Interpolated
from application.console.keys import NewKey
from domain.access.actor import system_actor
from domain.errors import DomainError, NotFound
from domain.inference.dialect import Surface
from domain.keys.policy import KeyPolicy
from domain.secret import Secret
from entrypoints.cli.options import configured, json_option, server_options
from entrypoints.config import BootConfig, environment
from entrypoints.container.administration import Administration, open_administration
from entrypoints.datadir import DataDir
from entrypoints.found_providers import FoundProvider, Tree, found_providers
from entrypoints.roles import ALL_ROLES
from entrypoints.serve import Installation, Ready, Server, ServerOptions
from entrypoints.starter import (
    DEMO,
    KEY_NAME,
    models_document,
    providers_document,
    starter_document,
)

_BY = system_actor("thinkwatch quickstart")
OWNER = "admin@thinkwatch.local"

log = structlog.get_logger(__name__)

_EPILOG = """\b
On a data directory that holds an installation already it starts the same one again: keys are shown
once, so it prints no key then, unless --new-key asks for a new one (and a new password).

\b
Examples:
  thinkwatch quickstart
  thinkwatch quickstart --gateway-port 8080 --data-dir /tmp/trial
  OPENAI_API_KEY=sk-... ANTHROPIC_API_KEY=sk-ant-... thinkwatch quickstart --json
"""


class Access(Struct, frozen=True, kw_only=True):
    """How to get in; the secrets are None when they were made by an earlier start."""

    api_key: Secret | None
    admin_password: Secret | None
    models: tuple[str, ...]


class Announcement(Struct, frozen=True, kw_only=True):
    """The JSON line; secrets in clear, as this is the one time they are told."""

    gateway_url: str
    console_url: str
    setup_url: str
    api_key: str | None
    admin_email: str
    admin_password: str | None
    models: tuple[str, ...]


@click.command("quickstart", epilog=_EPILOG)
@server_options
@click.option("--new-key", is_flag=True, help="Make a new key and a new password.")
@json_option
def command(
    data_dir: Path | None,
    gateway_port: int | None,
    console_port: int | None,
    workers: int | None,
    *,
    new_key: bool,
    as_json: bool,
) -> int:
    """Start everything on embedded stores, with a key that works at once.

    A new data directory gets a demo provider, the providers whose credentials are in the
    environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, AZURE_OPENAI_API_KEY with
    AZURE_OPENAI_ENDPOINT, AWS_REGION with keys of AWS or AWS_BEARER_TOKEN_BEDROCK), an
    administrator and an API key.
    """
    config = configured(
        data_dir=data_dir, gateway_port=gateway_port, console_port=console_port, workers=workers
    ).config
    access: list[Access] = []

    def prepare(installation: Installation) -> None:
        access.append(asyncio.run(_prepare(installation, new_key=new_key)))

    def announce(ready: Ready) -> None:
        announcement = _announcement(ready, access[0])
        if as_json:
            click.echo(msgspec.json.encode(announcement))
        else:
            click.echo(_text(announcement, config))

    return Server(
        config,
        ServerOptions(
            command="quickstart",
            roles=ALL_ROLES,
            before_serving=prepare,
            on_ready=announce,
            require_health=True,
        ),
    ).run()


async def _prepare(installation: Installation, *, new_key: bool) -> Access:
    """Fill a new installation, add newly found providers to an old one, and see who gets in."""
    found = found_providers(environment())
    async with open_administration(installation.config, installation.stores) as administration:
        found = await _usable(administration, found)
        stored = await administration.export.export()
        if not stored.get("users") and not stored.get("providers"):
            new = found
            document = starter_document(found, owner=OWNER)
            api_key = await _apply(administration, document, found)
            made = await administration.administrators.reset_password(_BY, OWNER)
            password = made.generated
        else:
            known = set(_names(stored, "providers"))
            new = tuple(each for each in found if each.name not in known)
            if new:
                # Models that are configured already stay as they are: somebody may have changed them.
                names = _model_names(stored)
                await _apply(administration, providers_document(new, known_models=names), new)
            api_key = await _new_key(administration) if new_key else None
            password = await _new_password(administration) if new_key else None
        await _add_listed_models(administration, new)
        models = _names(await administration.export.export(), "models")
    return Access(api_key=api_key, admin_password=password, models=tuple(models))


async def _usable(
    administration: Administration, found: tuple[FoundProvider, ...]
) -> tuple[FoundProvider, ...]:
    """Leave out what cannot work: the environment may hold it for another purpose."""
    usable: list[FoundProvider] = []
    for provider in found:
        document = {"version": 1, "providers": [provider.entry]}
        try:
            source = Interpolated(document, provider.secrets)
            await administration.apply.apply(_BY, source, dry_run=True)
        except DomainError as error:
            log.warning("provider_not_registered", provider=provider.name, error=error.message)
        else:
            usable.append(provider)
    return tuple(usable)


async def _add_listed_models(
    administration: Administration, found: tuple[FoundProvider, ...]
) -> None:
    """Ask servers at URLs of their own for their models; one that does not answer stops nothing."""
    for provider in found:
        if not provider.elsewhere:
            continue
        try:
            offered = await administration.providers.models(_BY, provider.name)
        except DomainError as error:
            log.warning("models_not_listed", provider=provider.name, error=error.message)
            continue
        known = _model_names(await administration.export.export())
        listed = (model.id for model in offered.models)
        await _apply(administration, models_document(provider.name, listed, known_models=known))


async def _apply(
    administration: Administration, document: Tree, found: tuple[FoundProvider, ...] = ()
) -> Secret | None:
    """Apply a document of ours; return the secret of the key it made, if it made one."""
    inserted = frozenset[str]().union(*(provider.secrets for provider in found))
    applied = await administration.apply.apply(_BY, Interpolated(document, inserted))
    return next((made.secret for made in applied.secrets), None)


async def _new_key(administration: Administration) -> Secret:
    """Replace the key of the first start; what uses the old one has its grace period to follow."""
    policy = KeyPolicy(name=KEY_NAME, surfaces=frozenset({Surface.AI_GATEWAY}))
    try:
        return (await administration.keys.rotate(_BY, KEY_NAME)).secret
    except NotFound:  # it was revoked
        wanted = NewKey(policy=policy, owner_email=OWNER)
        return (await administration.keys.create(_BY, wanted)).secret


async def _new_password(administration: Administration) -> Secret | None:
    try:
        return (await administration.administrators.reset_password(_BY, OWNER)).generated
    except NotFound:  # it was removed, and somebody else administers this installation
        return None


def _model_names(document: Tree) -> list[str]:
    """Return all public names, aliases too: what has one of them is somebody's choice."""
    models = cast("list[Tree]", document.get("models", []))
    aliases = (cast("list[str]", model.get("aliases", [])) for model in models)
    return [*_names(document, "models"), *(name for names in aliases for name in names)]


def _names(document: Tree, member: str) -> list[str]:
    entries = cast("list[Tree]", document.get(member, []))
    return [str(entry["name"]) for entry in entries]


def _announcement(ready: Ready, access: Access) -> Announcement:
    assert ready.gateway_url is not None
    assert ready.console_url is not None
    token = DataDir(ready.config.data_dir).setup_token().reveal()
    return Announcement(
        gateway_url=ready.gateway_url,
        console_url=ready.console_url,
        setup_url=f"{ready.console_url}/setup?token={token}",
        api_key=None if access.api_key is None else access.api_key.reveal(),
        admin_email=OWNER,
        admin_password=None if access.admin_password is None else access.admin_password.reveal(),
        models=access.models,
    )


def _text(announcement: Announcement, config: BootConfig) -> str:
    again = "as shown at the first start (--new-key makes a new one)"
    model = DEMO if DEMO in announcement.models else next(iter(announcement.models), DEMO)
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    curl = (
        f"curl {announcement.gateway_url}/v1/chat/completions"
        f" -H 'Authorization: Bearer {announcement.api_key or 'YOUR_KEY'}'"
        f" -H 'Content-Type: application/json' -d '{msgspec.json.encode(body).decode()}'"
    )
    shown = ", ".join(announcement.models[:12]) + (" …" if len(announcement.models) > 12 else "")
    return f"""
ThinkWatch is ready. Its data is in {config.data_dir}; Ctrl-C stops it.

  Gateway   {announcement.gateway_url}
  Console   {announcement.console_url}
  Set-up    {announcement.setup_url}
  Owner     {announcement.admin_email}, password {announcement.admin_password or again}
  API key   {announcement.api_key or again}
  Models    {shown}

Try it:

{curl}
"""
