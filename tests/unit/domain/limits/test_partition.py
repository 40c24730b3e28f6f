"""Whatever is lost and whenever it is noticed, each request is in its budget once."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from domain.limits.amounts import Spend
from domain.limits.book import LimitBook
from domain.limits.periods import Period
from domain.limits.reservations import Admitted, Reservation
from tests.support.limits import MONDAY_MS, budget_cap, claim

NOBODY = Spend(requests=0)


class Request(Struct, frozen=True):
    """Times in milliseconds; `behind` is how far the clock of its process is behind the store's.

    (Of one that is ahead, a wipe takes what ended within that lead: nobody can tell it apart.)
    """

    begins: int
    takes: int
    settles_after: int
    recorded_after: int
    behind: int
    tokens: int
    confirmed: bool


requests = st.builds(
    Request,
    begins=st.integers(0, 30),
    takes=st.integers(0, 15),
    settles_after=st.integers(0, 12),
    recorded_after=st.integers(0, 20),
    behind=st.sampled_from([0, 0, 0, 9]),
    tokens=st.integers(1, 50),
    confirmed=st.booleans(),
)


@given(
    calls=st.lists(requests, max_size=8),
    wipes=st.lists(st.integers(0, 45), max_size=2),
    looks=st.lists(st.integers(0, 60), max_size=4),
    counts_from=st.sampled_from([0, 0, 20]),
)
def test_a_budget_is_the_sum_of_all_requests_once_records_have_arrived(
    calls: list[Request], wipes: list[int], looks: list[int], counts_from: int
) -> None:
    cap = budget_cap(10**9, MONDAY_MS, Period.MONTHLY, counts_from_ms=MONDAY_MS + counts_from)
    span = cap.periods.at(MONDAY_MS)
    held: dict[int, Reservation] = {}
    book = LimitBook()

    def look(now: int) -> None:
        until = max(book.begin(now).at_ms, cap.counts_from_ms)
        total = sum(
            call.tokens
            for call in calls
            if call.begins + call.takes + call.recorded_after <= now - MONDAY_MS
            and MONDAY_MS + call.begins + call.takes - call.behind < until
        )
        book.restore_budget(cap, span, total, until, now)

    for instant in range(80):
        now = MONDAY_MS + instant
        if instant in wipes:
            book = LimitBook()
        for number, call in enumerate(calls):
            wish = claim(cap)
            if instant == call.begins:
                verdict = book.admit(wish, now)
                assert isinstance(verdict, Admitted)
                lost = Reservation.unconfirmed(wish, now)
                held[number] = verdict.reservation if call.confirmed else lost
            ends = call.begins + call.takes
            if instant == ends + call.settles_after:
                book.settle(
                    held[number], Spend(tokens=call.tokens), MONDAY_MS + ends - call.behind, now
                )
        if instant in looks:
            look(now)
    look(MONDAY_MS + 80)
    used = book.usage((cap,), NOBODY, MONDAY_MS + 80).readings[0].used
    assert used == sum(call.tokens for call in calls)
