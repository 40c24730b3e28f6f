"""Every operation does with generated requests what the OpenAPI document says of it."""

from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from tests.support.described_api import document, operations
from tests.support.known_things import Known
from tests.support.whole_program import WholeProgram

CHECKS: list[Any] = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]
EVERY_ONE: Any = list(HealthCheck)
REFUSED: list[Any] = [openapi_checks.negative_data_rejection]
# Together about 0.3 s per operation.
VALID_REQUESTS = 5
INVALID_REQUESTS = 3
THOROUGH = 20
"""How many times as many `--thorough` makes of them."""
LEFT_OUT: dict[str, str] = {}
"""Operations that generated requests must not call, and why: those that end the test's own access."""
TAKES_MORE: dict[str, str] = {}
"""Operations that take more than their schema says, and why."""

# The credential is the test's own: nothing generates others, or spoils it.
SCHEMA = schemathesis.openapi.from_dict(
    {name: each for name, each in document().items() if name != "security"}
)
OPERATIONS = [each for each in operations() if each.id not in LEFT_OUT]
NAMES = [each.id for each in OPERATIONS]
OF_THEIR_OWN = {each.id for each in OPERATIONS if "security" in each.spec}
"""Those that the credential of the test does not open: they take a proof of their own."""
# Any text may stand in a path: what takes nothing else cannot be given anything wrong.
TAKING = [each.id for each in OPERATIONS if each.body or each.parameters("query")]


def _run(
    program: WholeProgram,
    known: Known,
    operation_id: str,
    mode: GenerationMode,
    expected: list[Any],
    count: int,
) -> None:
    operation = cast("Any", SCHEMA).find_operation_by_id(operation_id)
    headers = {"authorization": f"Bearer {program.token}"}
    there = known.get(operation.path, {})
    calls = 0

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=EVERY_ONE,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        nonlocal calls
        calls += 1
        if mode is GenerationMode.POSITIVE and calls % 2:
            case.path_parameters.update(there)  # every other call finds something
        answer = case.call(base_url=program.console_url, headers=headers, timeout=30)
        judged = [each for each in expected if each not in REFUSED or not _says_null(case)]
        case.validate_response(answer, checks=judged, headers=headers)
        assert answer.status_code != 401 or operation_id in OF_THEIR_OWN, answer.text

    check()
    assert calls > 0


def _says_null(case: Any) -> bool:
    """Whether the query has the word `null`, which for a number is as good as no value."""
    query: dict[str, object] = case.query or {}
    return any(value in (None, "null") for value in query.values())


@pytest.mark.parametrize("operation_id", NAMES)
def test_valid_requests_get_what_the_document_promises(
    operation_id: str, described_program: WholeProgram, known: Known, *, thorough: bool
) -> None:
    count = VALID_REQUESTS * (THOROUGH if thorough else 1)
    _run(described_program, known, operation_id, GenerationMode.POSITIVE, CHECKS, count)


@pytest.mark.parametrize("operation_id", TAKING)
def test_invalid_requests_are_refused(
    operation_id: str, described_program: WholeProgram, known: Known, *, thorough: bool
) -> None:
    count = INVALID_REQUESTS * (THOROUGH if thorough else 1)
    expected = CHECKS if operation_id in TAKES_MORE else CHECKS + REFUSED
    _run(described_program, known, operation_id, GenerationMode.NEGATIVE, expected, count)
