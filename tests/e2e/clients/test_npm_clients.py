"""Every client from npm takes the tour through the gateway to every kind of provider."""

import pytest

from tests.support.clients.npm import take_tours
from tests.support.clients.registry import SCRIPTS
from tests.support.clients.travel import Place
from tests.support.compatibility import NPM_CLIENTS, Findings
from tests.support.proving_ground import TOUR, WAYS, ProvingGround, public_name


@pytest.mark.parametrize("script", SCRIPTS)
def test_clients_take_the_tour(script: str, ground: ProvingGround, findings: Findings) -> None:
    places = {way.name: Place(ground.url, ground.key, public_name(TOUR, way.name)) for way in WAYS}
    outcomes = take_tours(script, ground.url, ground.key, places)
    assert [outcome for outcome in outcomes if outcome.error is not None] == []
    for client in {outcome.client for outcome in outcomes}:
        for way in places:
            mine = [each for each in outcomes if (each.client, each.way) == (client, way)]
            assert {(each.stream, each.what) for each in mine} == {
                (stream, what) for stream in (False, True) for what in ("tour", "describe")
            }
            thoughts = {each.thoughts for each in mine if each.what == "tour"}
            assert len(thoughts) == 1
            findings.add(NPM_CLIENTS, client, way, thoughts=thoughts.pop())
