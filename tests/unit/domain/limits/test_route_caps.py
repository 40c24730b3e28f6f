"""Caps of routes as part of what an attempt reserves."""

from msgspec.structs import replace

from domain.identifiers import ProviderId
from domain.inference.dialect import Surface
from domain.limits.amounts import Spend
from domain.limits.book import LimitBook
from domain.limits.entries import Entry, LeaseEntry, WindowEntry
from domain.limits.policy import LimitPolicy
from domain.limits.reservations import Admitted, Rejected
from domain.limits.route_caps import route_entries
from domain.limits.rules import Holder, HolderKind, Metric
from domain.routing.catalog import Route
from domain.subjects import Subject, SubjectChain, SubjectKind
from tests.support.configuration import a_rule
from tests.support.limits import claim
from tests.support.routing import NOW_MS, route

CHAIN = SubjectChain.for_attempt(provider=ProviderId("one"))
CAPPED = replace(route("r", at="one"), rpm=2, tpm=1_000, max_in_flight=3)


def bound(policy: LimitPolicy, at: Route, now_ms: int = NOW_MS) -> tuple[Entry, ...]:
    return policy.bind_attempt(CHAIN, at, Surface.AI_GATEWAY, now_ms)


def test_a_route_without_caps_binds_nothing() -> None:
    assert route_entries(route("r")) == ()
    assert not route("r").is_capped


def test_every_cap_is_an_entry_with_counters_of_the_route() -> None:
    requests, tokens, leases = route_entries(CAPPED)
    assert isinstance(requests, WindowEntry)
    assert isinstance(tokens, WindowEntry)
    assert isinstance(leases, LeaseEntry)
    assert (requests.metric, requests.limit, requests.label) == (
        Metric.REQUESTS,
        2,
        "route:requests/1m",
    )
    assert (tokens.metric, tokens.limit, tokens.label) == (Metric.TOKENS, 1_000, "route:tokens/1m")
    assert (leases.limit, leases.label) == (3, "route:concurrency")
    assert {entry.subject for entry in route_entries(CAPPED)} == {Subject(SubjectKind.ROUTE, "r")}
    counters = [entry.counter for at in (CAPPED, replace(CAPPED, id="s"))
                for entry in route_entries(at)]  # fmt: skip
    assert len(set(counters)) == 6


def test_what_was_counted_stays_when_a_cap_changes() -> None:
    counters = [entry.counter for entry in route_entries(CAPPED)]
    wider = replace(CAPPED, rpm=5, weight=1)
    assert [entry.counter for entry in route_entries(wider)] == counters


def test_a_full_route_refuses_the_attempt_and_another_one_does_not() -> None:
    book = LimitBook()
    first = route_entries(CAPPED)
    for _ in range(2):
        assert isinstance(book.admit(claim(*first), NOW_MS), Admitted)
    refused = book.admit(claim(*first), NOW_MS)
    assert isinstance(refused, Rejected)
    assert refused.entry.label == "route:requests/1m"
    other = route_entries(replace(CAPPED, id="s"))
    assert isinstance(book.admit(claim(*other), NOW_MS), Admitted)


def test_tokens_count_as_they_were_used_not_as_they_were_feared() -> None:
    book = LimitBook()
    capped = route_entries(replace(route("r"), tpm=100))
    verdict = book.admit(claim(*capped, tokens=5_000), NOW_MS)
    assert isinstance(verdict, Admitted)
    book.settle(verdict.reservation, Spend(requests=1, tokens=100), NOW_MS, NOW_MS)
    assert isinstance(book.admit(claim(*capped), NOW_MS), Rejected)


def test_caps_stand_before_what_binds_the_provider() -> None:
    rule = a_rule(Holder(HolderKind.PROVIDER, "one"), 7)
    entries = bound(LimitPolicy([rule]), CAPPED)
    assert [entry.label for entry in entries] == [
        "route:requests/1m",
        "route:tokens/1m",
        "route:concurrency",
        "provider:requests/1m",
    ]


def test_the_same_attempt_is_handed_the_same_tuple_until_something_changes() -> None:
    policy = LimitPolicy([a_rule(Holder(HolderKind.PROVIDER, "one"), 7)])
    entries = bound(policy, CAPPED)
    assert bound(policy, replace(CAPPED, weight=3), NOW_MS + 5) is entries
    narrower = bound(policy, replace(CAPPED, rpm=1))
    assert narrower[0].limit == 1
    assert bound(policy, replace(CAPPED, rpm=1)) is narrower
    free = route("r", at="one")
    assert bound(policy, free) is policy.bind(CHAIN, Surface.AI_GATEWAY, NOW_MS).entries


def test_a_route_in_a_chain_has_no_stored_limits() -> None:
    chain = SubjectChain((Subject(SubjectKind.ROUTE, "r"), *CHAIN.subjects))
    policy = LimitPolicy([a_rule(Holder(HolderKind.PROVIDER, "one"), 7)])
    assert len(policy.bind(chain, Surface.AI_GATEWAY, NOW_MS).entries) == 1
