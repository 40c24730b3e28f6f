"""Subjects of limits as people write them."""

import pytest

from application.console.limits.names import Names, UnknownSubject
from domain.errors import InvalidRequest
from domain.limits.rules import Holder, HolderKind
from domain.subjects import PLATFORM, Subject, SubjectKind

NAMES = Names(
    users={"dev@example.com": "u1"},
    teams={"core": "t1", "a:b": "t2"},
    providers={"openai": "p1"},
    models={"llama3:8b": "m1", "meta/llama": "m2"},
    keys={"dev@example.com/ci/cd": "l1"},
)
WRITTEN = {
    "platform": Holder(HolderKind.PLATFORM, PLATFORM.id),
    "user:dev@example.com": Holder(HolderKind.USER, "u1"),
    "team:core": Holder(HolderKind.TEAM, "t1"),
    "team_members:a:b": Holder(HolderKind.TEAM_MEMBERS, "t2"),
    "role:developer": Holder(HolderKind.ROLE_MEMBERS, "developer"),
    "provider:openai": Holder(HolderKind.PROVIDER, "p1"),
    "model:llama3:8b": Holder(HolderKind.MODEL, "m1"),
    "model:meta/llama": Holder(HolderKind.MODEL, "m2"),
    "api_key:dev@example.com/ci/cd": Holder(HolderKind.API_KEY, "l1"),
}


@pytest.mark.parametrize(("text", "holder"), WRITTEN.items())
def test_a_subject_is_read_and_written_the_same(text: str, holder: Holder) -> None:
    assert NAMES.holder(text) == holder
    assert NAMES.text(holder) == text
    assert NAMES.knows(holder)


def test_ids_and_capitals_of_addresses_are_fine_too() -> None:
    assert NAMES.holder("user:u1") == NAMES.holder("user: DEV@example.com")
    assert NAMES.holder("api_key:Dev@Example.com/ci/cd") == NAMES.holder("api_key:l1")


@pytest.mark.parametrize(
    "text",
    ["", "user", "dev@example.com", "platform:x", "rolle:x", "mcp_server:x", "user:" + "x" * 500],
)
def test_what_is_no_subject_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        NAMES.holder(text)
    assert refused.value.param == "subject"
    assert not isinstance(refused.value, UnknownSubject)


@pytest.mark.parametrize("text", ["user:", "user:core", "team:Core", "role:king", "api_key:ci/cd"])
def test_a_name_of_nothing_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnknownSubject, match="There is no"):
        NAMES.holder(text)


def test_what_is_gone_is_written_by_its_id() -> None:
    gone = Holder(HolderKind.TEAM, "t9")
    assert NAMES.text(gone) == "team:t9"
    assert not NAMES.knows(gone)


def test_a_default_is_not_one_subject() -> None:
    assert NAMES.subject("team:core") == Subject(SubjectKind.TEAM, "t1")
    for text in ("team_members:core", "role:viewer"):
        with pytest.raises(InvalidRequest, match="one subject"):
            NAMES.subject(text)
