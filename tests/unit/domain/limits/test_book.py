"""Properties of the whole check, over any history."""

from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import Conflict
from domain.limits.amounts import NOTHING, Spend
from domain.limits.book import LimitBook
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import Entry, LeaseEntry, share_of
from domain.limits.periods import Period
from domain.limits.reservations import (
    IN_FLIGHT_RETRY_MS,
    KEEP_MS,
    LONGEST_LIFETIME_MS,
    Admitted,
    Claim,
    Rejected,
    Reservation,
)
from domain.limits.windows import Window
from tests.support.limits import (
    MONDAY_MS,
    budget_cap,
    claim,
    concurrency_cap,
    requests_rule,
    tokens_rule,
)

NOBODY = Spend(requests=0)


def restored(epoch_ms: int = MONDAY_MS) -> LimitBook:
    book = LimitBook()
    book.begin(epoch_ms)
    assert book.mark_restored(epoch_ms, epoch_ms)
    return book


def enforced(now_ms: int) -> list[Entry]:
    return [
        requests_rule(4, Window.MINUTE, rule="r1"),
        requests_rule(6, Window.FIVE_MINUTES, rule="r2"),
        tokens_rule(100, Window.MINUTE, rule="t1"),
        tokens_rule(120, Window.FIVE_MINUTES, rule="t2", strict=True),
        budget_cap(200, now_ms, Period.DAILY, rule="b1", timezone="Asia/Kathmandu"),
        budget_cap(300, now_ms, Period.WEEKLY, rule="b2", strict=True),
        budget_cap(20, now_ms, Period.MONTHLY, rule="b3", unit=BudgetUnit.USD),
        concurrency_cap(2, rule="c1"),
    ]


chosen = st.frozensets(st.integers(0, 7), min_size=1)
spends = st.builds(Spend, tokens=st.integers(0, 60), nano_usd=st.integers(0, 5))
history = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 2_000), st.integers(0, 40_000), st.integers(0, 86_400_000)),
        chosen,
        spends,
        st.one_of(st.none(), spends),  # what it used, None: still in flight
    ),
    max_size=40,
)


@dataclass
class Life:
    """A book with a past."""

    book: LimitBook = field(default_factory=restored)
    now_ms: int = MONDAY_MS
    in_flight: list[Reservation] = field(default_factory=list[Reservation])

    def entries(self, wanted: frozenset[int]) -> tuple[Entry, ...]:
        return tuple(entry for i, entry in enumerate(enforced(self.now_ms)) if i in wanted)

    def claim(self, wanted: frozenset[int], estimate: Spend) -> Claim:
        return claim(*self.entries(wanted), tokens=estimate.tokens, nano_usd=estimate.nano_usd)

    def live(self, past: list[tuple[int, frozenset[int], Spend, Spend | None]]) -> None:
        for gap, wanted, estimate, actual in past:
            self.now_ms += gap
            verdict = self.book.admit(self.claim(wanted, estimate), self.now_ms)
            if not isinstance(verdict, Admitted):
                continue
            if actual is None:
                self.in_flight.append(verdict.reservation)
            else:
                self.now_ms += 100
                self.book.settle(verdict.reservation, actual, self.now_ms, self.now_ms)

    def use_up(self, wanted: frozenset[int], estimate: Spend) -> None:
        """Repeat a claim until it is rejected; every other call is still in flight then."""
        for number in range(100):
            verdict = self.book.admit(self.claim(wanted, estimate), self.now_ms)
            if isinstance(verdict, Rejected):
                return
            if number % 2:
                used = Spend(tokens=50, nano_usd=3)
                self.book.settle(verdict.reservation, used, self.now_ms, self.now_ms)
        raise AssertionError("every limit is reached some time")


@given(past=history, wanted=chosen, estimate=spends)
def test_a_client_that_waits_exactly_as_told_is_admitted_unless_calls_in_flight_hold_what_it_needs(
    past: list[tuple[int, frozenset[int], Spend, Spend | None]],
    wanted: frozenset[int],
    estimate: Spend,
) -> None:
    life = Life()
    life.live(past)
    life.use_up(wanted, estimate)
    asked = life.claim(wanted, estimate)
    verdict = life.book.admit(asked, life.now_ms)
    assert isinstance(verdict, Rejected)
    assert verdict.retry_after_ms is not None
    held_in_flight = [
        entry
        for entry, reading in zip(asked.entries, verdict.readings, strict=True)
        if reading.exceeded and (isinstance(entry, LeaseEntry) or reading.reserved)
    ]
    assume(not held_in_flight)
    life.now_ms += verdict.retry_after_ms
    assert isinstance(life.book.admit(life.claim(wanted, estimate), life.now_ms), Admitted)


@pytest.mark.parametrize(
    "entry", [concurrency_cap(1), budget_cap(100, MONDAY_MS, Period.MONTHLY, strict=True)]
)
def test_what_calls_in_flight_hold_is_worth_asking_for_again_soon(entry: Entry) -> None:
    book = restored()
    first = book.admit(claim(entry, tokens=60), MONDAY_MS)
    assert isinstance(first, Admitted)
    second = book.admit(claim(entry, tokens=60), MONDAY_MS)
    assert isinstance(second, Rejected)
    assert second.retry_after_ms == IN_FLIGHT_RETRY_MS
    book.settle(first.reservation, Spend(tokens=1), MONDAY_MS + 1, MONDAY_MS + 1)
    again = book.admit(claim(entry, tokens=60), MONDAY_MS + IN_FLIGHT_RETRY_MS)
    assert isinstance(again, Admitted)


def test_a_budget_that_is_spent_is_not_worth_asking_for_before_its_period_ends() -> None:
    book = restored()
    cap = budget_cap(100, MONDAY_MS, Period.DAILY, strict=True)
    first = book.admit(claim(cap, tokens=60), MONDAY_MS)
    assert isinstance(first, Admitted)
    book.settle(first.reservation, Spend(tokens=60), MONDAY_MS, MONDAY_MS)
    second = book.admit(claim(cap, tokens=41), MONDAY_MS)
    assert isinstance(second, Rejected)
    assert second.retry_after_ms == 14 * 3_600_000


@given(past=history, wanted=chosen, estimate=spends)
def test_a_rejection_counts_nothing_and_names_the_first_entry_that_rejects(
    past: list[tuple[int, frozenset[int], Spend, Spend | None]],
    wanted: frozenset[int],
    estimate: Spend,
) -> None:
    life = Life()
    life.live(past)
    life.use_up(wanted, estimate)
    everything = life.entries(frozenset(range(8)))
    before = life.book.usage(everything, NOBODY, life.now_ms)
    claimed = life.claim(wanted, estimate)
    verdict = life.book.admit(claimed, life.now_ms)
    assert isinstance(verdict, Rejected)
    assert life.book.usage(everything, NOBODY, life.now_ms) == before
    alone = [life.book.usage((entry,), estimate, life.now_ms) for entry in claimed.entries]
    offenders = [index for index, usage in enumerate(alone) if usage.offending is not None]
    assert verdict.offending == offenders[0]
    assert verdict.entry is claimed.entries[offenders[0]]
    assert [reading.exceeded for reading in verdict.readings] == [
        index in offenders for index in range(len(alone))
    ]


@given(past=history, late=st.integers(0, 600_000))
def test_after_any_mix_of_aborts_nothing_is_held(
    past: list[tuple[int, frozenset[int], Spend, Spend | None]], late: int
) -> None:
    life = Life()
    life.live(past)
    for reservation in life.in_flight[::2]:
        life.book.settle(reservation, NOTHING, life.now_ms, life.now_ms)
    life.now_ms += 60_000 + late
    life.book.sweep(1_000, life.now_ms)
    assert life.book.sweep(1_000, life.now_ms) == []
    (lease,) = life.book.usage(life.entries(frozenset({7})), NOBODY, life.now_ms).readings
    assert lease.used == 0


@given(
    calls=st.lists(
        st.tuples(spends, st.sampled_from(["settled", "twice", "failed", "killed"]), spends),
        max_size=25,
    )
)
def test_counters_equal_the_sum_of_what_was_recorded(
    calls: list[tuple[Spend, str, Spend]],
) -> None:
    book, now = restored(), MONDAY_MS
    soft = budget_cap(10**9, now, Period.MONTHLY, rule="soft")
    strict = budget_cap(10**9, now, Period.MONTHLY, rule="strict", strict=True)
    window = tokens_rule(10**9, Window.HOUR, strict=True)
    entries = (soft, strict, window)
    recorded = 0
    for estimate, ending, actual in calls:
        verdict = book.admit(claim(*entries, tokens=estimate.tokens), now)
        assert isinstance(verdict, Admitted)
        match ending:
            case "killed":
                recorded += estimate.tokens
            case "failed":
                book.settle(verdict.reservation, Spend(), now, now)
            case _:
                recorded += actual.tokens
                for _ in range(2 if ending == "twice" else 1):
                    book.settle(verdict.reservation, actual, now, now)
    now += 60_000
    book.sweep(100, now)
    assert [r.used for r in book.usage(entries, NOBODY, now).readings] == [recorded] * 3


@pytest.mark.parametrize("entry", [
    tokens_rule(1_000, strict=True), budget_cap(1_000, MONDAY_MS, strict=True)
])  # fmt: skip
@given(
    calls=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 400)), max_size=30),
)
def test_strict_limits_are_never_passed_together_whatever_is_in_flight(
    entry: Entry, calls: list[tuple[int, int]]
) -> None:
    book, in_flight = restored(), list[tuple[Reservation, int]]()
    for estimate, actual in calls:
        verdict = book.admit(claim(entry, tokens=estimate), MONDAY_MS)
        if isinstance(verdict, Admitted):
            in_flight.append((verdict.reservation, min(actual, estimate)))
        elif in_flight:
            reservation, used = in_flight.pop(0)
            book.settle(reservation, Spend(tokens=used), MONDAY_MS, MONDAY_MS)
        assert book.usage((entry,), NOBODY, MONDAY_MS).readings[0].used <= 1_000


@given(tokens=st.lists(st.integers(0, 500), min_size=1, max_size=20))
def test_a_soft_limit_is_passed_by_one_request_at_most_when_they_come_one_by_one(
    tokens: list[int],
) -> None:
    book, rule = restored(), tokens_rule(1_000)
    used = 0
    for amount in tokens:
        verdict = book.admit(claim(rule), MONDAY_MS)
        assert isinstance(verdict, Admitted) == (used < 1_000)
        if isinstance(verdict, Admitted):
            book.settle(verdict.reservation, Spend(tokens=amount), MONDAY_MS, MONDAY_MS)
            used += amount
    assert book.usage((rule,), NOBODY, MONDAY_MS).readings[0].used == used


def test_settlement_records_usage_above_the_limit() -> None:
    book, rule, cap = restored(), tokens_rule(10), budget_cap(10, MONDAY_MS)
    verdict = book.admit(claim(rule, cap), MONDAY_MS)
    assert isinstance(verdict, Admitted)
    book.settle(verdict.reservation, Spend(tokens=5_000), MONDAY_MS, MONDAY_MS)
    readings = book.usage((rule, cap), NOBODY, MONDAY_MS).readings
    assert [(r.used, r.remaining, r.exceeded) for r in readings] == [(5_000, 0, True)] * 2


def test_a_shadow_entry_counts_and_reports_but_rejects_nothing() -> None:
    book = restored()
    shadow, cap = requests_rule(1, shadow=True), concurrency_cap(0, shadow=True)
    first = book.admit(claim(shadow, cap), MONDAY_MS)
    second = book.admit(claim(shadow, cap), MONDAY_MS)
    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert [(r.used, r.exceeded) for r in first.readings] == [(1, False), (1, True)]
    assert [(r.used, r.exceeded) for r in second.readings] == [(2, True), (2, True)]


def test_a_request_larger_than_a_limit_is_told_that_waiting_does_not_help() -> None:
    verdict = restored().admit(claim(tokens_rule(100, strict=True), tokens=101), MONDAY_MS)
    assert isinstance(verdict, Rejected)
    assert verdict.retry_after_ms is None


def test_a_stream_that_ends_in_the_next_period_is_charged_to_the_one_it_began_in() -> None:
    book = restored()
    midnight = MONDAY_MS + 14 * 3_600_000
    cap = budget_cap(100, midnight - 1, strict=True)
    verdict = book.admit(claim(cap, tokens=40), midnight - 1)
    assert isinstance(verdict, Admitted)
    settled = book.settle(verdict.reservation, Spend(tokens=60), midnight + 5, midnight + 5)
    assert [(c.period.id, c.percent, c.used) for c in settled.crossings] == [("2026-11-23", 50, 60)]
    assert book.usage((cap,), NOBODY, midnight - 1).readings[0].used == 60
    assert book.usage((cap,), NOBODY, midnight + 5).readings[0].used == 0


def test_the_clock_of_the_store_picks_the_period_not_the_callers() -> None:
    book, midnight = restored(), MONDAY_MS + 14 * 3_600_000
    ahead = budget_cap(100, midnight + 60_000)
    verdict = book.admit(claim(ahead), midnight - 1)
    assert isinstance(verdict, Admitted)
    book.settle(verdict.reservation, Spend(tokens=7), midnight - 1, midnight - 1)
    on_time = budget_cap(100, midnight - 1)
    assert book.usage((on_time,), NOBODY, midnight - 1).readings[0].used == 7


def test_an_upstream_error_keeps_the_request_and_a_refusal_before_it_does_not() -> None:
    book, rule = restored(), requests_rule(10)
    for actual in (Spend(requests=1), NOTHING):
        verdict = book.admit(claim(rule), MONDAY_MS)
        assert isinstance(verdict, Admitted)
        book.settle(verdict.reservation, actual, MONDAY_MS, MONDAY_MS)
    assert book.usage((rule,), NOBODY, MONDAY_MS).readings[0].used == 1


def test_what_was_let_through_while_the_store_was_down_is_charged_once_afterwards() -> None:
    book, cap, rule = restored(), budget_cap(100, MONDAY_MS), tokens_rule(100)
    lost = Reservation.unconfirmed(claim(cap, rule, requests_rule(5)), MONDAY_MS)
    later = MONDAY_MS + 10_000
    first = book.settle(lost, Spend(tokens=55), MONDAY_MS + 5_000, later)
    again = book.settle(lost, Spend(tokens=55), MONDAY_MS + 5_000, later)
    assert (first.applied, again.applied) == (True, False)
    assert [c.percent for c in first.crossings] == [50]
    readings = book.usage((cap, rule, requests_rule(5)), NOBODY, later).readings
    assert [r.used for r in readings] == [55, 55, 1]


def test_a_claim_that_arrives_after_its_settlement_counts_nothing() -> None:
    book, rule = restored(), requests_rule(5)
    late = claim(rule)
    book.settle(Reservation.unconfirmed(late, MONDAY_MS), NOTHING, MONDAY_MS, MONDAY_MS)
    with pytest.raises(Conflict):
        book.admit(late, MONDAY_MS + 1)
    assert book.usage((rule,), NOBODY, MONDAY_MS + 1).readings[0].used == 0


def test_a_claim_that_did_arrive_is_settled_by_its_unconfirmed_reservation() -> None:
    book, rule, cap = restored(), tokens_rule(100, strict=True), concurrency_cap(1)
    arrived = claim(rule, cap, tokens=60)
    book.admit(arrived, MONDAY_MS)
    settled = book.settle(
        Reservation.unconfirmed(arrived, MONDAY_MS), Spend(tokens=10), MONDAY_MS, MONDAY_MS
    )
    assert settled.applied
    assert [r.used for r in book.usage((rule, cap), NOBODY, MONDAY_MS).readings] == [10, 0]


def test_a_reservation_outlives_a_wiped_store() -> None:
    old, cap = restored(), budget_cap(100, MONDAY_MS)
    verdict = old.admit(claim(cap), MONDAY_MS)
    assert isinstance(verdict, Admitted)
    wiped = restored(MONDAY_MS + 1)
    ended = MONDAY_MS + 2
    for expected in (True, False):
        settled = wiped.settle(verdict.reservation, Spend(tokens=9), ended, ended)
        assert settled.applied is expected
    assert wiped.usage((cap,), NOBODY, ended).readings[0].used == 9


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_was_over_before_the_budgets_were_restored_comes_from_the_ledger_alone(
    confirmed: bool,
) -> None:
    old, cap, rule = restored(), budget_cap(1_000, MONDAY_MS), tokens_rule(1_000)
    asked = claim(cap, rule)
    verdict = old.admit(asked, MONDAY_MS)
    assert isinstance(verdict, Admitted)
    owed = verdict.reservation if confirmed else Reservation.unconfirmed(asked, MONDAY_MS)
    wiped, epoch_ms = restored(MONDAY_MS + 50), MONDAY_MS + 50
    wiped.restore_budget(cap, cap.periods.at(MONDAY_MS), 100, epoch_ms, epoch_ms)
    later = MONDAY_MS + 60
    settled = wiped.settle(owed, Spend(tokens=100), MONDAY_MS + 5, later)
    assert settled.applied
    assert settled.crossings == ()
    assert [r.used for r in wiped.usage((cap, rule), NOBODY, later).readings] == [100, 100]
    assert not wiped.settle(owed, Spend(tokens=100), MONDAY_MS + 5, later).applied


def test_an_empty_store_admits_nothing_strict_and_fires_nothing_until_restored() -> None:
    book = LimitBook()
    soft, strict = budget_cap(100, MONDAY_MS), budget_cap(100, MONDAY_MS, rule="b2", strict=True)
    rejected = book.admit(claim(soft, strict, tokens=1), MONDAY_MS)
    assert isinstance(rejected, Rejected)
    assert (rejected.offending, rejected.rebuilding) == (1, True)
    admitted = book.admit(claim(soft), MONDAY_MS)
    assert isinstance(admitted, Admitted)
    assert admitted.rebuilding
    settled = book.settle(admitted.reservation, Spend(tokens=60), MONDAY_MS, MONDAY_MS)
    assert settled.crossings == ()
    span = soft.periods.at(MONDAY_MS)
    assert book.restore_budget(soft, span, 25, MONDAY_MS, MONDAY_MS) == 85
    assert not book.mark_restored(MONDAY_MS + 1, MONDAY_MS), "that is another epoch"
    assert book.mark_restored(MONDAY_MS, MONDAY_MS)
    again = book.admit(claim(soft, strict, tokens=1), MONDAY_MS)
    assert isinstance(again, Admitted)
    assert not again.rebuilding
    settled = book.settle(again.reservation, Spend(tokens=11), MONDAY_MS, MONDAY_MS)
    assert [c.percent for c in settled.crossings] == [95], "85 of 100 are told by what restores"


def test_a_heartbeat_keeps_a_long_stream_and_its_lease_alive() -> None:
    book, cap = restored(), concurrency_cap(1)
    verdict = book.admit(claim(cap, lifetime_ms=30_000), MONDAY_MS)
    assert isinstance(verdict, Admitted)
    assert book.extend(verdict.reservation, 30_000, MONDAY_MS + 20_000)
    assert book.sweep(10, MONDAY_MS + 40_000) == []
    assert isinstance(book.admit(claim(cap), MONDAY_MS + 40_000), Rejected)
    (abandoned,) = book.sweep(10, MONDAY_MS + 50_000)
    assert abandoned.reservation == verdict.reservation
    assert abandoned.context == b"\x00context"
    assert not book.extend(verdict.reservation, 30_000, MONDAY_MS + 50_001)
    assert isinstance(book.admit(claim(cap), MONDAY_MS + 50_001), Admitted)


def test_a_clock_step_back_does_not_hold_a_dead_lease_for_its_length() -> None:
    book, cap = restored(), concurrency_cap(1)
    book.admit(claim(cap), MONDAY_MS)
    yesterday = MONDAY_MS - 86_400_000
    assert book.sweep(10, yesterday) == []
    assert isinstance(book.admit(claim(cap), yesterday), Rejected)
    assert len(book.sweep(10, yesterday + LONGEST_LIFETIME_MS)) == 1
    assert isinstance(book.admit(claim(cap), yesterday + LONGEST_LIFETIME_MS), Admitted)


@pytest.mark.parametrize(
    ("limit", "replicas", "share"), [(100, 4, 25), (10, 4, 2), (3, 4, 1), (0, 4, 0), (7, 0, 7)]
)
def test_a_replicas_share_is_rounded_down_but_not_to_nothing(
    limit: int, replicas: int, share: int
) -> None:
    entries = (requests_rule(limit), budget_cap(limit, MONDAY_MS), concurrency_cap(limit))
    shares = share_of(entries, replicas)
    assert [entry.limit for entry in shares] == [share] * 3
    assert [entry.label for entry in shares] == [entry.label for entry in entries]


def test_a_reservation_id_is_used_once() -> None:
    book, once = restored(), claim(requests_rule(5))
    book.admit(once, MONDAY_MS)
    with pytest.raises(Conflict):
        book.admit(once, MONDAY_MS)


def test_reset_forgets_use_but_not_alerts() -> None:
    book, rule, cap = restored(), requests_rule(1), budget_cap(100, MONDAY_MS)
    for now, expected in ((MONDAY_MS, [50, 80, 95, 100]), (MONDAY_MS + 1, [])):
        verdict = book.admit(claim(rule, cap), now)
        assert isinstance(verdict, Admitted)
        settled = book.settle(verdict.reservation, Spend(tokens=100), now, now)
        assert [c.percent for c in settled.crossings] == expected
        book.reset((rule, cap), now, now)
        assert [r.used for r in book.usage((rule, cap), NOBODY, now).readings] == [0, 0]
        epoch_ms = book.begin(now).at_ms
        assert book.restore_budget(cap, cap.periods.at(now), 100, epoch_ms, now) == 0


def test_pruning_changes_no_answer() -> None:
    life = Life()
    everything = frozenset(range(8))
    life.live(
        [(1_000, everything, Spend(tokens=30, nano_usd=2), Spend(tokens=9)) for _ in range(5)]
    )
    entries = life.entries(everything)
    before = life.book.usage(entries, NOBODY, life.now_ms)
    life.book.prune(life.now_ms)
    assert life.book.usage(entries, NOBODY, life.now_ms) == before
    life.book.prune(life.now_ms + 60 * KEEP_MS)
    assert life.book == restored()
