"""Reading a document: strict, with the path of every fault."""

from typing import Any

import pytest

from application.console.configuration.document import NOT_AVAILABLE
from application.console.configuration.reading import read_document


def faults(**members: Any) -> list[str]:
    return list(read_document({"version": 1, **members}).faults)


@pytest.mark.parametrize("tree", [None, [], "text", 3])
def test_a_document_is_a_mapping(tree: object) -> None:
    (fault,) = read_document(tree).faults
    assert fault.startswith("document: expected a mapping")


@pytest.mark.parametrize("tree", [{}, {"version": 2}, {"version": "1"}, {"version": True}])
def test_the_version_must_be_the_known_one(tree: dict[str, object]) -> None:
    (fault,) = read_document(tree).faults
    assert fault.startswith("version: ")


@pytest.mark.parametrize("member", NOT_AVAILABLE)
def test_a_member_whose_feature_does_not_exist_is_refused_by_name(member: str) -> None:
    assert faults(**{member: []}) == [f"{member}: not available in this version"]


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"colour": 1}, "colour: there is no such member"),
    ({"keys": None}, "keys: expected a list, got nothing"),
    ({"settings": []}, "settings: expected a mapping, got a list"),
    ({"teams": ["core"]}, "teams[0]: expected a mapping, got text"),
    ({"teams": [{}]}, "teams[0].name: is required"),
    ({"teams": [{"name": 3}]}, "teams[0].name: expected str, got int"),
    ({"teams": [{"name": "a", "x": 1}]}, "teams[0].x: there is no such member"),
    (
        {"providers": [{"name": "a", "kind": "abacus"}]},
        "providers[0].kind: 'abacus' is not available; known are openai",
    ),
    (
        {"models": [{"name": "m", "routes": [{"provider": "p", "weight": "1"}]}]},
        "models[0].routes[0].weight: expected int, got str",
    ),
    (
        {"models": [{"name": "m", "routes": [], "price": {"input": "x", "output": 1}}]},
        "models[0].price.input: invalid decimal",
    ),
    (
        {"keys": [{"name": "k", "owner": "a@b", "surfaces": [1]}]},
        "keys[0].surfaces[0]: expected one of ai_gateway",
    ),
    (
        {"keys": [{"name": "k", "owner": "a@b", "surfaces": [], "tags": {"a": 1}}]},
        "keys[0].tags: expected str, got int",
    ),
]


@pytest.mark.parametrize(("members", "fault"), FAULTS)
def test_a_fault_has_a_path(members: dict[str, Any], fault: str) -> None:
    (found,) = faults(**members)
    assert found.startswith(fault)


def test_all_faults_are_found_at_once() -> None:
    assert len(faults(teams=[{}, {"name": 1}], users=[{"role": "x", "y": 1}], forwarders=[])) == 6


def test_values_are_not_repeated_in_faults_but_for_unknown_choices() -> None:
    (fault,) = faults(keys=[{"name": "k", "owner": "a@b", "surfaces": [], "secret": ["hunter2"]}])
    assert "hunter2" not in fault
