"""Options that several commands have, and the configuration they add up to."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from entrypoints.config import LoadedConfig, load_config

_F = TypeVar("_F", bound=Callable[..., object])

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data directory [default: $THINKWATCH_DATA_DIR or ./thinkwatch-data].",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
_gateway_port = click.option(
    "--gateway-port", type=click.IntRange(0, 65_535), help="Port of the gateway [default: 3000]."
)
_console_port = click.option(
    "--console-port", type=click.IntRange(0, 65_535), help="Port of the console [default: 3001]."
)
_workers = click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Gateway processes [default: 1]; 0 runs all roles in one process.",
)


def server_options(command: _F) -> _F:
    """Add the options of every command that serves."""
    for option in (_workers, _console_port, _gateway_port, data_dir_option):
        command = option(command)
    return command


def configured(
    *,
    data_dir: Path | None = None,
    gateway_port: int | None = None,
    console_port: int | None = None,
    workers: int | None = None,
) -> LoadedConfig:
    """Load the configuration with the given options on top; warnings go to standard error.

    Raises:
        ConfigurationFailed: with every problem.
    """
    options = {
        "THINKWATCH_DATA_DIR": data_dir,
        "GATEWAY_PORT": gateway_port,
        "CONSOLE_PORT": console_port,
        "THINKWATCH_WORKERS": workers,
    }
    loaded = load_config(
        options={name: str(value) for name, value in options.items() if value is not None}
    )
    for warning in loaded.warnings:
        click.echo(f"thinkwatch: {warning}", err=True)
    return loaded
