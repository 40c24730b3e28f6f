"""The scripted upstream as a process of its own, for tests that kill things.

`python -m tests.support.upstream_process [--port N]` prints one line of JSON with its `url` and
serves until its standard input ends, so it never outlives the test that started it.
"""

import argparse
import asyncio
import json
import sys

from tests.support.openai_bodies import respond_by_model
from tests.support.scripted_upstream import ScriptedUpstream


async def serve(port: int) -> None:
    """Serve until standard input ends."""
    async with ScriptedUpstream(port=port) as upstream:
        upstream.always(respond_by_model)
        sys.stdout.write(json.dumps({"url": upstream.url, "port": upstream.port}) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
