"""`thinkwatch serve`, and the same for one role: `gateway`, `console`, `worker`."""

from pathlib import Path

import click
import msgspec

from entrypoints.cli.options import configured, json_option, server_options
from entrypoints.config import BootConfig
from entrypoints.failures import EXIT_CONFIGURATION, Failure, StartFailed
from entrypoints.roles import ALL_ROLES, Role
from entrypoints.serve import Ready, Server, ServerOptions

_EPILOG = """\b
It ends with 0 after SIGTERM or Ctrl-C, when open streams have had their grace period
(THINKWATCH_SHUTDOWN_GRACE_SECONDS); a second signal ends it at once. Exit code 78: the
configuration is wrong; 69: something it depends on is not available.

\b
Examples:
  thinkwatch serve
  thinkwatch serve --workers 4 --data-dir /var/lib/thinkwatch
  DATABASE_URL=postgresql://… REDIS_URL=redis://… CLICKHOUSE_URL=http://… \\
    thinkwatch gateway | console | worker
"""


@click.command("serve", epilog=_EPILOG)
@server_options
@json_option
def command(
    data_dir: Path | None,
    gateway_port: int | None,
    console_port: int | None,
    workers: int | None,
    *,
    as_json: bool,
) -> int:
    """Run the gateway, the console and the jobs.

    Stores without a URL in the environment are embedded: started as children in the data directory
    and stopped with the program.
    """
    loaded = configured(
        data_dir=data_dir, gateway_port=gateway_port, console_port=console_port, workers=workers
    )
    return _serve(loaded.config, "serve", ALL_ROLES, as_json=as_json)


def role_command(role: Role, text: str) -> click.Command:
    """Return the command that runs one role on external stores."""

    @click.command(role.value, help=text, epilog=_EPILOG)
    @server_options
    @json_option
    def run(
        data_dir: Path | None,
        gateway_port: int | None,
        console_port: int | None,
        workers: int | None,
        *,
        as_json: bool,
    ) -> int:
        config = configured(
            data_dir=data_dir, gateway_port=gateway_port, console_port=console_port, workers=workers
        ).config
        _require_external_stores(config, role)
        return _serve(config, role.value, frozenset({role}), as_json=as_json)

    return run


def _require_external_stores(config: BootConfig, role: Role) -> None:
    urls = {"DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url}
    if role is not Role.GATEWAY:
        urls["CLICKHOUSE_URL"] = config.clickhouse_url
    missing = [name for name, url in urls.items() if url is None]
    if missing:
        raise StartFailed(
            Failure(
                f"'{role}' runs one role of several, so they must share stores: "
                f"{', '.join(missing)} not set",
                "set it, or run everything with 'thinkwatch serve'",
                EXIT_CONFIGURATION,
            )
        )


def _serve(config: BootConfig, name: str, roles: frozenset[Role], *, as_json: bool) -> int:
    def announce(ready: Ready) -> None:
        if as_json:
            urls = {"gateway_url": ready.gateway_url, "console_url": ready.console_url}
            click.echo(msgspec.json.encode(urls))
            return
        if ready.gateway_url is not None:
            click.echo(f"Gateway  {ready.gateway_url}")
        if ready.console_url is not None:
            click.echo(f"Console  {ready.console_url}")
        click.echo("Ready.")

    return Server(config, ServerOptions(command=name, roles=roles, on_ready=announce)).run()
