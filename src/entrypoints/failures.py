"""Why the program cannot start or go on: one line each, with the mend and the exit code."""

from msgspec import Struct

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69  # sysexits.h EX_UNAVAILABLE: something it depends on
EXIT_CONFIGURATION = 78  # sysexits.h EX_CONFIG: what the operator wrote


class Failure(Struct, frozen=True):
    """One thing that is wrong. `what` and `mend` are without secrets and without line breaks."""

    what: str
    mend: str
    exit_code: int = EXIT_UNAVAILABLE

    def __str__(self) -> str:
        """One line: what, and the mend."""
        return f"{self.what} - {self.mend}"


class StartFailed(Exception):
    """Every failure found, not only the first. Configuration outranks a dependency."""

    def __init__(self, *failures: Failure) -> None:
        """`failures` is not empty."""
        super().__init__("; ".join(str(failure) for failure in failures))
        self.failures = failures
        self.exit_code = max(failure.exit_code for failure in failures)


def unavailable(what: str, mend: str) -> StartFailed:
    """A dependency does not do its part: exit 69."""
    return StartFailed(Failure(what, mend, EXIT_UNAVAILABLE))


def misconfigured(what: str, mend: str) -> StartFailed:
    """The operator has to change something: exit 78."""
    return StartFailed(Failure(what, mend, EXIT_CONFIGURATION))
