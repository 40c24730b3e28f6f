"""The command line. Each command is a module with a `command`, imported when it is called."""

import gc
import importlib
import sys
import traceback
from collections.abc import Mapping

import click

from entrypoints.cli.exit_codes import report_failure

# Name -> what `thinkwatch --help` says; the module is `entrypoints.cli.<name>`.
COMMANDS: Mapping[str, str] = {
    "quickstart": "Start everything on embedded stores, with a key that works at once.",
    "serve": "Run the gateway, the console and the jobs.",
    "gateway": "Run gateway processes only.",
    "console": "Run the console only.",
    "worker": "Run the jobs and sinks only.",
    "migrate": "Bring the database schema up to date.",
    "apply": "Make the configuration what a document says.",
    "export": "Print the configuration as a document for 'apply'.",
    "keys": "Create, list, rotate and revoke API keys.",
    "admin": "Create administrators.",
    "limits": "List, set, explain and reset limits and budgets.",
    "providers": "Test providers and list their models.",
    "route": "Explain where requests go; list, drain and reset routes.",
    "requests": "Show the records of requests.",
    "journal": "Look into the journals and replay them.",
    "audit": "Verify and export the audit trail.",
    "doctor": "Check every dependency and say what to do.",
    "openapi": "Print the OpenAPI document of the console.",
    "version": "Print the version.",
}

EPILOG = """\b
Exit codes:
  0   done
  1   refused or failed; the line on standard error says why
  2   wrong usage of the command line
  69  something it depends on is not available
  78  the configuration is wrong
  130 interrupted

\b
Examples:
  thinkwatch quickstart
  thinkwatch serve --workers 4
  thinkwatch apply -f thinkwatch.yaml --dry-run
  thinkwatch doctor --json
"""


class LazyGroup(click.Group):
    """Lists commands from the table and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        # Nothing that imports make is garbage, and looking for it takes a fifth of their time.
        gc.disable()
        try:
            module = importlib.import_module(f"entrypoints.cli.{cmd_name}")
        finally:
            gc.enable()
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, so that `--help` imports none of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def cli() -> None:
    """ThinkWatch: the gateway through which all of an organisation's AI traffic flows."""


def main() -> int:
    """Run the command line and return its exit code; every error is one line with its mend."""
    try:
        result = cli.main(prog_name="thinkwatch", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - the outermost frame: whatever it is becomes a line
        code = report_failure(error)
        if code is None:
            traceback.print_exc()
            sys.stderr.write("thinkwatch: internal error - please report it with the lines above\n")
            return 1
        return code
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) else 0
