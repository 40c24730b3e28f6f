"""A program that owns embedded stores, to be killed by tests: prints where they are, then waits."""

import os
import sys
from pathlib import Path

import msgspec

from adapters.embedded.errors import EmbeddedStoreError
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.sockets import run_directory
from adapters.embedded.valkey import EmbeddedValkey


def main() -> int:
    data_dir = Path(sys.argv[1])
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    run_dir = run_directory(data_dir)
    postgres = EmbeddedPostgres(data_dir / "postgres", run_dir)
    valkey = EmbeddedValkey(data_dir / "valkey", run_dir)
    try:
        postgres.start()
        valkey.start()
    except EmbeddedStoreError as error:
        sys.stderr.write(f"{error}\n")
        return 69
    report = {
        "pid": os.getpid(),
        "uid": os.geteuid(),
        "postgres_pid": postgres.pid,
        "valkey_pid": valkey.pid,
        "postgres_url": postgres.url,
        "valkey_url": valkey.url,
    }
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.flush()
    sys.stdin.read()
    valkey.stop()
    postgres.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
