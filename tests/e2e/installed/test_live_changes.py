"""A change of the configuration is live in every process, without a restart."""

import json
from http.client import HTTPConnection

from tests.support.installation import UPSTREAM_MODEL, Installation
from tests.support.program import wait_until

ENOUGH_TO_MEET_EVERY_PROCESS = 24
WITHIN_S = 5.0  # what the design promises even when a message is lost


def _ask_every_process(installation: Installation, key: str) -> list[tuple[int, bytes]]:
    """List the models over fresh connections, which the kernel spreads over the processes."""
    answers: list[tuple[int, bytes]] = []
    for _ in range(ENOUGH_TO_MEET_EVERY_PROCESS):
        connection = HTTPConnection("127.0.0.1", installation.program.gateway_port, timeout=10)
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answers.append((answer.status, answer.read()))
        connection.close()
    return answers


def _statuses(installation: Installation, key: str) -> set[int]:
    """Return the statuses a key gets from all processes together."""
    return {status for status, _ in _ask_every_process(installation, key)}


def _answers(installation: Installation, model: str) -> list[bool]:
    """Say whether each process lists the model."""
    return [
        model in {entry["id"] for entry in json.loads(body)["data"]}
        for _, body in _ask_every_process(installation, installation.key)
    ]


def test_a_new_model_appears_in_every_process(installation: Installation) -> None:
    assert not any(_answers(installation, "brand-new"))
    routes = [{"provider": "scripted", "upstream_model": UPSTREAM_MODEL}]
    installation.apply({"models": [{"name": "brand-new", "routes": routes}]})
    wait_until(
        lambda: all(_answers(installation, "brand-new")),
        within_s=WITHIN_S,
        what="the new model in every process",
    )


def test_a_revoked_key_stops_working_in_every_process(installation: Installation) -> None:
    key = installation.new_key("to-revoke")
    wait_until(lambda: _statuses(installation, key) == {200}, within_s=WITHIN_S)
    assert installation.program.run("keys", "revoke", "to-revoke").code == 0
    wait_until(lambda: _statuses(installation, key) == {401}, within_s=WITHIN_S)


def test_a_key_rotated_without_grace_hands_over_at_once(installation: Installation) -> None:
    old = installation.new_key("to-rotate")
    wait_until(lambda: _statuses(installation, old) == {200}, within_s=WITHIN_S)
    rotated = installation.program.run("keys", "rotate", "to-rotate", "--grace", "0", "--json")
    new = rotated.json()["secret"]
    wait_until(lambda: _statuses(installation, old) == {401}, within_s=WITHIN_S)
    assert _statuses(installation, new) == {200}
