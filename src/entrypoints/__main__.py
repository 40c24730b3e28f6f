"""`python -m entrypoints`: the command line, or (internal) one process of a running server."""

import gc
import sys

from entrypoints.parent_death import CHILD_PROCESS, die_with_parent


def main() -> int:
    """Dispatch on the first argument; imports come late, so that each path loads only its own."""
    if sys.argv[1:2] == [CHILD_PROCESS]:
        die_with_parent(int(sys.argv[2]))
        # Nothing that imports make is garbage, and looking for it takes a fifth of the start; the
        # process turns the collector on when it serves.
        gc.disable()
        from entrypoints.process import run_process  # noqa: PLC0415

        return run_process(sys.stdin.buffer.read())
    from entrypoints.cli import main as command_line  # noqa: PLC0415

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
