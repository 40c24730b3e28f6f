"""Small things all formats share: data URLs, efforts as budgets, halves of characters."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.data_urls import read_url, write_url
from adapters.wire.surrogates import without_surrogates
from adapters.wire.thinking_levels import budget_of, effort_of
from domain.inference.conversation import Media
from domain.inference.request import Effort


@pytest.mark.parametrize(
    ("url", "media"),
    [
        ("data:image/png;base64,iVBO", Media(media_type="image/png", data="iVBO")),
        ("DATA:Image/PNG;BASE64,iVBO", Media(media_type="image/png", data="iVBO")),
        (
            "data:text/plain;charset=utf-8;base64,SGk=",
            Media(media_type="text/plain", data="SGk="),
        ),
        ("data:;base64,SGk=", Media(data="SGk=")),
        ("https://media.example/a,b", Media(url="https://media.example/a,b")),
        ("data:text/plain,Hi", None),
        ("data:", None),
    ],
)
def test_a_url_says_where_the_bytes_are(url: str, media: Media | None) -> None:
    assert read_url(url) == media


def test_media_come_back_from_their_url() -> None:
    for media in (Media(media_type="image/png", data="iVBO"), Media(url="https://media.example/a")):
        url = write_url(media)
        assert url is not None
        assert read_url(url) == media
    assert write_url(Media(file_id="file-1")) is None
    assert write_url(Media(data="AAAA")) == "data:application/octet-stream;base64,AAAA"


def test_budgets_rise_with_the_effort_and_stand_for_it() -> None:
    budgets = [budget_of(effort) for effort in Effort]
    assert budgets == sorted(set(budgets))
    for effort in (Effort.NONE, Effort.LOW, Effort.MEDIUM, Effort.HIGH):
        assert effort_of(budget_of(effort)) is effort


@given(st.integers(-10, 200_000))
def test_no_budget_stands_for_more_than_every_model_knows(tokens: int) -> None:
    assert effort_of(tokens) in {Effort.NONE, Effort.LOW, Effort.MEDIUM, Effort.HIGH}


@given(st.text())
def test_documents_without_halves_of_characters_stay_as_they_are(text: str) -> None:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    document = json.dumps(whole).encode()
    assert without_surrogates(document) == document


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\udE00\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\ud83dx"', "\ufffdx"),
        (rb'"\\ud83d"', "\\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_halves_of_characters_are_replaced(document: bytes, expected: str) -> None:
    readable = without_surrogates(document)
    assert json.loads(readable) == expected
    assert len(readable) == len(document)
