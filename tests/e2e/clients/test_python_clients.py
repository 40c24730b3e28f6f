"""Every Python client takes the tour through the gateway to every kind of provider.

Each is as its authors published it; what it understands is checked, and the model behind the
gateway checks what reaches it.
"""

from collections.abc import Iterator

import pytest

from tests.support.clients.registry import NAMES_A_VENDOR, PYTHON
from tests.support.clients.travel import Place, Traveller, check_city, check_tour
from tests.support.compatibility import PYTHON_CLIENTS, Findings
from tests.support.model.tour import CITY
from tests.support.proving_ground import PREFIX_FOR_AWS, TOUR, WAYS, ProvingGround, public_name

# What a client warns of is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore")

CLIENTS = tuple(PYTHON)


@pytest.fixture(params=[way.name for way in WAYS])
def way(request: pytest.FixtureRequest) -> str:
    """A way to the model."""
    return request.param


@pytest.fixture(params=CLIENTS)
def title(request: pytest.FixtureRequest) -> str:
    """A client."""
    return request.param


@pytest.fixture
def client(ground: ProvingGround, title: str, way: str) -> Iterator[Traveller]:
    """The client, at the gateway."""
    kind = PYTHON[title]
    prefix = PREFIX_FOR_AWS if issubclass(kind, NAMES_A_VENDOR) else ""
    traveller = kind(Place(ground.url, ground.key, f"{prefix}{public_name(TOUR, way)}"))
    yield traveller
    traveller.close()


def test_a_client_takes_the_tour(
    client: Traveller, title: str, way: str, findings: Findings
) -> None:
    thoughts = {check_tour(client.tour(stream=stream)) for stream in (False, True)}
    for stream in (False, True):
        check_city(client.describe(stream=stream))
    assert len(thoughts) == 1
    findings.add(PYTHON_CLIENTS, title, way, thoughts=thoughts.pop())


def test_a_newcomer_without_a_provider_gets_answers_from_the_demo(
    ground: ProvingGround, title: str
) -> None:
    client = PYTHON[title](Place(ground.url, ground.key, "demo"))
    for stream in (False, True):
        assert set(client.describe(stream=stream)) == set(CITY)
    client.close()
