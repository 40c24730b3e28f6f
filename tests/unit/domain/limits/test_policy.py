"""Which limits bind a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from domain.identifiers import ApiKeyId, LineageId, ModelId, ProviderId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState
from domain.limits.amounts import Spend
from domain.limits.book import LimitBook
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import BudgetEntry
from domain.limits.explanation import explain, tightest
from domain.limits.overrides import LONGEST_MS, Override, OverrideAction
from domain.limits.periods import Period
from domain.limits.policy import MOST_BINDINGS, LimitPolicy
from domain.limits.reservations import Admitted, Rejected
from domain.limits.rules import (
    BudgetCap,
    ConcurrencyCap,
    Enforcement,
    Holder,
    HolderKind,
    Limit,
    Metric,
    Mode,
    WindowRule,
)
from domain.limits.windows import Window
from domain.subjects import PLATFORM, Subject, SubjectChain, SubjectKind
from tests.support.limits import MONDAY_MS, claim

AI, MCP = Surface.AI_GATEWAY, Surface.MCP_GATEWAY
U1 = Subject(SubjectKind.USER, "u1")


def caller(key: str = "k1", lineage: str = "l1", user: str | None = "u1") -> Caller:
    return Caller(
        key_id=ApiKeyId(key),
        lineage_id=LineageId(lineage),
        key_name=key,
        state=KeyState.ACTIVE,
        surfaces=frozenset({AI}),
        user_id=None if user is None else UserId(user),
        team_ids=(TeamId("t2"), TeamId("t1")),
    )


def chain(key: str = "k1", lineage: str = "l1", **more: tuple[str, ...]) -> SubjectChain:
    return SubjectChain.for_inference(
        caller(key, lineage),
        model=ModelId("m1"),
        provider=ProviderId("p1"),
        roles=more.get("roles", ()),
    )


def rule(
    kind: HolderKind,
    holder: str,
    limit: int = 5,
    *,
    name: str,
    surface: Surface = AI,
    metric: Metric = Metric.REQUESTS,
    window: Window = Window.MINUTE,
    enabled: bool = True,
    mode: Mode = Mode.ENFORCE,
) -> WindowRule:
    return WindowRule(
        id=name, holder=Holder(kind, holder), surface=surface, metric=metric, window=window,
        limit=limit, enabled=enabled, mode=mode,
    )  # fmt: skip


def override(
    action: OverrideAction,
    limit: int,
    *,
    until_ms: int | None = MONDAY_MS + 1_000,
    limit_id: str = "r1",
    name: str = "o1",
    set_at_ms: int = MONDAY_MS,
) -> Override:
    return Override(
        id=name, limit_id=limit_id, subject=U1, action=action, limit=limit, set_by="ada",
        reason="launch", set_at_ms=set_at_ms, until_ms=until_ms,
    )  # fmt: skip


def labels(policy: LimitPolicy, of: SubjectChain | None = None, surface: Surface = AI) -> list[str]:
    return [entry.label for entry in policy.bind(of or chain(), surface, MONDAY_MS).entries]


EVERY_SUBJECT: tuple[Limit, ...] = (
    rule(HolderKind.PLATFORM, "platform", name="1"),
    rule(HolderKind.PROVIDER, "p1", name="2", window=Window.HOUR),
    rule(HolderKind.MODEL, "m1", name="3"),
    rule(HolderKind.TEAM, "t1", name="4"),
    rule(HolderKind.TEAM, "t2", name="5"),
    rule(HolderKind.USER, "u1", name="6", metric=Metric.TOKENS, window=Window.DAY),
    rule(HolderKind.USER, "u1", name="7", window=Window.WEEK),
    rule(HolderKind.USER, "u1", name="8"),
    rule(HolderKind.API_KEY, "l1", name="9"),
    BudgetCap(id="a", holder=Holder(HolderKind.TEAM, "t1"), period=Period.MONTHLY, limit=9),
    BudgetCap(id="b", holder=Holder(HolderKind.USER, "u1"), period=Period.DAILY, limit=9),
    ConcurrencyCap(id="c", holder=Holder(HolderKind.USER, "u1"), surface=AI, limit=2),
    rule(HolderKind.USER, "someone else", name="d"),
    rule(HolderKind.USER, "u1", name="e", enabled=False),
    rule(HolderKind.USER, "u1", name="f", surface=MCP),
)


def test_every_limit_of_every_subject_binds_in_a_stable_order() -> None:
    expected = [
        "api_key:requests/1m",
        "user:requests/1m",
        "user:requests/1w",
        "user:tokens/1d",
        "user:budget/daily",
        "user:concurrency",
        "team:requests/1m",
        "team:budget/monthly",
        "team:requests/1m",
        "model:requests/1m",
        "provider:requests/1h",
        "platform:requests/1m",
    ]
    assert labels(LimitPolicy(EVERY_SUBJECT)) == expected
    assert labels(LimitPolicy(reversed(EVERY_SUBJECT))) == expected


def test_mcp_traffic_is_bound_by_its_own_rules_and_no_budget() -> None:
    of = SubjectChain.for_mcp(caller(), server="s1")
    limits = (*EVERY_SUBJECT, rule(HolderKind.MCP_SERVER, "s1", name="s", surface=MCP))
    assert labels(LimitPolicy(limits), of, MCP) == ["user:requests/1m", "mcp_server:requests/1m"]


def test_a_provider_checked_per_attempt_is_the_only_subject_of_its_chain() -> None:
    of = SubjectChain.for_attempt(provider=ProviderId("p1"))
    assert labels(LimitPolicy(EVERY_SUBJECT), of) == ["provider:requests/1h"]


def test_another_model_that_serves_is_checked_with_the_provider_of_the_attempt() -> None:
    of = SubjectChain.for_attempt(provider=ProviderId("p1"), model=ModelId("m1"))
    assert labels(LimitPolicy(EVERY_SUBJECT), of) == ["model:requests/1m", "provider:requests/1h"]


def test_defaults_bind_each_member_with_a_counter_of_his_own() -> None:
    policy = LimitPolicy(
        [
            rule(HolderKind.TEAM_MEMBERS, "t1", name="team-default"),
            rule(HolderKind.ROLE_MEMBERS, "developer", name="role-default"),
            rule(HolderKind.ROLE_MEMBERS, "auditor", name="other-role"),
            rule(HolderKind.TEAM, "t1", name="shared"),
        ]
    )
    counters: list[set[str]] = []
    for user in ("u1", "u2"):
        of = SubjectChain.for_inference(
            caller(user=user), model=ModelId("m1"), roles=("developer",)
        )
        binding = policy.bind(of, AI, MONDAY_MS)
        assert [
            (e.label, s.kind) for e, s in zip(binding.entries, binding.sources, strict=True)
        ] == [
            ("user:requests/1m", "role_default"),
            ("user:requests/1m", "team_default"),
            ("team:requests/1m", "own"),
        ]
        counters.append({e.counter for e in binding.entries})
    assert len(counters[0] & counters[1]) == 1


def test_a_key_without_an_owner_has_no_member_defaults() -> None:
    policy = LimitPolicy(
        [rule(HolderKind.TEAM_MEMBERS, "t1", name="d"), rule(HolderKind.TEAM, "t1", name="s")]
    )
    of = SubjectChain.for_inference(caller(user=None), model=ModelId("m1"))
    assert labels(policy, of) == ["team:requests/1m"]


def test_counters_follow_lineage_rule_and_slot_but_not_the_value() -> None:
    def counter(limit: Limit, of: SubjectChain) -> str:
        (entry,) = LimitPolicy([limit]).bind(of, AI, MONDAY_MS).entries
        return entry.counter

    first = rule(HolderKind.API_KEY, "l1", 5, name="r1")
    assert counter(first, chain("k1")) == counter(first, chain("k2 after rotation"))
    assert counter(first, chain()) == counter(
        rule(HolderKind.API_KEY, "l1", 50, name="r1"), chain()
    )
    others = [
        rule(HolderKind.API_KEY, "l1", 5, name="r2"),
        rule(HolderKind.API_KEY, "l1", 5, name="r1", window=Window.HOUR),
        rule(HolderKind.API_KEY, "l1", 5, name="r1", metric=Metric.TOKENS),
        rule(HolderKind.USER, "u1", 5, name="r1"),
    ]
    every = {counter(first, chain()), *(counter(other, chain()) for other in others)}
    assert len(every) == 5
    assert counter(first, chain()) != counter(
        rule(HolderKind.API_KEY, "l2", name="r1"), chain(lineage="l2")
    )


def test_a_replacing_override_may_loosen_until_it_ends() -> None:
    policy = LimitPolicy(
        [rule(HolderKind.USER, "u1", 5, name="r1")], [override(OverrideAction.REPLACE, 500)]
    )
    binding = policy.bind(chain(), AI, MONDAY_MS)
    assert (binding.entries[0].limit, binding.sources[0].kind) == (500, "override")
    assert binding.sources[0].configured == 5
    assert binding.valid_until_ms == MONDAY_MS + 1_000
    after = policy.bind(chain(), AI, MONDAY_MS + 1_000)
    assert (after.entries[0].limit, after.sources[0].kind) == (5, "own")
    assert after.entries[0].counter == binding.entries[0].counter


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([override(OverrideAction.TIGHTEN, 3, until_ms=None)], 3),
        ([override(OverrideAction.TIGHTEN, 30)], 5),
        ([override(OverrideAction.REPLACE, 50), override(OverrideAction.TIGHTEN, 9, name="o2")], 9),
        (
            [
                override(OverrideAction.REPLACE, 50),
                override(OverrideAction.REPLACE, 7, name="o2", set_at_ms=MONDAY_MS - 1),
            ],
            50,
        ),
        ([override(OverrideAction.REPLACE, 50, limit_id="another")], 5),
    ],
)
def test_overrides_combine_to_the_strictest_over_the_newest_replacement(
    overrides: list[Override], expected: int
) -> None:
    policy = LimitPolicy([rule(HolderKind.ROLE_MEMBERS, "dev", 5, name="r1")], overrides)
    binding = policy.bind(chain(roles=("dev",)), AI, MONDAY_MS)
    assert [entry.limit for entry in binding.entries] == [expected]


@pytest.mark.parametrize(
    "wrong",
    [{"reason": " "}, {"until_ms": None}, {"until_ms": MONDAY_MS}, {"until_ms": MONDAY_MS + LONGEST_MS + 1},
     {"limit": -1}],
)  # fmt: skip
def test_an_override_needs_a_reason_and_an_end_within_ninety_days(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "id": "o1", "limit_id": "r1", "subject": U1, "action": OverrideAction.REPLACE, "limit": 1,
        "set_by": "ada", "reason": "launch", "set_at_ms": MONDAY_MS, "until_ms": MONDAY_MS + 5,
    }  # fmt: skip
    Override(**fields)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidRequest):
        Override(**{**fields, **wrong})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "build",
    [
        lambda: rule(HolderKind.MODEL, "m1", name="x", surface=MCP),
        lambda: rule(HolderKind.MCP_SERVER, "s1", name="x"),
        lambda: rule(HolderKind.USER, "u1", name="x", surface=MCP, metric=Metric.TOKENS),
        lambda: rule(HolderKind.USER, "u1", name="x", surface=Surface.CONSOLE),
        lambda: rule(HolderKind.USER, "u1", -1, name="x"),
        lambda: rule(HolderKind.USER, "u1", 2**53, name="x"),
        lambda: WindowRule(id="x", holder=Holder(HolderKind.USER, "u1"), surface=AI, limit=1,
                           metric=Metric.REQUESTS, window=Window.HOUR,
                           enforcement=Enforcement.STRICT),
        lambda: BudgetCap(id="x", holder=Holder(HolderKind.MCP_SERVER, "s1"),
                          period=Period.DAILY, limit=1),
        lambda: BudgetCap(id="x", holder=Holder(HolderKind.USER, "u1"), period=Period.DAILY,
                          limit=1, timezone="Mars/Olympus"),
        lambda: LimitPolicy([rule(HolderKind.USER, "u1", name="x"), rule(HolderKind.USER, "u2", name="x")]),
    ],
)  # fmt: skip
def test_a_limit_without_meaning_is_refused(build: object) -> None:
    with pytest.raises(InvalidRequest):
        build()  # pyright: ignore[reportCallIssue]


def test_a_binding_is_the_same_object_until_the_periods_change() -> None:
    cap = BudgetCap(id="b", holder=Holder(HolderKind.USER, "u1"), period=Period.DAILY, limit=9,
                    unit=BudgetUnit.USD, timezone="Asia/Kathmandu")  # fmt: skip
    policy = LimitPolicy([cap])
    first = policy.bind(chain(), AI, MONDAY_MS)
    assert policy.bind(chain(), AI, first.valid_until_ms - 1).entries is first.entries
    later = policy.bind(chain(), AI, first.valid_until_ms)
    assert later.valid_until_ms > first.valid_until_ms
    entry, before = later.entries[0], first.entries[0]
    assert isinstance(entry, BudgetEntry)
    assert isinstance(before, BudgetEntry)
    assert entry.periods.before == before.periods.after
    assert entry.counter == before.counter


def test_bindings_do_not_pile_up() -> None:
    policy = LimitPolicy(EVERY_SUBJECT)
    first = policy.bind(chain(), AI, MONDAY_MS)
    for number in range(MOST_BINDINGS):
        policy.bind(chain(lineage=f"other-{number}"), AI, MONDAY_MS)
    again = policy.bind(chain(), AI, MONDAY_MS)
    assert again == first
    assert again is not first


def test_the_sixty_first_request_in_a_minute_names_its_rule_and_counts_nowhere() -> None:
    policy = LimitPolicy(
        [
            rule(HolderKind.USER, "u1", 60, name="r1"),
            rule(
                HolderKind.USER, "u1", 1_000_000, name="r2", metric=Metric.TOKENS, window=Window.DAY
            ),
            BudgetCap(
                id="b",
                holder=Holder(HolderKind.USER, "u1"),
                period=Period.MONTHLY,
                limit=20_000_000,
            ),
            rule(HolderKind.PROVIDER, "p1", 100_000, name="r3", window=Window.HOUR),
        ]
    )
    book = LimitBook()
    for number in range(60):
        binding = policy.bind(chain(), AI, MONDAY_MS + number)
        verdict = book.admit(claim(*binding.entries), MONDAY_MS + number)
        assert isinstance(verdict, Admitted)
        requests = tightest(binding.entries, verdict.readings, Metric.REQUESTS)
        assert requests is not None
        assert (requests.limit, requests.remaining) == (60, 59 - number)
    binding = policy.bind(chain(), AI, MONDAY_MS + 60)
    verdict = book.admit(claim(*binding.entries), MONDAY_MS + 60)
    assert isinstance(verdict, Rejected)
    assert verdict.entry.label == "user:requests/1m"
    assert [reading.used for reading in verdict.readings] == [60, 0, 0, 60]


def test_the_explanation_says_why_and_counts_nothing() -> None:
    policy = LimitPolicy(EVERY_SUBJECT, [override(OverrideAction.TIGHTEN, 0, limit_id="7")])
    binding, book = policy.bind(chain(), AI, MONDAY_MS), LimitBook()
    usage = book.usage(binding.entries, Spend(), MONDAY_MS)
    told = explain(binding, usage)
    assert told.rejected_by == "user:requests/1w"
    assert told.retry_after_ms is None
    assert len(told.limits) == 12
    assert [each.source.overrides[0].set_by for each in told.limits if each.source.overrides] == [
        "ada"
    ]
    assert [each.reading.used for each in told.limits] == [0] * 12
    assert book.usage(binding.entries, Spend(), MONDAY_MS) == usage


def test_headers_come_from_the_enforced_window_with_the_least_left() -> None:
    limits = [
        rule(HolderKind.USER, "u1", 10, name="a"),
        rule(HolderKind.USER, "u1", 7, name="b", window=Window.HOUR),
        rule(HolderKind.USER, "u1", 3, name="c", window=Window.DAY, mode=Mode.SHADOW),
    ]
    binding = LimitPolicy(limits).bind(chain(), AI, MONDAY_MS)
    readings = LimitBook().usage(binding.entries, Spend(), MONDAY_MS).readings
    found = tightest(binding.entries, readings, Metric.REQUESTS)
    assert found is not None
    assert found.limit == 7
    assert tightest(binding.entries, readings, Metric.TOKENS) is None


@given(teams=st.permutations(["t3", "t1", "t2", "t1"]), roles=st.permutations(["b", "a", "a"]))
def test_chains_do_not_depend_on_the_order_in_which_things_were_found(
    teams: list[str], roles: list[str]
) -> None:
    person = Caller(
        key_id=ApiKeyId("k"), lineage_id=LineageId("l"), key_name="k", state=KeyState.ACTIVE,
        surfaces=frozenset({AI}), team_ids=tuple(TeamId(t) for t in teams),
    )  # fmt: skip
    made = SubjectChain.for_inference(person, model=ModelId("m"), roles=tuple(roles))
    assert made.teams == ("t1", "t2", "t3")
    assert made.roles == ("a", "b")
    assert made.subjects[-1] == PLATFORM
