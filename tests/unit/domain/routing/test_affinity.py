"""Conversations stay on their route, in proportion to the weights."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.inference.conversation import (
    CacheMark,
    ImagePart,
    Media,
    Message,
    Role,
    TextPart,
    ToolCallPart,
)
from domain.inference.dialect import Dialect
from domain.inference.request import InferenceRequest
from domain.routing.affinity import (
    AffinityKey,
    KeySource,
    affinity_key,
    keep_together,
    prefix_hash,
    rendezvous_score,
)
from domain.routing.catalog import Affinity, Model
from domain.routing.standing import UNKNOWN
from domain.routing.strategy import Candidate
from tests.support.routing import model, route

weights = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 500), min_size=2)
keys = st.text(min_size=1, max_size=40)


def candidates(shares: dict[str, int]) -> list[Candidate]:
    parent: Model = model("m")
    return [
        Candidate(model=parent, route=route(name, weight=weight), standing=UNKNOWN)
        for name, weight in shares.items()
    ]


def ranking(key: str, shares: dict[str, int]) -> list[str]:
    kept = keep_together(AffinityKey(source=KeySource.SESSION, text=key), candidates(shares))
    return [candidate.route.id for candidate, _ in kept]


@given(key=keys, shares=weights, data=st.data())
def test_a_route_that_goes_away_moves_only_its_own_conversations(
    key: str, shares: dict[str, int], data: st.DataObject
) -> None:
    before = ranking(key, shares)
    gone = data.draw(st.sampled_from(sorted(shares)))
    left = {name: weight for name, weight in shares.items() if name != gone}
    assert ranking(key, left) == [name for name in before if name != gone]


@given(key=keys, shares=weights)
def test_replicas_agree_in_whatever_order_they_list_the_routes(
    key: str, shares: dict[str, int]
) -> None:
    assert ranking(key, shares) == ranking(key, dict(reversed(shares.items())))


@given(key=keys, shares=weights, data=st.data())
def test_more_weight_only_draws_conversations_towards_it(
    key: str, shares: dict[str, int], data: st.DataObject
) -> None:
    grown = data.draw(st.sampled_from(sorted(shares)))
    more = shares | {grown: shares[grown] * 2}
    before, after = ranking(key, shares)[0], ranking(key, more)[0]
    assert after in {before, grown}


def test_shares_are_those_of_the_weights_within_two_percent() -> None:
    shares = {"a": 50, "b": 30, "c": 20}
    counted = Counter(ranking(f"conversation {number}", shares)[0] for number in range(10_000))
    for name, weight in shares.items():
        assert abs(counted[name] / 10_000 - weight / 100) < 0.02


def test_what_fails_over_spreads_by_weight_as_well() -> None:
    shares = {"a": 80, "b": 15, "c": 5}
    orders = [ranking(f"conversation {number}", shares) for number in range(10_000)]
    second = Counter(order[1] for order in orders if order[0] == "a")
    assert abs(second["b"] / second.total() - 0.75) < 0.02


def test_a_route_without_weight_is_a_spare() -> None:
    for number in range(200):
        assert ranking(str(number), {"a": 0, "b": 1, "c": 0})[0] == "b"
    assert rendezvous_score("key", "a", 0) == 0


@given(key=st.text(max_size=5), name=st.text(max_size=5), weight=st.integers(1, 10**6))
def test_a_score_is_a_positive_number(key: str, name: str, weight: int) -> None:
    assert 0 < rendezvous_score(key, name, weight) < float("inf")


def said(text: str, role: Role = Role.USER, *, marked: bool = False) -> Message:
    cache = CacheMark(ttl="5m") if marked else None
    return Message(role=role, parts=(TextPart(text=text, cache=cache),))


def request(*messages: Message) -> InferenceRequest:
    return InferenceRequest(source=Dialect.OPENAI_CHAT, model="m", messages=messages)


SYSTEM = said("be kind", Role.SYSTEM)


def test_the_key_is_the_session_then_the_cache_key_then_the_prefix() -> None:
    asked = request(SYSTEM, said("hello"))
    mode = Affinity.PREFIX
    by_all = affinity_key(mode, session_id="s", prompt_cache_key="k", request=asked)
    by_cache_key = affinity_key(mode, prompt_cache_key="k", request=asked)
    by_prefix = affinity_key(mode, request=asked)
    assert by_all == AffinityKey(source=KeySource.SESSION, text="s")
    assert by_cache_key == AffinityKey(source=KeySource.PROMPT_CACHE_KEY, text="k")
    assert by_prefix is not None
    assert by_prefix.source is KeySource.PREFIX
    assert affinity_key(mode) is None


def test_the_mode_says_what_is_looked_at() -> None:
    asked = request(said("hello"))
    assert affinity_key(Affinity.OFF, session_id="s", prompt_cache_key="k", request=asked) is None
    assert affinity_key(Affinity.SESSION, request=asked) is None
    assert affinity_key(Affinity.SESSION, prompt_cache_key="k") is not None


def test_a_conversation_keeps_its_prefix_while_it_grows_and_cache_marks_move() -> None:
    first = (SYSTEM, said("hello", marked=True))
    later = (
        SYSTEM,
        said("hello"),
        said("hi", Role.ASSISTANT),
        said("go on", marked=True),
    )
    assert prefix_hash(first) == prefix_hash(later)


def test_other_beginnings_have_other_prefixes() -> None:
    image = Message(role=Role.USER, parts=(ImagePart(source=Media(data="QUJD")),))
    other = Message(role=Role.USER, parts=(ImagePart(source=Media(data="QUJE")),))
    split = Message(role=Role.USER, parts=(TextPart(text="ab"), TextPart(text="c")))
    joined = Message(role=Role.USER, parts=(TextPart(text="a"), TextPart(text="bc")))
    beginnings = [
        [said("hello")],
        [SYSTEM, said("hello")],
        [said("be kind"), said("hello")],
        [image],
        [other],
        [split],
        [joined],
        [said("ab"), said("c")],
        # What one part says must not pass for the boundary between two.
        [said("abuser:text:c")],
    ]
    assert len({prefix_hash(messages) for messages in beginnings}) == len(beginnings)


def test_a_conversation_that_says_nothing_has_no_prefix() -> None:
    call = ToolCallPart(id="c", name="f", arguments="{}")
    assert prefix_hash([]) is None
    assert prefix_hash([Message(role=Role.ASSISTANT, parts=(call,))]) is None
