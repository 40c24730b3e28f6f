"""From an exception to a line on standard error and an exit code."""

import errno
import os
import sys

import click

from entrypoints.failures import EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, StartFailed

_INTERRUPTED = 130
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def report_failure(error: Exception) -> int | None:
    """Print `error` for people and return the exit code; None for a fault of the program itself."""
    # Late imports: only a command that fails needs them, and --help stays fast.
    from adapters.embedded.errors import EmbeddedStoreError  # noqa: PLC0415
    from domain.errors import DomainError, ServiceUnavailable, ValidationFailed  # noqa: PLC0415

    match error:
        case StartFailed():
            _say(*(str(failure) for failure in error.failures))
            code = error.exit_code
        case EmbeddedStoreError():
            _say(str(error))
            code = EXIT_UNAVAILABLE
        case ValidationFailed():
            _say(*error.faults)
            code = EXIT_FAILED
        case DomainError():
            _say(error.message)
            code = EXIT_UNAVAILABLE if isinstance(error, ServiceUnavailable) else EXIT_FAILED
        case click.UsageError():
            path = error.ctx.command_path if error.ctx is not None else "thinkwatch"
            _say(f"{error.format_message().rstrip('.')} - see '{path} --help'")
            code = EXIT_USAGE
        case click.ClickException():
            _say(error.format_message())
            code = error.exit_code
        case click.exceptions.Exit():
            code = error.exit_code
        case click.Abort():
            code = _INTERRUPTED
        case OSError():
            return _report_output(error)
        case _:
            return None
    return code


def _report_output(error: OSError) -> int | None:
    """Report what happened to the output; None for any other fault."""
    if isinstance(error, BrokenPipeError):
        # The reader (`| head`) left; nothing is wrong. Keep the interpreter from flushing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if error.errno in _DISK_FULL:
        _say(f"{error.strerror} - make room where the output or the data goes")
        return EXIT_FAILED
    return None


def _say(*lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"thinkwatch: {line}\n")
