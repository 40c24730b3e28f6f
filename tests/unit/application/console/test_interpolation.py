"""References in a document: resolved once, in values only, with clear faults."""

import pytest

from tests.support.administration import resolved


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("${NAME}", "value"),
        ("a ${NAME} b ${NAME}", "a value b value"),
        ("${file:key.txt}", "sk-from-a-file"),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$value"),
        ("$5 and $NAME and $", "$5 and $NAME and $"),
    ],
)
def test_references_are_replaced_and_dollars_escaped(text: str, result: str) -> None:
    assert resolved(text, NAME="value").tree == result


def test_what_was_put_in_is_not_looked_at_again() -> None:
    assert resolved("${NAME}", NAME="${file:key.txt} $$").tree == "${file:key.txt} $$"


def test_member_names_and_other_scalars_are_left_alone() -> None:
    tree = {"${NAME}": [1, None, True, 2.5, {"deep": "${NAME}"}]}
    assert resolved(tree, NAME="x").tree == {"${NAME}": [1, None, True, 2.5, {"deep": "x"}]}


def test_what_was_put_in_is_remembered_as_a_secret() -> None:
    found = resolved({"a": "${A}", "b": "${file:key.txt}", "c": "clear"}, A="one")
    assert found.inserted == {"one", "sk-from-a-file"}
    assert "one" not in repr(found)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("${NOPE}", "NOPE is not set"),
        ("${file:nope}", "nope does not exist"),
        ("${}", "not a reference"),
        ("${NA ME}", "not a reference"),
        ("${env:NAME}", "not a reference"),
        ("${NAME:-default}", "not a reference"),
        ("${NAME", "never closed"),
    ],
)
def test_a_reference_that_cannot_be_resolved_is_a_fault_with_its_path(
    text: str, fault: str
) -> None:
    found = resolved({"providers": [{"credentials": {"api_key": text}}]}, NAME="x")
    (line,) = found.faults
    assert line.startswith("providers[0].credentials.api_key: ")
    assert fault in line


def test_a_document_whose_aliases_multiply_is_refused() -> None:
    tree: object = "x"
    for _ in range(30):
        tree = [tree, tree]
    assert any("too large" in fault for fault in resolved(tree).faults)


def test_a_document_that_contains_itself_is_refused() -> None:
    tree: list[object] = []
    tree.append(tree)
    assert any("too deep" in fault for fault in resolved(tree).faults)
