"""A change of the configuration is live in every process, without a restart."""

import httpx

from tests.support.installation import UPSTREAM_MODEL, Installation
from tests.support.program import wait_until

ENOUGH_TO_MEET_EVERY_PROCESS = 24
WITHIN_S = 5.0  # what the design promises even when a message is lost


def _answers(installation: Installation, model: str) -> list[bool]:
    """Say whether each process lists the model: fresh connections are spread over all of them."""
    headers = {"authorization": f"Bearer {installation.key}"}
    replies = [
        httpx.get(f"{installation.base_url}/models", headers=headers)
        for _ in range(ENOUGH_TO_MEET_EVERY_PROCESS)
    ]
    return [model in {entry["id"] for entry in reply.json()["data"]} for reply in replies]


def test_a_new_model_appears_in_every_process(installation: Installation) -> None:
    assert not any(_answers(installation, "brand-new"))
    routes = [{"provider": "scripted", "upstream_model": UPSTREAM_MODEL}]
    installation.apply({"models": [{"name": "brand-new", "routes": routes}]})
    wait_until(
        lambda: all(_answers(installation, "brand-new")),
        within_s=WITHIN_S,
        what="the new model in every process",
    )
