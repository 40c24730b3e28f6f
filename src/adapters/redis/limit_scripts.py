"""The limit scripts, put together from their parts in `lua/`."""

from pathlib import Path

from msgspec import Struct

from adapters.redis.pipelined import Script

_DIRECTORY = Path(__file__).parent / "lua"
# Every call runs the whole text, so a script is made of the parts it needs and no others.
_PARTS = {
    "admit": ("common", "epochs", "rings", "leases", "budgets", "admit"),
    "settle": ("common", "epochs", "rings", "budgets", "settle"),
    "extend": ("common", "leases", "extend"),
    "due": ("common", "due"),
    "restore": ("common", "budgets", "restore"),
    "reset": ("common", "epochs", "budgets", "reset"),
    "epoch": ("common", "epochs", "epoch"),
}


def part(name: str) -> str:
    """Return the source of one part."""
    return (_DIRECTORY / f"limits_{name}.lua").read_text(encoding="utf-8")


class LimitScripts(Struct, frozen=True):
    """One script per operation."""

    admit: Script
    settle: Script
    extend: Script
    due: Script
    restore: Script
    reset: Script
    epoch: Script

    @classmethod
    def load(cls, clock: str | None = None) -> "LimitScripts":
        """Read the scripts; they use the server's clock.

        `clock` replaces the source of the function `clock` and is for tests that need another time:
        the scripts of production take no time from anybody.
        """
        scripts = {
            name: Script.of("".join([clock or part("clock"), *map(part, parts)]))
            for name, parts in _PARTS.items()
        }
        return cls(**scripts)
