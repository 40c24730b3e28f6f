"""The published tables are the codecs' own, and no pair of formats has a hole."""

import pytest

from domain.inference.dialect import WireFormat
from domain.inference.fields import CANONICAL_FIELDS
from tests.support.fidelity_page import DIALECTS, FORMATS, PAGE, page


def test_the_page_is_what_the_tables_say() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.support.fidelity_page"


@pytest.mark.parametrize("target", FORMATS, ids=str)
def test_every_format_says_what_becomes_of_every_canonical_field(target: WireFormat) -> None:
    assert not set(CANONICAL_FIELDS) - set(FORMATS[target])


def test_every_dialect_of_a_format_has_a_table() -> None:
    assert {dialect.value for dialect in DIALECTS} == {target.value for target in FORMATS}
