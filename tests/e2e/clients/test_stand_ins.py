"""Upstreams that nobody here wrote: what they take for the vendors' APIs works too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients.greeting import ASK
from tests.support.clients.stand_ins import ALL, QUESTION, StandIn, credentials, running
from tests.support.clients.travel import Place
from tests.support.compatibility import STAND_INS, Findings
from tests.support.proving_ground import ProvingGround

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", params=ALL, ids=lambda stand_in: stand_in.name)
def stand_in(
    request: pytest.FixtureRequest, ground: ProvingGround, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StandIn]:
    """A server that runs, as a provider in each of its roles."""
    server: StandIn = request.param
    directory: Path = tmp_path_factory.mktemp("stand-in")
    with running(server, directory) as url:
        providers = [
            {
                "name": _provider(server, role),
                "kind": played.kind,
                "base_url": f"{url}{played.path}",
                "options": played.options,
                "credentials": credentials(played),
            }
            for role, played in server.roles.items()
        ]
        models = [
            {
                "name": f"model-of-{_provider(server, role)}",
                "routes": [{"provider": _provider(server, role), "upstream_model": "gpt-4o"}],
            }
            for role in server.roles
        ]
        ground.apply({"providers": providers, "models": models})
        yield server


def _provider(server: StandIn, role: str) -> str:
    """Return a name made of letters and digits."""
    words = f"{ALL.index(server)} {role}".lower().split()
    return "stand-in-" + "-".join(words)


def test_every_sdk_gets_its_answers(
    stand_in: StandIn, ground: ProvingGround, findings: Findings
) -> None:
    wrong: list[str] = []
    for role in stand_in.roles:
        place = Place(ground.url, ground.key, f"model-of-{_provider(stand_in, role)}")
        for api, ask in ASK.items():
            for stream in (False, True):
                if (role, api, stream) in stand_in.own_faults:
                    continue
                try:
                    text = ask(place, QUESTION, stream=stream)
                except Exception as error:  # noqa: BLE001 - told below, with all others
                    wrong.append(f"{role} {api} {stream}: {type(error).__name__} {error}")
                    continue
                if text != stand_in.says if stand_in.says else not text:
                    wrong.append(f"{role} {api} {stream}: {text!r}")
    assert wrong == []
    for role in stand_in.roles:
        findings.add(STAND_INS, stand_in.name, role)
