"""The limit scripts, put together from their parts in `lua/`."""

from pathlib import Path

from msgspec import Struct

from adapters.redis.pipelined import Script

_PARTS = Path(__file__).parent / "lua"


def part(name: str) -> str:
    """Return the source of one part."""
    return (_PARTS / f"{name}.lua").read_text(encoding="utf-8")


class LimitScripts(Struct, frozen=True):
    """One script per operation, each with the clock and the shared head in front."""

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
        head = (clock or part("limits_clock")) + part("limits_common")

        def script(name: str) -> Script:
            return Script.of(head + part(f"limits_{name}"))

        return cls(*(script(name) for name in cls.__struct_fields__))
