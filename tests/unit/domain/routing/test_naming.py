"""What callers may call models, and which one they mean."""

import pytest

from domain.errors import ModelNotAllowed, ModelNotFound
from domain.routing.catalog import Catalog, Model
from domain.routing.naming import model_for
from tests.support.routing import catalog, model, provider, route

KNOWN = catalog(
    model("big", route("r", at="openai")),
    model("gpt-off", route("s", at="openai"), enabled=False),
    aliases={"latest": "big", "gpt-lost": "gpt-off"},
    providers=(provider("openai"),),
)


def named(name: str, *allowed: str, guess: bool = False, known: Catalog = KNOWN) -> Model:
    return model_for(known, name, lambda each: each in allowed, guess_by_prefix=guess)


@pytest.mark.parametrize(
    ("name", "allowed"), [("big", "big"), ("latest", "latest"), ("latest", "big")]
)
def test_either_name_of_a_model_opens_it(name: str, allowed: str) -> None:
    assert named(name, allowed).name == "big"


def test_a_model_is_not_opened_by_the_name_of_another() -> None:
    with pytest.raises(ModelNotAllowed):
        named("big", "latest")
    with pytest.raises(ModelNotAllowed):
        named("latest", "small")


def test_who_may_not_use_a_name_is_not_told_whether_it_exists() -> None:
    with pytest.raises(ModelNotAllowed):
        named("nowhere", "big")
    with pytest.raises(ModelNotFound):
        named("nowhere", "nowhere")


def test_a_model_is_guessed_only_while_that_is_wanted() -> None:
    with pytest.raises(ModelNotFound):
        named("gpt-9", "gpt-9")
    guessed = named("gpt-9", "gpt-9", guess=True)
    assert [each.upstream_model for each in guessed.routes] == ["gpt-9"]


@pytest.mark.parametrize("name", ["gpt-off", "gpt-lost"])
def test_a_model_that_was_switched_off_is_not_brought_back_by_its_name(name: str) -> None:
    with pytest.raises(ModelNotFound):
        named(name, name, guess=True)
