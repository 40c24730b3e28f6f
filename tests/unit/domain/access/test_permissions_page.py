"""The page of permissions is what the catalogue says."""

from tests.support.permissions_page import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.support.permissions_page"
